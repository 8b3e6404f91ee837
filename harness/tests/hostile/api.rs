//! An API server in disorder, and what may stand before it. Whatever it does, no claim may be told another
//! verdict than on the mesh as it is: the same, or *unjudged*.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::case::{Case, Place};
use crate::mesh::{ISTIO, Mesh};
use crate::program::{Call, Ended, arguments};
use crate::server::{Reply, Request, Server, Way};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("api::undisturbed", "nothing: a mesh with a fault", |place| {
            let ended = check(place, |_, reply| Way::Whole(reply)).run().report(1);
            let json = ended.json();
            // Otherwise the other cases prove nothing.
            let totals = &json["totals"];
            assert!(
                totals["pass"].as_u64() >= Some(15) && totals["fail"].as_u64() >= Some(2),
                "{ended}"
            );
            ended
        }),
        Case::new("api::slow", "each answer is 200 ms late", |place| {
            same(place, |_, reply| Way::Late(Duration::from_millis(200), reply))
        }),
        Case::new(
            "api::slower_than_the_limit",
            "each answer but the first is 3 s late, `--timeout 1`",
            |place| held(place, |_, reply| Way::Late(Duration::from_secs(3), reply)),
        ),
        Case::new("api::silent", "no answer but the first", |place| {
            held(place, |_, _| Way::Silence)
        }),
        Case::new(
            "api::first_answer_is_late",
            "the first answer is 7 s late, `--timeout 10`",
            |place| {
                let count = AtomicUsize::new(0);
                let script = move |_: &Request, reply| match count.fetch_add(1, Ordering::SeqCst) {
                    0 => Way::Late(Duration::from_secs(7), reply),
                    _ => Way::Whole(reply),
                };
                against(place, Server::start(by(script)), "10").run().report(1)
            },
        ),
        Case::new("api::trickling", "each body in pieces of 16 bytes, 100 ms apart", |place| {
            held(place, |_, reply| Way::Trickling(16, Duration::from_millis(100), reply))
        }),
        Case::new(
            "api::overloaded_at_first",
            "429 to each request the first time, `Retry-After: 1`",
            |place| {
                let asked = Mutex::new(BTreeSet::new());
                same(place, move |request, reply| {
                    let first =
                        asked.lock().unwrap().insert(format!("{}?{}", request.path, request.query));
                    let busy =
                        || Reply::status(429, "too many requests").header("retry-after", "1");
                    Way::Whole(if first { busy() } else { reply })
                })
            },
        ),
        Case::new("api::overloaded", "429 to all but the first, `Retry-After: 3600`", |place| {
            held(place, |_, _| {
                Way::Whole(Reply::status(429, "too many requests").header("retry-after", "3600"))
            })
        }),
        Case::new("api::overloaded_at_once", "429 to all", |place| {
            let reply = || Reply::status(429, "too many requests").header("retry-after", "3600");
            alone(place, Server::start(move |_| Way::Whole(reply())))
                .error(3, &["429", "too many requests"])
        }),
        Case::new("api::internal_error", "500 to all but the first", |place| {
            held(place, |_, _| Way::Whole(Reply::status(500, "etcdserver: leader changed")))
        }),
        Case::new("api::unavailable", "503 to all but the first, without a body", |place| {
            held(place, |_, _| Way::Whole(Reply::new(503, "")))
        }),
        Case::new("api::unauthorized_later", "401 to all but the first", |place| {
            held(place, |_, _| Way::Whole(Reply::status(401, "Unauthorized")))
        }),
        Case::new("api::error_page", "502 with a page of HTML of 1 MB", |place| {
            held(place, |_, _| Way::Whole(Reply::new(502, "<p>bad gateway</p>\n".repeat(50_000))))
        }),
        Case::new("api::forbidding_page", "403 with a page of HTML of 1 MB", |place| {
            held(place, |_, _| Way::Whole(Reply::new(403, "<p>log in first</p>\n".repeat(50_000))))
        }),
        Case::new(
            "api::missing_page",
            "404 with a page of HTML: absent is not what this means",
            |place| {
                held(place, |_, _| Way::Whole(Reply::new(404, "<p>no such page</p>\n".repeat(100))))
            },
        ),
        Case::new("api::html", "200 with a page of HTML", |place| {
            held(place, |_, _| Way::Whole(Reply::new(200, "<html>Welcome</html>")))
        }),
        Case::new("api::redirect", "302 to elsewhere", |place| {
            held(place, |_, _| {
                Way::Whole(Reply::new(302, "").header("location", "http://127.0.0.1:1/login"))
            })
        }),
        Case::new("api::empty_body", "200 with nothing", |place| {
            held(place, |_, _| Way::Whole(Reply::new(200, "")))
        }),
        Case::new("api::empty_object", "200 with `{}`", |place| {
            held(place, |_, _| Way::Whole(Reply::new(200, "{}")))
        }),
        Case::new("api::null", "200 with `null`", |place| {
            held(place, |_, _| Way::Whole(Reply::new(200, "null")))
        }),
        Case::new("api::garbage", "random bytes instead of HTTP", |place| {
            held(place, |_, _| {
                let mut random = fastrand::Rng::with_seed(7);
                Way::Raw((0..4096).map(|_| random.u8(..)).collect())
            })
        }),
        Case::new(
            "api::garbage_json",
            "a body that is cut and goes on with random letters",
            |place| {
                held(place, |_, mut reply| {
                    let half = reply.body.len() / 2;
                    reply.body.truncate(half);
                    reply.body.extend_from_slice(b"}]\"{,,x");
                    Way::Whole(reply)
                })
            },
        ),
        Case::new("api::half", "half of each body, and the end of the connection", |place| {
            held(place, |_, reply| Way::Half(reply))
        }),
        Case::new("api::closed", "each connection is closed without an answer", |place| {
            held(place, |_, _| Way::Closed)
        }),
        Case::new(
            "api::closed_now_and_then",
            "every third connection is closed without an answer",
            |place| {
                let count = AtomicUsize::new(1);
                held(place, move |_, reply| match count.fetch_add(1, Ordering::SeqCst) % 3 {
                    0 => Way::Closed,
                    _ => Way::Whole(reply),
                })
            },
        ),
        Case::new("api::endless_head", "headers without end", |place| {
            held(place, |_, _| Way::Repeated {
                head: "HTTP/1.1 200 OK\r\n".into(),
                before: String::new(),
                piece: |number| format!("x-{number}: {}\r\n", "y".repeat(1000)),
                times: usize::MAX,
                after: String::new(),
            })
        }),
        Case::new("api::endless_interim", "`100 Continue` every 5 ms, without end", |place| {
            held(place, |_, _| Way::Interim(Duration::from_millis(5)))
        }),
        Case::new("api::endless_body", "a body of blanks without end", |place| {
            held_within(place, 400, |_, _| endless(|_| " ".repeat(16 << 10)))
        }),
        Case::new("api::endless_list", "a list of pods without end", |place| {
            held_within(place, 400, |_, _| endless(pods))
        }),
        Case::new("api::huge_list", "100000 pods on the cluster, in one answer", |place| {
            same(place, |request, reply| match request.path.as_str() {
                "/api/v1/pods" => huge(),
                _ => Way::Whole(reply),
            })
        }),
        Case::new("api::huge_lists", "100000 pods in every list, each in one answer", |place| {
            held_within(place, 400, |request, reply| {
                if request.path.ends_with("/pods") { huge() } else { Way::Whole(reply) }
            })
        }),
        Case::new("api::pages", "lists in pages of one object", |place| {
            same(place, |request, reply| Way::Whole(paged(request, reply)))
        }),
        Case::new("api::gone", "410 to whoever asks for the second page", |place| {
            held(place, |request, reply| {
                Way::Whole(if request.query.contains("continue=") {
                    Reply::status(410, "The provided continue parameter is too old")
                } else {
                    paged(request, reply)
                })
            })
        }),
        Case::new("api::pages_without_end", "the same page again and again", |place| {
            held(place, |request, reply| {
                let mut reply = paged(request, reply);
                if let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body)
                    && body["items"].is_array()
                {
                    body["metadata"]["continue"] = "1".into();
                    reply.body = body.to_string().into_bytes();
                }
                Way::Whole(reply)
            })
        }),
        Case::new("api::watches_close", "watches are closed at once: none is asked for", |place| {
            same(place, |request, reply| {
                if request.query.contains("watch") { Way::Closed } else { Way::Whole(reply) }
            })
        }),
        Case::new("api::endless_log", "logs without end, in chunks", |place| {
            held(place, |request, reply| {
                if !request.path.ends_with("/log") {
                    return Way::Whole(reply);
                }
                Way::Repeated {
                    head: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".into(),
                    before: String::new(),
                    piece: |number| {
                        let line =
                            format!("2026-11-24T14:04:00Z line {number} {}\n", "x".repeat(4000));
                        format!("{:x}\r\n{line}\r\n", line.len())
                    },
                    times: usize::MAX,
                    after: String::new(),
                }
            })
        }),
        Case::new("api::long_line", "a log line of 10 MB among the client's", |place| {
            same(place, |request, mut reply| {
                if request.path.ends_with("/log") && !request.query.contains("istio-init") {
                    let line = format!("2026-11-24T14:04:00Z {}\n", "x".repeat(10_000_000));
                    reply.body.splice(0..0, line.into_bytes());
                }
                Way::Whole(reply)
            })
        }),
        Case::new(
            "api::long_line_of_init",
            "a log line of 10 MB before the init container's rules",
            |place| {
                held(place, |request, mut reply| {
                    if request.path.ends_with("/log") && request.query.contains("istio-init") {
                        reply.body.splice(0..0, ("x".repeat(10_000_000) + "\n").into_bytes());
                    }
                    Way::Whole(reply)
                })
            },
        ),
        Case::new("api::not_text", "bytes that are no UTF-8 in every string", |place| {
            held(place, |_, mut reply| {
                let text = reply.body.iter().flat_map(|&byte| match byte {
                    b'a' => vec![0xff, 0xfe],
                    other => vec![other],
                });
                reply.body = text.collect();
                Way::Whole(reply)
            })
        }),
        Case::new("api::deep", "JSON that is 100000 lists deep", |place| {
            held(place, |_, _| Way::Whole(Reply::new(200, "[".repeat(100_000))))
        }),
        Case::new(
            "api::other_types",
            "numbers where words are expected, and words for numbers",
            |place| {
                held(place, |_, mut reply| {
                    let text = String::from_utf8(reply.body).unwrap();
                    reply.body = text
                        .replace("\"replicas\":1", "\"replicas\":\"one\"")
                        .replace("\"name\":\"", "\"name\":1,\"x\":\"")
                        .into_bytes();
                    Way::Whole(reply)
                })
            },
        ),
        Case::new("api::huge_numbers", "numbers beyond every range", |place| {
            held(place, |_, mut reply| {
                let text = String::from_utf8(reply.body).unwrap();
                reply.body =
                    text.replace("\"port\":", "\"port\":99999999999999999999").into_bytes();
                Way::Whole(reply)
            })
        }),
        Case::new(
            "api::silent_to_probes",
            "`--active`, and no answer to whatever creates or removes",
            |place| {
                let server =
                    Server::start(by(|request: &Request, reply| match request.method.as_str() {
                        "POST" | "DELETE" if !request.query.contains("dryRun") => Way::Silence,
                        _ => Way::Whole(reply),
                    }));
                against(place, server, "2").more(&["--active"]).within(40).run().report(1)
            },
        ),
    ]
}

/// The server of a mesh with a fault, behind what a script makes of its answers. `/version` is
/// answered as it is: otherwise nothing begins.
fn disturbed(script: impl Fn(&Request, Reply) -> Way + Send + Sync + 'static) -> Server {
    Server::start(by(move |request, reply| match request.path.as_str() {
        "/version" => Way::Whole(reply),
        _ => script(request, reply),
    }))
}

fn by(
    script: impl Fn(&Request, Reply) -> Way + Send + Sync + 'static,
) -> impl Fn(&Request) -> Way + Send + Sync + 'static {
    let mesh = Mesh::with_a_fault();
    move |request| script(request, mesh.answer(request))
}

/// A check of what this server tells.
pub(crate) fn against<'a>(place: &'a Place, server: Server, timeout: &str) -> Call<'a> {
    let file = server.kubeconfig(place);
    let words: [&dyn AsRef<std::ffi::OsStr>; 9] = [
        &"check",
        &"--kubeconfig",
        &file,
        &"--istio",
        &ISTIO,
        &"--output",
        &"json",
        &"--timeout",
        &timeout,
    ];
    place.meshcheck(&arguments(&words))
}

fn check(
    place: &Place,
    script: impl Fn(&Request, Reply) -> Way + Send + Sync + 'static,
) -> Call<'_> {
    against(place, disturbed(script), "5")
}

/// A check without options.
fn alone(place: &Place, server: Server) -> Ended {
    let file = server.kubeconfig(place);
    place.meshcheck(&arguments(&[&"check", &"--kubeconfig", &file])).run()
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

/// The verdict on each claim.
fn verdicts(report: &Value) -> Vec<(String, String)> {
    let claims = report["claims"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    claims.map(|claim| (text(&claim["id"]), text(&claim["verdict"]))).collect()
}

/// The disorder changes no verdict at all.
fn same(place: &Place, script: impl Fn(&Request, Reply) -> Way + Send + Sync + 'static) -> Ended {
    let plain = check(place, |_, reply| Way::Whole(reply)).run().report(1);
    let ended = check(place, script).run().report(1);
    assert_eq!(verdicts(&ended.json()), verdicts(&plain.json()), "{ended}");
    ended
}

/// The disorder leaves claims unjudged, and changes no verdict otherwise.
fn held(place: &Place, script: impl Fn(&Request, Reply) -> Way + Send + Sync + 'static) -> Ended {
    held_within(place, 128, script)
}

/// The same, within this much memory.
fn held_within(
    place: &Place,
    mib: u64,
    script: impl Fn(&Request, Reply) -> Way + Send + Sync + 'static,
) -> Ended {
    let plain = check(place, |_, reply| Way::Whole(reply)).run().report(1).json();
    let ended = against(place, disturbed(script), "1").mib(mib).run();
    let report = ended.json();
    assert!(lost(&report, &plain) > 0, "nothing came of it: {ended}");
    // No reason is a page.
    for claim in report["claims"].as_array().unwrap() {
        let summary = claim["summary"].as_str().unwrap();
        assert!(summary.len() < 1200, "{summary}");
    }
    let code = if report["totals"]["fail"].as_u64() > Some(0) { 1 } else { 3 };
    assert_eq!(ended.exit, Some(code), "{ended}");
    assert!(ended.stderr.is_empty(), "{ended}");
    // How much was seen before it was lost is another thing each time.
    ended
        .in_any_case("a report: what was not seen is unjudged, and no other verdict is another one")
}

fn endless(piece: fn(usize) -> String) -> Way {
    Way::Repeated {
        head: "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"
            .into(),
        before: r#"{"kind":"List","apiVersion":"v1","metadata":{},"items":["#.into(),
        piece,
        times: usize::MAX,
        after: String::new(),
    }
}

fn pods(number: usize) -> String {
    let comma = if number == 0 { "" } else { "," };
    let annotation = "x".repeat(900);
    format!(
        r#"{comma}{{"metadata":{{"name":"pod-{number}","namespace":"default","annotations":{{"a":"{annotation}"}}}},"spec":{{"nodeName":"n","containers":[{{"name":"c"}}]}},"status":{{"phase":"Running"}}}}"#
    )
}

fn huge() -> Way {
    match endless(pods) {
        Way::Repeated { head, before, piece, .. } => {
            Way::Repeated { head, before, piece, times: 100_000, after: "]}".into() }
        }
        other => other,
    }
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
