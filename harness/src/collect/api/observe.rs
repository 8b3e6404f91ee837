//! Observations: made within a time limit, each with the reason where there is nothing to see.

use std::time::Duration;

use kube::Error;
use kube::core::Status;
use meshcheck_suites::evidence::Observation;
use meshcheck_suites::rights;

use crate::text::excerpt;
use crate::{chain, deadline};

/// Why there was nothing to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It was looked for where it must stand.
    Absent(String),
    /// It could not be read.
    Failed(String),
}

impl From<Error> for Missing {
    fn from(error: Error) -> Self {
        match &error {
            Error::Api(status) if status.code == 404 && is_of_kubernetes(status) => {
                Self::Absent(excerpt(&status.message))
            }
            // What is missing comes first; the server's words name the user as well.
            Error::Api(status) if status.code == 403 && !status.message.is_empty() => {
                Self::Failed(rights::forbidden(&excerpt(&status.message)))
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

impl From<serde_json::Error> for Missing {
    fn from(error: serde_json::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Whether a 404 is the API server's word: of an object, or of a kind that it does not serve. A web
/// server or a proxy before it has other pages for what it does not find.
fn is_of_kubernetes(status: &Status) -> bool {
    // The client's library puts this in the place of a reason where the answer is no `Status`.
    const NO_STATUS: &str = "Failed to parse error data";
    status.reason != NO_STATUS || status.message.trim() == "404 page not found"
}

impl Missing {
    /// Why, as text.
    pub(crate) fn reason(self) -> String {
        match self {
            Self::Absent(reason) | Self::Failed(reason) => reason,
        }
    }

    /// The same; where it is absent, because the cluster does not know this resource.
    pub(crate) fn or_no_resource(self, resource: &str) -> Self {
        match self {
            Self::Absent(_) => Self::Absent(format!("the cluster has no resource {resource}")),
            failed @ Self::Failed(_) => failed,
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

/// Takes what was observed before, for something that depends on it.
pub(crate) fn needed<T>(observation: &Observation<T>) -> Result<&T, Missing> {
    match observation {
        Observation::Seen { value } => Ok(value),
        Observation::Absent { reason } => Err(Missing::Absent(reason.clone())),
        Observation::Failed { reason } | Observation::NotAsked { reason } => {
            Err(Missing::Failed(reason.clone()))
        }
    }
}

/// Waits for an answer, for `limit` at the most.
pub(crate) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Missing>>,
) -> Result<T, Missing> {
    let late = |_| Missing::Failed(format!("no answer within {} s", limit.as_secs_f64()));
    deadline::timeout(limit, work).await.map_err(late)?
}

/// Observes something, for `limit` at the most.
pub(crate) async fn observe<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Missing>>,
) -> Observation<T> {
    ended(within(limit, work).await)
}

/// Makes an observation of how something ended.
pub(crate) fn ended<T>(result: Result<T, Missing>) -> Observation<T> {
    result.map_or_else(Observation::from, Observation::seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn missing_object_is_absent_and_forbidden_object_failed() {
        let api = |code, message: &str| -> Missing {
            Error::Api(Box::new(Status { code, message: message.into(), ..Status::default() }))
                .into()
        };
        assert_eq!(
            api(404, "pods \"x\" not found"),
            Missing::Absent("pods \"x\" not found".into())
        );
        let other = |message: &str| -> Missing {
            Error::Api(Box::new(
                Status::failure(message, "Failed to parse error data").with_code(404),
            ))
            .into()
        };
        assert!(matches!(other("404 page not found\n"), Missing::Absent(_)), "no such kind");
        assert!(matches!(other("<p>no such page</p>"), Missing::Failed(_)), "a proxy's page");
        let forbidden = "pods is forbidden: User \"u\" cannot list resource \"pods\"";
        let named = format!("forbidden: needs `list` on `pods` in the whole cluster ({forbidden})");
        assert_eq!(api(403, forbidden), Missing::Failed(named));
        let admission = "pods \"x\" is forbidden: violates PodSecurity";
        assert_eq!(api(403, admission), Missing::Failed(admission.into()));
        assert_eq!(
            api(500, "<html>\n  <b>oops</b>"),
            Missing::Failed("the API server answered 500: <html> <b>oops</b>".into())
        );
        assert!(api(502, &"x".repeat(10_000)).reason().len() < 450);
    }

    #[test]
    fn dependent_observation_has_the_reason_of_its_source() {
        assert_eq!(needed(&Observation::seen(1)), Ok(&1));
        let missing = |observation: Observation<()>| needed(&observation).unwrap_err();
        assert_eq!(missing(Observation::absent("a")), Missing::Absent("a".into()));
        assert_eq!(missing(Observation::failed("f")), Missing::Failed("f".into()));
        assert_eq!(missing(Observation::not_asked("n")), Missing::Failed("n".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn missing_answer_is_failed_and_not_absent() {
        let seen = observe::<()>(Duration::from_secs(5), std::future::pending()).await;
        assert_eq!(seen, Observation::failed("no answer within 5 s"));
    }
}
