//! Connects to the cluster of a kubeconfig and a context. It only reads the user's files.

mod bounded;
mod certificate;
mod client;
mod credentials;
pub(crate) mod embed;
mod error;
mod kubeconfig;
pub(crate) mod proxy;

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{AuthInfo, KubeConfigOptions};
use kube::{Client, Config};
use meshcheck_suites::evidence::{BundleFacts, Provider, Subject};

pub use error::ConnectError;

use crate::{chain, deadline};
use kubeconfig::{Chosen, default_place};

/// How long the first answer may take at the least, and how long reading the kubeconfig may take.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

/// A cluster that answered.
#[derive(Clone)]
pub struct Connection {
    /// The client.
    pub client: Client,
    /// Its part of the evidence.
    pub subject: Subject,
    /// The server's version, from its first answer: `v1.29.15`.
    pub server_version: String,
}

/// The cluster to connect to.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// The kubeconfig file; without one, `$KUBECONFIG` or `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// The context; without one, the file's current context.
    pub context: Option<String>,
    /// The software on it, where meshcheck created it.
    pub bundle: Option<BundleFacts>,
    /// Whether meshcheck created it.
    pub is_own: bool,
    /// Whether probes may create objects there.
    pub active: bool,
    /// How long the first answer may take, where that is more than five seconds.
    pub patience: Duration,
}

impl Choice {
    /// Returns the cluster's part of the evidence, as far as it is known without an answer.
    pub(crate) fn subject(&self, context: &str, server: &str) -> Subject {
        Subject {
            provider: if self.is_own { Provider::Kind } else { Provider::Existing },
            name: context.to_owned(),
            context: context.to_owned(),
            context_is_current: false,
            server: server.to_owned(),
            kubeconfig: self.kubeconfig.as_deref().map(from_home),
            active: self.active,
            bundle: None,
            collected_on: collected_on(),
        }
    }
}

/// Returns the kind of this machine, as evidence names it: `linux/x86_64`.
pub(crate) fn collected_on() -> String {
    format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH)
}

/// Reads a kubeconfig file, and chooses its current context: what the target in `suites/fuzz/` does for days.
///
/// # Errors
///
/// When it cannot be read, or names what is not there.
#[doc(hidden)]
pub fn read_kubeconfig(file: &Path) -> Result<(), ConnectError> {
    Chosen::read(Some(file), None, "the file").map(drop)
}

/// Connects, and waits for the server's first answer.
///
/// # Errors
///
/// When the kubeconfig, the context or the credentials cannot be used, or the server does not answer in
/// time.
pub async fn connect(choice: &Choice) -> Result<Connection, ConnectError> {
    let patience = choice.patience.max(FIRST_ANSWER);
    let place =
        choice.kubeconfig.as_deref().map_or_else(default_place, |path| path.display().to_string());
    let (file, asked, named) = (choice.kubeconfig.clone(), choice.context.clone(), place.clone());
    let chosen = off_thread(move || Chosen::read(file.as_deref(), asked, &named)).await;
    let chosen = chosen.unwrap_or_else(|reason| Err(ConnectError::Kubeconfig { place, reason }))?;
    let Chosen { kubeconfig, context, cluster, proxy } = chosen;
    let context_is_current = kubeconfig.current_context.as_ref() == Some(&context);
    let unusable = |reason: String| ConnectError::credentials(&context, reason);

    let options =
        KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    let runtime = tokio::runtime::Handle::current();
    // It reads files, without ever pausing.
    let config = move || runtime.block_on(Config::from_custom_kubeconfig(kubeconfig, &options));
    let config = off_thread(config).await.map_err(unusable)?;
    let mut config = config.map_err(|error| unusable(chain(&error)))?;
    // The limit below has the better message.
    config.connect_timeout = Some(patience * 2);
    let server = without_credentials(&config.cluster_url);
    config.proxy_url = proxy::choose(
        &config.cluster_url,
        proxy.as_deref(),
        config.proxy_url.take(),
        &proxy::exceptions(),
    );
    config.auth_info = credentials::resolve(config.auth_info)
        .await
        .map_err(|reason| ConnectError::plugin(&context, reason))?;
    let credentials = config.auth_info.clone();
    let client = off_thread(move || client::build(config)).await.map_err(unusable)?;
    let client = client.map_err(|error| unusable(chain(&error)))?;

    let version = match deadline::timeout(patience, client.apiserver_version()).await {
        Ok(Ok(version)) => version,
        Ok(Err(error)) => return Err(refused(&error, &credentials, &server, &context)),
        Err(_) => {
            let reason = format!("no answer within {} s", patience.as_secs_f64());
            return Err(ConnectError::Unreachable { server, context, reason });
        }
    };
    Ok(Connection {
        client,
        server_version: version.git_version,
        subject: Subject {
            name: cluster,
            context_is_current,
            bundle: choice.bundle.clone(),
            ..choice.subject(&context, &server)
        },
    })
}

/// Reads files in a thread of their own, for five seconds at the most: a path may be a pipe.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    match deadline::timeout(FIRST_ANSWER, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("reading took more than {} s", FIRST_ANSWER.as_secs())),
    }
}

/// Describes why the server did not accept the first request.
fn refused(
    error: &kube::Error,
    credentials: &AuthInfo,
    server: &str,
    context: &str,
) -> ConnectError {
    let (server, context) = (server.to_owned(), context.to_owned());
    let reason = chain(error);
    // Servers have many messages for it, or close the connection.
    if let Some(end) = certificate::ended(credentials) {
        return ConnectError::Expired { context, end, reason };
    }
    match error {
        kube::Error::Api(status) if status.code == 401 => {
            ConnectError::Refused { context, reason: status.message.clone() }
        }
        kube::Error::Api(status) => {
            let reason = format!("{}: {reason}", status.code);
            ConnectError::NotKubernetes { server, context, reason }
        }
        kube::Error::SerdeError(error) => {
            let reason = format!("its version cannot be read: {error}");
            ConnectError::NotKubernetes { server, context, reason }
        }
        kube::Error::FromUtf8(_) => {
            let reason = "its version is not text".into();
            ConnectError::NotKubernetes { server, context, reason }
        }
        _ => {
            let reason = certificate::untimely(error).unwrap_or(reason);
            // The layers of the client repeat that the connection failed.
            let layers = ["client error (Connect): ", "tcp connect error: "];
            let reason = layers.iter().fold(reason, |reason, layer| reason.replace(layer, ""));
            ConnectError::Unreachable { server, context, reason }
        }
    }
}

/// Returns a path as a shell takes it, with `~` for the home directory: evidence is shared, and must not
/// name the user who recorded it.
pub(crate) fn from_home(path: &Path) -> String {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let below = home.as_deref().and_then(|home| path.strip_prefix(home).ok());
    below.map_or_else(|| path.display().to_string(), |below| format!("~/{}", below.display()))
}

/// Returns the path that [`from_home`] wrote; none where it is below a home directory and there is none.
pub(crate) fn expand_home(file: &str) -> Option<PathBuf> {
    match file.strip_prefix("~/") {
        Some(below) => std::env::home_dir().map(|home| home.join(below)),
        None => Some(PathBuf::from(file)),
    }
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
    use crate::connect::kubeconfig::tests::GOOD;
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

    #[tokio::test]
    async fn unknown_context_lists_the_known_ones() {
        let error = failing(GOOD, Some("vm3")).await;
        assert!(error.to_string().ends_with("has no context `vm3`"), "{error}");
        assert!(error.hint().ends_with("--context: vm1"), "{}", error.hint());
        assert!(error.is_usage());
    }

    #[tokio::test]
    async fn unreachable_server_is_an_environment_failure() {
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
    async fn broken_kubeconfig_is_named(#[case] text: &str) {
        let error = failing(text, None).await;
        assert!(error.is_usage());
        assert!(error.to_string().contains("config"), "{error}");
    }
}
