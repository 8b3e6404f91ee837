//! Exec plugins: programs that a kubeconfig has us run for credentials.

use crate::case::{Case, Place};
use crate::kubeconfig::of;
use crate::program::Ended;
use crate::server::kubeconfig;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("plugin::hangs", "an exec plugin that never ends", |place| {
            script(place, "exec sleep 600").error(2, &["plugin", "did not end within 10 s"])
        }),
        Case::new("plugin::missing", "an exec plugin that is not installed", |place| {
            plugin(place, "no-such-plugin-7", "").error(2, &["no-such-plugin-7"])
        }),
        Case::new("plugin::garbage", "an exec plugin that prints random words", |place| {
            script(place, "echo secret words").no_secret().error(2, &["ExecCredential"])
        }),
        Case::new("plugin::empty_answer", "an exec plugin that hands out nothing", |place| {
            script(place, r#"echo "{\"kind\":\"ExecCredential\"}""#)
                .error(2, &["handed out nothing"])
        }),
        Case::new("plugin::floods", "an exec plugin that prints 300 MB", |place| {
            script(place, "head -c 300000000 /dev/zero").error(2, &["ExecCredential"])
        }),
        Case::new(
            "plugin::floods_without_end",
            "an exec plugin that prints without end",
            |place| script(place, "exec yes").error(2, &["did not end within 10 s"]),
        ),
        Case::new(
            "plugin::fails",
            "an exec plugin that exits 1, with colours on standard error",
            |place| {
                script(place, r"echo secret; printf '\033[31mlog in first\033[0m\n' >&2; exit 1")
                    .no_secret()
                    .error(2, &["log in first"])
            },
        ),
        Case::new("plugin::killed", "an exec plugin that is killed", |place| {
            script(place, "kill -9 $$").error(2, &["plugin"])
        }),
        Case::new(
            "plugin::leaves_a_child",
            "an exec plugin that exits 1 and leaves a child that holds its output",
            |place| script(place, "sleep 600 & exit 1").error(2, &["plugin"]),
        ),
        Case::new(
            "plugin::asks",
            "an exec plugin that waits for an answer on standard input",
            |place| {
                script(place, "read answer || { echo no terminal >&2; exit 1; }")
                    .error(2, &["no terminal"])
            },
        ),
    ]
}

impl Ended {
    /// Nothing of what a plugin printed is told: credentials stand there.
    fn no_secret(self) -> Self {
        assert!(!self.stderr.contains("secret") && !self.stdout.contains("secret"), "{self}");
        self
    }
}

fn script(place: &Place, script: &str) -> Ended {
    plugin(place, "sh", &format!("['-c', '{}']", script.replace('\'', "''")))
}

fn plugin(place: &Place, command: &str, arguments: &str) -> Ended {
    let arguments = if arguments.is_empty() { "[]" } else { arguments };
    let user = format!(
        "exec: {{ apiVersion: client.authentication.k8s.io/v1, command: {command}, interactiveMode: Never, args: {arguments} }}"
    );
    of(place, kubeconfig("https://127.0.0.1:1", "", &user))
}
