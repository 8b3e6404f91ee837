//! Takes connections within limits: how many there are, how long a head may take, and how large it may be.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// How many connections there are at a time. Each reader of the board has one or two.
const OPEN: usize = 512;

/// How many of them may not have sent a request yet. The oldest of more is closed: so a flood of connections that send
/// nothing takes no place from one that asks at once.
const SILENT: usize = 64;

/// How long the head of a request may take, also of the next one on the same connection.
const HEAD: Duration = Duration::from_secs(10);

/// The largest head of a request, in bytes, and the most fields that it has.
const HEAD_SIZE: usize = 16 << 10;
const FIELDS: usize = 64;

/// How long to wait where the system has no more files for connections.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection that may not have sent a request yet.
struct Silent {
    /// Whether it has; gone once the connection is.
    has_asked: Weak<AtomicBool>,
    end: CancellationToken,
}

/// Serves until `cancel`.
pub(super) async fn serve(listener: TcpListener, router: Router, cancel: CancellationToken) {
    let open = Arc::new(Semaphore::new(OPEN));
    let mut silent: VecDeque<Silent> = VecDeque::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            () = cancel.cancelled() => return,
        };
        let Ok((stream, _)) = stream else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        // Closed at once: a reader tries again.
        let Ok(place) = Arc::clone(&open).try_acquire_owned() else { continue };
        silent.retain(|it| it.has_asked.upgrade().is_some_and(|it| !it.load(Ordering::Relaxed)));
        if silent.len() >= SILENT
            && let Some(oldest) = silent.pop_front()
        {
            oldest.end.cancel();
        }
        let has_asked = Arc::new(AtomicBool::new(false));
        let end = cancel.child_token();
        silent.push_back(Silent { has_asked: Arc::downgrade(&has_asked), end: end.clone() });
        let router = router.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = converse(stream, router, has_asked) => {}
                () = end.cancelled() => {}
            }
            drop(place);
        });
    }
}

async fn converse(stream: TcpStream, router: Router, has_asked: Arc<AtomicBool>) {
    let service = hyper::service::service_fn(move |request| {
        has_asked.store(true, Ordering::Relaxed);
        let router = router.clone();
        async move {
            Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|it| match it {}))
        }
    });
    // Small rows go out at once.
    let _ = stream.set_nodelay(true);
    // A peer that breaks off, or asks for nothing that can be read, is no error of the board.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_header_size(HEAD_SIZE)
        .max_headers(FIELDS)
        .max_buf_size(2 * HEAD_SIZE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
