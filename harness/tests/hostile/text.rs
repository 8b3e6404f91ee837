//! Text that means harm: escape sequences, markup, letters that turn the direction, megabytes. It comes
//! with everything that a cluster, a file or a caller names.

use std::fs;

use serde_json::{Value, json};

use crate::api::against;
use crate::case::{Case, Place};
use crate::mesh::{Mesh, recorded};
use crate::program::{Ended, arguments, is_plain};
use crate::server::{Server, Way, kubeconfig};

/// Red letters, a title of the window, a link, backwards, hidden, markup, entities, an end of CDATA.
const EVIL: &str = "\u{1b}[31mRED\u{1b}]0;title\u{7}\u{1b}]8;;http://evil.test\u{1b}\\\u{202e}sdrawkcab\u{2066}\u{200b}\
    <script>alert(1)</script>'\"><img src=x onerror=alert(1)>&lt;]]>\u{0}\u{9b}31m\r\nerror: forged";

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "text::in_evidence",
            "evidence with escapes, markup and bidi letters in every text",
            |place| {
                let mut evidence = recorded();
                spoil(&mut evidence, "");
                let file = place.file("evidence.json", evidence.to_string());
                reported(place, |place| place.meshcheck(&arguments(&[&"judge", &file])))
            },
        ),
        Case::new("text::from_a_server", "the same in what an API server tells", |place| {
            let mut mesh = Mesh::with_a_fault();
            spoil(&mut mesh.evidence["cluster"]["nodes"], "");
            for section in ["install", "demo"] {
                for what in ["pods", "deployments"] {
                    spoil(&mut mesh.evidence[section][what], "");
                }
            }
            spoil(&mut mesh.evidence["mesh"]["init_logs"], "");
            spoil(&mut mesh.evidence["demo"]["client_logs"], "");
            let server = Server::start(move |request| Way::Whole(mesh.answer(request)));
            let file = server.kubeconfig(place);
            reported(place, |place| {
                place.meshcheck(&arguments(&[&"check", &"--kubeconfig", &file]))
            })
        }),
        Case::new("text::in_refusals", "the same in every refusal of an API server", |place| {
            let mesh = Mesh::healthy();
            let server = Server::start(move |request| {
                Way::Whole(match request.path.as_str() {
                    "/version" => mesh.answer(request),
                    _ => crate::server::Reply::status(403, EVIL),
                })
            });
            let file = server.kubeconfig(place);
            reported(place, |place| {
                place.meshcheck(&arguments(&[&"check", &"--kubeconfig", &file]))
            })
        }),
        Case::new(
            "text::in_the_first_refusal",
            "the same in the first answer of an API server",
            |place| {
                let server = Server::start(|_| Way::Whole(crate::server::Reply::status(401, EVIL)));
                let file = server.kubeconfig(place);
                place
                    .meshcheck(&arguments(&[&"check", &"--kubeconfig", &file]))
                    .run()
                    .error(2, &["RED"])
            },
        ),
        Case::new("text::in_a_kubeconfig", "the same in the names of contexts", |place| {
            let name = serde_json::to_string(EVIL).unwrap();
            let text = kubeconfig("https://127.0.0.1:1", "", "token: abc");
            let file =
                place.file("kubeconfig", text.replace("- name: vm", &format!("- name: {name}")));
            place
                .meshcheck(&arguments(&[&"check", &"--kubeconfig", &file]))
                .run()
                .error(2, &["kubeconfig", "cannot be used"])
        }),
        Case::new("text::in_arguments", "the same in the name of a file", |place| {
            let name = EVIL.replace('\0', "");
            place.meshcheck(&["judge", &name]).run().error(2, &["RED", "No such file"])
        }),
        Case::new(
            "text::paths_for_names",
            "pods called `../../../secrets` and `a?b#c%00`",
            |place| {
                let mut mesh = Mesh::healthy();
                for (at, name) in ["../../../secrets", "a?b#c%00"].into_iter().enumerate() {
                    mesh.evidence["demo"]["pods"]["value"][at]["name"] = name.into();
                }
                let server = Server::start(move |request| {
                    assert!(
                        !request.path.contains("secrets") || !request.path.ends_with("/secrets")
                    );
                    Way::Whole(mesh.answer(request))
                });
                against(place, server, "5").run().report(1)
            },
        ),
        Case::new("text::long_annotation", "annotations of 64 KiB on every pod", |place| {
            let mut evidence = recorded();
            for pod in evidence["demo"]["pods"]["value"].as_array_mut().unwrap() {
                pod["annotations"]["sidecar.istio.io/status"] = EVIL.repeat(300).into();
                pod["annotations"]["x.istio.io/y"] = "x".repeat(64 << 10).into();
            }
            let file = place.file("evidence.json", evidence.to_string());
            reported(place, |place| place.meshcheck(&arguments(&[&"judge", &file])))
        }),
        Case::new("text::long_line", "a log line of 10 MB in evidence", |place| {
            let mut evidence = recorded();
            let lines = &mut evidence["demo"]["client_logs"]["value"][0]["lines"];
            let at = lines[0]["at"].clone();
            lines.as_array_mut().unwrap().push(json!({ "at": at, "text": EVIL.repeat(60_000) }));
            let file = place.file("evidence.json", evidence.to_string());
            reported(place, |place| place.meshcheck(&arguments(&[&"judge", &file])).mib(256))
        }),
    ]
}

/// Adds harm to every text that is none of those by which things are found.
fn spoil(value: &mut Value, field: &str) {
    const KEPT: [&str; 17] = [
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
    ];
    match value {
        Value::String(text) if !KEPT.contains(&field) => text.push_str(EVIL),
        Value::Array(rows) => rows.iter_mut().for_each(|row| spoil(row, field)),
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                spoil(value, name);
            }
        }
        _ => {}
    }
}

/// A report of every kind: none of them does anything but be read.
fn reported(place: &Place, call: impl Fn(&Place) -> crate::program::Call<'_>) -> Ended {
    let mut call = call(place);
    for (kind, name) in [("html", "r.html"), ("junit", "r.xml"), ("json", "r.json")] {
        let file = place.at(name);
        call = call.more(&["--report", &format!("{kind}={}", file.display())]).writes(file);
    }
    let ended = call.more(&["--verbose"]).run();
    assert!(matches!(ended.exit, Some(0 | 1 | 3)), "{ended}");
    assert!(!ended.stdout.lines().any(|line| line.starts_with("error:")), "forged: {ended}");
    let read = |name: &str| fs::read_to_string(place.at(name)).unwrap();
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
    let code = ended.exit.unwrap();
    let (quiet, ended) =
        (ended.stderr.lines().all(|line| line.contains(" ms  ")), ended.report_or_timings(code));
    assert!(quiet, "{ended}");
    ended
}
