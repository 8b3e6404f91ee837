//! Gets credentials from the kubeconfig's exec plugin. It runs the plugin itself, so that one that hangs is
//! ended.

use std::time::Duration;

use k8s_openapi::ByteString;
use kube::config::{AuthInfo, ExecConfig};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::process::Call;

/// How long a plugin may take. Those of the clouds take a second or two.
const CEILING: Duration = Duration::from_secs(10);

/// What a plugin writes.
#[derive(Deserialize)]
struct ExecCredential {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// The same credentials, with what the exec plugin hands out in its place; as they are where there is no
/// plugin. What it hands out is not renewed: a run is shorter than it lasts.
pub(super) async fn resolve(credentials: AuthInfo) -> Result<AuthInfo, String> {
    // As the client's library orders them: the plugin comes last.
    let others = credentials.auth_provider.is_some()
        || credentials.token.is_some()
        || credentials.token_file.is_some()
        || (credentials.username.is_some() && credentials.password.is_some());
    match &credentials.exec {
        Some(plugin) if !others => {
            let status = run(plugin, CEILING).await?;
            replace(&credentials, status).map_err(|error| {
                // The message of a parser may quote what it parses.
                format!(
                    "the credentials of the exec plugin cannot be used ({:?})",
                    error.classify()
                )
            })
        }
        _ => Ok(credentials),
    }
}

async fn run(plugin: &ExecConfig, ceiling: Duration) -> Result<Status, String> {
    let command = plugin.command.as_deref().unwrap_or_default();
    if command.is_empty() {
        return Err("its exec plugin has no command".into());
    }
    let question = json!({
        "apiVersion": plugin.api_version,
        "kind": "ExecCredential",
        "spec": { "interactive": false, "cluster": plugin.cluster }
    });
    let mut call = Call::new(command)
        .args(plugin.args.iter().flatten())
        .env("KUBERNETES_EXEC_INFO", question.to_string())
        .within(ceiling);
    for variable in plugin.env.iter().flatten() {
        if let (Some(name), Some(value)) = (variable.get("name"), variable.get("value")) {
            call = call.env(name, value);
        }
    }
    let finished = call.finish().await.map_err(|error| {
        let advice = plugin.install_hint.as_deref().unwrap_or_default();
        let reason = crate::chain(&error);
        format!("its exec plugin: {reason} {advice}").trim_end().to_owned()
    })?;
    if finished.code != Some(0) {
        let reason = finished.stderr.trim().lines().last().unwrap_or("it printed no reason");
        return Err(format!("its exec plugin `{command}` failed: {reason}"));
    }
    let answer: ExecCredential = serde_json::from_str(&finished.stdout).map_err(|_| {
        format!("its exec plugin `{command}` did not answer with an ExecCredential")
    })?;
    answer.status.ok_or_else(|| format!("its exec plugin `{command}` returned no credentials"))
}

fn replace(credentials: &AuthInfo, status: Status) -> Result<AuthInfo, serde_json::Error> {
    // Keys are of a type that is made by reading only.
    let mut fields = serde_json::to_value(credentials)?;
    let base64 = |text: String| serde_json::to_value(ByteString(text.into_bytes()));
    if let Value::Object(fields) = &mut fields {
        fields.remove("exec");
        if let Some(token) = status.token {
            fields.insert("token".into(), token.into());
        }
        if let (Some(certificate), Some(key)) =
            (status.client_certificate_data, status.client_key_data)
        {
            fields.insert("client-certificate-data".into(), base64(certificate)?);
            fields.insert("client-key-data".into(), base64(key)?);
        }
    }
    serde_json::from_value(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    fn plugin(script: &str) -> AuthInfo {
        serde_json::from_value(json!({ "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "sh",
            "args": ["-c", script],
            "env": [{ "name": "WORD", "value": "abc" }]
        } }))
        .unwrap()
    }

    #[tokio::test]
    async fn plugin_is_replaced_by_its_credentials() {
        let script = r#"printf '{"kind":"ExecCredential","status":{"token":"%s","clientCertificateData":"C","clientKeyData":"K"}}' "$WORD""#;
        let resolved = serde_json::to_value(resolve(plugin(script)).await.unwrap()).unwrap();
        assert_eq!(
            resolved,
            json!({ "token": "abc", "client-certificate-data": "Qw==", "client-key-data": "Sw==" })
        );
    }

    #[tokio::test]
    async fn hanging_plugin_is_ended() {
        let start = Instant::now();
        let exec = plugin("sleep 60").exec.unwrap();
        let reason = run(&exec, Duration::from_millis(200)).await.err().unwrap();
        assert!(reason.contains("did not end within"), "{reason}");
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn failed_plugin_is_quoted_without_its_output() {
        let reason = resolve(plugin("echo secret; echo log in first >&2; exit 3")).await;
        let reason = reason.err().unwrap();
        assert_eq!(reason, "its exec plugin `sh` failed: log in first");
        let reason = resolve(plugin("echo secret")).await.err().unwrap();
        assert!(reason.ends_with("did not answer with an ExecCredential"), "{reason}");
        assert!(!reason.contains("secret"));
    }

    #[tokio::test]
    async fn token_beside_a_plugin_is_used() {
        let mut credentials = plugin("exit 1");
        credentials.username = None;
        let mut fields = serde_json::to_value(&credentials).unwrap();
        fields["token"] = "here".into();
        let credentials = serde_json::from_value(fields).unwrap();
        assert!(resolve(credentials).await.is_ok(), "the plugin was not run");
    }
}
