//! Who may read the board and send records: the token, its cookie, and the names under which the board is asked for.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use http::header::{AUTHORIZATION, COOKIE, HOST};
use http::{HeaderMap, Method, Uri};
use meshcheck_bundle::sha256_hex;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The shortest token, in characters. A shorter one can be guessed.
const SHORTEST: usize = 16;

/// The longest file of a token, in bytes.
const LONGEST: u64 = 4096;

/// How many random bytes a token is made of.
const RANDOM: usize = 32;

/// The secret that readers and machines show. It is never printed with `{:?}`.
#[derive(Clone)]
pub(crate) struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Token")
    }
}

impl Token {
    /// Makes a token that nobody can guess.
    ///
    /// # Errors
    ///
    /// When the system has no random numbers.
    pub(crate) fn random() -> io::Result<Self> {
        random_hex().map(Self)
    }

    /// Checks a text that is to be a token.
    ///
    /// # Errors
    ///
    /// Why it is none. The reason does not contain the text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() < SHORTEST {
            return Err(format!("it has fewer than {SHORTEST} characters"));
        }
        let is_plain = |it: char| it.is_ascii_alphanumeric() || "-._~+/=".contains(it);
        if !text.chars().all(is_plain) {
            return Err("it has a character beyond letters, digits and -._~+/=".into());
        }
        Ok(Self(text.to_owned()))
    }

    /// Reads the token in a file.
    ///
    /// # Errors
    ///
    /// Why there is none. The reason does not contain the file's text.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let read = || {
            let mut text = String::new();
            File::open(path)?.take(LONGEST).read_to_string(&mut text).map(|_| text)
        };
        let text = read().map_err(|error| crate::text::io_reason(&error))?;
        Self::parse(&text)
    }

    /// Returns its text.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Whether a text is this token, in a time that says nothing about it.
    fn is(&self, text: &str) -> bool {
        is_equal(&self.0, text)
    }

    /// Returns the value of the cookie of a reader. The token does not follow from it, and a new start keeps it.
    fn cookie(&self) -> String {
        sha256_hex(format!("meshcheck board\n{}", self.0).as_bytes())
    }
}

/// Compares digests of two texts: so neither their content nor their length shows in the time.
fn is_equal(one: &str, other: &str) -> bool {
    Sha256::digest(one).ct_eq(&Sha256::digest(other)).into()
}

/// Returns a text that nobody can guess: hexadecimal digits.
///
/// # Errors
///
/// When the system has none.
pub(super) fn random_hex() -> io::Result<String> {
    let mut bytes = [0; RANDOM];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(sha256_hex(&bytes))
}

/// What a request may do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// What it asks for.
    Granted,
    /// To get this cookie, and to ask again without the token in the address.
    Exchange(String),
    /// Nothing: it asks under a name that is not this machine's.
    WrongHost,
    /// Nothing: it has no token, or another one.
    NoToken,
}

/// Decides who may do what.
#[derive(Debug)]
pub(crate) struct Guard {
    token: Token,
    address: SocketAddr,
}

impl Guard {
    /// For a board that listens on this address.
    pub(crate) fn new(token: Token, address: SocketAddr) -> Self {
        Self { token, address }
    }

    /// Decides on a request. Reading on loopback is open to this machine; all else needs the token.
    pub(super) fn access(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Access {
        let is_loopback = self.address.ip().is_loopback();
        // A page of the internet may have a name that leads here: the browser then sends that name.
        if is_loopback && !has_local_host(headers) {
            return Access::WrongHost;
        }
        let text = |name| headers.get(name).and_then(|it: &http::HeaderValue| it.to_str().ok());
        if text(AUTHORIZATION).and_then(bearer).is_some_and(|token| self.token.is(token)) {
            return Access::Granted;
        }
        let is_reading = [Method::GET, Method::HEAD].contains(method);
        if !is_reading {
            return Access::NoToken;
        }
        if uri.path() == "/"
            && let Some(token) = uri.query().and_then(|query| value(query, '&', "token"))
        {
            if !self.token.is(token) {
                return Access::NoToken;
            }
            let (name, value) = (self.cookie_name(), self.token.cookie());
            return Access::Exchange(format!("{name}={value}; HttpOnly; SameSite=Strict; Path=/"));
        }
        let cookies = headers.get_all(COOKIE).iter().filter_map(|it| it.to_str().ok());
        let mut cookies = cookies.filter_map(|it| value(it, ';', &self.cookie_name()));
        if is_loopback || cookies.any(|it| is_equal(&self.token.cookie(), it)) {
            return Access::Granted;
        }
        Access::NoToken
    }

    /// Cookies know no ports: each board of a machine has its own name.
    fn cookie_name(&self) -> String {
        format!("meshcheck-{}", self.address.port())
    }
}

fn bearer(text: &str) -> Option<&str> {
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Returns the value of a name in `name=value` pairs.
fn value<'t>(text: &'t str, separator: char, name: &str) -> Option<&'t str> {
    let mut pairs = text.split(separator).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(it, _)| *it == name).map(|(_, value)| value)
}

/// Whether a request names this machine as itself: `localhost`, `127.0.0.1` or `[::1]`, with any port.
fn has_local_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(Ok(host)), None) = (hosts.next().map(http::HeaderValue::to_str), hosts.next()) else {
        return false;
    };
    let Ok(host) = host.parse::<http::uri::Authority>() else { return false };
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|it: IpAddr| it.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const TOKEN: &str = "0123456789abcdefghij";

    fn access(address: &str, request: http::request::Builder) -> Access {
        let guard = Guard::new(Token::parse(TOKEN).unwrap(), address.parse().unwrap());
        let request = request.body(()).unwrap();
        guard.access(request.method(), request.uri(), request.headers())
    }

    fn get(uri: &str) -> http::request::Builder {
        http::Request::get(uri).header("host", "127.0.0.1:8080")
    }

    #[rstest]
    #[case("localhost", Access::Granted)]
    #[case("LOCALHOST:99", Access::Granted)]
    #[case("127.0.0.1:8080", Access::Granted)]
    #[case("[::1]:8080", Access::Granted)]
    #[case("evil.example", Access::WrongHost)]
    #[case("localhost.evil.example", Access::WrongHost)]
    #[case("127.0.0.1.evil.example", Access::WrongHost)]
    #[case("evil@localhost.example", Access::WrongHost)]
    #[case("192.0.2.1", Access::WrongHost)]
    #[case("", Access::WrongHost)]
    fn loopback_is_asked_for_by_its_own_names(#[case] host: &str, #[case] expected: Access) {
        let request = http::Request::get("/").header("host", host);
        assert_eq!(access("127.0.0.1:8080", request), expected);
    }

    #[test]
    fn request_without_a_host_or_with_two_is_refused() {
        assert_eq!(access("127.0.0.1:1", http::Request::get("/")), Access::WrongHost);
        let request = get("/").header("host", "evil.example");
        assert_eq!(access("127.0.0.1:1", request), Access::WrongHost);
    }

    #[rstest]
    #[case::none("/", Access::NoToken)]
    #[case::empty("/?token=", Access::NoToken)]
    #[case::guessed("/?token=0123456789abcdefghik", Access::NoToken)]
    #[case::shorter("/?token=0123456789abcdefghi", Access::NoToken)]
    #[case::elsewhere("/events?token=0123456789abcdefghij", Access::NoToken)]
    fn other_address_needs_the_token(#[case] uri: &str, #[case] expected: Access) {
        assert_eq!(access("192.0.2.1:8080", get(uri)), expected);
    }

    #[test]
    fn token_is_exchanged_for_a_cookie_that_is_not_the_token() {
        let Access::Exchange(cookie) =
            access("192.0.2.1:8080", get(&format!("/?v=1&token={TOKEN}")))
        else {
            panic!("no cookie");
        };
        assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/"), "{cookie}");
        assert!(cookie.starts_with("meshcheck-8080=") && !cookie.contains(TOKEN), "{cookie}");
        let pair = cookie.split(';').next().unwrap();
        let with = |pair: &str| get("/events").header("cookie", format!("other=1; {pair}"));
        assert_eq!(access("192.0.2.1:8080", with(pair)), Access::Granted);
        assert_eq!(access("192.0.2.1:8080", with(&pair[..pair.len() - 1])), Access::NoToken);
        assert_eq!(access("192.0.2.1:8081", with(pair)), Access::NoToken, "another board's");
    }

    #[rstest]
    #[case::loopback("127.0.0.1:8080")]
    #[case::other("192.0.2.1:8080")]
    fn sending_needs_the_token_itself_everywhere(#[case] address: &str) {
        let put = || http::Request::put("/records/vm1").header("host", "localhost");
        let cookie = format!("meshcheck-8080={}", Token::parse(TOKEN).unwrap().cookie());
        assert_eq!(access(address, put()), Access::NoToken);
        assert_eq!(access(address, put().header("cookie", cookie)), Access::NoToken);
        let bearer = |token: &str| put().header("authorization", format!("Bearer {token}"));
        assert_eq!(access(address, bearer("0123456789abcdefghix")), Access::NoToken);
        assert_eq!(access(address, bearer(TOKEN)), Access::Granted);
        let request = http::Request::put(format!("/?token={TOKEN}")).header("host", "localhost");
        assert_eq!(access(address, request), Access::NoToken);
    }

    #[rstest]
    #[case::short("0123456789abcde")]
    #[case::space("0123456789 abcdefgh")]
    #[case::line("0123456789\nabcdefgh")]
    #[case::other("0123456789abcdefghé")]
    fn text_that_is_no_token_is_refused_without_its_content(#[case] text: &str) {
        let reason = Token::parse(text).unwrap_err();
        assert!(!reason.contains("0123"), "{reason}");
    }

    #[test]
    fn token_stays_out_of_debug_output() {
        assert_eq!(format!("{:?}", Token::parse(TOKEN).unwrap()), "Token");
        let [one, other] = [Token::random().unwrap(), Token::random().unwrap()];
        assert!(one.text().len() == 64 && one.text() != other.text());
        assert!(Token::parse(one.text()).is_ok());
    }
}
