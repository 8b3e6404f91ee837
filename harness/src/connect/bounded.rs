//! Bodies of answers: each of a bounded size, and all that are read at the same time together as well.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use http_body_util::Limited;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use kube::client::DynBody;
use tower::BoxError;

/// The largest answer that is read, in bytes. A page of a list, of 500 pods with sidecars, has a third.
const ANSWER: usize = 32 << 20;

/// The most bytes of answers that are held at the same time. What is read from them takes some five
/// times as much.
const TOGETHER: usize = 64 << 20;

/// An answer is too long for us.
#[derive(Debug, thiserror::Error)]
#[error("the API server's answers are too long: more than {} MiB at the same time", TOGETHER >> 20)]
struct TooLong;

/// What all answers of a client share.
#[derive(Clone, Default)]
pub(super) struct Budget(Arc<AtomicUsize>);

impl Budget {
    /// The same body, within the bounds.
    pub(super) fn bound(&self, body: Box<DynBody>) -> Bounded {
        Bounded { body: Limited::new(body, ANSWER), held: 0, all: Arc::clone(&self.0) }
    }
}

/// A body within the bounds.
pub(super) struct Bounded {
    body: Limited<Box<DynBody>>,
    held: usize,
    all: Arc<AtomicUsize>,
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let length = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        self.held += length;
        if self.all.fetch_add(length, Ordering::Relaxed) + length > TOGETHER {
            return Poll::Ready(Some(Err(TooLong.into())));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        self.all.fetch_sub(self.held, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt as _, Full};

    fn body(bytes: usize) -> Box<DynBody> {
        let body = Full::new(Bytes::from(vec![b'x'; bytes]));
        Box::new(body.map_err(|never| match never {}))
    }

    async fn read(body: &mut Bounded) -> Result<usize, String> {
        let frame = body.frame().await.unwrap();
        frame.map(|frame| frame.data_ref().unwrap().len()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn size_of_one_answer_and_of_all_answers_is_limited() {
        let budget = Budget::default();
        assert!(read(&mut budget.bound(body(ANSWER + 1))).await.is_err());
        let (mut one, mut other) = (budget.bound(body(ANSWER)), budget.bound(body(ANSWER)));
        assert_eq!(read(&mut one).await, Ok(ANSWER));
        assert_eq!(read(&mut other).await, Ok(ANSWER));
        let mut more = budget.bound(body(1));
        assert!(read(&mut more).await.unwrap_err().contains("too long"));
        drop((one, more));
        assert_eq!(read(&mut budget.bound(body(1))).await, Ok(1), "what is let go of makes room");
    }
}
