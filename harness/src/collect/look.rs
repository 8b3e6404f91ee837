//! One look: with a time limit, and its end put into words.

use std::time::Duration;

use kube::Error;
use meshcheck_suites::evidence::Observation;
use meshcheck_suites::rights;

use crate::chain;

/// Why there was nothing to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Missing {
    /// It was looked for where it must stand.
    Absent(String),
    /// It could not be looked at.
    Failed(String),
}

impl From<Error> for Missing {
    fn from(error: Error) -> Self {
        match &error {
            Error::Api(status) if status.code == 404 => Self::Absent(status.message.clone()),
            // What is missing comes first; the server's words name the user as well.
            Error::Api(status) if status.code == 403 && !status.message.is_empty() => {
                Self::Failed(rights::forbidden(&status.message))
            }
            Error::Api(status) => {
                let words = excerpt(&status.message);
                Self::Failed(format!("the API server answered {}: {words}", status.code))
            }
            Error::SerdeError(error) => {
                Self::Failed(format!("the API server's answer is not one of Kubernetes: {error}"))
            }
            Error::FromUtf8(_) => Self::Failed("the API server's answer is not text".into()),
            _ => Self::Failed(chain(&error)),
        }
    }
}

/// The beginning of what may be a whole page, on one line.
fn excerpt(text: &str) -> String {
    const LENGTH: usize = 200;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{} …", &words[..end]),
        None => words,
    }
}

impl Missing {
    /// Why, in words.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Absent(reason) | Self::Failed(reason) => reason,
        }
    }
}

impl<T> From<Missing> for Observation<T> {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Absent(reason) => Self::absent(reason),
            Missing::Failed(reason) => Self::failed(reason),
        }
    }
}

/// Looks, for `limit` at the most.
pub(super) async fn look<T>(
    limit: Duration,
    look: impl Future<Output = Result<T, Missing>>,
) -> Observation<T> {
    match tokio::time::timeout(limit, look).await {
        Ok(Ok(value)) => Observation::seen(value),
        Ok(Err(missing)) => missing.into(),
        Err(_) => Observation::failed(format!("no answer within {} s", limit.as_secs_f64())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    #[tokio::test]
    async fn not_there_and_not_allowed_are_different_answers() {
        let api = |code, message: &str| -> Missing {
            Error::Api(Box::new(Status { code, message: message.into(), ..Status::default() }))
                .into()
        };
        assert_eq!(
            api(404, "pods \"x\" not found"),
            Missing::Absent("pods \"x\" not found".into())
        );
        let forbidden = "pods is forbidden: User \"u\" cannot list resource \"pods\"";
        let named = format!("forbidden: needs `list` on `pods` in the whole cluster ({forbidden})");
        assert_eq!(api(403, forbidden), Missing::Failed(named));
        let admission = "pods \"x\" is forbidden: violates PodSecurity";
        assert_eq!(api(403, admission), Missing::Failed(admission.into()));
        assert_eq!(
            api(500, "<html>\n  <b>oops</b>"),
            Missing::Failed("the API server answered 500: <html> <b>oops</b>".into())
        );
        assert!(api(502, &"x".repeat(10_000)).reason().len() < 250);
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_not_absence() {
        let seen = look::<()>(Duration::from_secs(5), std::future::pending()).await;
        assert_eq!(seen, Observation::failed("no answer within 5 s"));
    }
}
