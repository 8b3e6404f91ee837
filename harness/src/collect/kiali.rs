//! What the section *kiali* needs: its pages, through a port-forward and through a second hop.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod as ApiPod;
use kube::Api;
use meshcheck_suites::evidence::{HttpAnswer, KialiEvidence, Observation, Pod};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::look::{Missing, look};
use super::{Scene, forward};
use crate::chain;

/// Looks at all of its pages at once.
pub(super) async fn collect(scene: &Scene<'_>, pods: &Observation<Vec<Pod>>) -> KialiEvidence {
    let pod = match pods {
        Observation::Seen { value } => {
            let Some(pod) = ready_pod(value) else {
                let namespace = &scene.expectations.istio_namespace;
                let reason = format!("no Kiali pod in namespace {namespace} is ready");
                return nothing(&Observation::absent(reason), exposed_url(scene).await);
            };
            pod
        }
        Observation::Absent { reason } => {
            return nothing(&Observation::absent(reason.clone()), exposed_url(scene).await);
        }
        Observation::Failed { reason } | Observation::NotAsked { reason } => {
            return nothing(&Observation::failed(reason.clone()), exposed_url(scene).await);
        }
    };
    let exposed = async {
        match exposed_url(scene).await {
            Some(answer) => answer,
            None => look(scene.limit, second_hop(scene, pod)).await,
        }
    };
    let root = scene.expectations.kiali.web_root.as_str();
    let api = format!("{root}api");
    let (root, exposed, console, api) = tokio::join!(
        page(scene, pod, "/"),
        exposed,
        page(scene, pod, root),
        page(scene, pod, &api),
    );
    KialiEvidence { root, exposed, console, api }
}

fn nothing(
    why: &Observation<HttpAnswer>,
    exposed: Option<Observation<HttpAnswer>>,
) -> KialiEvidence {
    KialiEvidence {
        root: why.clone(),
        exposed: exposed.unwrap_or_else(|| why.clone()),
        console: why.clone(),
        api: why.clone(),
    }
}

fn ready_pod(pods: &[Pod]) -> Option<&Pod> {
    pods.iter().find(|pod| {
        let label = |key: &str| pod.labels.get(key).map(String::as_str);
        (label("app.kubernetes.io/name") == Some("kiali") || label("app") == Some("kiali"))
            && pod.is_running_and_ready()
    })
}

async fn page(scene: &Scene<'_>, pod: &Pod, path: &str) -> Observation<HttpAnswer> {
    look(scene.limit, async {
        let (client, limit) = (&scene.client, HttpAnswer::BODY_LIMIT);
        let port = scene.expectations.kiali.port;
        let answer =
            forward::get_from_pod(client, &pod.namespace, &pod.name, port, path, limit).await?;
        let vantage = format!("a port-forward to pod {}", pod.name);
        Ok(answer.evidence(format!("GET {path}"), vantage))
    })
    .await
}

/// What `socat` does in the tutorial: a listener of our own on this machine, in front of a port-forward.
async fn second_hop(scene: &Scene<'_>, pod: &Pod) -> Result<HttpAnswer, Missing> {
    let failed = |error: std::io::Error| Missing::Failed(error.to_string());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
    let here = listener.local_addr().map_err(failed)?;
    let pods: Api<ApiPod> = Api::namespaced(scene.client.clone(), &pod.namespace);
    let port = scene.expectations.kiali.port;
    let mut forward = pods.portforward(&pod.name, &[port]).await?;
    let mut behind = forward
        .take_stream(port)
        .ok_or_else(|| Missing::Failed("the port-forward has no stream".into()))?;
    let _hop = AbortOnDropHandle::new(tokio::spawn(async move {
        if let Ok((mut front, _)) = listener.accept().await {
            // What goes wrong is told by the request in front.
            let _ = tokio::io::copy_bidirectional(&mut front, &mut behind).await;
        }
    }));
    let limit = HttpAnswer::BODY_LIMIT;
    // Less than the whole look may take: whoever hangs is then known not to answer, and is not taken
    // for a look that failed.
    let patience = scene.limit / 2;
    let answer = forward::get_from_here(here, "localhost", "/", limit, patience).await;
    let answer = answer.map_err(Missing::Absent)?;
    let vantage = format!("a second hop in front of a port-forward to pod {}", pod.name);
    Ok(answer.evidence(format!("GET http://{here}/"), vantage))
}

/// The URL that the caller named, where one was.
async fn exposed_url(scene: &Scene<'_>) -> Option<Observation<HttpAnswer>> {
    let url = scene.kiali_url?;
    let outcome = tokio::time::timeout(scene.limit, get_url(url, scene.limit)).await;
    Some(match outcome {
        Ok(Ok(answer)) => Observation::seen(answer),
        Ok(Err(reason)) => Observation::absent(format!("nothing answers GET {url}: {reason}")),
        Err(_) => Observation::absent(format!(
            "nothing answers GET {url}: no answer within {} s",
            scene.limit.as_secs_f64()
        )),
    })
}

async fn get_url(url: &str, limit: Duration) -> Result<HttpAnswer, String> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(limit)
        .build()
        .map_err(|error| chain(&error))?;
    let mut response = client.get(url).send().await.map_err(|error| chain(&error.without_url()))?;
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .filter(|(name, _)| HttpAnswer::HEADERS.contains(&name.as_str()))
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let mut body = Vec::new();
    while body.len() <= HttpAnswer::BODY_LIMIT
        && let Some(chunk) = response.chunk().await.map_err(|error| chain(&error.without_url()))?
    {
        body.extend_from_slice(&chunk);
    }
    let body_cut = body.len() > HttpAnswer::BODY_LIMIT;
    body.truncate(HttpAnswer::BODY_LIMIT);
    let vantage =
        response.remote_addr().map_or_else(String::new, |it: SocketAddr| format!(" ({it})"));
    Ok(HttpAnswer {
        request: format!("GET {url}"),
        vantage: format!("{}{vantage}", super::ingress::HERE),
        status,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        body_cut,
    })
}
