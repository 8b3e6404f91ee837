//! A mesh as an API server shows it: the answers of `fixtures/api/lab.json`, which tell of the mesh in
//! `fixtures/evidence/lab.json`. What goes through a pod (exec, port-forward) is refused: see `whole_mesh`.

use serde_json::{Value, json};

use super::server::{Reply, Request, Server};

/// The version of the recorded mesh: what `check` must expect.
pub(crate) const ISTIO: &str = "1.22.0-alpha.55f12a68b4f9";

/// The Kiali of the recorded mesh. Its Istio is no release: which Kiali belongs to it is configured.
pub(crate) const KIALI: &str = "quay.io/kiali/kiali:v1.79";

/// A configuration that expects this Kiali.
pub(crate) fn settings(kiali: &str) -> String {
    format!("[kiali]\nimage = \"{kiali}\"\n")
}

/// A mesh that answers: its time, and its answer to each path, a text where it is a log. Where the
/// gateway should be, an address of this machine, nothing listens.
pub(crate) struct Mesh(pub(crate) Value);

impl Mesh {
    pub(crate) fn healthy() -> Self {
        Self(serde_json::from_str(include_str!("../../../fixtures/api/lab.json")).unwrap())
    }

    /// Without a backend: some claims must stay red.
    pub(crate) fn with_a_fault() -> Self {
        let mut mesh = Self::healthy();
        for deployment in mesh.list("/apis/apps/v1/namespaces/client/deployments") {
            if deployment["metadata"]["name"] == "echo-deployment" {
                deployment["spec"]["replicas"] = 0.into();
                let counts = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"];
                for count in counts {
                    deployment["status"][count] = 0.into();
                }
            }
        }
        for pods in ["/api/v1/pods", "/api/v1/namespaces/client/pods"] {
            mesh.list(pods).retain(|pod| pod["metadata"]["labels"]["app"] != "echo");
        }
        mesh.list("/apis/discovery.k8s.io/v1/namespaces/client/endpointslices").clear();
        mesh
    }

    /// The answer to a path, with the query `container=…` of a log.
    pub(crate) fn answer_at(&mut self, path: &str) -> &mut Value {
        &mut self.0["answers"][path]
    }

    /// The objects of a list.
    pub(crate) fn list(&mut self, path: &str) -> &mut Vec<Value> {
        self.answer_at(path)["items"].as_array_mut().unwrap()
    }

    /// Answers a request. The server's clock shows the time of the recording.
    pub(crate) fn answer(&self, request: &Request) -> Reply {
        self.dated(self.reply(request))
    }

    /// Starts an API server that answers so.
    pub(crate) fn serve(self) -> Server {
        Server::start(move |request| self.answer(request))
    }

    /// The same answer, with the server's clock.
    pub(crate) fn dated(&self, reply: Reply) -> Reply {
        let now: jiff::Timestamp = self.0["now"].as_str().unwrap().parse().unwrap();
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now);
        reply.header("date", date.unwrap())
    }

    fn reply(&self, request: &Request) -> Reply {
        let mut path = request.path.clone();
        if request.query.contains("container=istio-init") {
            path += "?container=istio-init";
        }
        match &self.0["answers"][&path] {
            Value::String(log) => Reply::json(200, log.as_str()),
            Value::Null => match path.trim_matches('/').split('/').collect::<Vec<_>>()[..] {
                ["api", "v1", "namespaces", name] => {
                    Reply::status(404, &format!("namespaces \"{name}\" not found"))
                }
                ["api", "v1", "namespaces", _, "pods", _, "log"] => Reply::json(200, ""),
                ["api", "v1", "namespaces", _, "pods", _, what] => Reply::status(
                    403,
                    &format!(
                        "pods is forbidden: User \"vm\" cannot create resource \"pods/{what}\""
                    ),
                ),
                [.., "namespaces", _, _] => Reply::json(
                    200,
                    json!({ "kind": "List", "apiVersion": "v1", "metadata": {}, "items": [] })
                        .to_string(),
                ),
                _ => Reply::status(404, "the server could not find the requested resource"),
            },
            body => Reply::json(200, body.to_string()),
        }
    }
}
