//! Commands in hints: with the real names filled in, quoted for a shell.

use std::fmt::Write as _;
use std::ops::Range;

use crate::evidence::Evidence;

/// A part of a hint: text, or a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Text.
    Words(&'a str),
    /// A command: more than one word in backquotes.
    Command(&'a str),
}

/// Splits a hint into its parts, in order. One word in backquotes is a name, and stays in its sentence. Punctuation
/// between two commands is left out.
pub fn parts(hint: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut words = 0..0;
    let mut at = 0;
    for (number, text) in hint.split('`').enumerate() {
        let here = at..at + text.len();
        at = here.end + 1;
        if number % 2 == 1 && text.trim().contains(char::is_whitespace) {
            parts.extend(sentence(hint, words));
            parts.push(Part::Command(text));
            words = at..at;
        } else {
            words.end = here.end;
        }
    }
    parts.extend(sentence(hint, words));
    parts
}

/// Returns the commands of a hint, in order.
pub fn commands(hint: &str) -> Vec<String> {
    let command = |part| match part {
        Part::Command(command) => Some(command.to_owned()),
        Part::Words(_) => None,
    };
    parts(hint).into_iter().filter_map(command).collect()
}

/// Returns the text of a range, without the punctuation beside commands.
fn sentence(hint: &str, at: Range<usize>) -> Option<Part<'_>> {
    let mark = |c: char| c.is_whitespace() || ";,.:".contains(c);
    let text = hint.get(at).unwrap_or_default();
    let words = text.trim_matches(mark);
    (!words.is_empty()).then_some(Part::Words(words))
}

/// Quotes a word for a POSIX shell, where it needs quotes. Control characters are removed.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let clean: String = word.chars().filter(|c| !c.is_control()).collect();
    // A backquote would end the command in a hint, so the shell gets its octal number.
    let quoted = clean.replace('\'', r"'\''").replace('`', r#"'"$(printf '\140')"'"#);
    format!("'{quoted}'")
}

/// Quotes a path for a POSIX shell. A `~` in quotes would be a directory of that name.
pub(crate) fn quote_path(file: &str) -> String {
    match file.strip_prefix("~/") {
        Some(below) => format!("~/{}", quote(below)),
        None => quote(file),
    }
}

/// Escapes a name in the text of a hint, so that it opens no command.
pub fn escape_backquotes(name: &str) -> String {
    name.replace('`', "'")
}

impl Evidence {
    /// Returns the command `kubectl` on the cluster of this evidence, with these arguments.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.command("kubectl", arguments)
    }

    /// Returns the command `istioctl` on the cluster of this evidence, with these arguments.
    pub fn istioctl(&self, arguments: &[&str]) -> String {
        self.command("istioctl", arguments)
    }

    /// Returns the command `helm` on the cluster of this evidence, with these arguments.
    pub fn helm(&self, arguments: &[&str]) -> String {
        self.command("helm", arguments)
    }

    /// Returns a command of meshcheck on the cluster of this evidence, with these arguments.
    pub fn meshcheck(&self, command: &str, arguments: &[&str]) -> String {
        self.command(&format!("meshcheck {command}"), arguments)
    }

    /// Returns the command `istioctl install` of the default profile, with the options that the installed software needs
    /// and more values.
    pub(crate) fn install_with(&self, values: &[&str]) -> String {
        let mut arguments = vec!["install", "--set", "profile=default"];
        if let Some(bundle) = &self.subject.bundle {
            for option in &bundle.install_set {
                arguments.extend(["--set", option.as_str()]);
            }
        }
        arguments.extend(values.iter().flat_map(|value| ["--set", value]));
        arguments.push("-y");
        self.istioctl(&arguments)
    }

    /// Returns the command `docker exec` in a node of kind.
    pub fn on_node(&self, node: &str, arguments: &[&str]) -> String {
        let mut line = format!("docker exec {}", quote(node));
        for argument in arguments {
            let _ = write!(line, " {}", quote(argument));
        }
        line
    }

    fn command(&self, program: &str, arguments: &[&str]) -> String {
        let mut line = program.to_owned();
        if let Some(file) = &self.subject.kubeconfig {
            let _ = write!(line, " --kubeconfig {}", quote_path(file));
        }
        if !self.subject.context.is_empty() {
            let option = if program == "helm" { "--kube-context" } else { "--context" };
            let _ = write!(line, " {option} {}", quote(&self.subject.context));
        }
        for argument in arguments {
            let _ = write!(line, " {}", quote(argument));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, parts, quote};
    use crate::testing::healthy;
    use rstest::rstest;

    #[test]
    fn command_on_a_node_names_the_node() {
        let line = healthy().on_node("node-1", &["sh", "-c", "ls /etc"]);
        assert_eq!(line, "docker exec node-1 sh -c 'ls /etc'");
    }

    #[test]
    fn hint_splits_into_text_and_commands() {
        use Part::{Command, Words};
        let hint = "List the definitions: `kubectl get crds`; Install Istio: `istioctl install -y`";
        let expected = [
            Words("List the definitions"),
            Command("kubectl get crds"),
            Words("Install Istio"),
            Command("istioctl install -y"),
        ];
        assert_eq!(parts(hint), expected);
        assert_eq!(parts("ask the API server's owner"), [Words("ask the API server's owner")]);
        assert_eq!(parts(""), []);
    }

    #[test]
    fn single_word_in_backquotes_stays_in_its_sentence() {
        use Part::{Command, Words};
        let hint =
            "`timedatectl` shows it, and `sudo timedatectl set-ntp true` keeps it: see `date`.";
        let expected = [
            Words("`timedatectl` shows it, and"),
            Command("sudo timedatectl set-ntp true"),
            Words("keeps it: see `date`"),
        ];
        assert_eq!(parts(hint), expected);
    }

    #[rstest]
    #[case("a`b", r#"'a'"$(printf '\140')"'b'"#)]
    #[case("client", "client")]
    #[case("app=echo", "app=echo")]
    #[case("", "''")]
    #[case("it's", r"'it'\''s'")]
    #[case("a b", "'a b'")]
    #[case("$(reboot)", "'$(reboot)'")]
    #[case("jsonpath={.items}", "'jsonpath={.items}'")]
    #[case("a\u{1b}[31m\nb", "'a[31mb'")]
    fn quoted_word_reaches_the_shell_unchanged(#[case] word: &str, #[case] quoted: &str) {
        assert_eq!(quote(word), quoted);
    }
}
