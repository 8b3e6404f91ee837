//! Namespaces of meshcheck: labelled with their maker, and removed at whatever point it ended.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::{Client, ResourceExt as _};
use meshcheck_suites::rights::FORBIDDEN;
use serde_json::json;

use crate::collect::api::clock::server_clock;
use crate::collect::api::list::list;
use crate::collect::api::observe::{self, Missing};
use crate::deadline;
use crate::owner::{self, Life, Owner};
use crate::wait::{Look, Wait};

/// Marks what is meshcheck's on a cluster.
const OURS: &str = "app.kubernetes.io/managed-by=meshcheck,meshcheck.dev/probe";

/// How long a removed namespace may take to be gone. Seen: some five seconds.
pub(crate) const REMOVAL_CEILING: Duration = Duration::from_mins(1);

/// How long one request of these probes may take: what they made must be removed in the end.
pub(crate) const REQUEST: Duration = Duration::from_secs(10);

/// How long a cluster that was lost may take to answer again, so that what we made there is removed.
const RETURN_CEILING: Duration = Duration::from_secs(10);

/// A probe whose maker nothing is known of, because it ran on another machine, is given up after this
/// time. The longest probe takes less than two minutes.
const ABANDONED: Duration = Duration::from_mins(15);

/// A namespace of meshcheck. [`OwnNamespace::remove`] takes it away; a drop without that, as when the run is
/// cancelled, does so in the background, and [`remove_own`] finds what even that could not.
pub(crate) struct OwnNamespace {
    client: Client,
    /// Its name.
    pub(crate) name: String,
    there: bool,
}

impl OwnNamespace {
    /// Creates one for this purpose, with these labels besides meshcheck's.
    pub(crate) async fn create(
        client: &Client,
        what: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<Self, Missing> {
        may_be_removed(client).await?;
        let mut labels = labels.clone();
        let own = [
            ("app.kubernetes.io/managed-by", "meshcheck"),
            ("meshcheck.dev/probe", what),
            (owner::LABEL, &Owner::this().to_string()),
        ];
        labels.extend(own.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let name = format!("meshcheck-{what}-{:08x}", fastrand::u32(..));
        let namespace: Namespace = serde_json::from_value(json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": name, "labels": labels }
        }))?;
        // From here on it may be there, also when the answer is lost.
        let own = Self { client: client.clone(), name, there: true };
        let namespaces: Api<Namespace> = Api::all(client.clone());
        match within(namespaces.create(&PostParams::default(), &namespace)).await {
            Ok(_) => Ok(own),
            Err(error) => {
                let mut own = own;
                // Refused by the server: nothing is there.
                own.there = !matches!(error, kube::Error::Api(_));
                Err(error.into())
            }
        }
    }

    /// Removes it. Whether its objects are gone already is for the caller to look at.
    ///
    /// Kubernetes takes five seconds for any namespace (`namespaceDeletionGracePeriod` of its
    /// controller), and needs nobody for it. They are waited for where the cluster is not meshcheck's: it is
    /// left as it was found.
    pub(crate) async fn remove(mut self, cluster_is_ours: bool) -> Result<(), Missing> {
        delete(&self.client, &self.name).await?;
        self.there = false;
        if cluster_is_ours {
            return Ok(());
        }
        let name = &self.name;
        until_gone(&self.client, &format!("namespace {name} to be gone"), REMOVAL_CEILING, |it| {
            it.name_any() == *name
        })
        .await
        .map_err(Missing::Failed)
    }
}

impl Drop for OwnNamespace {
    fn drop(&mut self) {
        if !self.there {
            return;
        }
        let (client, name) = (self.client.clone(), self.name.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { delete(&client, &name).await });
        }
    }
}

/// Whether a namespace of meshcheck could be removed again, and be seen to be gone. Where it could not, none is
/// made: it would stay.
async fn may_be_removed(client: &Client) -> Result<(), Missing> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    for verb in ["delete", "list"] {
        let review: SelfSubjectAccessReview = serde_json::from_value(json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": { "verb": verb, "resource": "namespaces" } }
        }))?;
        let review = match within(reviews.create(&PostParams::default(), &review)).await {
            Ok(review) => Some(review),
            // Who is not told finds out.
            Err(kube::Error::Api(_)) => None,
            // A server that does not answer this would not answer the removal either.
            Err(error) => return Err(error.into()),
        };
        if review.and_then(|review| review.status).is_some_and(|status| !status.allowed) {
            return Err(Missing::Failed(format!(
                "{FORBIDDEN}`{verb}` on `namespaces` in the whole cluster (a namespace of ours could not \
                 be seen to go again: none was made)"
            )));
        }
    }
    Ok(())
}

/// Whether it is of use to look again: a right that is missing does not come by waiting.
fn again<T>(reason: String) -> Look<T> {
    if reason.starts_with(FORBIDDEN) { Look::Never(reason) } else { Look::NotYet(reason) }
}

/// A request, broken off where a server never answers it.
pub(crate) async fn within<T>(
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, kube::Error> {
    let silence =
        |_| kube::Error::Service(format!("no answer within {} s", REQUEST.as_secs()).into());
    deadline::timeout(REQUEST, Box::pin(request)).await.map_err(silence)?
}

async fn delete(client: &Client, name: &str) -> Result<(), Missing> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    match within(namespaces.delete(name, &DeleteParams::default())).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Removes the namespaces that this process made and that are still there, and waits until they are
/// gone: for the end of a look that was cancelled, that panicked, or that lost its cluster.
///
/// # Errors
///
/// As text, when the cluster does not answer for ten seconds, or they do not go.
pub async fn remove_own(client: &Client) -> Result<Vec<String>, String> {
    let this = Owner::this().to_string();
    let ours = |it: &Namespace| it.labels().get(owner::LABEL) == Some(&this);
    let found = Wait::new("the cluster to answer", RETURN_CEILING)
        .until(|| async {
            match found(client, &ours).await {
                Ok(found) => Look::Ready(found),
                Err(error) => again(error),
            }
        })
        .await
        .map_err(|error| error.to_string())?;
    remove(client, found, &ours).await
}

/// Removes the namespaces whose maker has ended without removing them: killed, or cut off. What a living
/// run works with stays, and so does what another machine made within the last quarter of an hour.
///
/// # Errors
///
/// As text, when they cannot be listed, removed, or do not go.
pub async fn remove_left(client: &Client) -> Result<Vec<String>, String> {
    // Ages are counted by the clock that stamped them; without it nothing is known to be old.
    let now = server_clock(client).await;
    let left = |it: &Namespace| is_left(it, now);
    let found = found(client, &left).await?;
    remove(client, found, &left).await
}

/// Has the same namespaces removed, without waiting: those that are on their way out already are none
/// of our business. For the start of a look, which they do not disturb.
pub(crate) async fn begin_to_remove_left(client: &Client) -> Result<(), String> {
    let now = server_clock(client).await;
    let stays = |it: &Namespace| it.metadata.deletion_timestamp.is_none() && is_left(it, now);
    for name in found(client, &stays).await? {
        delete(client, &name).await.map_err(Missing::reason)?;
    }
    Ok(())
}

fn is_left(namespace: &Namespace, now: Option<Timestamp>) -> bool {
    let maker = namespace.labels().get(owner::LABEL).and_then(|it| Owner::parse(it));
    match maker.map(|maker| maker.life()) {
        Some(Life::Lives) => false,
        Some(Life::Ended) => true,
        Some(Life::Elsewhere) | None => {
            // The client's library has a type of its own for moments.
            let created = namespace.creation_timestamp().map(|it| it.0.as_second());
            let old = |(now, created): (Timestamp, i64)| {
                u64::try_from(now.as_second() - created).is_ok_and(|age| age > ABANDONED.as_secs())
            };
            now.zip(created).is_some_and(old)
        }
    }
}

async fn found(
    client: &Client,
    which: &impl Fn(&Namespace) -> bool,
) -> Result<Vec<String>, String> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let ours = ListParams::default().labels(OURS);
    let names = list(&namespaces, &ours, |it| which(it).then(|| it.name_any()));
    let names = observe::within(REQUEST, names).await.map_err(Missing::reason)?;
    Ok(names.into_iter().flatten().collect())
}

async fn remove(
    client: &Client,
    names: Vec<String>,
    which: &impl Fn(&Namespace) -> bool,
) -> Result<Vec<String>, String> {
    for name in &names {
        delete(client, name).await.map_err(Missing::reason)?;
    }
    if !names.is_empty() {
        until_gone(client, "our namespaces to be gone", REMOVAL_CEILING, which).await?;
    }
    Ok(names)
}

async fn until_gone(
    client: &Client,
    what: &str,
    ceiling: Duration,
    which: impl Fn(&Namespace) -> bool,
) -> Result<(), String> {
    Wait::new(what, ceiling)
        .until(|| async {
            match found(client, &which).await {
                Ok(left) if left.is_empty() => Look::Ready(()),
                Ok(left) => Look::NotYet(format!("still there: {}", left.join(", "))),
                Err(error) => again(error),
            }
        })
        .await
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn made_by(maker: Option<&str>, minutes_ago: i64, now: Timestamp) -> Namespace {
        let created = now - jiff::SignedDuration::from_mins(minutes_ago);
        let mut labels = serde_json::Map::new();
        if let Some(maker) = maker {
            labels.insert(owner::LABEL.into(), maker.into());
        }
        serde_json::from_value(json!({
            "metadata": { "name": "x", "creationTimestamp": created, "labels": labels }
        }))
        .unwrap()
    }

    #[rstest]
    #[case::of_another_machine(Some("elsewhere.7.8"), 14, false)]
    #[case::of_another_machine_long_ago(Some("elsewhere.7.8"), 16, true)]
    #[case::without_a_maker(None, 14, false)]
    #[case::without_a_maker_long_ago(None, 16, true)]
    #[case::of_a_clock_ahead(None, -16, false)]
    #[case::nobody_s_word(Some("?"), 1, false)]
    fn namespace_without_owner_is_left_alone(
        #[case] maker: Option<&str>,
        #[case] minutes_ago: i64,
        #[case] left: bool,
    ) {
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let namespace = made_by(maker, minutes_ago, now);
        assert_eq!(is_left(&namespace, Some(now)), left);
        assert!(!is_left(&namespace, None), "nobody knows how old it is");
    }

    #[test]
    fn namespace_of_a_live_run_stays_and_of_a_dead_run_goes() {
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let this = Owner::this().to_string();
        assert!(!is_left(&made_by(Some(&this), 1000, now), Some(now)));
        let dead = format!("{this}7");
        assert!(is_left(&made_by(Some(&dead), 0, now), None), "{dead}");
    }
}
