//! What the section *kiali* needs: its pages, through a port-forward and through a second hop.

use std::net::Ipv4Addr;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod as ApiPod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::ListParams;
use meshcheck_suites::evidence::{HttpAnswer, KialiEvidence, Observation, Pod};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::api::forward::{self, Answer};
use super::api::list::{self, list};
use super::api::observe::{Missing, needed, observe, within};
use super::api::vantage::HERE;
use super::context::CollectContext;
use crate::chain;

/// Looks at all of its pages at once. `url` is where Kiali is exposed, where the caller named that; `server` is the URL
/// of the API server.
pub(super) async fn collect(
    context: &CollectContext<'_>,
    pods: &Observation<Vec<Pod>>,
    url: Option<&str>,
    server: &str,
) -> KialiEvidence {
    let target = Target { pod: ready_pod(context, pods), port: target_port(context).await };
    let exposed = async {
        match url {
            Some(url) => ask(url, context.limit, reqwest::Client::builder()).await,
            None => observe(context.limit, second_hop(context, &target)).await,
        }
    };
    let machine = async {
        match (url, machine_url(server, context.expectations.kiali.exposed_port)) {
            (None, Some(url)) => {
                // Half of the limit, as below. A proxy would answer for itself.
                ask(&url, context.limit / 2, reqwest::Client::builder().no_proxy()).await
            }
            (None, None) => Observation::not_asked("the API server's URL names no host"),
            (Some(_), _) => Observation::not_asked("--kiali-url names another place"),
        }
    };
    let root = context.expectations.kiali.web_root.as_str();
    let api = format!("{root}api");
    let (root, exposed, machine, console, api) = tokio::join!(
        page(context, &target, "/"),
        exposed,
        machine,
        page(context, &target, root),
        page(context, &target, &api),
    );
    KialiEvidence { root, exposed, machine, console, api }
}

/// The exposed port on the API server's host, which is the machine of the tutorial where that has the cluster.
fn machine_url(server: &str, port: u16) -> Option<String> {
    let mut url = reqwest::Url::parse(server).ok()?;
    url.set_scheme("http").ok()?;
    url.set_port(Some(port)).ok()?;
    url.set_path("/");
    url.host().is_some().then(|| url.to_string())
}

/// What is asked: the pod, and the port that Kiali's service leads to.
struct Target<'a> {
    pod: KialiPod<'a>,
    port: Result<u16, Missing>,
}

/// The pod's port behind Kiali's port of its service, as `kubectl port-forward service/kiali` finds it; where there is
/// none, the port that Kiali is expected to have: what the service lacks is a claim of its own.
async fn target_port(context: &CollectContext<'_>) -> Result<u16, Missing> {
    let namespace = &context.expectations.istio_namespace;
    let expected = context.expectations.kiali.port;
    let slices: Api<EndpointSlice> = Api::namespaced(context.client.clone(), namespace);
    let labels = ListParams::default().labels("kubernetes.io/service-name=kiali");
    let ports = |slice: &EndpointSlice| slice.ports.clone().unwrap_or_default();
    let found = within(context.limit, async {
        tokio::try_join!(list::services(&context.client, namespace), list(&slices, &labels, ports))
    });
    let (services, ports) = found.await?;
    let service = services.iter().find(|service| service.name == "kiali");
    let mut of_service = service.iter().flat_map(|service| &service.ports);
    let Some(port) = of_service.find(|port| port.port == expected) else { return Ok(expected) };
    let mut ports = ports.into_iter().flatten();
    let behind = ports.find(|it| it.name.as_deref().unwrap_or_default() == port.name);
    Ok(behind.and_then(|it| u16::try_from(it.port?).ok()).unwrap_or(expected))
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
    target: &Target<'_>,
    path: &str,
) -> Observation<HttpAnswer> {
    observe(context.limit, async {
        let (pod, port) = (target.pod.clone()?, target.port.clone()?);
        let (client, limit) = (&context.client, HttpAnswer::BODY_LIMIT);
        let answer =
            forward::get_from_pod(client, &pod.namespace, &pod.name, port, path, limit).await?;
        let vantage = format!("a port-forward to pod {}", pod.name);
        Ok(answer.evidence(format!("GET http://localhost:{port}{path}"), vantage))
    })
    .await
}

/// What `socat` does in the tutorial: a listener of meshcheck on this machine, in front of a port-forward.
async fn second_hop(
    context: &CollectContext<'_>,
    target: &Target<'_>,
) -> Result<HttpAnswer, Missing> {
    let (pod, port) = (target.pod.clone()?, target.port.clone()?);
    let failed = |error: std::io::Error| Missing::Failed(error.to_string());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
    let here = listener.local_addr().map_err(failed)?;
    let pods: Api<ApiPod> = Api::namespaced(context.client.clone(), &pod.namespace);
    let mut forward = pods.portforward(&pod.name, &[port]).await?;
    let mut behind = forward
        .take_stream(port)
        .ok_or_else(|| Missing::Failed("the port-forward has no stream".into()))?;
    let refused = forward.take_error(port);
    let _hop = AbortOnDropHandle::new(tokio::spawn(async move {
        if let Ok((mut front, _)) = listener.accept().await {
            // What goes wrong is reported by the request in front.
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

/// The answer at a URL. Where none comes, nothing is exposed there.
async fn ask(
    url: &str,
    limit: Duration,
    client: reqwest::ClientBuilder,
) -> Observation<HttpAnswer> {
    match within(limit, get_url(url, limit, client)).await {
        Ok(answer) => Observation::seen(answer),
        Err(missing) => {
            Observation::absent(format!("nothing answers GET {url}: {}", missing.reason()))
        }
    }
}

async fn get_url(
    url: &str,
    limit: Duration,
    client: reqwest::ClientBuilder,
) -> Result<HttpAnswer, Missing> {
    let failed = |error: reqwest::Error| Missing::Failed(chain(&error.without_url()));
    let client = client.redirect(reqwest::redirect::Policy::none()).timeout(limit);
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

#[cfg(test)]
mod tests {
    use super::machine_url;
    use rstest::rstest;

    #[rstest]
    #[case("https://127.0.0.1:34755", Some("http://127.0.0.1:30001/"))]
    #[case("https://[2001:db8::1]:6443", Some("http://[2001:db8::1]:30001/"))]
    #[case("https://vm7.example.com/k8s/clusters/c-1", Some("http://vm7.example.com:30001/"))]
    #[case("", None)]
    fn exposed_port_is_asked_on_the_host_of_the_api_server(
        #[case] server: &str,
        #[case] url: Option<&str>,
    ) {
        assert_eq!(machine_url(server, 30001).as_deref(), url);
    }
}
