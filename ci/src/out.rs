//! The one place where xtask prints: messages to stderr, results to stdout.

use std::fmt;
use std::io::{self, Write as _};
use std::time::Duration;

/// Tells the user something: one line on stderr.
pub(crate) fn say(message: impl fmt::Display) {
    // A closed stderr is no reason to stop building.
    let _ = writeln!(io::stderr().lock(), "{message}");
}

/// Hands out a result: one line on stdout, for scripts.
pub(crate) fn result(line: impl fmt::Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

/// A duration as people read it: `0.4 s`, `12 s`, `3 min 05 s`.
pub(crate) fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..120 => format!("{seconds} s"),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// A size as people read it: `812 kB`, `1.4 GB`.
pub(crate) fn size(bytes: u64) -> String {
    const KILO: u64 = 1000;
    match bytes {
        0..KILO => format!("{bytes} B"),
        KILO..1_000_000 => format!("{} kB", bytes / KILO),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / (KILO * KILO)),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(400, "0.4 s")]
    #[case(12_000, "12 s")]
    #[case(185_000, "3 min 05 s")]
    fn durations_read_well(#[case] milliseconds: u64, #[case] expected: &str) {
        assert_eq!(elapsed(Duration::from_millis(milliseconds)), expected);
    }

    #[rstest]
    #[case(12, "12 B")]
    #[case(812_345, "812 kB")]
    #[case(1_450_000_000, "1.4 GB")]
    fn sizes_read_well(#[case] bytes: u64, #[case] expected: &str) {
        assert_eq!(size(bytes), expected);
    }
}
