//! The expected names, ports and texts, from the tutorial, the configuration and the options.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The expected names, ports and texts. A tutorial with other names needs other data, not other code.
///
/// Fields that older files lack have the tutorial's values.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Expectations {
    /// The expected version of Istio: `1.20.3`.
    pub istio_version: String,
    /// Where this version comes from: `the tutorial`, `--istio`, `the bundle`, `meshcheck.toml`.
    pub istio_version_source: String,
    /// The namespace of the control plane.
    pub istio_namespace: String,
    /// The namespace of the demo.
    pub namespace: String,
    /// The backend's service.
    pub backend_service: String,
    /// The backend's deployment.
    pub backend_deployment: String,
    /// The client's deployment.
    pub client_deployment: String,
    /// The ingress gateway's service and deployment.
    pub gateway: String,
    /// The text of the backend's reply.
    pub reply: String,
    /// Seconds between two requests of the client.
    pub client_interval_seconds: u32,
    /// The image of Kiali in the release's addon manifest, where the source of the software has it. Otherwise the version
    /// profile has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kiali_image: Option<String>,
    /// The gateway's namespace, where it is not that of the control plane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_namespace: Option<String>,
    /// The labels of the gateway's pods, which the test route selects.
    #[serde(default = "gateway_labels")]
    pub gateway_labels: BTreeMap<String, String>,
    /// The domain of the cluster's DNS.
    #[serde(default = "cluster_domain")]
    pub cluster_domain: String,
    /// The backend's details besides its names.
    #[serde(default)]
    pub backend: BackendDetails,
    /// The client's details besides its name.
    #[serde(default)]
    pub client: ClientDetails,
    /// Kiali's server.
    #[serde(default)]
    pub kiali: KialiDetails,
    /// The waivers of this run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<Waiver>,
}

/// The backend's details besides its names.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(default)]
pub struct BackendDetails {
    /// Its container.
    pub container: String,
    /// The labels of its pods, which the service selects.
    pub labels: BTreeMap<String, String>,
    /// Its image, without a registry and a tag.
    pub image: String,
    /// The port on which it listens.
    pub port: u16,
    /// The flag of its program that sets the reply; empty where no flag sets it.
    pub reply_flag: String,
    /// The service's port.
    pub service_port: u16,
    /// The name of that port, from which the mesh derives the protocol.
    pub service_port_name: String,
}

/// The client's details besides its name.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientDetails {
    /// Its container.
    pub container: String,
    /// The labels of its pods.
    pub labels: BTreeMap<String, String>,
    /// Its image with curl, without a registry and a tag.
    pub image: String,
}

/// Kiali's server, as in the addon's manifest.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(default)]
pub struct KialiDetails {
    /// The port of its service and its server.
    pub port: u16,
    /// The path under which it serves its console, with a slash at both ends.
    pub web_root: String,
    /// The port on which the tutorial exposes it.
    pub exposed_port: u16,
}

/// A waiver: claims that are skipped or may fail, and why. It never turns a failure into a pass.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Waiver {
    /// The pattern of the claims, as for `--only`.
    pub claims: String,
    /// What the waiver still asks of them.
    pub asks: Asks,
    /// The reason, as written in the configuration.
    pub reason: String,
    /// The source of the waiver: `meshcheck.toml`.
    pub source: String,
}

/// What a waiver still asks of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asks {
    /// Nothing: the claim is skipped.
    Nothing,
    /// A verdict, which does not change the exit code where the claim fails.
    AVerdict,
}

fn labels(key: &str, value: &str) -> BTreeMap<String, String> {
    [(key.to_owned(), value.to_owned())].into()
}

fn gateway_labels() -> BTreeMap<String, String> {
    labels("istio", "ingressgateway")
}

fn cluster_domain() -> String {
    "cluster.local".into()
}

impl Default for BackendDetails {
    fn default() -> Self {
        Self {
            container: "echo".into(),
            labels: labels("app", "echo"),
            image: "hashicorp/http-echo".into(),
            port: 5678,
            reply_flag: "-text".into(),
            service_port: 80,
            service_port_name: "http".into(),
        }
    }
}

impl Default for ClientDetails {
    fn default() -> Self {
        Self {
            container: "client".into(),
            labels: labels("app", "client"),
            image: "curlimages/curl".into(),
        }
    }
}

impl Default for KialiDetails {
    fn default() -> Self {
        Self { port: 20001, web_root: "/kiali/".into(), exposed_port: 30001 }
    }
}

impl Expectations {
    /// Returns the tutorial's names and values, for a version of Istio and its source.
    pub fn of_the_tutorial(istio_version: &str, source: &str) -> Self {
        Self {
            istio_version: istio_version.into(),
            istio_version_source: source.into(),
            istio_namespace: "istio-system".into(),
            namespace: "client".into(),
            backend_service: "echo-service".into(),
            backend_deployment: "echo-deployment".into(),
            client_deployment: "client-deployment".into(),
            gateway: "istio-ingressgateway".into(),
            reply: "Hello from backend service".into(),
            client_interval_seconds: 10,
            kiali_image: None,
            gateway_namespace: None,
            gateway_labels: gateway_labels(),
            cluster_domain: cluster_domain(),
            backend: BackendDetails::default(),
            client: ClientDetails::default(),
            kiali: KialiDetails::default(),
            waivers: Vec::new(),
        }
    }

    /// Returns the namespace of the ingress gateway.
    pub fn gateway_namespace(&self) -> &str {
        self.gateway_namespace.as_deref().unwrap_or(&self.istio_namespace)
    }

    /// Returns the full name of the backend's service: `echo-service.client.svc.cluster.local`.
    pub fn backend_host(&self) -> String {
        format!("{}.{}.svc.{}", self.backend_service, self.namespace, self.cluster_domain)
    }

    /// Returns the address that the client calls: the backend's name, and the port where it is not 80.
    pub fn backend_address(&self) -> String {
        let host = self.backend_host();
        match self.backend.service_port {
            80 => host,
            port => format!("{host}:{port}"),
        }
    }

    /// Returns Envoy's cluster for requests to the backend, in the client's proxy.
    pub fn outbound_cluster(&self) -> String {
        format!("outbound|{}||{}", self.backend.service_port, self.backend_host())
    }

    /// Returns Envoy's cluster for requests to the application, in the backend's proxy.
    pub fn inbound_cluster(&self) -> String {
        format!("inbound|{}||", self.backend.port)
    }

    /// Lists the differences from other expectations, by the keys of the configuration:
    /// `demo.namespace: shop, not client`.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let (one, other) = (self.named(), other.named());
        let differing = one.into_iter().zip(other).filter(|(one, other)| one != other);
        differing.map(|((name, one), (_, other))| format!("{name}: {one}, not {other}")).collect()
    }

    /// Returns the values by the keys of the configuration.
    fn named(&self) -> Vec<(&'static str, String)> {
        let Self { backend, client, kiali, .. } = self;
        vec![
            ("istio.version", self.istio_version.clone()),
            ("istio.namespace", self.istio_namespace.clone()),
            ("istio.gateway", self.gateway.clone()),
            (
                "istio.gateway-namespace",
                self.gateway_namespace.clone().unwrap_or_else(|| "istio.namespace".into()),
            ),
            ("istio.gateway-labels", selector(&self.gateway_labels)),
            ("demo.namespace", self.namespace.clone()),
            ("demo.reply", self.reply.clone()),
            ("demo.cluster-domain", self.cluster_domain.clone()),
            ("demo.backend.service", self.backend_service.clone()),
            ("demo.backend.service-port", backend.service_port.to_string()),
            ("demo.backend.service-port-name", backend.service_port_name.clone()),
            ("demo.backend.deployment", self.backend_deployment.clone()),
            ("demo.backend.container", backend.container.clone()),
            ("demo.backend.labels", selector(&backend.labels)),
            ("demo.backend.image", backend.image.clone()),
            ("demo.backend.port", backend.port.to_string()),
            ("demo.backend.reply-flag", backend.reply_flag.clone()),
            ("demo.client.deployment", self.client_deployment.clone()),
            ("demo.client.container", client.container.clone()),
            ("demo.client.labels", selector(&client.labels)),
            ("demo.client.image", client.image.clone()),
            ("demo.client.interval", self.client_interval_seconds.to_string()),
            ("kiali.web-root", kiali.web_root.clone()),
            ("kiali.port", kiali.port.to_string()),
            ("kiali.exposed-port", kiali.exposed_port.to_string()),
        ]
    }
}

/// Formats labels as a selector: `app=echo,tier=back`.
pub fn selector(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_field_of_older_file_has_the_tutorials_value() {
        let tutorial = Expectations::of_the_tutorial("1.20.3", "the tutorial");
        let mut old = serde_json::to_value(&tutorial).unwrap();
        for later in ["gateway_labels", "cluster_domain", "backend", "client", "kiali"] {
            assert!(old.as_object_mut().unwrap().remove(later).is_some(), "{later}");
        }
        assert_eq!(serde_json::from_value::<Expectations>(old).unwrap(), tutorial);
    }

    #[test]
    fn address_has_a_port_unless_it_is_80() {
        let mut expectations = Expectations::of_the_tutorial("1.20.3", "the tutorial");
        let host = "echo-service.client.svc.cluster.local";
        assert_eq!(expectations.backend_address(), host);
        expectations.backend.service_port = 8080;
        expectations.cluster_domain = "lab".into();
        assert_eq!(expectations.backend_address(), "echo-service.client.svc.lab:8080");
        assert_eq!(expectations.outbound_cluster(), "outbound|8080||echo-service.client.svc.lab");
        let tutorial = Expectations::of_the_tutorial("1.20.3", "the tutorial");
        assert_eq!(
            expectations.differences(&tutorial),
            [
                "demo.cluster-domain: lab, not cluster.local",
                "demo.backend.service-port: 8080, not 80"
            ]
        );
    }

    #[test]
    fn clusters_of_envoy_have_the_ports_of_the_backend() {
        let expectations = Expectations::of_the_tutorial("1.20.3", "the tutorial");
        assert_eq!(expectations.inbound_cluster(), "inbound|5678||");
        let outbound = "outbound|80||echo-service.client.svc.cluster.local";
        assert_eq!(expectations.outbound_cluster(), outbound);
    }
}
