//! Embeds what a kubeconfig names into one that has a single context, and works on another machine.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::AuthInfo;
use serde_json::{Map, Value, json};
use url::{Host, Url};

use super::ConnectError;
use super::kubeconfig::Chosen;
use crate::text::io_reason;

/// Why a kubeconfig cannot be used on another machine.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EmbedError {
    /// It cannot be read here either.
    #[error(transparent)]
    Unusable(#[from] ConnectError),
    /// It names a file that cannot be read.
    #[error("its {what} `{file}` cannot be read: {reason}")]
    File { what: &'static str, file: String, reason: String },
    /// A program makes its credentials.
    #[error("its credentials come from the program `{0}`, which runs on this machine only")]
    Program(String),
    /// The address leads to the machine that uses it.
    #[error("its {what} is {address}, which no other machine reaches")]
    Loopback { what: &'static str, address: String },
}

impl EmbedError {
    /// Returns the fix.
    pub(crate) fn fix(&self) -> String {
        match self {
            Self::Unusable(error) => error.hint(),
            Self::File { .. } => {
                "correct the path, or embed the files: `kubectl config view --raw --flatten`".into()
            }
            Self::Program(_) => {
                "write a kubeconfig with a token: `meshcheck rbac | kubectl apply -f -`, then \
                 `kubectl --namespace default create token meshcheck --duration 24h`"
                    .into()
            }
            Self::Loopback { .. } => {
                "write an address of the cluster into the kubeconfig that other machines \
                 reach; for kind, `kind get kubeconfig --internal`"
                    .into()
            }
        }
    }
}

/// Reads a context of a kubeconfig, and returns a kubeconfig of it that names no file and no program, as JSON, which is YAML
/// too. Nothing else of the kubeconfig is kept.
///
/// # Errors
///
/// When it cannot be read, or cannot work on another machine.
pub(crate) fn embed(file: &Path, context: &str) -> Result<String, EmbedError> {
    let place = file.display().to_string();
    let chosen = Chosen::read(Some(file), Some(context.to_owned()), &place)?;
    let unusable = |reason: &str| {
        EmbedError::from(ConnectError::Kubeconfig { place: place.clone(), reason: reason.into() })
    };
    let named = chosen.kubeconfig.contexts.iter().find(|it| it.name == chosen.context);
    let named = named.and_then(|it| it.context.clone()).unwrap_or_default();
    let cluster = chosen.kubeconfig.clusters.into_iter().find(|it| it.name == chosen.cluster);
    let cluster = cluster.and_then(|it| it.cluster).unwrap_or_default();
    let user = named.user.clone().unwrap_or_default();
    let credentials = chosen.kubeconfig.auth_infos.into_iter().find(|it| it.name == user);
    let credentials = credentials.and_then(|it| it.auth_info).unwrap_or_default();

    let server = cluster.server.clone().ok_or_else(|| unusable("its cluster has no server"))?;
    reaches_others("API server", &server).map_err(|reason| match reason {
        Unreachable::NoUrl(reason) => unusable(&format!("its server is no address: {reason}")),
        Unreachable::Loopback(error) => error,
    })?;
    if let Some(proxy) = &cluster.proxy_url
        && let Err(Unreachable::Loopback(error)) = reaches_others("proxy", proxy)
    {
        return Err(error);
    }
    is_at_hand(&credentials)?;

    // Keys are of a type that is made by reading only.
    let fields = |value: Result<Value, serde_json::Error>| match value {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err(unusable("it cannot be written again")),
    };
    let mut cluster = fields(serde_json::to_value(cluster))?;
    embed_file(&mut cluster, "certificate-authority", "CA certificate")?;
    let mut credentials = fields(serde_json::to_value(credentials))?;
    embed_file(&mut credentials, "client-certificate", "client certificate")?;
    embed_file(&mut credentials, "client-key", "client key")?;
    embed_token(&mut credentials)?;
    for unused in ["exec", "extensions"] {
        credentials.remove(unused);
        cluster.remove(unused);
    }
    cluster.retain(|_, value| !value.is_null());
    credentials.retain(|_, value| !value.is_null());
    let mut context = json!({ "cluster": chosen.cluster, "user": user });
    if let Some(namespace) = named.namespace {
        context["namespace"] = namespace.into();
    }
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": chosen.context,
        "contexts": [{ "name": chosen.context, "context": context }],
        "clusters": [{ "name": chosen.cluster, "cluster": cluster }],
        "users": [{ "name": user, "user": credentials }],
    });
    Ok(config.to_string())
}

/// Checks that credentials need no program. As the client's library orders them, the plug-in comes last.
fn is_at_hand(credentials: &AuthInfo) -> Result<(), EmbedError> {
    if let Some(provider) = &credentials.auth_provider {
        return Err(EmbedError::Program(provider.name.clone()));
    }
    let is_unneeded = credentials.token.is_some()
        || credentials.token_file.is_some()
        || (credentials.username.is_some() && credentials.password.is_some());
    match &credentials.exec {
        Some(plugin) if !is_unneeded => {
            Err(EmbedError::Program(plugin.command.clone().unwrap_or_default()))
        }
        _ => Ok(()),
    }
}

/// Puts the content of a file in the place of its name, unless the content is there.
fn embed_file(
    fields: &mut Map<String, Value>,
    key: &str,
    what: &'static str,
) -> Result<(), EmbedError> {
    let Some(Value::String(file)) = fields.remove(key) else { return Ok(()) };
    let data = format!("{key}-data");
    if fields.get(&data).is_none_or(Value::is_null) {
        let content = fs::read(&file).map_err(|error| unreadable(what, &file, &error))?;
        fields.insert(data, STANDARD.encode(content).into());
    }
    Ok(())
}

/// Puts the token in the place of its file, unless a token is there.
fn embed_token(credentials: &mut Map<String, Value>) -> Result<(), EmbedError> {
    let Some(Value::String(file)) = credentials.remove("tokenFile") else { return Ok(()) };
    if credentials.get("token").is_none_or(Value::is_null) {
        let token = fs::read_to_string(&file);
        let token = token.map_err(|error| unreadable("token file", &file, &error))?;
        credentials.insert("token".into(), token.trim().into());
    }
    Ok(())
}

fn unreadable(what: &'static str, file: &str, error: &std::io::Error) -> EmbedError {
    EmbedError::File { what, file: file.to_owned(), reason: io_reason(error) }
}

/// Why an address does not lead to the same place from every machine.
pub(crate) enum Unreachable {
    NoUrl(String),
    Loopback(EmbedError),
}

/// Checks that an address does not lead every machine to itself.
///
/// # Errors
///
/// When it does, or is no URL.
pub(crate) fn reaches_others(what: &'static str, text: &str) -> Result<(), Unreachable> {
    // A kubeconfig may have an address without a scheme.
    let url = Url::parse(text).ok().filter(Url::has_host);
    let url = url.map_or_else(|| Url::parse(&format!("https://{text}")), Ok);
    let url = url.map_err(|error| Unreachable::NoUrl(error.to_string()))?;
    let is_own = |address: IpAddr| {
        let address = address.to_canonical();
        address.is_loopback() || address.is_unspecified()
    };
    let leads_to_itself = match url.host() {
        Some(Host::Ipv4(address)) => is_own(address.into()),
        Some(Host::Ipv6(address)) => is_own(address.into()),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name.eq_ignore_ascii_case("localhost")
                || name.to_ascii_lowercase().ends_with(".localhost")
        }
        None => false,
    };
    if !leads_to_itself {
        return Ok(());
    }
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let address = format!("{}{port}", url.host_str().unwrap_or_default());
    Err(Unreachable::Loopback(EmbedError::Loopback { what, address }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn kubeconfig(cluster: &str, user: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [("ca.pem", "authority"), ("key.pem", "key"), ("token", "secret\n")] {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: other\n\
             contexts:\n- {{ name: vm1, context: {{ cluster: one, user: me, namespace: shop }} }}\n\
             - {{ name: other, context: {{ cluster: two, user: you }} }}\n\
             clusters:\n- name: one\n  cluster: {cluster}\n\
             - {{ name: two, cluster: {{ server: 'https://two:6443' }} }}\n\
             users:\n- name: me\n  user: {user}\n- {{ name: you, user: {{ token: others-secret }} }}\n"
        );
        let file = directory.path().join("config");
        fs::write(&file, text).unwrap();
        (directory, file)
    }

    fn reason(cluster: &str, user: &str) -> String {
        let (directory, file) = kubeconfig(cluster, user);
        let error = embed(&file, "vm1").err().unwrap();
        error.to_string().replace(&directory.path().display().to_string(), "DIR")
    }

    const CLUSTER: &str =
        "{ server: 'https://10.0.0.7:6443', certificate-authority: ca.pem, extensions: [] }";

    #[test]
    fn files_are_embedded_and_other_contexts_left_out() {
        let (_directory, file) = kubeconfig(
            CLUSTER,
            "{ client-certificate-data: Y2VydA==, client-key: key.pem, tokenFile: token }",
        );
        insta::assert_snapshot!(embed(&file, "vm1").unwrap(), @r#"{"apiVersion":"v1","clusters":[{"cluster":{"certificate-authority-data":"YXV0aG9yaXR5","server":"https://10.0.0.7:6443"},"name":"one"}],"contexts":[{"context":{"cluster":"one","namespace":"shop","user":"me"},"name":"vm1"}],"current-context":"vm1","kind":"Config","users":[{"name":"me","user":{"client-certificate-data":"Y2VydA==","client-key-data":"a2V5","token":"secret"}}]}"#);
    }

    #[test]
    fn embedded_kubeconfig_is_read_as_a_kubeconfig() {
        let (directory, file) = kubeconfig(CLUSTER, "{ token: secret }");
        let other = directory.path().join("embedded.yaml");
        fs::write(&other, embed(&file, "vm1").unwrap()).unwrap();
        let chosen = Chosen::read(Some(&other), None, "").unwrap();
        assert_eq!((chosen.context.as_str(), chosen.cluster.as_str()), ("vm1", "one"));
        assert_eq!(embed(&other, "vm1").unwrap(), fs::read_to_string(&other).unwrap());
    }

    #[test]
    fn plug_in_beside_a_token_is_left_out() {
        let (_directory, file) =
            kubeconfig(CLUSTER, "{ token: secret, exec: { apiVersion: v1, command: gke } }");
        assert!(!embed(&file, "vm1").unwrap().contains("gke"));
    }

    #[rstest]
    #[case::missing_file(
        "{ server: 'https://a', certificate-authority: none.pem }",
        "its CA certificate `DIR/none.pem` cannot be read: No such file or directory"
    )]
    #[case::loopback(
        "{ server: 'https://127.0.0.1:6443' }",
        "its API server is 127.0.0.1:6443, which no other machine reaches"
    )]
    #[case::proxy(
        "{ server: 'https://a', proxy-url: 'socks5://localhost:1080' }",
        "its proxy is localhost:1080, which no other machine reaches"
    )]
    #[case::no_server("{}", "cannot read the kubeconfig DIR/config: its cluster has no server")]
    fn cluster_that_others_cannot_reach_is_refused(#[case] cluster: &str, #[case] expected: &str) {
        assert_eq!(reason(cluster, "{}"), expected);
    }

    #[rstest]
    #[case::plug_in(
        "{ exec: { apiVersion: v1, command: gke-gcloud-auth-plugin } }",
        "its credentials come from the program `gke-gcloud-auth-plugin`, which runs on this machine only"
    )]
    #[case::provider(
        "{ auth-provider: { name: oidc, config: {} } }",
        "its credentials come from the program `oidc`, which runs on this machine only"
    )]
    #[case::token_file(
        "{ tokenFile: none }",
        "its token file `DIR/none` cannot be read: No such file or directory"
    )]
    #[case::key(
        "{ client-certificate: ca.pem, client-key: none }",
        "its client key `DIR/none` cannot be read: No such file or directory"
    )]
    fn credentials_that_stay_here_are_refused(#[case] user: &str, #[case] expected: &str) {
        assert_eq!(reason(CLUSTER, user), expected);
    }

    #[rstest]
    #[case("https://localhost:6443")]
    #[case("https://LOCALHOST.")]
    #[case("https://api.localhost")]
    #[case("127.0.0.1:6443")]
    #[case("https://127.8.9.1/path")]
    #[case("https://[::1]:6443")]
    #[case("https://[::ffff:127.0.0.1]")]
    #[case("https://0.0.0.0:6443")]
    #[case("https://[::]")]
    // As the C library reads addresses.
    #[case("https://127.1")]
    #[case("https://0x7f000001")]
    fn address_of_every_machine_itself_is_recognised(#[case] url: &str) {
        assert!(matches!(reaches_others("server", url), Err(Unreachable::Loopback(_))), "{url}");
    }

    #[rstest]
    #[case("https://10.0.0.1")]
    #[case("https://localhost.example.com")]
    #[case("10.0.0.1:6443")]
    #[case("https://[2001:db8::1]:6443")]
    #[case("http://board:8080")]
    fn address_of_another_machine_is_taken(#[case] url: &str) {
        assert!(reaches_others("server", url).is_ok(), "{url}");
    }
}
