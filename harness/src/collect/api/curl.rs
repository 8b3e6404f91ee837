//! What `curl -i` prints: the headers, an empty line, the body.

/// An answer as curl printed it.
pub(crate) struct Printed<'a> {
    headers: &'a str,
    /// The body, exactly.
    pub(crate) body: &'a str,
}

impl<'a> Printed<'a> {
    /// Takes it apart. Interim answers (100, 103) come first, with headers of their own.
    pub(crate) fn parse(text: &'a str) -> Self {
        let split = |text: &'a str| text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let (mut headers, mut body) = split(text);
        while is_interim(headers) && body.starts_with("HTTP/") {
            (headers, body) = split(body);
        }
        Self { headers, body }
    }

    /// A header's value; names are in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

fn is_interim(headers: &str) -> bool {
    let status = headers.split_whitespace().nth(1).unwrap_or_default();
    headers.starts_with("HTTP/") && status.len() == 3 && status.starts_with('1')
}

#[cfg(test)]
mod tests {
    use super::Printed;

    #[test]
    fn headers_and_body_are_separated() {
        let printed = Printed::parse("HTTP/1.1 200 OK\r\nServer: envoy\r\n\r\nHello\r\n\r\nyou\n");
        assert_eq!(printed.header("server"), Some("envoy"));
        assert_eq!(printed.header("via"), None);
        assert_eq!(printed.body, "Hello\r\n\r\nyou\n");
    }

    #[test]
    fn interim_answers_are_ignored() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/2 103 \r\nlink: x\r\n\r\nHTTP/1.1 503 No\r\nserver: envoy\r\n\r\nno";
        let printed = Printed::parse(text);
        assert_eq!((printed.header("server"), printed.body), (Some("envoy"), "no"));
    }
}
