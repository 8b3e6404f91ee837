//! Parses the arguments of `istio-iptables`, which istio-init runs.

use std::collections::BTreeSet;

/// The arguments, with defaults for missing ones.
/// Source of names and defaults: `istio-iptables --help` of Istio 1.20.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitArguments {
    /// `-p`: the port to which outbound traffic is redirected.
    pub outbound_port: String,
    /// `-z`: the port to which inbound traffic is redirected.
    pub inbound_port: String,
    /// `-u`: the users of the proxy.
    pub proxy_uid: String,
    /// `-g`: the groups of the proxy.
    pub proxy_gid: String,
    /// `-m`: `REDIRECT` or `TPROXY`.
    pub mode: String,
    /// `-i`: the ranges to which outbound traffic is redirected; `*` is all.
    pub outbound_ranges: String,
    /// `-x`: the excluded ranges.
    pub outbound_ranges_excluded: BTreeSet<String>,
    /// `-b`: the ports on which inbound traffic is redirected; `*` is all.
    pub inbound_ports: String,
    /// `-d`: the excluded inbound ports.
    pub inbound_ports_excluded: BTreeSet<String>,
    /// `-q`: ports to which outbound traffic is redirected to any range.
    pub outbound_ports: BTreeSet<String>,
    /// `-o`: the excluded outbound ports.
    pub outbound_ports_excluded: BTreeSet<String>,
    /// `-c`: the excluded interfaces.
    pub interfaces_excluded: BTreeSet<String>,
    /// All other arguments, as text.
    pub others: Vec<String>,
}

impl Default for InitArguments {
    fn default() -> Self {
        Self {
            outbound_port: "15001".into(),
            inbound_port: "15006".into(),
            proxy_uid: String::new(),
            proxy_gid: String::new(),
            mode: String::new(),
            outbound_ranges: String::new(),
            outbound_ranges_excluded: BTreeSet::new(),
            inbound_ports: String::new(),
            inbound_ports_excluded: BTreeSet::new(),
            outbound_ports: BTreeSet::new(),
            outbound_ports_excluded: BTreeSet::new(),
            interfaces_excluded: BTreeSet::new(),
            others: Vec::new(),
        }
    }
}

/// Parses the arguments of istio-init, with or without the leading word `istio-iptables`.
pub fn arguments(words: &[String]) -> InitArguments {
    let mut read = InitArguments::default();
    let mut words = words.iter().map(String::as_str).peekable();
    if words.peek() == Some(&"istio-iptables") {
        words.next();
    }
    while let Some(word) = words.next() {
        let (name, glued) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value)),
            _ => short(word).unwrap_or((word, None)),
        };
        let set = |value: &str| -> BTreeSet<String> {
            value.split(',').map(str::trim).filter(|it| !it.is_empty()).map(Into::into).collect()
        };
        let mut known = true;
        let mut take = |value: &str| match name {
            "-p" | "--envoy-port" => read.outbound_port = value.into(),
            "-z" | "--inbound-capture-port" => read.inbound_port = value.into(),
            "-u" | "--proxy-uid" => read.proxy_uid = value.into(),
            "-g" | "--proxy-gid" => read.proxy_gid = value.into(),
            "-m" | "--istio-inbound-interception-mode" => read.mode = value.into(),
            "-i" | "--istio-service-cidr" => read.outbound_ranges = value.into(),
            "-x" | "--istio-service-exclusion-cidr" => read.outbound_ranges_excluded = set(value),
            "-b" | "--istio-inbound-ports" => read.inbound_ports = value.into(),
            "-d" | "--istio-local-exclude-ports" => read.inbound_ports_excluded = set(value),
            "-q" | "--istio-outbound-ports" => read.outbound_ports = set(value),
            "-o" | "--istio-local-outbound-ports-exclude" => {
                read.outbound_ports_excluded = set(value);
            }
            "-c" | "--istio-exclude-interfaces" => read.interfaces_excluded = set(value),
            _ => known = false,
        };
        match glued {
            Some(value) => take(value),
            // An unknown option may have no value: the next word is parsed by itself.
            None if !KNOWN.contains(&name) => known = false,
            None => take(words.next().unwrap_or_default()),
        }
        if !known {
            read.others.push(word.to_owned());
        }
    }
    read
}

/// Parses a short option with its value in the same word: `-p15001`, `-p=15001`.
fn short(word: &str) -> Option<(&str, Option<&str>)> {
    let (name, value) = word.split_at_checked(2)?;
    (KNOWN.contains(&name) && !value.is_empty())
        .then(|| (name, Some(value.strip_prefix('=').unwrap_or(value))))
}

/// The options with a value.
const KNOWN: [&str; 24] = [
    "-p",
    "--envoy-port",
    "-z",
    "--inbound-capture-port",
    "-u",
    "--proxy-uid",
    "-g",
    "--proxy-gid",
    "-m",
    "--istio-inbound-interception-mode",
    "-i",
    "--istio-service-cidr",
    "-x",
    "--istio-service-exclusion-cidr",
    "-b",
    "--istio-inbound-ports",
    "-d",
    "--istio-local-exclude-ports",
    "-q",
    "--istio-outbound-ports",
    "-o",
    "--istio-local-outbound-ports-exclude",
    "-c",
    "--istio-exclude-interfaces",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(|word| word.trim_matches('"').to_owned()).collect()
    }

    #[test]
    fn short_and_long_options_read_the_same() {
        let short = words(
            "istio-iptables -p 15001 -z 15006 -u 1337 -g 1338 -m REDIRECT -i * -x \"\" -b * \
             -d 15090,15021,15020 -o 80 -q 443,444 -c eth1",
        );
        let long = words(
            "--envoy-port=15001 --inbound-capture-port=15006 --proxy-uid 1337 --proxy-gid=1338 \
             --istio-inbound-interception-mode=REDIRECT --istio-service-cidr=* \
             --istio-service-exclusion-cidr= --istio-inbound-ports * \
             --istio-local-exclude-ports=15020,15021,15090 --istio-local-outbound-ports-exclude=80 \
             --istio-outbound-ports 443,444 --istio-exclude-interfaces=eth1",
        );
        let (short, long) = (arguments(&short), arguments(&long));
        assert_eq!(short, long);
        assert!(short.outbound_ports_excluded.contains("80"));
        assert!(short.outbound_ranges_excluded.is_empty());
        assert_eq!(short.proxy_gid, "1338");
        let ports = ["443", "444"].map(str::to_owned);
        assert_eq!(short.outbound_ports, BTreeSet::from(ports));
        assert_eq!(short.interfaces_excluded, BTreeSet::from(["eth1".to_owned()]));
        assert!(short.others.is_empty(), "{:?}", short.others);
    }

    #[test]
    fn value_in_the_same_word_is_read() {
        let read = arguments(&words("istio-iptables -p15002 -z=15007 -d=15090,15021 -mA=B"));
        assert_eq!((read.outbound_port.as_str(), read.inbound_port.as_str()), ("15002", "15007"));
        assert_eq!(read.inbound_ports_excluded.len(), 2);
        assert_eq!(read.mode, "A=B");
        assert!(read.others.is_empty());
    }

    #[test]
    fn unknown_argument_is_kept() {
        let read =
            arguments(&words("istio-iptables -p 15001 --log_output_level=default:info -n -x"));
        assert_eq!(read.others, ["--log_output_level=default:info", "-n"]);
        // The next word may be an option: it is parsed.
        let read = arguments(&words("istio-iptables --dry-run -p 15002"));
        assert_eq!((read.outbound_port.as_str(), read.others.len()), ("15002", 1));
    }
}
