//! From a kubeconfig and a context to a cluster that answers. The user's files are only read.

mod client;
mod credentials;
pub(crate) mod proxy;

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use meshcheck_suites::evidence::{BundleFacts, Provider, Subject};

use crate::chain;

/// How long the first answer may take.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

/// A cluster that answered.
#[derive(Clone)]
pub struct Connection {
    /// The client.
    pub client: Client,
    /// What the evidence says of it.
    pub subject: Subject,
    /// The server's version, from its first answer: `v1.29.15`.
    pub server_version: String,
}

/// Which cluster is asked for.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// The kubeconfig file; without one, `$KUBECONFIG` or `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// The context; without one, the file's current context.
    pub context: Option<String>,
    /// The software on it, where it is ours.
    pub bundle: Option<BundleFacts>,
    /// Whether it is ours.
    pub ours: bool,
    /// Whether objects of our own are allowed there.
    pub active: bool,
}

/// Why there is no cluster to look at.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be read or understood.
    #[error("the kubeconfig {place} cannot be used: {reason}")]
    Kubeconfig {
        /// Which one.
        place: String,
        /// Why.
        reason: String,
    },
    /// There is no such context.
    #[error("the kubeconfig {place} has no context `{context}`; it has: {known}")]
    NoSuchContext {
        /// Which kubeconfig.
        place: String,
        /// The context that was asked for.
        context: String,
        /// Those that are there.
        known: String,
    },
    /// No context was asked for, and the file has no current one.
    #[error("the kubeconfig {place} has no current context; it has: {known}")]
    NoContext {
        /// Which kubeconfig.
        place: String,
        /// Those that are there.
        known: String,
    },
    /// The client cannot be made: credentials, certificates, an exec plugin.
    #[error("the credentials of context `{context}` cannot be used: {reason}")]
    Credentials {
        /// The context.
        context: String,
        /// Why.
        reason: String,
    },
    /// The server does not answer, or not as one of Kubernetes.
    #[error("the API server `{server}` of context `{context}` does not answer: {reason}")]
    Unreachable {
        /// Its URL.
        server: String,
        /// The context.
        context: String,
        /// What happened.
        reason: String,
    },
}

impl ConnectError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Kubeconfig { .. } => {
                "name a kubeconfig that works with --kubeconfig FILE, or make a cluster with `meshcheck up`".into()
            }
            Self::NoSuchContext { .. } | Self::NoContext { .. } => {
                "name one of them with --context NAME".into()
            }
            Self::Credentials { .. } => "get a new kubeconfig for this cluster".into(),
            Self::Unreachable { server, context, .. } if server.contains("127.0.0.1") => format!(
                "this is a cluster on this machine: `docker ps` shows whether its node runs (context `{context}`)"
            ),
            Self::Unreachable { .. } => {
                "check that the machine is up, the network, the VPN and the proxy".into()
            }
        }
    }

    /// Whether the call was wrong, rather than the world.
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Unreachable { .. })
    }
}

/// Connects, and waits for the server's first answer.
///
/// # Errors
///
/// When the kubeconfig, the context or the credentials cannot be used, or the server does not answer
/// within five seconds.
pub async fn connect(choice: &Choice) -> Result<Connection, ConnectError> {
    let place = choice
        .kubeconfig
        .as_deref()
        .map_or_else(default_place, |path| format!("`{}`", path.display()));
    let kubeconfig = read(choice.kubeconfig.as_deref(), &place)?;
    let known: Vec<_> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
    let known_text = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let context = match choice.context.clone().or_else(|| kubeconfig.current_context.clone()) {
        Some(context) if !context.is_empty() => context,
        _ => return Err(ConnectError::NoContext { place, known: known_text }),
    };
    if !known.contains(&context) {
        return Err(ConnectError::NoSuchContext { place, context, known: known_text });
    }
    let name = kubeconfig
        .contexts
        .iter()
        .find(|known| known.name == context)
        .and_then(|known| known.context.as_ref())
        .map(|known| known.cluster.clone())
        .unwrap_or_default();
    let named_proxy = kubeconfig
        .clusters
        .iter()
        .find(|known| known.name == name)
        .and_then(|known| known.cluster.as_ref()?.proxy_url.clone());
    let options =
        KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    let unusable = |reason: String| ConnectError::Credentials { context: context.clone(), reason };
    let config =
        tokio::time::timeout(FIRST_ANSWER, Config::from_custom_kubeconfig(kubeconfig, &options))
            .await
            .map_err(|_| unusable("reading them took more than 5 s".into()))?
            .map_err(|error| unusable(chain(&error)))?;
    let mut config = config;
    config.connect_timeout = Some(FIRST_ANSWER);
    let server = without_credentials(&config.cluster_url);
    config.proxy_url = proxy::choose(
        &config.cluster_url,
        named_proxy.as_deref(),
        config.proxy_url.take(),
        &proxy::exceptions(),
    );
    config.auth_info = credentials::resolve(config.auth_info).await.map_err(unusable)?;
    let client = tokio::task::spawn_blocking(move || client::build(config));
    let client = match tokio::time::timeout(FIRST_ANSWER, client).await {
        Ok(Ok(Ok(client))) => client,
        Ok(Ok(Err(error))) => return Err(unusable(chain(&error))),
        Ok(Err(error)) => return Err(unusable(error.to_string())),
        Err(_) => return Err(unusable("reading them took more than 5 s".into())),
    };
    let unreachable = |reason: String| ConnectError::Unreachable {
        server: server.clone(),
        context: context.clone(),
        reason,
    };
    let version = match tokio::time::timeout(FIRST_ANSWER, client.apiserver_version()).await {
        Ok(Ok(version)) => version,
        Ok(Err(kube::Error::Api(status))) if status.code == 401 => {
            return Err(unusable(format!("the server does not accept them: {}", status.message)));
        }
        Ok(Err(error)) => return Err(unreachable(chain(&error))),
        Err(_) => return Err(unreachable("no answer within 5 s".into())),
    };
    let kubeconfig = choice.kubeconfig.as_deref().map(from_home);
    Ok(Connection {
        client,
        server_version: version.git_version,
        subject: Subject {
            provider: if choice.ours { Provider::Kind } else { Provider::Existing },
            name,
            context,
            server,
            kubeconfig,
            active: choice.active,
            bundle: choice.bundle.clone(),
            collected_on: format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
        },
    })
}

/// A path as a shell takes it, from the home directory where it lies there: evidence travels, and tells
/// nothing of whose machine it was recorded on.
pub(crate) fn from_home(path: &Path) -> String {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let below = home.as_deref().and_then(|home| path.strip_prefix(home).ok());
    below.map_or_else(|| path.display().to_string(), |below| format!("~/{}", below.display()))
}

fn default_place() -> String {
    match std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty()) {
        Some(value) => format!("`{}` (KUBECONFIG)", value.to_string_lossy()),
        None => "`~/.kube/config`".into(),
    }
}

fn read(file: Option<&Path>, place: &str) -> Result<Kubeconfig, ConnectError> {
    let outcome = match file {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    };
    outcome.map_err(|error| {
        let reason = match &error {
            KubeconfigError::ReadConfig(source, _) => source.to_string(),
            other => chain(other),
        };
        // A parser's message may quote the file, and the file holds keys: one line of it is enough.
        let reason = reason.lines().next().unwrap_or_default().to_owned();
        ConnectError::Kubeconfig { place: place.to_owned(), reason }
    })
}

/// A URL without user, password and query.
fn without_credentials(url: &http::Uri) -> String {
    let scheme = url.scheme_str().unwrap_or("https");
    let host = url.host().unwrap_or_default();
    let port = url.port_u16().map_or_else(String::new, |port| format!(":{port}"));
    let path = url.path().trim_end_matches('/');
    format!("{scheme}://{host}{port}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://127.0.0.1:6443", "https://127.0.0.1:6443")]
    #[case("https://user:secret@host:6443/path?token=x", "https://host:6443/path")]
    fn servers_are_named_without_credentials(#[case] url: &str, #[case] shown: &str) {
        assert_eq!(without_credentials(&url.parse().unwrap()), shown);
    }

    async fn failing(text: &str, context: Option<&str>) -> ConnectError {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config");
        std::fs::write(&file, text).unwrap();
        let choice = Choice {
            kubeconfig: Some(file),
            context: context.map(str::to_owned),
            ..Choice::default()
        };
        connect(&choice).await.err().expect("it cannot connect")
    }

    const GOOD: &str = "
apiVersion: v1
kind: Config
current-context: vm1
contexts:
  - { name: vm1, context: { cluster: one, user: one } }
  - { name: vm2, context: { cluster: one, user: one } }
clusters:
  - { name: one, cluster: { server: 'https://127.0.0.1:1' } }
users:
  - { name: one, user: {} }
";

    #[tokio::test]
    async fn an_unknown_context_names_those_that_are_there() {
        let error = failing(GOOD, Some("vm3")).await;
        assert!(error.to_string().ends_with("has no context `vm3`; it has: vm1, vm2"), "{error}");
        assert!(error.is_usage());
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_the_worlds_fault() {
        let error = failing(GOOD, None).await;
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains("https://127.0.0.1:1"), "{error}");
        assert!(!error.is_usage());
    }

    #[rstest]
    #[case("")]
    #[case("contexts: [")]
    #[case("kind: Config\napiVersion: v1\n")]
    #[tokio::test]
    async fn a_broken_kubeconfig_is_named(#[case] text: &str) {
        let error = failing(text, None).await;
        assert!(error.is_usage());
        assert!(error.to_string().contains("config"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// A damaged file is refused in one line, or read: what is in it stays in it.
        #[test]
        fn any_kubeconfig_is_read_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            at in any::<prop::sample::Index>(),
            more in "(\\{|\\}|\\[|- |: |&a|\\*a|!!binary|\n  |'|\"|\t|\\PC){1,4}",
        ) {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("config");
            let at = at.index(GOOD.len());
            let near = format!("{}{more}{}", &GOOD[..at], &GOOD[at..]);
            for content in [&bytes[..], near.as_bytes()] {
                std::fs::write(&file, content).unwrap();
                if let Err(error) = read(Some(&file), "`config`") {
                    prop_assert!(error.to_string().lines().count() == 1, "{error}");
                }
            }
        }
    }
}
