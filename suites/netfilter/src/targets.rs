//! Parses the target of a rule.

use std::net::{IpAddr, SocketAddr};

use super::rules::{SetMark, Target};
use super::text::{join_quoted, parse_number, parse_value_and_mask};

/// Parses a target with its options. Chains are resolved later.
pub(super) fn jump(name: &str, options: &[String]) -> Target {
    let all = || join_quoted("", name, options);
    let unknown = || Target::Unknown(all());
    let value = |wanted: &[&str]| {
        let at = options.iter().position(|word| wanted.contains(&word.as_str()))?;
        options.get(at + 1).map(String::as_str)
    };
    let has = |wanted: &str| options.iter().any(|word| word == wanted);
    match name {
        "ACCEPT" if options.is_empty() => Target::Accept,
        "DROP" if options.is_empty() => Target::Drop,
        "RETURN" if options.is_empty() => Target::Return,
        "REJECT" => Target::Reject(join_quoted("", "", options)),
        "REDIRECT" => match value(&["--to-ports", "--to-port"]) {
            None if options.iter().any(|word| word.starts_with("--to")) => unknown(),
            None => Target::Redirect(None),
            Some(text) => {
                let range = match text.split_once('-') {
                    Some((first, last)) => first.parse().ok().zip(last.parse().ok()),
                    None => text.parse().ok().map(|port| (port, port)),
                };
                range.map_or_else(unknown, |range| Target::Redirect(Some(range)))
            }
        },
        "DNAT" => value(&["--to-destination"])
            .map_or_else(unknown, |to| Target::DestinationNat(to.to_owned())),
        "SNAT" | "MASQUERADE" => Target::SourceNat(all()),
        "TPROXY" => transparent_proxy(&value).unwrap_or_else(unknown),
        "MARK" => set_mark(&value).map_or_else(unknown, Target::Mark),
        "CONNMARK" => connection_mark(&value, has("--save-mark"), has("--restore-mark"))
            .unwrap_or_else(unknown),
        "NOTRACK" => Target::NoTrack,
        "CT" if has("--notrack") => Target::NoTrack,
        // A zone only separates connections with the same addresses; a helper only observes.
        "CT" if has("--zone") || has("--helper") => Target::Nothing(all()),
        "LOG" | "NFLOG" | "ULOG" | "TRACE" => Target::Nothing(all()),
        _ => unknown(),
    }
}

fn transparent_proxy<'a>(value: &impl Fn(&[&str]) -> Option<&'a str>) -> Option<Target> {
    let port = value(&["--on-port"])?.parse().ok()?;
    let address = match value(&["--on-ip"]) {
        // `iptables-save` writes the unspecified address for none.
        Some(text) => Some(text.parse().ok()?).filter(|it: &IpAddr| !it.is_unspecified()),
        None => None,
    };
    let mark = match value(&["--tproxy-mark"]) {
        Some(text) => {
            let (value, mask) = parse_value_and_mask(text)?;
            SetMark { value, mask }
        }
        None => SetMark::default(),
    };
    Some(Target::TransparentProxy { port, address, mark })
}

/// Parses how a mark is set. `--set-mark` sets its bits with or without the mask, `--set-xmark` inverts them.
fn set_mark<'a>(value: &impl Fn(&[&str]) -> Option<&'a str>) -> Option<SetMark> {
    if let Some((value, mask)) = value(&["--set-mark"]).and_then(parse_value_and_mask) {
        return Some(SetMark { value, mask: mask | value });
    }
    if let Some((value, mask)) = value(&["--set-xmark"]).and_then(parse_value_and_mask) {
        return Some(SetMark { value, mask });
    }
    if let Some(bits) = value(&["--and-mark"]).and_then(parse_number) {
        return Some(SetMark { value: 0, mask: !bits });
    }
    if let Some(bits) = value(&["--or-mark"]).and_then(parse_number) {
        return Some(SetMark { value: bits, mask: bits });
    }
    value(&["--xor-mark"]).and_then(parse_number).map(|bits| SetMark { value: bits, mask: 0 })
}

fn connection_mark<'a>(
    value: &impl Fn(&[&str]) -> Option<&'a str>,
    save: bool,
    restore: bool,
) -> Option<Target> {
    if !save && !restore {
        return set_mark(value).map(Target::ConnectionMark);
    }
    let mask = |name| match value(&[name, "--mask"]) {
        Some(text) => parse_number(text),
        None => Some(u32::MAX),
    };
    let (packet, connection) = (mask("--nfmask")?, mask("--ctmask")?);
    Some(if save {
        Target::SaveMark { packet, connection }
    } else {
        Target::RestoreMark { packet, connection }
    })
}

/// Parses one destination: an address, a port, or both; none for a range.
pub(super) fn destination(to: &str) -> Option<(Option<IpAddr>, Option<u16>)> {
    if let Ok(both) = to.parse::<SocketAddr>() {
        return Some((Some(both.ip()), Some(both.port())));
    }
    if let Some(port) = to.strip_prefix(':') {
        return Some((None, Some(port.parse().ok()?)));
    }
    let address = to.strip_prefix('[').and_then(|to| to.strip_suffix(']')).unwrap_or(to);
    Some((Some(address.parse().ok()?), None))
}
