//! What the section *kiali* needs: its pages, through a port-forward and through a second hop.

use std::net::Ipv4Addr;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod as ApiPod;
use kube::Api;
use meshcheck_suites::evidence::{HttpAnswer, KialiEvidence, Observation, Pod};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::api::forward::{self, Answer};
use super::api::observe::{Missing, needed, observe, within};
use super::api::vantage::HERE;
use super::context::CollectContext;
use crate::chain;

/// Looks at all of its pages at once. `url` is where Kiali is exposed, where the caller named that.
pub(super) async fn collect(
    context: &CollectContext<'_>,
    pods: &Observation<Vec<Pod>>,
    url: Option<&str>,
) -> KialiEvidence {
    let pod = ready_pod(context, pods);
    let exposed = async {
        match url {
            Some(url) => exposed(context, url).await,
            None => observe(context.limit, second_hop(context, &pod)).await,
        }
    };
    let root = context.expectations.kiali.web_root.as_str();
    let api = format!("{root}api");
    let (root, exposed, console, api) = tokio::join!(
        page(context, &pod, "/"),
        exposed,
        page(context, &pod, root),
        page(context, &pod, &api),
    );
    KialiEvidence { root, exposed, console, api }
}

/// Kiali's pod, or why there is none to ask.
type KialiPod<'a> = Result<&'a Pod, Missing>;

fn ready_pod<'a>(context: &CollectContext<'_>, pods: &'a Observation<Vec<Pod>>) -> KialiPod<'a> {
    let ready = needed(pods)?.iter().find(|pod| {
        let label = |key: &str| pod.labels.get(key).map(String::as_str);
        (label("app.kubernetes.io/name") == Some("kiali") || label("app") == Some("kiali"))
            && pod.is_running_and_ready()
    });
    let namespace = &context.expectations.istio_namespace;
    ready.ok_or_else(|| Missing::Absent(format!("no Kiali pod in namespace {namespace} is ready")))
}

async fn page(
    context: &CollectContext<'_>,
    pod: &KialiPod<'_>,
    path: &str,
) -> Observation<HttpAnswer> {
    observe(context.limit, async {
        let pod = pod.clone()?;
        let (client, limit) = (&context.client, HttpAnswer::BODY_LIMIT);
        let port = context.expectations.kiali.port;
        let answer =
            forward::get_from_pod(client, &pod.namespace, &pod.name, port, path, limit).await?;
        let vantage = format!("a port-forward to pod {}", pod.name);
        Ok(answer.evidence(format!("GET {path}"), vantage))
    })
    .await
}

/// What `socat` does in the tutorial: a listener of our own on this machine, in front of a port-forward.
async fn second_hop(
    context: &CollectContext<'_>,
    pod: &KialiPod<'_>,
) -> Result<HttpAnswer, Missing> {
    let pod = pod.clone()?;
    let failed = |error: std::io::Error| Missing::Failed(error.to_string());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
    let here = listener.local_addr().map_err(failed)?;
    let pods: Api<ApiPod> = Api::namespaced(context.client.clone(), &pod.namespace);
    let port = context.expectations.kiali.port;
    let mut forward = pods.portforward(&pod.name, &[port]).await?;
    let mut behind = forward
        .take_stream(port)
        .ok_or_else(|| Missing::Failed("the port-forward has no stream".into()))?;
    let refused = forward.take_error(port);
    let _hop = AbortOnDropHandle::new(tokio::spawn(async move {
        if let Ok((mut front, _)) = listener.accept().await {
            // What goes wrong is told by the request in front.
            let _ = tokio::io::copy_bidirectional(&mut front, &mut behind).await;
        }
    }));
    let limit = HttpAnswer::BODY_LIMIT;
    let answer = forward::get_from_here(here, "localhost", "/", limit, context.limit).await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(reason) => {
            let place = (pod.namespace.as_str(), pod.name.as_str(), port);
            return Err(forward::why_no_answer(place, refused, Missing::Failed(reason)).await);
        }
    };
    let vantage = format!("a second hop in front of a port-forward to pod {}", pod.name);
    Ok(answer.evidence(format!("GET http://{here}/"), vantage))
}

/// The answer at a URL that the caller named. Where none comes, nothing is exposed there.
async fn exposed(context: &CollectContext<'_>, url: &str) -> Observation<HttpAnswer> {
    match within(context.limit, get_url(url, context.limit)).await {
        Ok(answer) => Observation::seen(answer),
        Err(missing) => {
            Observation::absent(format!("nothing answers GET {url}: {}", missing.reason()))
        }
    }
}

async fn get_url(url: &str, limit: Duration) -> Result<HttpAnswer, Missing> {
    let failed = |error: reqwest::Error| Missing::Failed(chain(&error.without_url()));
    let client =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(limit);
    let client = client.build().map_err(failed)?;
    let mut response = client.get(url).send().await.map_err(failed)?;
    let mut body = Vec::new();
    while body.len() <= HttpAnswer::BODY_LIMIT
        && let Some(chunk) = response.chunk().await.map_err(failed)?
    {
        body.extend_from_slice(&chunk);
    }
    let status = response.status().as_u16();
    let answer = Answer::new(status, response.headers(), body, HttpAnswer::BODY_LIMIT);
    let address = response.remote_addr().map_or_else(String::new, |it| format!(" ({it})"));
    Ok(answer.evidence(format!("GET {url}"), format!("{HERE}{address}")))
}
