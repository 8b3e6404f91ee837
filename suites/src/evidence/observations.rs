//! The observations of a document, and the failed ones among them.

use serde_json::Value;

use super::{Evidence, Observation};
use crate::json;

/// The number of observations in a document, and the failed ones. Nested observations count too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observations {
    /// The number of observations.
    pub count: usize,
    /// The failed observations: JSON pointer (`/demo/client_logs`) and reason.
    pub failed: Vec<(String, String)>,
}

impl Evidence {
    /// Collects the observations, in the document's order.
    pub fn observations(&self) -> Observations {
        let mut all = Observations::default();
        let document = serde_json::to_value(self).unwrap_or_default();
        json::visit(&document, &mut |pointer, value| {
            if let Some(observation) = observation(value) {
                all.count += 1;
                if let Observation::Failed { reason } = observation {
                    all.failed.push((pointer.to_owned(), reason));
                }
            }
        });
        all
    }
}

/// Parses a value as an observation, without its value.
fn observation(value: &Value) -> Option<Observation<()>> {
    let fields = value.as_object().filter(|fields| fields.len() == 2)?;
    let reason = || fields.get("reason").and_then(Value::as_str).map(str::to_owned);
    match fields.get("state")?.as_str()? {
        "seen" => fields.contains_key("value").then_some(Observation::Seen { value: () }),
        "absent" => Some(Observation::Absent { reason: reason()? }),
        "failed" => Some(Observation::Failed { reason: reason()? }),
        "not_asked" => Some(Observation::NotAsked { reason: reason()? }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::evidence::Observation;
    use crate::testing::{healthy, is_observation, places, recorded};

    #[test]
    fn failed_observation_is_found_with_its_reason() {
        let mut evidence = healthy();
        let before = evidence.observations();
        assert_eq!(before.count, places(&recorded(), is_observation).len());
        assert_eq!(before.failed, []);
        evidence.demo.client_logs = Observation::failed("forbidden");
        evidence.kiali.console = Observation::not_asked("needs --active");
        evidence.kiali.api = Observation::absent("no Kiali pod is ready");
        let after = evidence.observations();
        assert_eq!(after.count, before.count);
        assert_eq!(after.failed, [("/demo/client_logs".to_owned(), "forbidden".to_owned())]);
    }
}
