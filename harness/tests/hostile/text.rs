//! Text that means harm: escape sequences, markup, letters that turn the direction, megabytes. It comes
//! with everything that a cluster, a file or a caller names.

use std::fs;

use serde_json::{Value, json};

use crate::Cases;
use crate::api::against;
use crate::mesh::Mesh;
use crate::program::{Call, Outcome, check, is_plain, judge, meshcheck};
use crate::server::{Reply, Server, kubeconfig};
use crate::support::run::recorded;

/// Red letters, a title of the window, a link, backwards, hidden, markup, entities, an end of CDATA.
const EVIL: &str = "\u{1b}[31mRED\u{1b}]0;title\u{7}\u{1b}]8;;http://evil.test\u{1b}\\\u{202e}sdrawkcab\u{2066}\u{200b}\
    <script>alert(1)</script>'\"><img src=x onerror=alert(1)>&lt;]]>\u{0}\u{9b}31m\r\nerror: forged";

pub(crate) const CASES: Cases = &[
    ("in_evidence", |sandbox| {
        let mut evidence = recorded();
        spoil(&mut evidence, "");
        reported(judge(sandbox, evidence.to_string()), 1)
    }),
    ("from_a_server", |sandbox| {
        let mut mesh = Mesh::with_a_fault();
        spoil(mesh.answer_at("/api/v1/nodes"), "");
        for namespace in ["client", "istio-system"] {
            spoil(mesh.answer_at(&format!("/api/v1/namespaces/{namespace}/pods")), "");
            let deployments = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
            spoil(mesh.answer_at(&deployments), "");
        }
        spoil_logs(&mut mesh);
        reported(check(sandbox, mesh.serve().kubeconfig(sandbox)), 1)
    }),
    ("in_refusals", |sandbox| {
        let mesh = Mesh::healthy();
        let server = Server::start(move |request| match request.path.as_str() {
            "/version" => mesh.answer(request),
            _ => Reply::status(403, EVIL),
        });
        reported(check(sandbox, server.kubeconfig(sandbox)), 3)
    }),
    ("in_the_first_refusal", |sandbox| {
        let server = Server::start(|_| Reply::status(401, EVIL));
        check(sandbox, server.kubeconfig(sandbox)).run().error(2, &["RED"])
    }),
    ("in_a_kubeconfig", |sandbox| {
        let name = serde_json::to_string(EVIL).unwrap();
        let text = kubeconfig("https://127.0.0.1:1", "", "token: abc");
        let file =
            sandbox.file("kubeconfig", text.replace("- name: vm", &format!("- name: {name}")));
        check(sandbox, file).run().error(2, &["cannot read the kubeconfig"])
    }),
    ("in_arguments", |sandbox| {
        let name = EVIL.replace('\0', "");
        meshcheck(sandbox, &["judge", &name]).run().error(2, &["RED", "No such file"])
    }),
    ("paths_for_names", |sandbox| {
        let mut mesh = Mesh::healthy();
        let pods = mesh.list("/api/v1/namespaces/client/pods");
        for (pod, name) in pods.iter_mut().zip(["../../../secrets", "a?b#c%00"]) {
            pod["metadata"]["name"] = name.into();
        }
        let server = Server::start(move |request| {
            assert!(!request.path.contains("secrets") || !request.path.ends_with("/secrets"));
            mesh.answer(request)
        });
        against(sandbox, &server, "5").run().report(1)
    }),
    ("long_annotation", |sandbox| {
        let mut evidence = recorded();
        for pod in evidence["demo"]["pods"]["value"].as_array_mut().unwrap() {
            pod["annotations"]["sidecar.istio.io/status"] = EVIL.repeat(300).into();
            pod["annotations"]["x.istio.io/y"] = "x".repeat(64 << 10).into();
        }
        reported(judge(sandbox, evidence.to_string()), 0)
    }),
    ("long_line", |sandbox| {
        let mut evidence = recorded();
        let lines = &mut evidence["demo"]["client_logs"]["value"][0]["lines"];
        let at = lines[0]["at"].clone();
        lines.as_array_mut().unwrap().push(json!({ "at": at, "text": EVIL.repeat(60_000) }));
        reported(judge(sandbox, evidence.to_string()).memory(256), 1)
    }),
];

/// Adds harm to every text that is none of those by which things are found.
fn spoil(value: &mut Value, field: &str) {
    const KEPT: [&str; 26] = [
        // Of evidence,
        "state",
        "kind",
        "status",
        "at",
        "since",
        "finished_at",
        "created_at",
        "read_at",
        "recorded_at",
        "clock",
        "not_before",
        "not_after",
        "provider",
        "namespace",
        "operator",
        "recorder",
        "origin",
        // and of Kubernetes' objects.
        "apiVersion",
        "type",
        "creationTimestamp",
        "startedAt",
        "finishedAt",
        "cpu",
        "memory",
        "pods",
        "resourceVersion",
    ];
    match value {
        // A time stays one, whatever its name: in a map, that of a pod.
        Value::String(text)
            if !KEPT.contains(&field) && text.parse::<jiff::Timestamp>().is_err() =>
        {
            text.push_str(EVIL);
        }
        Value::Array(rows) => rows.iter_mut().for_each(|row| spoil(row, field)),
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                spoil(value, name);
            }
        }
        _ => {}
    }
}

/// The same in each line of the logs, and at the end of those with rules.
fn spoil_logs(mesh: &mut Mesh) {
    for (path, answer) in mesh.0["answers"].as_object_mut().unwrap() {
        if let Value::String(log) = answer {
            if path.ends_with("istio-init") {
                log.push_str(EVIL);
            } else {
                *log = log.replace('\n', &format!("{EVIL}\n"));
            }
        }
    }
}

/// A report of every kind, with this exit code: none of them does anything but be read.
fn reported(mut call: Call<'_>, code: i32) -> Outcome {
    let sandbox = call.sandbox;
    for (kind, name) in [("html", "r.html"), ("junit", "r.xml"), ("json", "r.json")] {
        let file = sandbox.at(name);
        call = call.args(&["--report", &format!("{kind}={}", file.display())]).writes(file);
    }
    let ended = call.args(&["--verbose"]).run();
    assert_eq!(ended.exit, Some(code), "{ended}");
    assert!(!ended.stdout.lines().any(|line| line.starts_with("error:")), "forged: {ended}");
    // Standard error has the times of looks.
    assert!(ended.stderr.lines().all(|line| line.contains(" ms  ")), "{ended}");
    let read = |name: &str| fs::read_to_string(sandbox.at(name)).unwrap();
    let html = read("r.html");
    // Scripts and pictures are the page's own: nothing of a text is markup.
    for harm in ["<script>alert", "<img src=x", "onerror=alert(1)>", "href=\"http://evil"] {
        assert!(!html.contains(harm), "{harm} in the page");
    }
    assert!(is_plain(&html.replace('\t', " ")), "control characters in the page");
    let junit = read("r.xml");
    assert!(!junit.contains("<script") && !junit.contains("<img"), "markup in JUnit");
    assert!(is_plain(&junit.replace('\t', " ")), "control characters in JUnit");
    assert_eq!(junit.matches("<testcase").count(), meshcheck_suites::CLAIMS.len());
    let json: Value = serde_json::from_str(&read("r.json")).unwrap();
    assert_eq!(json["claims"].as_array().unwrap().len(), meshcheck_suites::CLAIMS.len());
    ended
}
