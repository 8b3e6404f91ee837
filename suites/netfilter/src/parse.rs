//! Parses the format of `iptables-save` and `iptables-restore`.

use super::options::{conditions, is_name};
use super::rules::{Chain, Policy, Rule, RuleSet, Table, Target};

/// The reason why a text cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A line cannot be parsed.
    #[error("cannot parse line {line} ({reason}): {text}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// The error.
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
    /// The text has no table.
    #[error("no rules found")]
    Empty,
}

/// The built-in chains.
const BUILT_IN: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

/// The commands whose next word is a chain.
const NAMES_A_CHAIN: [&str; 8] =
    ["-A", "--append", "-I", "--insert", "-N", "--new-chain", "-P", "--policy"];

/// Parses rules.
///
/// # Errors
///
/// When a line is malformed, a table has no `COMMIT`, or there is no table. An unknown but well-formed rule is no error: it
/// is kept as unknown.
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
                return Err(fail("expected the name of a table"));
            }
            open = Some(Table { name: name.to_owned(), chains: Vec::new() });
            continue;
        }
        let Some(table) = &mut open else {
            return Err(fail("it is outside of any table"));
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

/// Parses the declaration of a chain: `NAME POLICY [PACKETS:BYTES]`.
fn declare(table: &mut Table, declaration: &str) -> Result<(), &'static str> {
    let mut words = declaration.split_whitespace();
    let name = words.next().ok_or("expected the name of a chain")?;
    let policy = match words.next() {
        Some("ACCEPT") => Some(Policy::Accept),
        Some("DROP") => Some(Policy::Drop),
        Some("-") => None,
        _ => return Err("expected a policy: ACCEPT, DROP or -"),
    };
    if words.next().is_some_and(|word| !is_counters(word)) || words.next().is_some() {
        return Err("expected counters: [PACKETS:BYTES]");
    }
    chain(table, name).policy = policy;
    Ok(())
}

/// Whether a word is `[PACKETS:BYTES]`.
fn is_counters(word: &str) -> bool {
    let inner = word.strip_prefix('[').and_then(|word| word.strip_suffix(']'));
    let number = |text: &str| !text.is_empty() && text.chars().all(|it| it.is_ascii_digit());
    inner
        .and_then(|inner| inner.split_once(':'))
        .is_some_and(|(one, two)| number(one) && number(two))
}

/// Returns the chain of this name. A new built-in chain has the policy ACCEPT.
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
        if !is_counters(first) {
            return Err("expected counters: [PACKETS:BYTES]");
        }
        tokens = rest;
    }
    if let [command, name, ..] = tokens
        && NAMES_A_CHAIN.contains(&command.as_str())
        && !is_name(name)
    {
        return Err("expected the name of a chain");
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
                _ => return Err("expected a policy: ACCEPT or DROP"),
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
                return Err("the position to insert at does not exist");
            }
            let rule = Rule { line: number, text: line.to_owned(), matches, target };
            chain.rules.insert(place - 1, rule);
            Ok(())
        }
        [command, names @ ..] if command == "-F" || command == "--flush" => {
            let wanted = |chain: &Chain| names.is_empty() || names.contains(&chain.name);
            table.chains.iter_mut().filter(|it| wanted(it)).for_each(|it| it.rules.clear());
            Ok(())
        }
        [command, names @ ..] if command == "-X" || command == "--delete-chain" => {
            let wanted = |chain: &Chain| names.is_empty() || names.contains(&chain.name);
            table.chains.retain(|chain| BUILT_IN.contains(&chain.name.as_str()) || !wanted(chain));
            Ok(())
        }
        _ => Err("expected a rule: -A CHAIN …"),
    }
}

/// Splits a line into words; text in quotes is one word.
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

/// Converts targets that name a chain of the table to jumps.
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
pub(crate) mod tests;
