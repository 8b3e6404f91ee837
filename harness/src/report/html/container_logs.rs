//! The last lines of containers' logs, where the evidence has them (`record --include-logs`).

use meshcheck_suites::Evidence;
use meshcheck_suites::evidence::{ContainerLog, Observation};

use super::evidence::Excerpt;
use super::{LINE, clean, cut};

/// How many of a log's last lines the page shows, and how many bytes.
const LINES: usize = 200;
const BYTES: usize = 24 << 10;

/// How many logs are shown: together half a megabyte at the most.
pub(super) const LOGS: usize = 20;

/// Lists the logs by name: each with its last lines, or with the reason why it is absent.
pub(super) fn container_logs(evidence: &Evidence) -> Vec<Excerpt> {
    let excerpt = |log: &ContainerLog| {
        let (name, text) = container_log(log);
        Excerpt { pod: clean(&log.pod), name, text }
    };
    evidence.logs.iter().map(excerpt).collect()
}

fn container_log(log: &ContainerLog) -> (String, String) {
    let name = format!("log of {}", clean(&log.name()));
    let text = match &log.text {
        Observation::Seen { value } => return last_lines(&name, &clean(value), log.cut),
        Observation::NotAsked { reason } => clean(reason),
        Observation::Absent { reason } | Observation::Failed { reason } => {
            format!("cannot read it: {}", clean(reason))
        }
    };
    (format!("{name}: none"), cut(&text, LINE, "the evidence has all of it"))
}

/// Keeps as many of the last lines as there is room for.
fn last_lines(name: &str, text: &str, was_cut: bool) -> (String, String) {
    let all = text.lines().count();
    let mut room = BYTES;
    let mut shown: Vec<_> = text
        .lines()
        .rev()
        .take(LINES)
        .map(|line| cut(line, LINE, "the evidence has all of it"))
        .take_while(|line| {
            let fits = line.len() < room;
            room = room.saturating_sub(line.len() + 1);
            fits
        })
        .collect();
    shown.reverse();
    let left = all - shown.len();
    let older = if was_cut { ", and those before them were not recorded" } else { "" };
    let name = match (left, was_cut) {
        (0, false) => name.to_owned(),
        _ => format!("{name}, its last {} lines", shown.len()),
    };
    let first = match left {
        0 if was_cut => "[older lines were not recorded]\n".to_owned(),
        0 => String::new(),
        left => {
            format!(
                "[{left} older lines are left out: `meshcheck show FILE --logs` has them{older}]\n"
            )
        }
    };
    (name, first + &shown.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn log(text: Observation<String>, cut: bool) -> ContainerLog {
        ContainerLog {
            namespace: "istio-system".into(),
            pod: "istiod-1".into(),
            container: "discovery".into(),
            previous: false,
            text,
            cut,
        }
    }

    fn lines(number: usize, line: &str) -> String {
        let lines: Vec<_> = (0..number).map(|at| format!("{at} {line}")).collect();
        lines.join("\n") + "\n"
    }

    #[test]
    fn short_log_is_shown_whole() {
        let (name, text) = container_log(&log(Observation::seen("a\nb\n".into()), false));
        assert_eq!(name, "log of istio-system/istiod-1/discovery");
        assert_eq!(text, "a\nb");
    }

    #[rstest]
    #[case(false, "[300 older lines are left out: `meshcheck show FILE --logs` has them]")]
    #[case(
        true,
        "[300 older lines are left out: `meshcheck show FILE --logs` has them, and those before them were not recorded]"
    )]
    fn long_log_shows_its_end_and_how_much_is_left_out(#[case] cut: bool, #[case] words: &str) {
        let (name, text) = container_log(&log(Observation::seen(lines(500, "line")), cut));
        assert!(name.ends_with(", its last 200 lines"), "{name}");
        let all: Vec<_> = text.lines().collect();
        assert_eq!((all[0], all[1], all[200], all.len()), (words, "300 line", "499 line", 201));
    }

    #[test]
    fn endless_line_leaves_room_for_others() {
        let long = format!("first\n{}\nlast\n", "x".repeat(1 << 20));
        let (_, text) = container_log(&log(Observation::seen(long), false));
        assert!(text.starts_with("first\nxxx") && text.ends_with("last"), "{text}");
        assert!(text.len() < 2 * LINE && text.contains("[cut here, "), "{text}");
    }

    #[test]
    fn log_is_bounded_in_bytes() {
        let (name, text) =
            container_log(&log(Observation::seen(lines(200, &"y".repeat(300))), false));
        assert!(text.len() <= BYTES + 200, "{}", text.len());
        let shown = text.lines().count() - 1;
        assert!(text.starts_with(&format!("[{} older lines", 200 - shown)), "{text}");
        assert!(name.ends_with(&format!("its last {shown} lines")), "{name}");
        assert!(text.lines().last().unwrap().starts_with("199 "), "{text}");
    }

    #[rstest]
    #[case(Observation::failed("pods/log is forbidden"), "cannot read it: pods/log is forbidden")]
    #[case(Observation::not_asked("left out: too much"), "left out: too much")]
    fn absent_log_has_its_reason(#[case] text: Observation<String>, #[case] words: &str) {
        let (name, text) = container_log(&log(text, false));
        assert!(name.ends_with(": none"), "{name}");
        assert_eq!(text, words);
    }
}
