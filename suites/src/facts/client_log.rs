//! The lines of the client's log: replies, curl's progress meter, errors.

mod lines;

use jiff::Timestamp;

use crate::evidence::{ClientLog, Evidence, LogLine};
use lines::{Piece, pieces};

/// The kind of a line in the client's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogMark {
    /// The newest reply.
    NewestReply,
    /// A reply before it.
    Reply,
    /// An error, with no reply after it.
    Trouble,
    /// An error before a later reply.
    PastTrouble,
    /// curl's progress meter, or nothing.
    Meter,
}

/// Returns the kinds of the lines of a client's log, in order.
pub fn log_marks(log: &ClientLog, reply: &str) -> Vec<LogMark> {
    let mut marks: Vec<_> = log
        .lines
        .iter()
        .map(|line| {
            let pieces = pieces(&line.text, reply);
            if pieces.iter().any(|piece| matches!(piece, Piece::Other(_))) {
                LogMark::Trouble
            } else if pieces.contains(&Piece::Reply) {
                LogMark::Reply
            } else {
                LogMark::Meter
            }
        })
        .collect();
    // A line with both ends with the reply, so its error is past.
    let replied = |line: &LogLine| pieces(&line.text, reply).last() == Some(&Piece::Reply);
    if let Some(newest) = log.lines.iter().rposition(replied) {
        for mark in marks.iter_mut().take(newest + 1) {
            if *mark == LogMark::Trouble {
                *mark = LogMark::PastTrouble;
            }
        }
        if let Some(mark) = marks.get_mut(newest).filter(|mark| **mark == LogMark::Reply) {
            *mark = LogMark::NewestReply;
        }
    }
    marks
}

/// The state at the end of a log.
#[derive(Default)]
pub(crate) struct Reading {
    /// When the newest reply was written.
    pub(crate) reply: Option<Timestamp>,
    /// The first error after the newest reply, or in the whole log without a reply.
    pub(crate) trouble: Option<String>,
    /// When requests began after it, by the heads of curl's meter.
    pub(crate) requests: Vec<Timestamp>,
}

/// Reads a log from its beginning.
pub(crate) fn read(log: &ClientLog, reply: &str) -> Reading {
    let mut reading = Reading::default();
    for line in &log.lines {
        for piece in pieces(&line.text, reply) {
            match piece {
                Piece::Reply => {
                    reading = Reading { reply: Some(line.at), ..Reading::default() };
                }
                Piece::Other(text) => {
                    reading.trouble.get_or_insert(text);
                }
                Piece::MeterHead => reading.requests.push(line.at),
                Piece::Meter => {}
            }
        }
    }
    reading
}

/// The log of the client's container in a pod.
pub(crate) fn find_log<'l>(
    evidence: &Evidence,
    logs: &'l [ClientLog],
    pod: &str,
) -> Option<&'l ClientLog> {
    let container = &evidence.expectations.client.container;
    logs.iter().find(|log| log.pod == pod && log.container == *container)
}

/// Returns the error at the end of a client pod's log, where there is one.
pub(crate) fn find_trouble_in_log(evidence: &Evidence, pod: &str) -> Option<String> {
    let log = find_log(evidence, evidence.demo.client_logs.value()?, pod)?;
    read(log, &evidence.expectations.reply).trouble
}

#[cfg(test)]
mod tests {
    use super::LogMark::{Meter, NewestReply, PastTrouble, Reply, Trouble};
    use super::{LogMark, find_trouble_in_log, log_marks};
    use crate::evidence::{LogLine, Observation};
    use crate::testing::{healthy, of};

    const HEAD: &str =
        "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current";
    const ROW: &str =
        "\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0";
    const REPLY: &str = "Hello from backend service";

    #[test]
    fn trouble_in_the_line_of_the_newest_reply_is_past() {
        let over = format!("no healthy upstream{REPLY}");
        let mut evidence = healthy();
        let log = &mut of(&mut evidence.demo.client_logs)[0];
        let at = log.read_at;
        log.lines = [REPLY, &over].map(|text| LogLine { at, text: text.into() }).into();
        assert_eq!(log_marks(log, REPLY), [Reply, PastTrouble]);
        let pod = log.pod.clone();
        assert_eq!(find_trouble_in_log(&evidence, &pod), None);
    }

    #[test]
    fn marks_of_lines_agree_with_the_reading() {
        let over = format!("no healthy upstream{REPLY}");
        let unresolved = format!("{ROW}curl: (6) Could not resolve host: echo");
        let texts: [(&str, LogMark); 7] = [
            ("curl: (7) Failed to connect", PastTrouble),
            (REPLY, Reply),
            (&over, PastTrouble),
            (REPLY, NewestReply),
            (HEAD, Meter),
            (ROW, Meter),
            (&unresolved, Trouble),
        ];
        let mut evidence = healthy();
        let log = &mut of(&mut evidence.demo.client_logs)[0];
        let at = log.read_at;
        log.lines = texts.iter().map(|&(text, _)| LogLine { at, text: text.into() }).collect();
        assert_eq!(log_marks(log, REPLY), texts.map(|(_, mark)| mark));
        let pod = log.pod.clone();
        let trouble = find_trouble_in_log(&evidence, &pod);
        assert_eq!(trouble.as_deref(), Some("curl: (6) Could not resolve host: echo"));
        assert_eq!(find_trouble_in_log(&evidence, "another"), None);
        evidence.demo.client_logs = Observation::failed("forbidden");
        assert_eq!(find_trouble_in_log(&evidence, &pod), None);
    }
}
