//! An API server in disorder, and what may stand before it. Whatever it does, no claim may be told another
//! verdict than on the mesh as it is: the same, or *unjudged*.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::Cases;
use crate::mesh::{ISTIO, Mesh};
use crate::program::{Call, MIB, Outcome, check, meshcheck};
use crate::sandbox::Sandbox;
use crate::server::{Delivery, Reply, Request, Server};
use crate::support::run::verdicts;

pub(crate) const CASES: Cases = &[
    ("undisturbed", |sandbox| {
        let ended = check_through(sandbox, |_, reply| reply).run().report(1);
        let json = ended.json();
        // Otherwise the other cases prove nothing.
        let totals = &json["totals"];
        assert!(
            totals["pass"].as_u64() >= Some(15) && totals["fail"].as_u64() >= Some(2),
            "{ended}"
        );
        ended
    }),
    ("recorded_to_standard_output", |sandbox| {
        let file = Mesh::healthy().serve().kubeconfig(sandbox);
        let ended = meshcheck(sandbox, &["record", "--out", "-", "--kubeconfig"]).arg(file).run();
        assert_eq!(ended.json()["schema"], 1, "{ended}");
        ended
    }),
    ("slow", |sandbox| {
        verdicts_stay(sandbox, |_, reply| {
            reply.delivery(Delivery::Late(Duration::from_millis(200)))
        })
    }),
    ("slower_than_the_limit", |sandbox| {
        claims_are_lost(sandbox, |_, reply| reply.delivery(Delivery::Late(Duration::from_secs(3))))
    }),
    ("silent", |sandbox| claims_are_lost(sandbox, |_, _| Reply::silent())),
    ("first_answer_is_late", |sandbox| {
        let count = AtomicUsize::new(0);
        let script = move |_: &Request, reply: Reply| match count.fetch_add(1, Ordering::SeqCst) {
            0 => reply.delivery(Delivery::Late(Duration::from_secs(7))),
            _ => reply,
        };
        against(sandbox, &Server::start(answers(script)), "10").run().report(1)
    }),
    ("trickling", |sandbox| {
        claims_are_lost(sandbox, |_, reply| {
            reply.delivery(Delivery::Trickle(16, Duration::from_millis(100)))
        })
    }),
    ("overloaded_at_first", |sandbox| {
        verdicts_stay(sandbox, |request, reply| match request.before {
            0 => Reply::status(429, "too many requests").header("retry-after", "1"),
            _ => reply,
        })
    }),
    ("overloaded", |sandbox| {
        claims_are_lost(sandbox, |_, _| {
            Reply::status(429, "too many requests").header("retry-after", "3600")
        })
    }),
    ("overloaded_at_once", |sandbox| {
        let reply = || Reply::status(429, "too many requests").header("retry-after", "3600");
        check(sandbox, Server::start(move |_| reply()).kubeconfig(sandbox))
            .run()
            .error(3, &["429", "too many requests"])
    }),
    ("internal_error", |sandbox| {
        claims_are_lost(sandbox, |_, _| Reply::status(500, "etcdserver: leader changed"))
    }),
    ("unavailable", |sandbox| claims_are_lost(sandbox, |_, _| Reply::json(503, ""))),
    ("unauthorized_later", |sandbox| {
        claims_are_lost(sandbox, |_, _| Reply::status(401, "Unauthorized"))
    }),
    ("error_page", |sandbox| {
        claims_are_lost(sandbox, |_, _| Reply::json(502, "<p>bad gateway</p>\n".repeat(50_000)))
    }),
    ("forbidding_page", |sandbox| {
        claims_are_lost(sandbox, |_, _| Reply::json(403, "<p>log in first</p>\n".repeat(50_000)))
    }),
    ("missing_page", |sandbox| {
        claims_are_lost(sandbox, |_, _| Reply::json(404, "<p>no such page</p>\n".repeat(100)))
    }),
    ("html", |sandbox| claims_are_lost(sandbox, |_, _| Reply::json(200, "<html>Welcome</html>"))),
    ("redirect", |sandbox| {
        claims_are_lost(sandbox, |_, _| {
            Reply::json(302, "").header("location", "http://127.0.0.1:1/login")
        })
    }),
    ("empty_body", |sandbox| claims_are_lost(sandbox, |_, _| Reply::json(200, ""))),
    ("empty_object", |sandbox| claims_are_lost(sandbox, |_, _| Reply::json(200, "{}"))),
    ("null", |sandbox| claims_are_lost(sandbox, |_, _| Reply::json(200, "null"))),
    ("garbage", |sandbox| {
        claims_are_lost(sandbox, |_, _| {
            let mut random = fastrand::Rng::with_seed(7);
            Reply::raw((0..4096).map(|_| random.u8(..)).collect::<Vec<_>>())
        })
    }),
    ("garbage_json", |sandbox| {
        claims_are_lost(sandbox, |_, mut reply| {
            let half = reply.body.len() / 2;
            reply.body.truncate(half);
            reply.body.extend_from_slice(b"}]\"{,,x");
            reply
        })
    }),
    ("half", |sandbox| claims_are_lost(sandbox, |_, reply| half(reply))),
    ("closed", |sandbox| claims_are_lost(sandbox, |_, _| Reply::closed())),
    ("closed_now_and_then", |sandbox| {
        let count = AtomicUsize::new(1);
        claims_are_lost(sandbox, move |_, reply| match count.fetch_add(1, Ordering::SeqCst) % 3 {
            0 => Reply::closed(),
            _ => reply,
        })
    }),
    ("endless_head", |sandbox| {
        claims_are_lost(sandbox, |_, _| {
            endless(Reply::raw("HTTP/1.1 200 OK\r\n"), |number| {
                format!("x-{number}: {}\r\n", "y".repeat(1000))
            })
        })
    }),
    ("endless_interim", |sandbox| {
        claims_are_lost(sandbox, |_, _| {
            Reply::raw("").delivery(Delivery::Interim(Duration::from_millis(5)))
        })
    }),
    ("endless_body", |sandbox| {
        claims_are_lost_within(sandbox, 400, |_, _| endless(list(), |_| " ".repeat(16 << 10)))
    }),
    ("endless_list", |sandbox| claims_are_lost_within(sandbox, 400, |_, _| endless(list(), pods))),
    ("huge_list", |sandbox| {
        verdicts_stay(sandbox, |request, reply| match request.path.as_str() {
            "/api/v1/pods" => huge(),
            _ => reply,
        })
    }),
    ("huge_lists", |sandbox| {
        claims_are_lost_within(sandbox, 400, |request, reply| {
            if request.path.ends_with("/pods") { huge() } else { reply }
        })
    }),
    ("pages", |sandbox| verdicts_stay(sandbox, paged)),
    ("gone", |sandbox| {
        claims_are_lost(sandbox, |request, reply| {
            if request.query.contains("continue=") {
                Reply::status(410, "The provided continue parameter is too old")
            } else {
                paged(request, reply)
            }
        })
    }),
    ("pages_without_end", |sandbox| {
        claims_are_lost(sandbox, |request, reply| {
            let mut reply = paged(request, reply);
            if let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body)
                && body["items"].is_array()
            {
                body["metadata"]["continue"] = "1".into();
                reply.body = body.to_string().into_bytes();
            }
            reply
        })
    }),
    ("watches_close", |sandbox| {
        verdicts_stay(sandbox, |request, reply| {
            if request.query.contains("watch") { Reply::closed() } else { reply }
        })
    }),
    ("endless_log", |sandbox| {
        claims_are_lost(sandbox, |request, reply| {
            if !request.path.ends_with("/log") {
                return reply;
            }
            let reply = Reply::json(200, "").header("transfer-encoding", "chunked");
            endless(reply.without_length(), |number| {
                let line = format!("2026-11-24T14:04:00Z line {number} {}\n", "x".repeat(4000));
                format!("{:x}\r\n{line}\r\n", line.len())
            })
        })
    }),
    ("long_line", |sandbox| {
        verdicts_stay(sandbox, |request, mut reply| {
            if request.path.ends_with("/log") && !request.query.contains("istio-init") {
                let line = format!("2026-11-24T14:04:00Z {}\n", "x".repeat(10_000_000));
                reply.body.splice(0..0, line.into_bytes());
            }
            reply
        })
    }),
    ("long_line_of_init", |sandbox| {
        claims_are_lost(sandbox, |request, mut reply| {
            if request.path.ends_with("/log") && request.query.contains("istio-init") {
                reply.body.splice(0..0, ("x".repeat(10_000_000) + "\n").into_bytes());
            }
            reply
        })
    }),
    ("not_text", |sandbox| {
        claims_are_lost(sandbox, |_, mut reply| {
            let text = reply.body.iter().flat_map(|&byte| match byte {
                b'a' => vec![0xff, 0xfe],
                other => vec![other],
            });
            reply.body = text.collect();
            reply
        })
    }),
    ("deep", |sandbox| claims_are_lost(sandbox, |_, _| Reply::json(200, "[".repeat(100_000)))),
    ("other_types", |sandbox| {
        claims_are_lost(sandbox, |_, mut reply| {
            let text = String::from_utf8(reply.body).unwrap();
            reply.body = text
                .replace("\"replicas\":1", "\"replicas\":\"one\"")
                .replace("\"name\":\"", "\"name\":1,\"x\":\"")
                .into_bytes();
            reply
        })
    }),
    ("huge_numbers", |sandbox| {
        claims_are_lost(sandbox, |_, mut reply| {
            let text = String::from_utf8(reply.body).unwrap();
            reply.body = text.replace("\"port\":", "\"port\":99999999999999999999").into_bytes();
            reply
        })
    }),
    ("silent_to_probes", |sandbox| {
        let server =
            Server::start(answers(|request: &Request, reply| match request.method.as_str() {
                "POST" | "DELETE" if !request.query.contains("dryRun") => Reply::silent(),
                _ => reply,
            }));
        against(sandbox, &server, "2").args(&["--active"]).within(40).run().report(1)
    }),
];

/// What becomes of an answer.
trait Script: Fn(&Request, Reply) -> Reply + Send + Sync + 'static {}

impl<F: Fn(&Request, Reply) -> Reply + Send + Sync + 'static> Script for F {}

/// The server of a mesh with a fault, behind what a script makes of its answers. `/version` is
/// answered as it is: otherwise nothing begins.
fn disturbed(script: impl Script) -> Server {
    Server::start(answers(move |request, reply| match request.path.as_str() {
        "/version" => reply,
        _ => script(request, reply),
    }))
}

fn answers(script: impl Script) -> impl Fn(&Request) -> Reply + Send + Sync + 'static {
    let mesh = Mesh::with_a_fault();
    move |request| script(request, mesh.answer(request))
}

/// A check against this server.
pub(crate) fn against<'a>(sandbox: &'a Sandbox, server: &Server, timeout: &str) -> Call<'a> {
    check(sandbox, server.kubeconfig(sandbox)).args(&[
        "--istio",
        ISTIO,
        "--output",
        "json",
        "--timeout",
        timeout,
    ])
}

fn check_through(sandbox: &Sandbox, script: impl Script) -> Call<'_> {
    against(sandbox, &disturbed(script), "5")
}

/// How many claims are unjudged now that were not before; none has changed otherwise.
pub(crate) fn lost(now: &Value, before: &Value) -> usize {
    let both = verdicts(now).into_iter().zip(verdicts(before));
    let changed = both.filter(|((_, now), (_, before))| now != before);
    changed
        .map(|((id, now), (_, before))| {
            assert!(now == "unjudged", "{id}: {before}, then {now}\n{now:#}");
        })
        .count()
}

/// The disorder changes no verdict at all.
fn verdicts_stay(sandbox: &Sandbox, script: impl Script) -> Outcome {
    let plain = check_through(sandbox, |_, reply| reply).run().report(1);
    let ended = check_through(sandbox, script).run().report(1);
    assert_eq!(verdicts(&ended.json()), verdicts(&plain.json()), "{ended}");
    ended
}

/// The disorder leaves claims unjudged, and changes no verdict otherwise.
fn claims_are_lost(sandbox: &Sandbox, script: impl Script) -> Outcome {
    claims_are_lost_within(sandbox, MIB, script)
}

/// The same, within this much memory.
fn claims_are_lost_within(sandbox: &Sandbox, mib: u64, script: impl Script) -> Outcome {
    let plain = check_through(sandbox, |_, reply| reply).run().report(1).json();
    let ended = against(sandbox, &disturbed(script), "1").memory(mib).run();
    let report = ended.json();
    assert!(lost(&report, &plain) > 0, "nothing came of it: {ended}");
    // No reason is a page.
    for claim in report["claims"].as_array().unwrap() {
        let summary = claim["summary"].as_str().unwrap();
        assert!(summary.len() < 1200, "{summary}");
    }
    let code = if report["totals"]["fail"].as_u64() > Some(0) { 1 } else { 3 };
    assert_eq!(ended.exit, Some(code), "{ended}");
    // What takes longer than a second says so, behind the seconds.
    let is_progress = |line: &str| line.trim_start().starts_with(|it: char| it.is_ascii_digit());
    assert!(ended.stderr.lines().all(is_progress), "{ended}");
    ended
}

fn half(reply: Reply) -> Reply {
    let bytes = reply.body.len() / 2;
    reply.delivery(Delivery::Break(bytes))
}

/// With a piece after it, again and again.
fn endless(reply: Reply, piece: fn(usize) -> String) -> Reply {
    reply.delivery(Delivery::Repeat { piece, times: usize::MAX, end: "" })
}

/// The beginning of a list.
fn list() -> Reply {
    Reply::json(200, r#"{"kind":"List","apiVersion":"v1","metadata":{},"items":["#).without_length()
}

fn pods(number: usize) -> String {
    let comma = if number == 0 { "" } else { "," };
    let annotation = "x".repeat(900);
    format!(
        r#"{comma}{{"metadata":{{"name":"pod-{number}","namespace":"default","annotations":{{"a":"{annotation}"}}}},"spec":{{"nodeName":"n","containers":[{{"name":"c"}}]}},"status":{{"phase":"Running"}}}}"#
    )
}

fn huge() -> Reply {
    list().delivery(Delivery::Repeat { piece: pods, times: 100_000, end: "]}" })
}

/// One object of a list, and where it goes on.
fn paged(request: &Request, mut reply: Reply) -> Reply {
    let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body) else { return reply };
    let Some(items) = body["items"].as_array() else { return reply };
    let at: usize = request
        .query
        .split('&')
        .find_map(|part| part.strip_prefix("continue="))
        .map_or(0, |at| at.parse().unwrap());
    let (items, more) = (items.get(at..at + 1).unwrap_or_default().to_vec(), at + 1 < items.len());
    body["items"] = items.into();
    if more {
        body["metadata"]["continue"] = (at + 1).to_string().into();
    }
    reply.body = body.to_string().into_bytes();
    reply
}
