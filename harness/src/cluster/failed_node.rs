//! What a node that did not come up tells of the reason: the free space of its disk, the kubelet's last error.

use std::time::Duration;

use crate::process::Call;

/// How long the engine may take to run a program in a node. Seen: 0.2 s.
const ANSWER: Duration = Duration::from_secs(10);

/// Below this much free space, in MiB, the disk is named. A node of the lab unpacks 1,200 MiB and failed with 90 left.
const LITTLE_SPACE: u64 = 512;

/// How many lines of the kubelet's log are read. It writes some 20 in a second while it fails.
const LOG_LINES: &str = "500";

/// Asks the node of this name. What cannot be learned is left out: the node may not be there at all.
pub(super) async fn ask(node: &str) -> Vec<String> {
    let space = run(node, &["df", "--output=avail", "--block-size=1M", "/var"]);
    let log = ["journalctl", "--unit=kubelet", "--output=cat", "--no-pager", "--lines", LOG_LINES];
    let (space, log) = tokio::join!(space, run(node, &log));
    let space = space.as_deref().and_then(little_space);
    space.into_iter().chain(log.as_deref().and_then(last_error)).collect()
}

async fn run(node: &str, words: &[&str]) -> Option<String> {
    Call::docker().args(["exec", node]).args(words).within(ANSWER).output().await.ok()
}

/// Names the free space that `df` prints below a heading, where it is little.
fn little_space(printed: &str) -> Option<String> {
    let free: u64 = printed.lines().last()?.trim().parse().ok()?;
    (free < LITTLE_SPACE)
        .then(|| format!("no space left on device: the node's disk has {free} MiB free"))
}

/// Finds the last error in a log whose lines begin as `E1130 11:05:44.540095     538 run.go:74] `.
fn last_error(log: &str) -> Option<String> {
    let message = log.lines().rev().find_map(|line| {
        let (head, message) = line.split_once("] ")?;
        let is_error = head.strip_prefix('E')?.starts_with(|c: char| c.is_ascii_digit());
        is_error.then_some(message)
    })?;
    Some(format!("the kubelet's last error: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_space_is_named_and_enough_is_not() {
        let named = little_space("Avail\n   86\n");
        assert_eq!(
            named.as_deref(),
            Some("no space left on device: the node's disk has 86 MiB free")
        );
        assert_eq!(little_space("Avail\n  512\n"), None);
        assert_eq!(little_space("df: /var: no such file"), None);
    }

    #[test]
    fn last_error_of_the_kubelet_is_found_among_what_systemd_writes() {
        let log = "E1130 11:05:43.213448     529 run.go:74] \"command failed\" err=\"an older one\"\n\
            Flag --container-runtime-endpoint has been deprecated\n\
            E1130 11:05:44.540095     538 run.go:74] \"command failed\" err=\"failed to parse kubelet flag: unknown flag: --x\"\n\
            I1130 11:05:44.600000     538 server.go:1] Started\n\
            Error: [x] no line of klog\n\
            kubelet.service: Main process exited, code=exited, status=1/FAILURE\n";
        assert_eq!(
            last_error(log).as_deref(),
            Some(
                "the kubelet's last error: \"command failed\" err=\"failed to parse kubelet flag: unknown flag: --x\""
            )
        );
        assert_eq!(last_error("Started kubelet.service\n"), None);
    }
}
