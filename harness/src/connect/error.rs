//! Why there is no cluster to look at, each with what to do about it.

use super::certificate;

/// Why there is no cluster to look at.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what its fields are")]
pub enum ConnectError {
    /// The kubeconfig cannot be read or understood.
    #[error("the kubeconfig {place} cannot be used: {reason}")]
    Kubeconfig { place: String, reason: String },
    /// There is no such context.
    #[error("the kubeconfig {place} has no context `{context}`; it has: {known}")]
    NoSuchContext { place: String, context: String, known: String },
    /// No context was asked for, and the file has no current one.
    #[error("the kubeconfig {place} has no current context; it has: {known}")]
    NoContext { place: String, known: String },
    /// The client cannot be made: credentials, certificates, an exec plugin.
    #[error("the credentials of context `{context}` cannot be used: {reason}")]
    Credentials { context: String, reason: String, plugin: bool },
    /// The server does not accept the credentials.
    #[error("the server does not accept the credentials of context `{context}`: {reason}")]
    Refused { context: String, reason: String },
    /// The client's certificate is of the past, and the server did not accept it.
    #[error(
        "the server does not accept the credentials of context `{context}`: its client certificate \
         ended {end}, by this machine's clock ({reason})"
    )]
    Expired { context: String, end: jiff::Timestamp, reason: String },
    /// Something answers that is no API server.
    #[error(
        "the API server `{server}` of context `{context}` does not answer as one of Kubernetes: {reason}"
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

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoSuchContext { known, .. } | Self::NoContext { known, .. } if known != NONE => {
                "name one of them with --context NAME".into()
            }
            Self::Kubeconfig { .. } | Self::NoSuchContext { .. } | Self::NoContext { .. } => {
                "name a kubeconfig that works with --kubeconfig FILE; `meshcheck up` makes a cluster".into()
            }
            Self::Credentials { context, plugin: true, .. } => {
                let context = meshcheck_suites::hint::quote(context);
                format!("`kubectl --context {context} version` runs the same program: it must work there first")
            }
            Self::Credentials { reason, .. } if reason.contains("proxy") => {
                "correct the proxy: `env | grep -i proxy` shows those of the environment, `proxy-url` in \
                 the kubeconfig names another"
                    .into()
            }
            Self::Credentials { .. } | Self::Refused { .. } => {
                "get a new kubeconfig for this cluster".into()
            }
            Self::Expired { .. } => {
                "`kubeadm certs renew all` on the control plane makes new certificates: then copy its \
                 /etc/kubernetes/admin.conf; where it has not ended, `date` shows this machine's clock"
                    .into()
            }
            Self::NotKubernetes { .. } => {
                "something else answers there, such as a proxy or a login page: check the server and the \
                 port in the kubeconfig"
                    .into()
            }
            Self::Unreachable { reason, .. } if reason.contains(certificate::BAD) => {
                "get a new kubeconfig from this cluster: this one does not trust the server's certificate; \
                 where it has ended, `kubeadm certs renew all` on the control plane makes new ones"
                    .into()
            }
            Self::Unreachable { server, context, .. } if is_here(server) => format!(
                "this is a cluster on this machine: `docker ps` shows whether its node runs (context {context})"
            ),
            Self::Unreachable { .. } => {
                "check that the machine is up, the network, the VPN and the proxy".into()
            }
        }
    }

    /// Whether the call was wrong, rather than the world.
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Unreachable { .. } | Self::NotKubernetes { .. })
    }
}

/// Stands for no context at all.
pub(super) const NONE: &str = "none";

fn is_here(server: &str) -> bool {
    ["://127.0.0.1", "://[::1]", "://localhost"].iter().any(|it| server.contains(it))
}
