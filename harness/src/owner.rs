//! Who made something that outlives a call: a process, told apart from every other that ever ran here.
//!
//! The sign of it is a label on what we make in clusters and in the engine. So whoever finds it later
//! knows whether its maker still lives, and leaves what a living run works with alone.

use std::fmt;
use std::sync::OnceLock;

use crate::process::started;
use crate::state::host;

/// The label, on namespaces and containers, whose value is the maker's word.
pub(crate) const LABEL: &str = "meshcheck.dev/maker";

/// A label's value has room for 63 characters: the numbers take at most 31 of them.
const HOST_LENGTH: usize = 30;

/// A process on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    host: String,
    id: i32,
    /// In ticks since the machine started.
    start: u64,
}

/// Whether the maker of something still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// It runs on this machine.
    Lives,
    /// It ran on this machine, and has ended.
    Ended,
    /// It is of another machine: nothing is known of it.
    Elsewhere,
}

impl Owner {
    /// This very process.
    pub(crate) fn this() -> &'static Self {
        static THIS: OnceLock<Owner> = OnceLock::new();
        THIS.get_or_init(|| {
            let id = i32::try_from(std::process::id()).unwrap_or_default();
            Self { host: here(), id, start: started(id).unwrap_or_default() }
        })
    }

    /// Parses the value of the label; none where it names no owner.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        let mut parts = word.rsplitn(3, '.');
        let start = parts.next()?.parse().ok()?;
        let id = parts.next()?.parse().ok().filter(|id| *id > 0)?;
        let host = parts.next().filter(|host| !host.is_empty())?.to_owned();
        Some(Self { host, id, start })
    }

    /// Whether it still runs.
    pub(crate) fn life(&self) -> Life {
        if self.host != here() {
            return Life::Elsewhere;
        }
        if started(self.id) == Some(self.start) { Life::Lives } else { Life::Ended }
    }
}

/// This machine's name, as short as a label needs it.
fn here() -> String {
    let name: String = host().chars().take(HOST_LENGTH).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "unnamed".to_owned() } else { name.to_owned() }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.host, self.id, self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn owner_of_this_process_is_alive() {
        let this = Owner::this();
        assert_eq!(this.life(), Life::Lives);
        let word = this.to_string();
        assert_eq!(Owner::parse(&word).as_ref(), Some(this));
        assert!(word.len() <= 63, "{word}");
        let fits = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '.';
        assert!(word.chars().all(fits), "{word}");
    }

    #[test]
    fn owner_has_ended_or_is_of_another_machine() {
        let this = Owner::this();
        let before = Owner { start: this.start + 1, ..this.clone() };
        assert_eq!(before.life(), Life::Ended, "the number is another program's now");
        let elsewhere = Owner { host: "another".into(), ..this.clone() };
        assert_eq!(elsewhere.life(), Life::Elsewhere);
    }

    #[rstest]
    #[case("")]
    #[case("host")]
    #[case("host.1")]
    #[case(".1.2")]
    #[case("host.x.2")]
    #[case("host.0.2")]
    #[case("host.-1.2")]
    fn malformed_owner_is_refused(#[case] word: &str) {
        assert_eq!(Owner::parse(word), None);
    }
}
