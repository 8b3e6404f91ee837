//! The whole of the recorded mesh: its objects, and what answers in its pods. A request for something that
//! was not recorded is answered as a real server would: with an empty list, a copy of the object, or 404.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::process::Command;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use url::form_urlencoded;

use super::mesh::Mesh;
use super::run::recorded;
use super::server::{Reply, Request, Server};

/// The address of the gateway in `fixtures/api/lab.json`, where nothing listens.
const NOBODY: &str = "127.99.0.1";

/// The address of the node there, and the one that it gets: nothing listens at it, and whether this machine has the
/// network of kind makes no difference.
const NODE: [&str; 2] = ["\"172.18.0.2\"", "\"127.99.0.2\""];

/// Kinds that every API server has.
const BUILT_IN: [&str; 9] = [
    "admissionregistration.k8s.io",
    "apps",
    "autoscaling",
    "batch",
    "discovery.k8s.io",
    "networking.k8s.io",
    "policy",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// A mesh that also answers exec, port-forwards and dry runs.
pub(crate) struct WholeMesh {
    mesh: Mesh,
    evidence: Value,
    /// How many requests have gone from the client to the backend.
    requests: Arc<AtomicU64>,
}

impl WholeMesh {
    /// A mesh with these objects.
    pub(crate) fn of(mesh: &Mesh) -> Self {
        let text = mesh.0.to_string().replace(NOBODY, gateway()).replace(NODE[0], NODE[1]);
        let mesh = Mesh(serde_json::from_str(&text).unwrap());
        Self { mesh, evidence: recorded(), requests: Arc::default() }
    }

    pub(crate) fn answer(&self, request: &Request) -> Reply {
        let query: Vec<(String, String)> =
            form_urlencoded::parse(request.query.as_bytes()).into_owned().collect();
        let parameter = |name: &str| {
            let mut values = query.iter().filter(|(key, _)| key == name);
            values.next().map(|(_, value)| value.as_str())
        };
        let path: Vec<_> = request.path.trim_matches('/').split('/').collect();
        match (request.method.as_str(), &path[..]) {
            (_, ["api", "v1", "namespaces", _, "pods", _, "exec"]) => {
                let words = query.iter().filter(|(key, _)| key == "command");
                let words = words.map(|(_, word)| word.clone()).collect();
                self.exec(request, words, parameter("container").unwrap_or_default())
            }
            (_, ["api", "v1", "namespaces", _, "pods", pod, "portforward"]) => {
                let port = parameter("ports").unwrap().parse().unwrap();
                self.port_forward(request, pod, port)
            }
            ("POST", ["api", "v1", "namespaces", namespace, "pods"]) => {
                self.dry_run(request, namespace)
            }
            // A copy of the object, as from a dry run.
            ("POST" | "PUT" | "PATCH", _) => Reply::json(201, request.body.clone()),
            // What was recorded; logs, and what is not there.
            _ if self.mesh.0["answers"].get(&request.path).is_some() => self.mesh.answer(request),
            _ => {
                let composed = self.list(&path, parameter("labelSelector"));
                composed.unwrap_or_else(|| self.mesh.answer(request))
            }
        }
    }

    /// A list that was not recorded itself, or an object of a list, of a kind that the server has.
    fn list(&self, path: &[&str], selector: Option<&str>) -> Option<Reply> {
        let (prefix, rest) = match path {
            ["api", "v1", rest @ ..] => ("/api/v1/".to_owned(), rest),
            ["apis", group, version, rest @ ..] => (format!("/apis/{group}/{version}/"), rest),
            _ => return None,
        };
        let (namespace, kind, name) = match rest {
            ["namespaces", name] => (None, "namespaces", Some(*name)),
            ["namespaces", namespace, kind] => (Some(*namespace), *kind, None),
            ["namespaces", namespace, kind, name] => (Some(*namespace), *kind, Some(*name)),
            [kind] => (None, *kind, None),
            [kind, name] => (None, *kind, Some(*name)),
            _ => return None,
        };
        let mut found = Vec::new();
        let mut is_known = path[0] == "api" || BUILT_IN.contains(&path[1]);
        for (at, answer) in self.mesh.0["answers"].as_object().unwrap() {
            let Some(of) = at.strip_prefix(&prefix).and_then(|at| at.strip_suffix(kind)) else {
                continue;
            };
            is_known = true;
            let its = of.trim_start_matches("namespaces/").trim_end_matches('/');
            for object in answer["items"].as_array().into_iter().flatten() {
                let data = &object["metadata"];
                let is_in = namespace.is_none_or(|it| it == its || data["namespace"] == it);
                let has_name = name.is_none_or(|name| data["name"] == name);
                let is_chosen = selector.is_none_or(|it| selects(it, &data["labels"]));
                if is_in && has_name && is_chosen && !found.contains(&object) {
                    found.push(object);
                }
            }
        }
        let reply = match name {
            Some(_) => Reply::json(200, found.first()?.to_string()),
            None if is_known => {
                let list =
                    json!({ "kind": "List", "apiVersion": "v1", "metadata": {}, "items": found });
                Reply::json(200, list.to_string())
            }
            None => return None,
        };
        Some(self.mesh.dated(reply))
    }

    /// A pod as the injection webhook makes it, where it does so in this namespace.
    fn dry_run(&self, request: &Request, namespace: &str) -> Reply {
        let mut pod: Value = serde_json::from_slice(&request.body).unwrap();
        let run = &self.evidence["mesh"]["dry_run_labelled"]["value"];
        if run["namespace"] == namespace {
            for (to, from) in [("containers", "containers"), ("initContainers", "init_containers")]
            {
                let mut all = pod["spec"][to].as_array().cloned().unwrap_or_default();
                let recorded = run[from].as_array().unwrap().iter();
                let injected = recorded.filter(|it| it["name"] != "probe").map(
                    |it| json!({ "name": it["name"], "image": it["image"], "args": it["args"] }),
                );
                all.extend(injected);
                pod["spec"][to] = all.into();
            }
        }
        Reply::json(201, pod.to_string())
    }

    /// A command in a container. A shell runs scripts; what it calls is defined here, and nothing else is
    /// there to be called.
    fn exec(&self, request: &Request, words: Vec<String>, container: &str) -> Reply {
        let asked = &self.evidence["demo"]["asked"]["value"];
        let logs = &self.evidence["demo"]["client_logs"]["value"][0];
        let now: jiff::Timestamp = logs["read_at"].as_str().unwrap().parse().unwrap();
        let reply = &asked["replies"][0];
        let body = reply["body"].as_str().unwrap().trim_end();
        let defined = format!(
            "date() {{ echo {}; }}\n\
             curl() {{ printf 'HTTP/1.1 200 OK\\r\\nserver: envoy\\r\\n'\n\
             printf 'x-envoy-upstream-service-time: 1\\r\\n\\r\\n{body}\\n\\n200\\n\\n'; }}\n",
            now.as_second()
        );
        let is_client = *container == asked["exec"]["container"];
        let requests = Arc::clone(&self.requests);
        upgrade(request, "v5.channel.k8s.io", move |_| {
            let [shell, option, script] = &words[..] else { return not_found() };
            if !is_client || shell != "sh" || option != "-c" {
                return not_found();
            }
            let script = format!("{defined}{script}");
            let ended =
                Command::new("/bin/sh").args(["-c", &script]).env_clear().env("PATH", "").output();
            let ended = ended.unwrap();
            let made = String::from_utf8_lossy(&ended.stdout).matches("HTTP/1.1 200").count();
            requests.fetch_add(made as u64, Ordering::SeqCst);
            let status = json!({ "metadata": {}, "status": "Success" });
            let output = ended.stdout.chunks(1 << 14).flat_map(|piece| frame(1, piece));
            let end = frame(3, status.to_string().as_bytes());
            output.chain(end).chain(CLOSE).collect()
        })
    }

    /// A port of a pod, which answers one request for a page.
    fn port_forward(&self, request: &Request, pod: &str, port: u16) -> Reply {
        let pages = self.pages(pod, port);
        upgrade(request, "v4.channel.k8s.io", move |client| {
            let number = port.to_le_bytes();
            let mut frames = [frame(0, &number), frame(1, &number)].concat();
            let Some(path) = asked_path(client) else { return frames };
            let nothing = (404, BTreeMap::new(), "no such page".to_owned());
            let (status, headers, body) = pages.get(&path).unwrap_or(&nothing);
            let mut answer = format!("HTTP/1.1 {status} It\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers {
                let _ = write!(answer, "{name}: {value}\r\n");
            }
            let answer = format!("{answer}\r\n{body}");
            frames.extend(answer.as_bytes().chunks(1 << 14).flat_map(|piece| frame(0, piece)));
            frames.extend(CLOSE);
            frames
        })
    }

    /// The pages at a port of a pod.
    fn pages(&self, pod: &str, port: u16) -> BTreeMap<String, Page> {
        let plain = |body: String| (200, BTreeMap::new(), body);
        let install = &self.evidence["install"]["istiod"]["value"][pod];
        let mut pages = BTreeMap::new();
        if port == 15014 && install.is_object() {
            let version = install["version"]["value"].as_str().unwrap();
            pages.insert("/version".to_owned(), plain(format!("{version}-unknown-Clean")));
            let proxies = install["proxies"]["value"].as_array().unwrap().iter();
            let rows = proxies.map(|proxy| {
                let mut row = json!({
                    "proxy": proxy["proxy"], "proxy_type": proxy["kind"],
                    "istio_version": proxy["istio_version"]
                });
                for kind in ["cluster", "listener", "route", "endpoint"] {
                    for state in ["sent", "acked"] {
                        row[format!("{kind}_{state}")] = proxy[format!("{kind}s")][state].clone();
                    }
                }
                row
            });
            pages.insert("/debug/syncz".to_owned(), plain(rows.collect::<Value>().to_string()));
        }
        if port == 15000 {
            let made = self.requests.load(Ordering::SeqCst);
            let traffic = &self.evidence["mesh"]["traffic"]["value"];
            let lines = ["outbound", "inbound"].map(|side| {
                let cluster = traffic[side]["cluster"].as_str().unwrap();
                let before = traffic[side]["before"]["value"].as_u64().unwrap();
                format!("{cluster}::10.244.0.8:5678::rq_total::{}\n", before + made)
            });
            pages.insert("/clusters".to_owned(), plain(lines.concat()));
            let end = &self.evidence["mesh"]["certificate_ends"]["value"][pod];
            let names = json!([{ "uri": "spiffe://cluster.local/ns/client/sa/default" }]);
            let chain = json!([{ "subject_alt_names": names, "expiration_time": end }]);
            let certificates = json!({ "certificates": [{ "cert_chain": chain }] });
            pages.insert("/certs".to_owned(), plain(certificates.to_string()));
        }
        // What was asked through a port-forward to this pod, on its only port.
        let through = format!("a port-forward to pod {pod}");
        for page in self.evidence["kiali"].as_object().unwrap().values().map(|it| &it["value"]) {
            if page["vantage"] != through.as_str() {
                continue;
            }
            let path = page["request"].as_str().unwrap().trim_start_matches("GET ");
            let path =
                path.split_once("://").map_or(path, |(_, rest)| &rest[rest.find('/').unwrap()..]);
            let headers = serde_json::from_value(page["headers"].clone()).unwrap();
            let status = page["status"].as_u64().unwrap();
            pages.insert(
                path.to_owned(),
                (status, headers, page["body"].as_str().unwrap().to_owned()),
            );
        }
        pages
    }
}

/// The beginning of a WebSocket of this protocol, over which this talks.
fn upgrade(
    request: &Request,
    protocol: &str,
    talk: impl Fn(&mut dyn Read) -> Vec<u8> + Send + Sync + 'static,
) -> Reply {
    let key = request.header("sec-websocket-key").unwrap_or_default();
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    Reply::upgrade(Arc::new(talk))
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-accept", accept)
        .header("sec-websocket-protocol", protocol)
}

/// Status, headers and body.
type Page = (u64, BTreeMap<String, String>, String);

/// Whether each `key=value` of a label selector holds.
fn selects(selector: &str, labels: &Value) -> bool {
    let pairs = selector.split(',').filter_map(|term| term.split_once('='));
    pairs
        .into_iter()
        .all(|(key, value)| labels[key.trim_end_matches('!')] == value.trim_start_matches('='))
}

/// The end of a command that is not in the container.
fn not_found() -> Vec<u8> {
    let status = json!({
        "metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
        "message": "OCI runtime exec failed: executable file not found in $PATH"
    });
    [frame(3, status.to_string().as_bytes()), CLOSE.to_vec()].concat()
}

/// The end of a WebSocket.
const CLOSE: [u8; 2] = [0x88, 0];

/// A frame of a WebSocket with bytes of a channel.
fn frame(channel: u8, bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() + 1;
    let mut frame = vec![0x82];
    if let Ok(length @ ..126) = u8::try_from(length) {
        frame.push(length);
    } else {
        frame.push(126);
        frame.extend(u16::try_from(length).unwrap().to_be_bytes());
    }
    frame.push(channel);
    frame.extend(bytes);
    frame
}

/// The path that a client asks for, in the frames of a WebSocket. Clients mask theirs.
fn asked_path(client: &mut dyn Read) -> Option<String> {
    let mut asked = Vec::new();
    while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut head = [0; 2];
        client.read_exact(&mut head).ok()?;
        let mut length = usize::from(head[1] & 127);
        if length == 126 {
            let mut long = [0; 2];
            client.read_exact(&mut long).ok()?;
            length = usize::from(u16::from_be_bytes(long));
        }
        let mut mask = [0; 4];
        client.read_exact(&mut mask).ok()?;
        let mut bytes = vec![0; length];
        client.read_exact(&mut bytes).ok()?;
        let bytes = bytes.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        // The first byte is the channel.
        asked.extend(bytes.skip(1));
    }
    String::from_utf8_lossy(&asked).split(' ').nth(1).map(str::to_owned)
}

/// The address of a gateway that is healthy: one of this machine, for this process alone.
pub(crate) fn gateway() -> &'static str {
    static GATEWAY: OnceLock<String> = OnceLock::new();
    GATEWAY.get_or_init(|| {
        let [_, high, middle, low] = std::process::id().to_be_bytes();
        let address = format!("127.{}.{middle}.{low}", 128 | high);
        let health = recorded()["ingress"]["health"]["value"].clone();
        let status = health["status"].as_u64().unwrap().try_into().unwrap();
        Server::on(&format!("{address}:15021"), None, move |_| {
            let mut reply = Reply::new(status, health["body"].as_str().unwrap());
            for name in ["server", "x-envoy-upstream-service-time"] {
                reply = reply.header(name, health["headers"][name].as_str().unwrap_or_default());
            }
            reply
        });
        address
    })
}
