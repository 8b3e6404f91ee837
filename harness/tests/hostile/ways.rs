//! The ways in which a server answers a request otherwise, or gives no answer.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::server::{Delivery, Reply};

/// How a request is answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    /// 404: an answer.
    NotFound,
    /// A list of nothing, or nothing: an answer.
    Empty,
    /// The connection is reset before the first byte.
    Refused,
    /// The connection is reset in the middle of the answer.
    Reset,
    /// An error of the server.
    Status(u16),
    /// The connection ends in the middle of the answer.
    Cut,
    /// Bytes that are neither JSON nor HTTP.
    Wrong,
    /// The answer stops in the middle, and the connection stays.
    Endless,
}

/// Answers, which are judged.
pub(crate) const ANSWERS: [Way; 2] = [Way::NotFound, Way::Empty];

/// The ways to get no answer.
pub(crate) const FAILURES: [Way; 9] = [
    Way::Refused,
    Way::Reset,
    Way::Status(401),
    Way::Status(403),
    Way::Status(429),
    Way::Status(500),
    Way::Cut,
    Way::Wrong,
    Way::Endless,
];

impl Way {
    /// Its name in the table of results.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Status(code) => code.to_string(),
            other => format!("{other:?}").to_lowercase(),
        }
    }

    /// What becomes of an answer. That of an upgrade is what goes over the connection then.
    pub(crate) fn of(self, mut reply: Reply) -> Reply {
        let garbage = || {
            let mut random = fastrand::Rng::with_seed(7);
            (0..4096).map(|_| random.u8(..)).collect::<Vec<_>>()
        };
        let is_upgrade = reply.talk.is_some();
        if reply.body.len() < 2 {
            reply.body = b"{}".to_vec();
        }
        let mut half = reply.body.len() / 2;
        if let Some(talk) =
            reply.talk.clone().filter(|_| !matches!(self, Self::Wrong | Self::Empty))
        {
            reply.talk = Some(Arc::new(move |client| {
                let mut frames = talk(client);
                frames.truncate(frames.len() / 2);
                frames
            }));
            half = usize::MAX;
        }
        match self {
            Self::NotFound => {
                Reply::status(404, "the server could not find the requested resource")
            }
            Self::Empty => empty(reply),
            Self::Refused => reply.delivery(Delivery::Reset(0)),
            Self::Reset => reply.delivery(Delivery::Reset(half)),
            Self::Status(code) => Reply::status(code, "a test breaks this request"),
            Self::Cut => reply.delivery(Delivery::Break(half)),
            Self::Endless => reply.delivery(Delivery::Stall(half)),
            Self::Wrong if is_upgrade => {
                reply.talk = Some(Arc::new(move |_| garbage()));
                reply.delivery(Delivery::Break(usize::MAX))
            }
            Self::Wrong if serde_json::from_slice::<Value>(&reply.body).is_ok() => {
                reply.body = garbage();
                reply
            }
            Self::Wrong => Reply::raw(garbage()),
        }
    }
}

/// An empty list, an empty log, or the same answer where it is neither.
fn empty(mut reply: Reply) -> Reply {
    match serde_json::from_slice::<Value>(&reply.body) {
        Ok(mut body) if body["items"].is_array() => {
            body["items"] = json!([]);
            reply.body = body.to_string().into_bytes();
        }
        Err(_) => reply.body.clear(),
        Ok(_) => {}
    }
    reply
}
