//! The client: answers of a bounded size, and few and short repeats where a server is overloaded.

use std::time::Duration;

use http::Response;
use kube::client::retry::RetryPolicy;
use kube::client::{Client, ClientBuilder, DynBody};
use kube::{Config, Error};
use tower::buffer::BufferLayer;
use tower::retry::RetryLayer;
use tower::util::MapResponseLayer;

use super::bounded::Budget;

/// How often a request is repeated that the server had no time for (429, 503, 504), after which pauses.
/// Together they are far below the time limit of a request, so that the server's message is reported, not a
/// time-out.
const REPEATS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Makes the client. It may read files: not for a thread that others wait for.
pub(super) fn build(mut config: Config) -> Result<Client, Error> {
    config.default_retry = false;
    let policy = RetryPolicy::new(FIRST_PAUSE, LONGEST_PAUSE, REPEATS, false)
        .map_err(|error| Error::Service(error.into()))?;
    let budget = Budget::default();
    let bounded = MapResponseLayer::new(move |answer: Response<Box<DynBody>>| {
        answer.map(|body| budget.bound(body))
    });
    Ok(ClientBuilder::try_from(config)?
        .with_layer(&bounded)
        .with_layer(&BufferLayer::new(1024))
        .with_layer(&RetryLayer::new(policy))
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// A server that gives the same answer to every request, and a client of it.
    async fn against(answer: Vec<u8>) -> (Client, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = requests.clone();
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (answer, counted) = (answer.clone(), counted.clone());
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                        counted.fetch_add(1, Ordering::SeqCst);
                        // The client may hang up on what it does not want to hear.
                        let _ = stream.write_all(&answer).await;
                    }
                });
            }
        });
        (build(Config::new(url.parse().unwrap())).unwrap(), requests)
    }

    #[tokio::test]
    async fn overloaded_server_is_retried_and_then_quoted() {
        let status = r#"{"kind":"Status","status":"Failure","message":"no time","code":503}"#;
        let answer = format!(
            "HTTP/1.1 503 No\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{status}",
            status.len()
        );
        let (client, requests) = against(answer.into_bytes()).await;
        let error = client.apiserver_version().await.unwrap_err();
        assert_eq!(crate::chain(&error), "no time");
        assert_eq!(requests.load(Ordering::SeqCst), 1 + REPEATS as usize);
    }

    #[tokio::test]
    async fn endless_answer_is_cut() {
        let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec();
        answer.resize(33 << 20, b' ');
        let (client, _) = against(answer).await;
        let error = client.apiserver_version().await.unwrap_err();
        assert!(crate::chain(&error).contains("length limit exceeded"), "{error}");
    }
}
