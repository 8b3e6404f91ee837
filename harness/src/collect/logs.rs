//! Logs of containers: of a bounded size, and whatever bytes are in them.

use futures::AsyncReadExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;

use super::look::Missing;

/// Which part of a log is kept where it is longer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Keep {
    /// Its first bytes; no more than these are asked for.
    First(u32),
    /// Its last bytes.
    Last(usize),
}

/// Reads a log. Bytes that are no text are replaced: a log that is cut may be cut inside a letter.
///
/// # Errors
///
/// When the server refuses, or the connection ends.
pub(super) async fn read(
    pods: &Api<Pod>,
    pod: &str,
    container: &str,
    keep: Keep,
    mut parameters: LogParams,
) -> Result<String, Missing> {
    parameters.container = Some(container.to_owned());
    let keep = match keep {
        Keep::First(bytes) => {
            parameters.limit_bytes = Some(i64::from(bytes));
            usize::MAX
        }
        Keep::Last(bytes) => bytes,
    };
    let mut log = std::pin::pin!(pods.log_stream(pod, &parameters).await?);
    let mut kept = Vec::new();
    let mut chunk = vec![0; 32 << 10];
    loop {
        let read = log.read(&mut chunk).await.map_err(|error| {
            Missing::Failed(format!("reading the log of pod {pod}: {}", crate::chain(&error)))
        })?;
        if read == 0 {
            break;
        }
        kept.extend_from_slice(&chunk[..read]);
        // Twice the size before it is cut, so that each byte is moved once.
        if kept.len() / 2 > keep {
            kept.drain(..kept.len() - keep);
        }
    }
    let surplus = kept.len().saturating_sub(keep);
    kept.drain(..surplus);
    Ok(String::from_utf8_lossy(&kept).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;
    use kube::Client;
    use kube::client::Body;

    async fn last(log: &'static [u8], keep: usize) -> String {
        let service = tower::service_fn(move |_: http::Request<Body>| async move {
            Ok::<_, std::convert::Infallible>(Response::new(Body::from(log.to_vec())))
        });
        let pods: Api<Pod> = Api::namespaced(Client::new(service, "client"), "client");
        let parameters = LogParams::default();
        read(&pods, "pod", "client", Keep::Last(keep), parameters).await.unwrap()
    }

    #[tokio::test]
    async fn the_end_is_kept_and_a_letter_cut_in_half_is_no_error() {
        assert_eq!(last("Grüße\n".as_bytes(), 100).await, "Grüße\n");
        assert_eq!(last("Grüße\n".as_bytes(), 5).await, "\u{fffd}ße\n");
        assert_eq!(last(b"\xff\xfe\n", 100).await, "\u{fffd}\u{fffd}\n");
    }

    #[tokio::test]
    async fn a_long_log_ends_with_its_newest_line() {
        let log: &'static [u8] =
            Box::leak([vec![b'x'; 3 << 20], b"\nend\n".to_vec()].concat().into());
        assert!(last(log, 64 << 10).await.ends_with("x\nend\n"));
        assert_eq!(last(log, 64 << 10).await.len(), 64 << 10);
    }
}
