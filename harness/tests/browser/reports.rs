//! The pages under test: of recorded evidence and of changed copies.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::run::recorded;

/// All of them.
pub(crate) const CASES: [&str; 10] = [
    "green", "scaled", "rules", "logs", "unseen", "absent", "hostile", "denied", "changed",
    "compared",
];

/// Those that are recorded as they are, below `fixtures`.
const RECORDED: [(&str, &str); 2] = [
    ("denied", "faults/everything-denied/evidence.json.gz"),
    ("changed", "evidence/istio-1.31-alpha-kubernetes-1.34.json.gz"),
];

/// What no cluster should be able to do to a page: 64 KiB of it.
fn evil() -> String {
    let start = "<script>document.title=\"owned\"</script><img src=x onerror=alert(1)>\u{202e}gnp.exe\u{200b} \u{1b}[31mred\u{1b}]0;t\u{7} \"' & ]]> ";
    format!("{start}{}", "A".repeat(65_536))
}

/// Writes the page of a case into a directory. Its file.
pub(crate) fn page(directory: &Path, case: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let page = directory.join(format!("{case}.html"));
    if let Some((_, file)) = RECORDED.iter().find(|(name, _)| *name == case) {
        write_page(&fixtures.join(file), &page);
        return page;
    }
    if case == "compared" {
        let old = fixtures.join("evidence/istio-1.20.3.json.gz");
        let new = fixtures.join("evidence/istio-1.31-alpha-kubernetes-1.34.json.gz");
        let report = format!("html={}", page.display());
        let output = Command::new(env!("CARGO_BIN_EXE_meshcheck"))
            .args(["diff", "--view", "all", "--report", &report])
            .args([old, new])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        return page;
    }
    let mut evidence = recorded();
    match case {
        "green" => {}
        "scaled" => scaled(&mut evidence),
        "rules" => rules(&mut evidence),
        "logs" => logs(&mut evidence),
        "unseen" => every_look(
            &mut evidence,
            &json!({ "state": "failed", "reason": "pods is forbidden: User \"trainer\" cannot list resource \"pods\" in API group \"\" in the namespace \"client\"" }),
        ),
        "absent" => {
            every_look(&mut evidence, &json!({ "state": "absent", "reason": "no namespace" }));
            // The gateway may have an address: a step names the context.
            evidence["install"]["services"] = json!({ "state": "failed", "reason": "no answer" });
        }
        "hostile" => hostile(&mut evidence),
        other => panic!("no case {other}"),
    }
    let file = directory.join(format!("{case}.json"));
    fs::write(&file, evidence.to_string()).unwrap();
    write_page(&file, &page);
    page
}

fn write_page(evidence: &Path, page: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_meshcheck"))
        .args(["judge", "--quiet", "--report", &format!("html={}", page.display())])
        .arg(evidence)
        .output()
        .unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{output:?}");
}

/// The backend is scaled to zero, and the client's log shows it.
fn scaled(evidence: &mut Value) {
    for deployment in evidence["demo"]["deployments"]["value"].as_array_mut().unwrap() {
        if deployment["name"] == "echo-deployment" {
            for count in ["", "current_", "updated_", "ready_", "available_"] {
                deployment[format!("{count}replicas")] = json!(0);
            }
        }
    }
    evidence["demo"]["endpoints"]["value"] = json!([]);
    let pods = evidence["demo"]["pods"]["value"].as_array_mut().unwrap();
    pods.retain(|pod| pod["labels"]["app"] != "echo");
    for reply in evidence["demo"]["asked"]["value"]["replies"].as_array_mut().unwrap() {
        reply["status"] = json!(503);
        reply["body"] = json!("no healthy upstream");
    }
    trouble(evidence, "no healthy upstream");
}

/// A line at the end of the client's log.
fn trouble(evidence: &mut Value, text: &str) {
    let lines = evidence["demo"]["client_logs"]["value"][0]["lines"].as_array_mut().unwrap();
    let last = lines.last().unwrap()["at"].clone();
    lines.push(json!({ "at": last, "text": text }));
}

/// A port of the backend is left out of the redirection.
fn rules(evidence: &mut Value) {
    let own = "-A ISTIO_INBOUND -p tcp -m tcp --dport 15020 -j RETURN";
    let more = own.replace("15020", "8080");
    for (pod, log) in evidence["mesh"]["init_logs"].as_object_mut().unwrap() {
        if pod.starts_with("echo") {
            log["value"] =
                json!(log["value"].as_str().unwrap().replace(own, &format!("{own}\n{more}")));
        }
    }
    trouble(evidence, "curl: (6) Could not resolve host: echo-service.client.svc.cluster.local");
}

/// As `record --include-logs` has them.
fn logs(evidence: &mut Value) {
    let lines: Vec<_> = (0..500)
        .map(|number| format!("2026-11-24T14:04:00.123456789Z info xds push {number} <cds> & all"))
        .collect();
    let lines = lines.join("\n");
    evidence["logs"] = json!([
        container_log("istiod-1", "discovery", &json!({ "state": "seen", "value": lines }), true),
        container_log(
            "kiali-1",
            "kiali",
            &json!({ "state": "seen", "value": "2026-11-24T14:04:00Z started\n" }),
            false
        ),
        container_log(
            "kiali-2",
            "kiali",
            &json!({ "state": "failed", "reason": "pods/log is forbidden" }),
            false
        ),
    ]);
}

fn container_log(pod: &str, container: &str, text: &Value, cut: bool) -> Value {
    json!({
        "namespace": "istio-system", "pod": pod, "container": container, "text": text, "cut": cut
    })
}

fn every_look(value: &mut Value, end: &Value) {
    match value {
        Value::Object(fields)
            if fields.get("state").is_some_and(|it| it == "seen")
                && fields.contains_key("value") =>
        {
            *value = end.clone();
        }
        Value::Object(fields) => fields.values_mut().for_each(|it| every_look(it, end)),
        Value::Array(items) => items.iter_mut().for_each(|it| every_look(it, end)),
        _ => {}
    }
}

fn hostile(evidence: &mut Value) {
    let evil = evil();
    let short: String = evil.chars().take(150).collect();
    evidence["subject"]["context"] = json!(short);
    evidence["subject"]["server"] = json!(short);
    evidence["subject"]["bundle"]["notes"] = json!([evil, evil]);
    for reply in evidence["demo"]["asked"]["value"]["replies"].as_array_mut().unwrap() {
        reply["body"] = json!(evil);
    }
    for pod in evidence["demo"]["pods"]["value"].as_array_mut().unwrap() {
        pod["phase"] = json!(short);
        pod["node"] = json!(evil);
        for container in pod["containers"].as_array_mut().unwrap() {
            container["state"] = json!({ "state": "waiting", "reason": evil, "message": evil });
            container["ready"] = json!(false);
        }
    }
    evidence["kiali"]["root"] = json!({ "state": "failed", "reason": evil });
    let comment =
        format!("--dport 15020 -m comment --comment \"{}\"", evil.replace(['"', '\\'], ""));
    for log in evidence["mesh"]["init_logs"].as_object_mut().unwrap().values_mut() {
        log["value"] = json!(log["value"].as_str().unwrap().replace("--dport 15020", &comment));
    }
    trouble(evidence, &evil);
    let text = json!({ "state": "seen", "value": format!("{evil}\n{evil}\n{evil}") });
    evidence["logs"] = (0..40).map(|_| container_log(&short, &short, &text, true)).collect();
}
