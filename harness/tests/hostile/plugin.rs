//! Exec plugins: programs that a kubeconfig has us run for credentials.

use crate::Cases;
use crate::kubeconfig::of;
use crate::program::Outcome;
use crate::sandbox::Sandbox;
use crate::server::kubeconfig;

pub(crate) const CASES: Cases = &[
    ("hangs", |sandbox| {
        script(sandbox, "exec sleep 600").error(2, &["plugin", "did not end within 10 s"])
    }),
    ("missing", |sandbox| plugin(sandbox, "no-such-plugin-7", "").error(2, &["no-such-plugin-7"])),
    ("garbage", |sandbox| {
        script(sandbox, "echo secret words").no_secret().error(2, &["ExecCredential"])
    }),
    ("empty_answer", |sandbox| {
        script(sandbox, r#"echo "{\"kind\":\"ExecCredential\"}""#)
            .error(2, &["returned no credentials"])
    }),
    ("floods", |sandbox| {
        script(sandbox, "head -c 300000000 /dev/zero").error(2, &["ExecCredential"])
    }),
    ("floods_without_end", |sandbox| {
        script(sandbox, "exec yes").error(2, &["did not end within 10 s"])
    }),
    ("fails", |sandbox| {
        script(sandbox, r"echo secret; printf '\033[31mlog in first\033[0m\n' >&2; exit 1")
            .no_secret()
            .error(2, &["log in first"])
    }),
    ("killed", |sandbox| script(sandbox, "kill -9 $$").error(2, &["plugin"])),
    ("leaves_a_child", |sandbox| script(sandbox, "sleep 600 & exit 1").error(2, &["plugin"])),
    ("asks", |sandbox| {
        script(sandbox, "read answer || { echo no terminal >&2; exit 1; }")
            .error(2, &["no terminal"])
    }),
];

impl Outcome {
    /// Nothing of what a plugin printed is reported: credentials stand there.
    fn no_secret(self) -> Self {
        assert!(!self.stderr.contains("secret") && !self.stdout.contains("secret"), "{self}");
        self
    }
}

fn script(sandbox: &Sandbox, script: &str) -> Outcome {
    plugin(sandbox, "sh", &format!("['-c', '{}']", script.replace('\'', "''")))
}

fn plugin(sandbox: &Sandbox, command: &str, arguments: &str) -> Outcome {
    let arguments = if arguments.is_empty() { "[]" } else { arguments };
    let user = format!(
        "exec: {{ apiVersion: client.authentication.k8s.io/v1, command: {command}, interactiveMode: Never, args: {arguments} }}"
    );
    of(sandbox, kubeconfig("https://127.0.0.1:1", "", &user))
}
