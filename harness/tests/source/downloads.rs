//! One file over a line on which things happen.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use meshcheck::events::{Event, Events, Phase};
use meshcheck::source::{Limits, SourceError, download};
use meshcheck_bundle::sha256_hex;
use rstest::rstest;
use tempfile::TempDir;

use crate::server::{Delivery, Reply, Server, closed_port};
use crate::support::sandbox::files;

pub(crate) fn impatient() -> Limits {
    Limits {
        connect: Duration::from_secs(5),
        read: Duration::from_millis(300),
        attempts: 3,
        pause: Duration::from_millis(1),
    }
}

pub(crate) fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
}

struct Place {
    dir: TempDir,
    target: PathBuf,
}

impl Place {
    /// Downloads the file of a server that must have this content.
    async fn download(&self, server: &Server, content: &[u8]) -> Result<(), SourceError> {
        let (url, sum) = (server.url("/file"), sha256_hex(content));
        download(&url, &self.target, &sum, impatient(), &Events::silent()).await
    }
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("file");
    Place { dir, target }
}

#[tokio::test]
async fn a_file_arrives_with_progress_and_leaves_nothing_else() {
    let body = content(100_000);
    let sent = body.clone();
    let server = Server::start(move |request| Reply::file(request, &sent, "\"1\""));
    let place = place();
    let (events, mut told) = Events::channel();
    let sum = sha256_hex(&body);
    download(&server.url("/a/file"), &place.target, &sum, impatient(), &events).await.unwrap();
    assert_eq!(fs::read(&place.target).unwrap(), body);
    assert_eq!(files(place.dir.path()), ["file"]);
    drop(events);
    let progress = std::iter::from_fn(|| told.try_recv().ok()).collect::<Vec<_>>();
    let transferred = |done| Event::Transferred {
        phase: Phase::Source,
        what: "file".into(),
        done,
        total: Some(100_000),
    };
    assert_eq!(progress[0], transferred(0));
    assert!(progress.contains(&transferred(100_000)), "{progress:?}");
    assert_eq!(progress.last(), Some(&Event::Doing(Phase::Source, "file is complete".into())));
}

#[rstest]
#[case::broken(Delivery::Break(40_000))]
#[case::stalled(Delivery::Stall(40_000))]
#[tokio::test]
async fn a_connection_that_ends_early_is_continued(#[case] delivery: Delivery) {
    let body = content(100_000);
    let sent = body.clone();
    let server = Server::start(move |request| {
        let reply = Reply::file(request, &sent, "\"1\"");
        if request.before == 0 { reply.delivery(delivery) } else { reply }
    });
    let place = place();
    place.download(&server, &body).await.unwrap();
    assert_eq!(fs::read(&place.target).unwrap(), body);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].range_start(), None);
    assert_eq!(requests[1].range_start(), Some(40_000));
    assert_eq!(requests[1].header("if-range"), Some("\"1\""));
}

#[tokio::test]
async fn another_process_goes_on_where_the_first_was_stopped() {
    let body = content(100_000);
    let sent = body.clone();
    let server = Server::start(move |request| {
        let reply = Reply::file(request, &sent, "\"1\"");
        if request.before == 0 { reply.delivery(Delivery::Stall(40_000)) } else { reply }
    });
    let place = place();
    let sum = sha256_hex(&body);
    // As Ctrl-C does: the future is dropped while bytes are still expected.
    let (events, mut told) = Events::channel();
    let arrived = async {
        while let Some(event) = told.recv().await {
            if matches!(event, Event::Transferred { done: 40_000, .. }) {
                return;
            }
        }
    };
    let patient = Limits { read: Duration::from_mins(1), ..impatient() };
    let url = server.url("/file");
    tokio::select! {
        result = download(&url, &place.target, &sum, patient, &events) => panic!("{result:?}"),
        () = arrived => {}
    }
    assert_eq!(files(place.dir.path()), ["file.partial", "file.partial.json"]);
    place.download(&server, &body).await.unwrap();
    assert_eq!(fs::read(&place.target).unwrap(), body);
    assert_eq!(files(place.dir.path()), ["file"]);
    assert_eq!(server.requests()[1].range_start(), Some(40_000));
}

#[tokio::test]
async fn a_server_without_ranges_sends_it_again_from_the_start() {
    let body = content(100_000);
    let sent = body.clone();
    let server = Server::start(move |request| {
        let reply = Reply::new(200, sent.clone());
        if request.before == 0 { reply.delivery(Delivery::Break(40_000)) } else { reply }
    });
    let place = place();
    place.download(&server, &body).await.unwrap();
    assert_eq!(fs::read(&place.target).unwrap(), body);
    assert_eq!(server.requests()[1].range_start(), Some(40_000));
}

#[rstest]
#[case::it_says_so("\"1\"", "\"2\"", 2)]
#[case::it_does_not("\"1\"", "\"1\"", 3)]
#[tokio::test]
async fn a_file_that_changed_in_between_is_fetched_whole(
    #[case] old: &'static str,
    #[case] new: &'static str,
    #[case] requests: usize,
) {
    let body = content(100_000);
    let (sent, other) = (body.clone(), vec![0; 100_000]);
    let server = Server::start(move |request| {
        if request.before == 0 {
            return Reply::file(request, &other, old).delivery(Delivery::Break(40_000));
        }
        Reply::file(request, &sent, new)
    });
    let place = place();
    place.download(&server, &body).await.unwrap();
    assert_eq!(fs::read(&place.target).unwrap(), body);
    assert_eq!(server.requests().len(), requests);
}

#[tokio::test]
async fn a_wrong_checksum_names_everything_and_leaves_nothing() {
    let server = Server::start(|request| Reply::file(request, b"other", "\"1\""));
    let place = place();
    let error = place.download(&server, b"right").await.unwrap_err();
    let text = error.to_string();
    for part in [&server.url("/file"), &sha256_hex(b"right"), &sha256_hex(b"other")] {
        assert!(text.contains(part), "{text}");
    }
    assert!(error.hint().contains("removed"), "{}", error.hint());
    assert!(files(place.dir.path()).is_empty());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_file_that_is_there_already_is_verified_and_not_asked_for() {
    let server = Server::start(|request| Reply::file(request, b"right", "\"1\""));
    let place = place();
    fs::write(&place.target, "right").unwrap();
    place.download(&server, b"right").await.unwrap();
    assert!(server.requests().is_empty());
    fs::write(&place.target, "wrong").unwrap();
    place.download(&server, b"right").await.unwrap();
    assert_eq!(fs::read(&place.target).unwrap(), b"right");
}

#[rstest]
#[case(404, "does not exist")]
#[case(410, "does not exist")]
#[case(403, "refused")]
#[tokio::test]
async fn a_final_answer_is_not_asked_for_again(#[case] status: u16, #[case] says: &str) {
    let server = Server::start(move |_| Reply::new(status, "no"));
    let place = place();
    let text = place.download(&server, b"ok").await.unwrap_err().to_string();
    assert!(text.contains(says) && text.contains(&server.url("/file")), "{text}");
    assert_eq!(server.requests().len(), 1);
    assert!(files(place.dir.path()).is_empty());
}

#[rstest]
#[case(500)]
#[case(503)]
#[case(429)]
#[tokio::test]
async fn a_passing_fault_is_tried_again(#[case] status: u16) {
    let server = Server::start(move |request| {
        if request.before < 2 {
            Reply::new(status, "")
        } else {
            Reply::file(request, b"ok", "\"1\"")
        }
    });
    let place = place();
    place.download(&server, b"ok").await.unwrap();
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn download_gives_up_with_the_last_reason_and_keeps_its_part() {
    let body = content(1000);
    let sent = body.clone();
    let server = Server::start(move |request| match request.before {
        0 => Reply::file(request, &sent, "\"1\"").delivery(Delivery::Break(600)),
        _ => Reply::new(502, ""),
    });
    let place = place();
    let error = place.download(&server, &body).await.unwrap_err();
    assert!(matches!(error, SourceError::Interrupted { attempts: 3, .. }), "{error:?}");
    assert!(error.to_string().contains("502"), "{error}");
    assert!(error.hint().contains("is kept"));
    assert_eq!(fs::read(place.dir.path().join("file.partial")).unwrap(), &body[..600]);
}

#[tokio::test]
async fn unreachable_server_is_named_with_its_address() {
    let place = place();
    let url = format!("http://127.0.0.1:{}/file", closed_port());
    let error =
        download(&url, &place.target, "aa", impatient(), &Events::silent()).await.unwrap_err();
    assert!(error.to_string().contains(&url), "{error}");
}
