//! From what `iptables-save` prints, or `iptables-restore` reads, to rules.

use std::net::IpAddr;

use super::rules::{
    AddressKind, Chain, Match, Network, Policy, Protocol, Rule, RuleSet, Side, Table, Target,
};

/// Why a text is no set of rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A line that cannot be read.
    #[error("line {line} cannot be read ({reason}): {text}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
        /// The line, at most 200 characters of it.
        text: String,
    },
    /// The text ends inside of a table.
    #[error("the rules are cut off: table {table} has no COMMIT")]
    CutOff {
        /// The table.
        table: String,
    },
    /// There is no table in it.
    #[error("there are no rules in it")]
    Empty,
}

/// The chains that tables have by themselves.
const BUILT_IN: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

/// Parses rules.
///
/// # Errors
///
/// When a line is none of the format's, a table has no `COMMIT`, or there is no table at all. What is
/// written as a rule should be and is not known is no error: it is kept as unknown.
pub fn parse(text: &str) -> Result<RuleSet, ParseError> {
    let mut rules = RuleSet::default();
    let mut open: Option<Table> = None;
    for (at, raw) in text.lines().enumerate() {
        let line = raw.trim();
        let fail = |reason| ParseError::Line {
            line: at + 1,
            reason,
            text: line.chars().take(200).collect(),
        };
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('*') {
            if let Some(table) = open {
                return Err(ParseError::CutOff { table: table.name });
            }
            let name = name.trim();
            if name.is_empty() || name.contains(char::is_whitespace) {
                return Err(fail("a table's name is expected"));
            }
            open = Some(Table { name: name.to_owned(), chains: Vec::new() });
            continue;
        }
        let Some(table) = &mut open else {
            return Err(fail("it stands outside of any table"));
        };
        if line == "COMMIT" {
            let mut table = std::mem::take(table);
            open = None;
            resolve(&mut table);
            rules.tables.push(table);
        } else if let Some(declaration) = line.strip_prefix(':') {
            declare(table, declaration).map_err(fail)?;
        } else {
            rule(table, line, at + 1).map_err(fail)?;
        }
    }
    match open {
        Some(table) => Err(ParseError::CutOff { table: table.name }),
        None if rules.tables.is_empty() => Err(ParseError::Empty),
        None => Ok(rules),
    }
}

/// `NAME POLICY [PACKETS:BYTES]`
fn declare(table: &mut Table, declaration: &str) -> Result<(), &'static str> {
    let mut words = declaration.split_whitespace();
    let name = words.next().ok_or("a chain's name is expected")?;
    let policy = match words.next() {
        Some("ACCEPT") => Some(Policy::Accept),
        Some("DROP") => Some(Policy::Drop),
        Some("-") => None,
        _ => return Err("a policy is expected: ACCEPT, DROP or -"),
    };
    chain(table, name).policy = policy;
    Ok(())
}

/// The chain of this name; one that is built in and was not declared accepts.
fn chain<'a>(table: &'a mut Table, name: &str) -> &'a mut Chain {
    let at = table.chains.iter().position(|chain| chain.name == name).unwrap_or_else(|| {
        let policy = BUILT_IN.contains(&name).then_some(Policy::Accept);
        table.chains.push(Chain { name: name.to_owned(), policy, rules: Vec::new() });
        table.chains.len() - 1
    });
    &mut table.chains[at]
}

fn rule(table: &mut Table, line: &str, number: usize) -> Result<(), &'static str> {
    let tokens = tokens(line)?;
    let mut tokens = tokens.as_slice();
    if let [first, rest @ ..] = tokens
        && first.starts_with('[')
    {
        tokens = rest;
    }
    match tokens {
        [command, name] if command == "-N" || command == "--new-chain" => {
            chain(table, name);
            Ok(())
        }
        [command, name, policy] if command == "-P" || command == "--policy" => {
            chain(table, name).policy = match policy.as_str() {
                "ACCEPT" => Some(Policy::Accept),
                "DROP" => Some(Policy::Drop),
                _ => return Err("a policy is expected: ACCEPT or DROP"),
            };
            Ok(())
        }
        [command, name, rest @ ..] if command == "-A" || command == "--append" => {
            let (matches, target) = conditions(rest)?;
            let rule = Rule { line: number, text: line.to_owned(), matches, target };
            chain(table, name).rules.push(rule);
            Ok(())
        }
        [command, name, rest @ ..] if command == "-I" || command == "--insert" => {
            let (place, rest) = match rest {
                [place, more @ ..] if place.parse::<usize>().is_ok() => {
                    (place.parse::<usize>().unwrap_or(1), more)
                }
                _ => (1, rest),
            };
            let (matches, target) = conditions(rest)?;
            let chain = chain(table, name);
            if place == 0 || place > chain.rules.len() + 1 {
                return Err("it is to be inserted where nothing is");
            }
            let rule = Rule { line: number, text: line.to_owned(), matches, target };
            chain.rules.insert(place - 1, rule);
            Ok(())
        }
        _ => Err("a rule (-A CHAIN …) is expected"),
    }
}

/// The words of a line; what stands in quotes is one word.
fn tokens(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        Some('"') => break,
                        Some('\\') => word.extend(characters.next()),
                        Some(other) => word.push(other),
                        None => return Err("a quote is not closed"),
                    }
                }
            }
            space if space.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Options that belong to no module: each begins something new.
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

type Conditions = (Vec<Match>, Option<Target>);

fn conditions(words: &[String]) -> Result<Conditions, &'static str> {
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
        // The old place of a negation: behind the option.
        if !not
            && let [bang, more @ ..] = after
            && bang == "!"
        {
            not = true;
            after = more;
        }
        let value = after.first().map(String::as_str);
        let missing = "an option has no value";
        match option {
            "-m" | "--match" => {
                value.ok_or(missing)?.clone_into(&mut module);
                after = &after[1..];
                if !KNOWN_MODULES.contains(&module.as_str()) {
                    let (own, after_own) = own_words(after);
                    matches.push(Match::Unknown(written("-m", &module, own)));
                    rest = after_own;
                    continue;
                }
            }
            "-j" | "--jump" | "-g" | "--goto" => {
                let name = value.ok_or(missing)?;
                if name.starts_with(['-', '!']) {
                    return Err("a target is expected");
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
            _ if option.starts_with('-') => {
                let known = value
                    .filter(|value| !value.starts_with(['-', '!']))
                    .and_then(|value| condition(not, option, value, &module));
                if let Some(found) = known {
                    matches.extend(found);
                    after = &after[1..];
                } else {
                    let (own, after_own) = arguments(after);
                    let bang = if not { "! " } else { "" };
                    matches.push(Match::Unknown(written(bang, option, own)));
                    after = after_own;
                }
            }
            _ => return Err("a word stands where an option is expected"),
        }
        rest = after;
    }
    Ok((matches, target))
}

/// Modules whose options are understood, or stand for nothing.
const KNOWN_MODULES: [&str; 9] =
    ["tcp", "udp", "multiport", "owner", "addrtype", "conntrack", "state", "mark", "comment"];

/// Everything up to the next generic option.
fn own_words(words: &[String]) -> (&[String], &[String]) {
    let mut end = words.iter().position(|word| is_generic(word)).unwrap_or(words.len());
    // A `!` in front of a generic option belongs to that.
    if end > 0 && end < words.len() && words[end - 1] == "!" {
        end -= 1;
    }
    words.split_at(end)
}

/// The values of one option: everything up to the next option.
fn arguments(words: &[String]) -> (&[String], &[String]) {
    let end = words.iter().position(|word| word.starts_with('-') || word == "!");
    words.split_at(end.unwrap_or(words.len()))
}

fn written(start: &str, name: &str, words: &[String]) -> String {
    let mut all = vec![start.trim(), name];
    all.extend(words.iter().map(String::as_str));
    all.retain(|word| !word.is_empty());
    all.join(" ")
}

/// A condition that is understood; an empty list for one that always holds, nothing for one that is
/// not understood.
fn condition(not: bool, option: &str, value: &str, module: &str) -> Option<Vec<Match>> {
    let one = |found: Match| Some(vec![found]);
    match option {
        "-p" | "--protocol" => match (value.to_ascii_lowercase().as_str(), not) {
            ("all" | "0", false) => Some(Vec::new()),
            ("tcp" | "6", _) => one(Match::Protocol { not, protocol: Protocol::Tcp }),
            ("udp" | "17", _) => one(Match::Protocol { not, protocol: Protocol::Udp }),
            (other, _) => {
                let protocol = Protocol::Other(other.to_owned());
                one(Match::Protocol { not, protocol })
            }
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
            let (value, mask) = masked(value)?;
            one(Match::Mark { not, value, mask })
        }
        _ => None,
    }
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
        // A mask in dotted form: only one that begins with its ones is a length.
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
            let first = if first.is_empty() { 0 } else { first.parse().ok()? };
            let last = if last.is_empty() { u16::MAX } else { last.parse().ok()? };
            (first <= last).then_some((first, last))
        }
        None => text.parse().ok().map(|port| (port, port)),
    };
    value.split(',').map(one).collect()
}

fn numbers(value: &str) -> Option<(u32, u32)> {
    match value.split_once('-') {
        Some((first, last)) => Some((first.parse().ok()?, last.parse().ok()?)),
        None => value.parse().ok().map(|number| (number, number)),
    }
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn masked(value: &str) -> Option<(u32, u32)> {
    match value.split_once('/') {
        Some((value, mask)) => Some((number(value)?, number(mask)?)),
        None => Some((number(value)?, u32::MAX)),
    }
}

/// A target with its options. Whether an unknown name is a chain is found out later.
fn jump(name: &str, options: &[String]) -> Target {
    let unknown = || Target::Unknown(written("", name, options));
    let option = |wanted: &[&str]| {
        let at = options.iter().position(|word| wanted.contains(&word.as_str()))?;
        options.get(at + 1).map(String::as_str)
    };
    match name {
        "ACCEPT" if options.is_empty() => Target::Accept,
        "DROP" if options.is_empty() => Target::Drop,
        "RETURN" if options.is_empty() => Target::Return,
        "REJECT" => Target::Drop,
        "REDIRECT" => match option(&["--to-ports", "--to-port"]) {
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
        "DNAT" => option(&["--to-destination"])
            .map_or_else(unknown, |to| Target::DestinationNat(to.to_owned())),
        "TPROXY" => option(&["--on-port"])
            .and_then(|port| port.parse().ok())
            .map_or_else(unknown, Target::TransparentProxy),
        "MARK" => {
            let exactly = option(&["--set-mark", "--set-xmark"]).and_then(masked);
            exactly.map_or_else(unknown, |(value, mask)| Target::Mark { value, mask })
        }
        "LOG" | "NFLOG" | "TRACE" => Target::Nothing(written("", name, options)),
        "CONNMARK" if options.iter().any(|word| word == "--save-mark") => {
            Target::Nothing(written("", name, options))
        }
        _ => unknown(),
    }
}

/// Turns targets that name a chain of the table into jumps.
fn resolve(table: &mut Table) {
    let names: Vec<_> = table.chains.iter().map(|chain| chain.name.clone()).collect();
    for rule in table.chains.iter_mut().flat_map(|chain| &mut chain.rules) {
        if let Some(Target::Unknown(name)) = &rule.target
            && names.contains(name)
        {
            rule.target = Some(Target::Jump(name.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn only(rule: &str) -> Rule {
        let text = format!("*nat\n:OUTPUT ACCEPT [0:0]\n:OWN - [0:0]\n{rule}\nCOMMIT\n");
        parse(&text).unwrap().rules().next().unwrap().clone()
    }

    #[rstest]
    #[case("-A OUTPUT -p tcp -m tcp --dport 80 -j OWN", "-m multiport --dports 80 -p tcp -j OWN")]
    #[case("[1:60] -A OUTPUT -o lo -j RETURN", "-o lo -j RETURN")]
    #[case("-A OUTPUT ! -d 127.0.0.1/32 -j OWN", "! -d 127.0.0.1/32 -j OWN")]
    #[case("-A OUTPUT -d ! 127.0.0.1 -j OWN", "! -d 127.0.0.1/32 -j OWN")]
    #[case("-A OUTPUT -d 10.1.2.3/255.255.0.0 -j OWN", "-d 10.1.0.0/16 -j OWN")]
    #[case("-A OUTPUT -s 0.0.0.0/0 -p all -j OWN", "-j OWN")]
    #[case(
        "-A OUTPUT -m owner ! --uid-owner 1337 -j RETURN",
        "-m owner ! --uid-owner 1337 -j RETURN"
    )]
    #[case("-A OUTPUT -m owner --gid-owner 5-7 -j RETURN", "-m owner --gid-owner 5-7 -j RETURN")]
    #[case("-A OUTPUT -m comment --comment \"a -j \\\"b\\\"\" -j ACCEPT", "-j ACCEPT")]
    #[case(
        "-A OUTPUT -p tcp --sport 1024: -j ACCEPT",
        "-m multiport --sports 1024:65535 -p tcp -j ACCEPT"
    )]
    #[case("-A OUTPUT -j REDIRECT --to-port 15001", "-j REDIRECT --to-ports 15001")]
    #[case(
        "-A OUTPUT -m mark --mark 0x539 -j MARK --set-xmark 0x1/0xff",
        "-m mark --mark 0x539/0xffffffff -j MARK --set-xmark 0x1/0xff"
    )]
    #[case("-A OUTPUT -g OWN", "-g OWN")]
    #[case("-A OUTPUT", "")]
    fn rules_are_understood(#[case] rule: &str, #[case] normal: &str) {
        assert_eq!(only(rule).normal(), normal);
    }

    #[rstest]
    #[case("-A OUTPUT -m set --match-set bad dst -p tcp -j ACCEPT", "-m set --match-set bad dst")]
    #[case("-A OUTPUT -p tcp -m tcp --tcp-flags SYN,RST SYN -j ACCEPT", "--tcp-flags SYN,RST SYN")]
    #[case("-A OUTPUT -m owner --uid-owner nobody -j ACCEPT", "--uid-owner nobody")]
    #[case("-A OUTPUT -m bpf ! --bytecode \"1,6\" ! -o lo -j ACCEPT", "-m bpf ! --bytecode 1,6")]
    #[case("-A OUTPUT -d example.org -j ACCEPT", "-d example.org")]
    fn what_is_not_known_is_kept(#[case] rule: &str, #[case] kept: &str) {
        let rule = only(rule);
        assert!(rule.matches.contains(&Match::Unknown(kept.into())), "{:?}", rule.matches);
        assert_eq!(rule.target, Some(Target::Accept));
    }

    #[test]
    fn an_unknown_target_is_kept() {
        let target = only("-A OUTPUT -j SYNPROXY --mss 1460").target;
        assert_eq!(target, Some(Target::Unknown("SYNPROXY --mss 1460".into())));
    }

    #[rstest]
    #[case("*nat\n:OUTPUT ACCEPT\n-A OUTPUT -j ACCEPT\n", "no COMMIT")]
    #[case("*nat\n*filter\nCOMMIT\n", "no COMMIT")]
    #[case("*nat\ngarbage\nCOMMIT\n", "line 2")]
    #[case("*nat\n-A OUTPUT --comment \"open\nCOMMIT\n", "line 2")]
    #[case("-A OUTPUT -j ACCEPT\n", "line 1")]
    #[case("*nat\n:OUTPUT MAYBE\nCOMMIT\n", "line 2")]
    #[case("# nothing\n", "no rules")]
    fn what_is_no_set_of_rules_says_where(#[case] text: &str, #[case] words: &str) {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }

    #[test]
    fn the_form_for_restoring_is_read_as_well() {
        let rules = parse("* nat\n-N OWN\n-A OWN -j RETURN\n-A OUTPUT -j OWN\nCOMMIT\n").unwrap();
        let nat = rules.table("nat").unwrap();
        assert_eq!(nat.chain("OUTPUT").unwrap().policy, Some(Policy::Accept));
        assert_eq!(nat.chain("OUTPUT").unwrap().rules[0].target, Some(Target::Jump("OWN".into())));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC*") {
            let _ = parse(&text);
        }

        #[test]
        fn nothing_in_a_rule_makes_it_panic(
            words in proptest::collection::vec("(!|-[a-zA-Z]|--[a-z-]{1,12}|[0-9./:,\"]{0,9}|[A-Z]{2,9})", 0..12)
        ) {
            let text = format!("*nat\n-A OUTPUT {}\nCOMMIT\n", words.join(" "));
            let Ok(rules) = parse(&text) else { return Ok(()) };
            let Some(rule) = rules.rules().next() else { return Ok(()) };
            let known = !rule.matches.iter().any(|it| matches!(it, Match::Unknown(_)))
                && !matches!(rule.target, Some(Target::Unknown(_)));
            if known {
                // What is understood can be written, and read again as the same.
                let again = parse(&rules.to_string()).unwrap();
                prop_assert_eq!(again.rules().next().unwrap().normal(), rule.normal());
            }
        }
    }
}
