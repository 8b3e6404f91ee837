//! How meshcheck speaks: fixtures/language.toml over all messages, help texts, documents and comments.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use regex::Regex;

/// The number of words in the longest sentence.
const WORDS: usize = 25;

#[derive(serde::Deserialize)]
struct Language {
    replace: BTreeMap<String, String>,
    exception: Vec<Exception>,
}

#[derive(serde::Deserialize)]
struct Exception {
    file: String,
    text: String,
    reason: String,
}

/// What a text is, for the rules that it must keep.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Messages and reports: a line is a text of its own, some lines are headlines, some are commands.
    Messages,
    /// Markdown, or what `--help` prints: sentences run over lines.
    Prose,
    /// Code: comments only, without the limit to sentences.
    Code,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Reads every text with its name.
fn texts() -> Vec<(String, Kind, String)> {
    let root = repository();
    let mut texts = Vec::new();
    let listed = Command::new("git").arg("ls-files").current_dir(&root).output().unwrap();
    for name in String::from_utf8(listed.stdout).unwrap().lines() {
        let kind = match name.rsplit('.').next() {
            Some("snap") => Kind::Messages,
            Some("md") => Kind::Prose,
            Some("rs" | "toml") => Kind::Code,
            _ => continue,
        };
        // A file that was removed and is not committed yet is still listed.
        if let Ok(text) = fs::read_to_string(root.join(name)) {
            texts.push((name.to_owned(), kind, text));
        }
    }
    assert!(texts.len() > 500, "the repository has its files");
    for name in subcommands() {
        texts.push((format!("meshcheck {name} --help"), Kind::Prose, help(&[&name])));
    }
    texts
}

fn help(arguments: &[&str]) -> String {
    let program = env!("CARGO_BIN_EXE_meshcheck");
    let output = Command::new(program).args(arguments).arg("--help").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn subcommands() -> Vec<String> {
    let text = help(&[]);
    let (_, commands) = text.split_once("Commands:\n").unwrap();
    let names = commands.lines().take_while(|line| !line.is_empty());
    names
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .filter(|name| name != "help")
        .collect()
}

/// The sentences of a text. Code, quotes and names count as one word.
fn sentences(kind: Kind, text: &str) -> Vec<String> {
    static CODE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(?s)^```.*?^```|`[^`]*`|"[^"]*"|“[^”]*”|<[^>]*>|\([^)]*\)"#).unwrap()
    });
    static END: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"[.!?:;](\s|$)|\n\s*\n|\||\n\s*[-*]|(?m)^#.*$|(?m)^  [a-z]+  ").unwrap()
    });
    let parts: Vec<String> = match kind {
        Kind::Code => Vec::new(),
        Kind::Messages => {
            text.lines().filter(|line| is_prose(line)).map(ToOwned::to_owned).collect()
        }
        Kind::Prose => vec![
            text.lines()
                .filter(|line| {
                    !line.starts_with("    ") && !line.trim_start().starts_with("meshcheck ")
                })
                .collect::<Vec<_>>()
                .join("\n"),
        ],
    };
    let clean = |part: &String| CODE.replace_all(part, "X").into_owned();
    let parts = parts.iter().map(clean).collect::<Vec<_>>();
    parts
        .iter()
        .flat_map(|part| END.split(part))
        .map(|it| it.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

/// Whether a line of messages is a text of meshcheck, not a command and not what a cluster answered.
fn is_prose(line: &str) -> bool {
    let line = line.trim_start();
    let quoted = ["observed", "the cluster shows", "source:", "expression:", "+ ", "- "];
    let commands =
        ["kubectl", "istioctl", "docker", "meshcheck", "helm", "sudo", "#", "✗", "?", "–", "kind "];
    !quoted.iter().chain(&commands).any(|start| line.starts_with(start))
}

/// Whether a line of messages is a headline, which has no full stop at its end.
fn is_headline(line: &str) -> bool {
    ["pass: ", "fail: ", "changed: ", "unjudged: ", "skipped: "]
        .iter()
        .any(|start| line.starts_with(start))
}

/// The part of a line that the table of words applies to.
fn checked(kind: Kind, line: &str) -> Option<&str> {
    match kind {
        Kind::Code => line
            .find("// ")
            .or(line.find("/// "))
            .or(line.find("//! "))
            .or(line.starts_with("# ").then_some(0))
            .map(|at| &line[at..]),
        _ => Some(line),
    }
}

#[test]
fn texts_keep_to_the_language() {
    let file = fs::read_to_string(repository().join("fixtures/language.toml")).unwrap();
    let language: Language = toml::from_str(&file).unwrap();
    let rules: Vec<(Regex, &String)> = language
        .replace
        .iter()
        .map(|(old, new)| {
            let pattern = match old.strip_suffix('*') {
                Some(stem) => format!(r"(?i)\b{}\w*\b", regex::escape(stem)),
                None => format!(r"(?i)\b{}\b", regex::escape(old)),
            };
            (Regex::new(&pattern).unwrap(), new)
        })
        .collect();
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for (name, kind, text) in texts() {
        let mut is_excepted = |line: &str| {
            let found =
                language.exception.iter().position(|it| it.file == name && line.contains(&it.text));
            used.extend(found);
            found.is_some()
        };
        for (number, line) in text.lines().enumerate() {
            let place = format!("{name}:{}", number + 1);
            let Some(line) = checked(kind, line) else { continue };
            for (rule, new) in &rules {
                if let Some(found) = rule.find(line).filter(|_| !is_excepted(line)) {
                    wrong.push(format!(
                        "{place}: `{}`: write `{new}`: {}",
                        found.as_str(),
                        line.trim()
                    ));
                }
            }
            if kind == Kind::Messages
                && is_headline(line)
                && line.ends_with('.')
                && !is_excepted(line)
            {
                wrong.push(format!("{place}: a headline has no full stop: {line}"));
            }
        }
        for sentence in sentences(kind, &text) {
            let words = sentence.split(' ').filter(|word| !word.contains("::")).count();
            if words > WORDS && !is_excepted(&sentence) {
                wrong.push(format!(
                    "{name}: {words} words in one sentence, at most {WORDS}: {sentence}"
                ));
            }
        }
    }
    for (at, exception) in language.exception.iter().enumerate() {
        assert!(!exception.reason.is_empty(), "{}: no reason", exception.file);
        assert!(
            used.contains(&at),
            "{}: no text needs this exception: {}",
            exception.file,
            exception.text
        );
    }
    assert!(wrong.is_empty(), "{} texts:\n{}", wrong.len(), wrong.join("\n"));
}
