//! Why a connection failed, each with its fix.

use super::certificate;

/// Why a connection failed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message shows its fields")]
pub enum ConnectError {
    /// The kubeconfig cannot be read or understood.
    #[error("cannot read the kubeconfig {place}: {reason}")]
    Kubeconfig { place: String, reason: String },
    /// There is no such context.
    #[error("the kubeconfig {place} has no context `{context}`")]
    NoSuchContext { place: String, context: String, known: Vec<String> },
    /// No context was asked for, and the file has no current one.
    #[error("the kubeconfig {place} has no current context")]
    NoContext { place: String, known: Vec<String> },
    /// The client cannot be made: credentials, certificates, an exec plugin.
    #[error("the credentials of context `{context}` cannot be used: {reason}")]
    Credentials { context: String, reason: String, plugin: bool },
    /// The server does not accept the credentials.
    #[error("the server does not accept the credentials of context `{context}`: {reason}")]
    Refused { context: String, reason: String },
    /// The client's certificate is of the past, and the server did not accept it.
    #[error(
        "the server does not accept the credentials of context `{context}`: its client certificate \
         expired at {end} by this machine's clock ({reason})"
    )]
    Expired { context: String, end: jiff::Timestamp, reason: String },
    /// Something answers that is no API server.
    #[error(
        "the server `{server}` of context `{context}` does not answer as a Kubernetes API server: {reason}"
    )]
    NotKubernetes { server: String, context: String, reason: String },
    /// The server does not answer.
    #[error("the API server `{server}` of context `{context}` does not answer: {reason}")]
    Unreachable { server: String, context: String, reason: String },
}

impl ConnectError {
    pub(super) fn credentials(context: &str, reason: String) -> Self {
        Self::Credentials { context: context.to_owned(), reason, plugin: false }
    }

    pub(super) fn plugin(context: &str, reason: String) -> Self {
        Self::Credentials { context: context.to_owned(), reason, plugin: true }
    }

    /// Returns the fix.
    pub fn hint(&self) -> String {
        match self {
            Self::NoSuchContext { known, .. } | Self::NoContext { known, .. } if !known.is_empty() => {
                format!("name a context of this file with --context: {}", known.join(", "))
            }
            Self::Kubeconfig { reason, .. } if reason == "Is a directory" => {
                "name a file in this directory with --kubeconfig FILE".into()
            }
            Self::Kubeconfig { .. } | Self::NoSuchContext { .. } | Self::NoContext { .. } => {
                "name the cluster's kubeconfig with --kubeconfig FILE, or set KUBECONFIG".into()
            }
            Self::Credentials { context, plugin: true, .. } => {
                let context = meshcheck_suites::hint::quote(context);
                format!("test the same program with kubectl: `kubectl --context {context} version`")
            }
            Self::Credentials { reason, .. } if reason.contains("proxy") => {
                "correct the proxy: see `env | grep -i proxy`, and `proxy-url` in the kubeconfig".into()
            }
            Self::Credentials { .. } | Self::Refused { .. } => {
                "get a new kubeconfig for this cluster".into()
            }
            Self::Expired { .. } => {
                "renew the certificates on the control plane with `kubeadm certs renew all`, then copy its \
                 /etc/kubernetes/admin.conf; check this machine's clock with `date`"
                    .into()
            }
            Self::NotKubernetes { .. } => {
                "check the server and the port in the kubeconfig: a proxy or a login page may answer there"
                    .into()
            }
            Self::Unreachable { reason, .. } if reason.contains(certificate::BAD) => {
                "get a new kubeconfig from this cluster: this one does not trust the server's certificate. \
                 If the certificate has expired, renew it on the control plane: `kubeadm certs renew all`"
                    .into()
            }
            Self::Unreachable { server, .. } if is_local(server) => {
                "check that the cluster or the tunnel on this machine runs; for a kind cluster, see `docker ps`"
                    .into()
            }
            Self::Unreachable { .. } => {
                "check that the machine is up, and check the network, the VPN and the proxy".into()
            }
        }
    }

    /// Whether the call is wrong, rather than the environment.
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Unreachable { .. } | Self::NotKubernetes { .. })
    }
}

fn is_local(server: &str) -> bool {
    ["://127.0.0.1", "://[::1]", "://localhost"].iter().any(|it| server.contains(it))
}
