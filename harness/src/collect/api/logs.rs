//! Logs of containers: of a bounded size, and whatever bytes are in them.

use std::collections::VecDeque;

use futures::AsyncReadExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;

use super::observe::Missing;

/// Which part of a log is kept where it is longer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keep {
    /// Its first bytes.
    First(u32),
    /// Its last lines.
    Last(usize),
}

/// How much of a line is kept, in bytes: of one of ten megabytes, not the whole. A progress meter of a
/// minute has less.
const LINE: usize = 8 << 10;

/// Reads a log. Bytes that are no text are replaced: a log that is cut may be cut inside a letter.
pub(crate) async fn read(
    pods: &Api<Pod>,
    pod: &str,
    container: &str,
    keep: Keep,
    mut parameters: LogParams,
) -> Result<String, Missing> {
    parameters.container = Some(container.to_owned());
    match keep {
        Keep::First(bytes) => parameters.limit_bytes = Some(i64::from(bytes)),
        Keep::Last(lines) => parameters.tail_lines = i64::try_from(lines).ok(),
    }
    let mut log = std::pin::pin!(pods.log_stream(pod, &parameters).await?);
    let mut kept = Kept::default();
    let mut chunk = vec![0; 32 << 10];
    loop {
        let read = log.read(&mut chunk).await.map_err(|error| {
            Missing::Failed(format!("reading the log of pod {pod}: {}", crate::chain(&error)))
        })?;
        let bytes = chunk.get(..read).unwrap_or_default();
        match keep {
            // A server that does not know the limit is not listened to any longer.
            Keep::First(most) => {
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                kept.line.extend_from_slice(bytes);
                kept.line.truncate(most);
                if read == 0 || kept.line.len() == most {
                    break;
                }
            }
            Keep::Last(lines) => {
                kept.add(bytes, lines);
                if read == 0 {
                    break;
                }
            }
        }
    }
    Ok(kept.text())
}

/// The lines that are kept, and the one that has not ended.
#[derive(Default)]
struct Kept {
    lines: VecDeque<Vec<u8>>,
    line: Vec<u8>,
}

impl Kept {
    fn add(&mut self, bytes: &[u8], most: usize) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (words, ends) = match piece.split_last() {
                Some((b'\n', words)) => (words, true),
                _ => (piece, false),
            };
            let room = LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(words.get(..room).unwrap_or(words));
            if ends {
                self.line.push(b'\n');
                self.lines.push_back(std::mem::take(&mut self.line));
                if self.lines.len() > most {
                    self.lines.pop_front();
                }
            }
        }
    }

    fn text(mut self) -> String {
        self.lines.push_back(self.line);
        let bytes: Vec<u8> = self.lines.into_iter().flatten().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;
    use kube::Client;
    use kube::client::Body;

    async fn last(log: &'static [u8], lines: usize) -> String {
        kept(log, Keep::Last(lines)).await
    }

    async fn kept(log: &'static [u8], keep: Keep) -> String {
        let service = tower::service_fn(move |_: http::Request<Body>| async move {
            Ok::<_, std::convert::Infallible>(Response::new(Body::from(log.to_vec())))
        });
        let pods: Api<Pod> = Api::namespaced(Client::new(service, "client"), "client");
        read(&pods, "pod", "client", keep, LogParams::default()).await.unwrap()
    }

    #[tokio::test]
    async fn last_lines_of_a_log_are_kept_despite_a_cut_character() {
        assert_eq!(last("Grüße\n".as_bytes(), 100).await, "Grüße\n");
        assert_eq!(last(b"\xff\xfe\n", 100).await, "\u{fffd}\u{fffd}\n");
        assert_eq!(last(b"one\ntwo\nthree\n", 2).await, "two\nthree\n");
        assert_eq!(last(b"one\ntwo\nthr", 2).await, "one\ntwo\nthr");
        assert_eq!(last(b"", 2).await, "");
    }

    #[tokio::test]
    async fn long_line_leaves_other_lines() {
        let log: &'static [u8] = Box::leak(
            [b"reply\n".to_vec(), vec![b'x'; 3 << 20], b"\nend\n".to_vec()].concat().into(),
        );
        let kept = last(log, 80).await;
        assert!(kept.starts_with("reply\nxxx") && kept.ends_with("x\nend\n"), "{}", kept.len());
        assert_eq!(kept.len(), 6 + LINE + 5);
    }

    #[tokio::test]
    async fn log_of_a_server_without_limits_keeps_its_beginning() {
        assert_eq!(kept(b"rules\nmore", Keep::First(6)).await, "rules\n");
    }
}
