//! istiod's own words, through port-forwards: its version, and what it knows of the proxies.

use std::collections::BTreeMap;
use std::time::Duration;

use meshcheck_suites::evidence::{Istiod, Observation, Pod, ProxySync, SyncState};
use serde::Deserialize;

use super::api::forward;
use super::api::observe::{Missing, ended, needed, observe};
use super::context::CollectContext;
use crate::wait::{Look, Wait};

/// The port of istiod's monitoring and debugging pages.
const PORT: u16 = 15014;

/// How long a push in flight may take to be acknowledged before it counts as stale.
const IN_FLIGHT: Duration = Duration::from_secs(2);

/// What is younger, in seconds, may not have been found by every proxy yet.
const YOUNG: i64 = 60;

/// Asks every istiod pod that runs.
pub(super) async fn collect(
    context: &CollectContext<'_>,
    pods: &Observation<Vec<Pod>>,
) -> Observation<BTreeMap<String, Istiod>> {
    ended(ask_all(context, pods).await)
}

async fn ask_all(
    context: &CollectContext<'_>,
    pods: &Observation<Vec<Pod>>,
) -> Result<BTreeMap<String, Istiod>, Missing> {
    let istiods: Vec<_> = needed(pods)?.iter().filter(|pod| is_ready_istiod(pod)).collect();
    if istiods.is_empty() {
        let namespace = &context.expectations.istio_namespace;
        return Err(Missing::Absent(format!("no istiod pod in namespace {namespace} is ready")));
    }
    let asked = istiods.into_iter().map(|pod| async move {
        let version = async {
            let page = page(context, &pod.name, "/version").await?;
            version(&page).ok_or_else(|| Missing::Failed(format!("/version answered: {page}")))
        };
        let proxies = observe(context.limit, proxies(context, &pod.name));
        let (version, proxies) = tokio::join!(observe(context.limit, version), proxies);
        (pod.name.clone(), Istiod { version, proxies })
    });
    Ok(futures::future::join_all(asked).await.into_iter().collect())
}

/// Waits until the proxies have found an istiod that was just started: they try again ever more rarely
/// while there is none. Who is not known at the ceiling is what the evidence shows.
pub(super) async fn until_known(
    context: &CollectContext<'_>,
    pods: [&Observation<Vec<Pod>>; 2],
    ceiling: Duration,
) {
    let all = || pods.into_iter().filter_map(Observation::value).flatten();
    let now = jiff::Timestamp::now().as_second();
    let young =
        |pod: &&Pod| pod.created_at.is_some_and(|at| (0..YOUNG).contains(&(now - at.as_second())));
    let istiods: Vec<_> = all().filter(|pod| is_ready_istiod(pod)).collect();
    if !istiods.iter().any(young) {
        return;
    }
    let proxied = |pod: &&Pod| {
        let has_proxy = pod.all_containers().any(|it| it.name == "istio-proxy");
        pod.ready && !pod.terminating && has_proxy
    };
    let expected: Vec<_> =
        all().filter(proxied).map(|pod| format!("{}.{}", pod.name, pod.namespace)).collect();
    let waiting = Wait::new("proxies to find istiod", ceiling);
    let waited = waiting.until(|| async {
        let mut known = std::collections::BTreeSet::new();
        for istiod in &istiods {
            let page = page(context, &istiod.name, "/debug/syncz").await;
            let told = page.and_then(|page| parse(&page)).unwrap_or_default();
            known.extend(told.into_iter().map(|proxy| proxy.proxy));
        }
        if expected.iter().all(|proxy| known.contains(proxy)) {
            Look::Ready(())
        } else {
            Look::NotYet(String::new())
        }
    });
    let what = "the proxies to find istiod, which has just begun";
    drop(context.awaited(what, ceiling, waited).await);
}

fn is_ready_istiod(pod: &Pod) -> bool {
    pod.labels.get("app").is_some_and(|app| app == "istiod") && pod.is_running_and_ready()
}

async fn page(context: &CollectContext<'_>, pod: &str, path: &str) -> Result<String, Missing> {
    let namespace = &context.expectations.istio_namespace;
    forward::page(&context.client, namespace, pod, PORT, path).await
}

/// The proxies of one istiod. A push that is in flight is given a moment to be acknowledged.
async fn proxies(context: &CollectContext<'_>, pod: &str) -> Result<Vec<ProxySync>, Missing> {
    let read = || async { page(context, pod, "/debug/syncz").await.and_then(|page| parse(&page)) };
    let settled = |seen: &Result<Vec<ProxySync>, Missing>| {
        seen.as_ref().map_or(true, |proxies| proxies.iter().all(in_sync))
    };
    // The first answer has the time of a whole look: a slow one is an answer too.
    let first = read().await;
    if settled(&first) {
        return first;
    }
    let waiting = Wait::new("pushes to be acknowledged", IN_FLIGHT.min(context.limit / 2));
    waiting.late().last(read, settled).await.unwrap_or(first)
}

fn in_sync(proxy: &ProxySync) -> bool {
    [&proxy.clusters, &proxy.listeners, &proxy.routes, &proxy.endpoints]
        .into_iter()
        .all(|state| state.sent == state.acked)
}

/// The version in what `/version` says: `1.20.3-<commit>-Clean`, or the same as JSON.
pub(super) fn version(page: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Info {
        version: String,
    }
    let text = page.trim();
    if let Ok(info) = serde_json::from_str::<Info>(text) {
        return Some(info.version);
    }
    // VERSION-COMMIT-STATUS, and the version may have a hyphen itself.
    let version = text
        .rsplit_once('-')
        .filter(|(_, status)| matches!(*status, "Clean" | "Modified" | "unknown"))
        .and_then(|(rest, _)| rest.rsplit_once('-'))
        .filter(|(_, commit)| {
            *commit == "unknown"
                || commit.len() >= 7 && commit.bytes().all(|it| it.is_ascii_hexdigit())
        })
        .map_or(text, |(version, _)| version)
        .to_owned();
    let plausible =
        !version.is_empty() && version.len() < 100 && !version.contains(char::is_whitespace);
    plausible.then_some(version)
}

/// A row of `/debug/syncz`.
#[derive(Deserialize)]
struct Row {
    proxy: String,
    #[serde(default)]
    proxy_type: String,
    #[serde(default)]
    istio_version: String,
    #[serde(default)]
    cluster_sent: String,
    #[serde(default)]
    cluster_acked: String,
    #[serde(default)]
    listener_sent: String,
    #[serde(default)]
    listener_acked: String,
    #[serde(default)]
    route_sent: String,
    #[serde(default)]
    route_acked: String,
    #[serde(default)]
    endpoint_sent: String,
    #[serde(default)]
    endpoint_acked: String,
}

pub(super) fn parse(page: &str) -> Result<Vec<ProxySync>, Missing> {
    // An istiod without proxies says `null`.
    let rows: Option<Vec<Row>> = serde_json::from_str(page)
        .map_err(|error| Missing::Failed(format!("/debug/syncz cannot be read: {error}")))?;
    let state = |sent, acked| SyncState { sent, acked };
    let proxies = rows.into_iter().flatten().map(|row| ProxySync {
        proxy: row.proxy,
        kind: row.proxy_type,
        istio_version: row.istio_version,
        clusters: state(row.cluster_sent, row.cluster_acked),
        listeners: state(row.listener_sent, row.listener_acked),
        routes: state(row.route_sent, row.route_acked),
        endpoints: state(row.endpoint_sent, row.endpoint_acked),
    });
    Ok(proxies.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("1.20.3-692e556046bbd99b5e7b7ef0b5a8bbd6e4f2d94a-Clean", Some("1.20.3"))]
    #[case("1.22.0-alpha.55f12a68b4f9-unknown-unknown", Some("1.22.0-alpha.55f12a68b4f9"))]
    #[case("1.22.0-alpha.55f12a68b4f9-55f12a68b4f9-Clean", Some("1.22.0-alpha.55f12a68b4f9"))]
    #[case("1.21-dev", Some("1.21-dev"))]
    #[case("1.20.3\n", Some("1.20.3"))]
    #[case(r#"{"version":"1.24.0","revision":"x"}"#, Some("1.24.0"))]
    #[case("", None)]
    #[case("404 page not found", None)]
    fn version_of_istiod_is_found(#[case] page: &str, #[case] found: Option<&str>) {
        assert_eq!(version(page).as_deref(), found);
    }

    #[test]
    fn proxies_are_read_and_malformed_rows_refused() {
        let page = r#"[{"proxy":"a.client","proxy_type":"sidecar","istio_version":"1.20.3",
            "cluster_sent":"x","cluster_acked":"x","listener_sent":"y"}]"#;
        let proxies = parse(page).unwrap();
        assert_eq!(proxies[0].proxy, "a.client");
        assert!(!in_sync(&proxies[0]), "a listener was not acknowledged");
        assert!(parse("null").unwrap().is_empty());
        assert!(matches!(parse("<html>"), Err(Missing::Failed(_))));
    }

    proptest! {
        #[test]
        fn random_page_is_read_or_refused(
            page in "\\PC*",
            near in r#"\[(\{"(proxy|cluster_sent|x)":("[a-z]{0,3}"|null|1|\[\])(,"istio_version":"")?\},?){0,3}\]?"#,
            words in "(1\\.20\\.3|unknown|Clean|Modified|[0-9a-f]{6,8}|-|\\{|\"version\":\"\"){0,6}",
        ) {
            for text in [&page, &near, &words] {
                if let Ok(proxies) = parse(text) {
                    proxies.iter().all(in_sync);
                }
                let found = version(text);
                prop_assert!(found.is_none_or(|version| !version.contains('\n')), "{text}");
            }
        }
    }
}
