//! What the section *demo* needs: its objects, the backend asked from the client, the client's log.

mod client_log;
mod counters;
mod requests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};
use meshcheck_suites::evidence::{
    Asked, ClientLog, Clock, DemoEvidence, Deployment, Observation, Pod, Settling, Traffic,
};

use super::api::clock::server_clock;
use super::api::list;
use super::api::observe::{Missing, ended, needed, observe};
use super::context::CollectContext;
use client_log::Reading;
pub(super) use counters::{ADMIN, counter, sum};
use requests::REQUESTS;

/// What the requests of meshcheck show.
struct Requests {
    asked: Observation<Asked>,
    traffic: Observation<Traffic>,
    client_logs: Observation<Vec<ClientLog>>,
}

/// Looks at all of it but the pods at the end. What the requests show of the mesh goes with it.
pub(super) async fn collect(
    context: &CollectContext<'_>,
    settling: Observation<Settling>,
    pods: Observation<Vec<Pod>>,
) -> (DemoEvidence, Observation<Traffic>) {
    let (client, limit) = (&context.client, context.limit);
    let namespace = &context.expectations.namespace;
    let (deployments, services, endpoints) = tokio::join!(
        observe(limit, list::deployments(client, namespace)),
        observe(limit, list::services(client, namespace)),
        observe(limit, list::endpoints(client, namespace)),
    );
    let requests = requests(context, &pods, &deployments).await;
    let Requests { asked, traffic, client_logs } = requests.unwrap_or_else(|missing| Requests {
        asked: missing.clone().into(),
        traffic: missing.clone().into(),
        client_logs: missing.into(),
    });
    let evidence = DemoEvidence {
        settling,
        pods,
        pods_at_end: Observation::default(),
        deployments,
        services,
        endpoints,
        client_logs,
        asked,
    };
    (evidence, traffic)
}

/// The pods of the demo's namespace; absent where there is no such namespace.
pub(super) async fn pods(context: &CollectContext<'_>) -> Result<Vec<Pod>, Missing> {
    let namespace = &context.expectations.namespace;
    let pods = list::pods(&context.client, namespace).await?;
    if pods.is_empty() {
        exists(context, namespace).await?;
    }
    Ok(pods)
}

/// An empty list is an answer only where the namespace is there.
async fn exists(context: &CollectContext<'_>, namespace: &str) -> Result<(), Missing> {
    let api: Api<Namespace> = Api::all(context.client.clone());
    // Listed, not asked for by its name: one right less is needed.
    let named = ListParams::default().fields(&format!("metadata.name={namespace}"));
    if list::list(&api, &named, |_| ()).await?.is_empty() {
        return Err(Missing::Absent(format!("there is no namespace {namespace}")));
    }
    Ok(())
}

/// Asks the backend between two readings of the counters, then reads the clients' logs.
async fn requests(
    context: &CollectContext<'_>,
    pods: &Observation<Vec<Pod>>,
    deployments: &Observation<Vec<Deployment>>,
) -> Result<Requests, Missing> {
    let expectations = context.expectations;
    let of_deployment = |name, labels| -> Result<Vec<&Pod>, Missing> {
        let its = |pod: &&Pod| pod.is_running() && is_pod_of(pod, deployments, name, labels);
        Ok(needed(pods)?.iter().filter(its).collect())
    };
    let name = &expectations.client_deployment;
    let clients = of_deployment(name, &expectations.client.labels)?;
    let chosen = clients.iter().find(|pod| pod.ready).or(clients.first());
    let chosen =
        chosen.ok_or_else(|| Missing::Absent(format!("no pod of deployment {name} runs")))?;
    let backends = of_deployment(&expectations.backend_deployment, &expectations.backend.labels)?;
    let (answers, traffic) = context.timed("traffic", exchange(context, chosen, &backends)).await;
    let node_clock = answers.value().and_then(|(_, now)| *now);
    let asked = answers.map(|(asked, _)| asked);
    let replied = asked.value().is_some_and(|asked| {
        asked.replies.len() == REQUESTS as usize
            && asked.replies.iter().all(|it| it.says(&expectations.reply))
    });
    let clock = match node_clock {
        Some(now) => Reading::new(now, Clock::Node),
        None => match server_clock(&context.client).await {
            Some(now) => Reading::new(now, Clock::ApiServer),
            None => Reading::new(Timestamp::now(), Clock::Collector),
        },
    };
    let replied_at = node_clock.filter(|_| replied);
    let logs = clients.iter().map(|pod| client_log::log(context, pod, clock, replied_at));
    let logs = context.timed("client logs", futures::future::try_join_all(logs)).await;
    Ok(Requests { asked, traffic, client_logs: ended(logs) })
}

/// The counters, requests of meshcheck, the counters again.
async fn exchange(
    context: &CollectContext<'_>,
    asker: &Pod,
    backends: &[&Pod],
) -> (Observation<(Asked, Option<Timestamp>)>, Observation<Traffic>) {
    let before = counters::read(context, asker, backends).await;
    // Each request has a limit of its own; together they may take longer than one look.
    let asking = observe(context.limit * 4, requests::ask(context, asker)).await;
    let after = counters::read(context, asker, backends).await;
    let traffic = match needed(&asking) {
        // What was not made cannot be counted.
        Ok((answers, _)) => {
            let made = u32::try_from(answers.replies.len()).unwrap_or(REQUESTS);
            Observation::seen(counters::traffic(made, asker, before, after, context))
        }
        // How many were made is not known: none, where a command is forbidden. Counters that stand still
        // then tell nothing.
        Err(missing) => {
            let reason = missing.reason();
            Observation::failed(format!("no requests were made to be counted: {reason}"))
        }
    };
    (asking, traffic)
}

/// The application's container in a pod of the client: not the sidecar.
fn application<'p>(context: &CollectContext<'_>, pod: &'p Pod) -> Option<&'p str> {
    let its = &context.expectations.client.container;
    let mut names = pod.containers.iter().map(|container| container.name.as_str());
    names.clone().find(|name| name == its).or_else(|| names.find(|it| *it != "istio-proxy"))
}

/// Whether a pod belongs to the deployment of this name, or has these labels where that was not seen.
fn is_pod_of(
    pod: &Pod,
    deployments: &Observation<Vec<Deployment>>,
    name: &str,
    labels: &BTreeMap<String, String>,
) -> bool {
    let mut all = deployments.value().into_iter().flatten();
    let deployment = all.find(|deployment| deployment.name == name);
    deployment.map_or_else(|| pod.has_labels(labels), |it| it.selects(pod))
}
