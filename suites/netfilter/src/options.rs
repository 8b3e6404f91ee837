//! Parses the options of a rule.

use std::net::IpAddr;

use super::rules::{AddressKind, Match, Network, Protocol, Side, Target};
use super::targets::jump;
use super::text::{join_quoted, parse_value_and_mask};

/// Whether an option belongs to no module, and ends the options of the one before.
fn is_generic(word: &str) -> bool {
    matches!(
        word,
        "-p" | "--protocol"
            | "-s"
            | "--source"
            | "--src"
            | "-d"
            | "--destination"
            | "--dst"
            | "-i"
            | "--in-interface"
            | "-o"
            | "--out-interface"
            | "-m"
            | "--match"
            | "-j"
            | "--jump"
            | "-g"
            | "--goto"
            | "-f"
            | "--fragment"
            | "-c"
            | "--set-counters"
            | "-4"
            | "-6"
    )
}

/// Whether a chain, a target or an interface can have this name.
/// Source: `assert_valid_chain_name` in iptables' `xshared.c`.
pub(super) fn is_name(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with(['-', '!'])
        && word.chars().all(|it| !it.is_whitespace() && !it.is_control() && it != '"')
}

/// Whether an option can have this name, without its first hyphen. Hyphens alone are no name.
fn is_option(name: &str) -> bool {
    name.chars().all(|it| it.is_ascii_alphanumeric() || it == '-') && name.contains(|it| it != '-')
}

pub(super) type Conditions = (Vec<Match>, Option<Target>);

/// Parses the conditions of a rule, and its target.
pub(super) fn conditions(words: &[String]) -> Result<Conditions, &'static str> {
    let mut matches = Vec::new();
    let mut target = None;
    let mut module = String::new();
    let mut rest = words;
    while let Some((first, more)) = rest.split_first() {
        let (mut not, option, mut after) = match first.as_str() {
            "!" => {
                let (option, after) = more.split_first().ok_or("it ends with `!`")?;
                (true, option.as_str(), after)
            }
            option => (false, option, more),
        };
        // The old position of a negation is after the option. Before another option it belongs to that one.
        if let [bang, value, ..] = after
            && bang == "!"
            && !value.starts_with('-')
        {
            if not {
                return Err("it is negated twice");
            }
            not = true;
            after = &after[1..];
        }
        let value = after.first().map(String::as_str);
        let missing = "an option has no value";
        match option {
            "-m" | "--match" | "-c" | "--set-counters" if not => {
                return Err("it cannot be negated");
            }
            "-m" | "--match" => {
                let name = value.ok_or(missing)?;
                if !is_name(name) {
                    return Err("expected a module");
                }
                name.clone_into(&mut module);
                after = &after[1..];
                if !KNOWN_MODULES.contains(&module.as_str()) {
                    let (own, after_own) = own_words(after);
                    matches.push(Match::Unknown(join_quoted("-m", &module, own)));
                    rest = after_own;
                    continue;
                }
            }
            "-j" | "--jump" | "-g" | "--goto" => {
                let name = value.ok_or(missing)?;
                if not || !is_name(name) {
                    return Err("expected a target");
                }
                if target.is_some() {
                    return Err("it has a second target");
                }
                let (own, after_own) = own_words(&after[1..]);
                target = Some(if option.contains('g') {
                    Target::Goto(name.to_owned())
                } else {
                    jump(name, own)
                });
                rest = after_own;
                continue;
            }
            "-c" | "--set-counters" => after = after.get(2..).ok_or(missing)?,
            "-4" => {}
            "-f" | "--fragment" | "-6" => {
                matches.push(Match::Unknown(format!("{}{option}", if not { "! " } else { "" })));
            }
            _ if option.strip_prefix('-').is_some_and(is_option) => {
                let known = value
                    .filter(|value| option == "--comment" || is_name(value))
                    .and_then(|value| condition(not, option, value, &module));
                if let Some(found) = known {
                    matches.extend(found);
                    after = &after[1..];
                } else {
                    let (own, after_own) = arguments(after);
                    let bang = if not { "! " } else { "" };
                    let text = join_quoted(bang, option, own);
                    // Options of tcp and udp need no module after `-p`.
                    matches.push(Match::Unknown(match module.as_str() {
                        "" | "tcp" | "udp" => text,
                        _ if is_generic(option) => text,
                        module => format!("-m {module} {text}"),
                    }));
                    after = after_own;
                }
            }
            _ => return Err("expected an option"),
        }
        rest = after;
    }
    Ok((matches, target))
}

/// Modules whose options are known, or have no effect.
const KNOWN_MODULES: [&str; 10] = [
    "tcp",
    "udp",
    "multiport",
    "owner",
    "addrtype",
    "conntrack",
    "state",
    "mark",
    "connmark",
    "comment",
];

/// Splits the words at the next generic option.
fn own_words(words: &[String]) -> (&[String], &[String]) {
    let mut end = words.iter().position(|word| is_generic(word)).unwrap_or(words.len());
    // A `!` before a generic option belongs to that option.
    if end > 0 && words[end - 1] == "!" {
        end -= 1;
    }
    words.split_at(end)
}

/// Splits the words at the next option: the values of one option.
fn arguments(words: &[String]) -> (&[String], &[String]) {
    let end = words.iter().position(|word| word.starts_with('-') || word == "!");
    words.split_at(end.unwrap_or(words.len()))
}

/// Parses a known condition: an empty list where it always holds, none where it is unknown.
fn condition(not: bool, option: &str, value: &str, module: &str) -> Option<Vec<Match>> {
    let one = |found: Match| Some(vec![found]);
    match option {
        "-p" | "--protocol" => match (value.to_ascii_lowercase().as_str(), not) {
            ("all" | "0", false) => Some(Vec::new()),
            ("all" | "0", true) => None,
            (name, _) => one(Match::Protocol { not, protocol: protocol(name) }),
        },
        "-s" | "--source" | "--src" => address(not, Side::Source, value),
        "-d" | "--destination" | "--dst" => address(not, Side::Destination, value),
        "-i" | "--in-interface" => one(Match::InInterface { not, name: value.to_owned() }),
        "-o" | "--out-interface" => one(Match::OutInterface { not, name: value.to_owned() }),
        "--comment" if module == "comment" => Some(Vec::new()),
        "--dport" | "--destination-port" | "--dports" | "--destination-ports" => {
            let (side, ranges) = (Side::Destination, ports(value)?);
            one(Match::Ports { not, side, ranges })
        }
        "--sport" | "--source-port" | "--sports" | "--source-ports" => {
            let (side, ranges) = (Side::Source, ports(value)?);
            one(Match::Ports { not, side, ranges })
        }
        "--ports" if module == "multiport" => one(Match::EitherPort { not, ranges: ports(value)? }),
        "--uid-owner" => one(Match::User { not, range: numbers(value)? }),
        "--gid-owner" => one(Match::Group { not, range: numbers(value)? }),
        "--dst-type" => {
            one(Match::AddressType { not, side: Side::Destination, kind: kind(value)? })
        }
        "--src-type" => one(Match::AddressType { not, side: Side::Source, kind: kind(value)? }),
        "--ctstate" | "--state" => {
            let states = value.split(',').map(str::to_ascii_uppercase).collect();
            one(Match::State { not, states })
        }
        "--mark" if module == "mark" => {
            let (value, mask) = parse_value_and_mask(value)?;
            one(Match::Mark { not, value, mask })
        }
        "--mark" if module == "connmark" => {
            let (value, mask) = parse_value_and_mask(value)?;
            one(Match::ConnectionMark { not, value, mask })
        }
        _ => None,
    }
}

/// Parses a protocol by name or number.
fn protocol(name: &str) -> Protocol {
    match name {
        "tcp" | "6" => Protocol::Tcp,
        "udp" | "17" => Protocol::Udp,
        other => {
            let known = PROTOCOLS.iter().find(|(number, _)| *number == other);
            Protocol::Other(known.map_or(other, |(_, name)| name).to_owned())
        }
    }
}

/// Protocols that rules name, with their numbers.
const PROTOCOLS: [(&str, &str); 8] = [
    ("1", "icmp"),
    ("33", "dccp"),
    ("47", "gre"),
    ("50", "esp"),
    ("51", "ah"),
    ("58", "ipv6-icmp"),
    ("132", "sctp"),
    ("136", "udplite"),
];

/// Service names in rules; `iptables-save` writes numbers.
const SERVICES: [(&str, u16); 6] =
    [("ssh", 22), ("domain", 53), ("http", 80), ("ntp", 123), ("https", 443), ("http-alt", 8080)];

fn port(text: &str) -> Option<u16> {
    let named = || SERVICES.iter().find(|(name, _)| *name == text).map(|(_, port)| *port);
    text.parse().ok().or_else(named)
}

fn kind(value: &str) -> Option<AddressKind> {
    match value {
        "LOCAL" => Some(AddressKind::Local),
        "UNICAST" => Some(AddressKind::Unicast),
        _ => None,
    }
}

fn address(not: bool, side: Side, value: &str) -> Option<Vec<Match>> {
    let (address, length) = value.split_once('/').unwrap_or((value, ""));
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        "" => bits,
        // A dotted mask is a length only if all its ones come first.
        mask if mask.contains('.') => {
            let mask: std::net::Ipv4Addr = mask.parse().ok()?;
            let ones = mask.to_bits().leading_ones();
            (mask.to_bits().count_ones() == ones).then(|| u8::try_from(ones).ok()).flatten()?
        }
        number => number.parse().ok().filter(|number| *number <= bits)?,
    };
    if length == 0 && !not {
        return Some(Vec::new());
    }
    let network = Network { address, length }.normal();
    Some(vec![Match::Address { not, side, network }])
}

fn ports(value: &str) -> Option<Vec<(u16, u16)>> {
    let one = |text: &str| match text.split_once(':') {
        Some((first, last)) => {
            let first = if first.is_empty() { 0 } else { port(first)? };
            let last = if last.is_empty() { u16::MAX } else { port(last)? };
            (first <= last).then_some((first, last))
        }
        None => port(text).map(|port| (port, port)),
    };
    value.split(',').map(one).collect()
}

fn numbers(value: &str) -> Option<(u32, u32)> {
    match value.split_once('-') {
        Some((first, last)) => Some((first.parse().ok()?, last.parse().ok()?)),
        None => value.parse().ok().map(|number| (number, number)),
    }
}
