//! The board as a page: complete by reloading, live by server-sent events. It takes the records that machines send.

mod access;
mod connections;
mod records;
mod snapshot;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, put};
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use self::access::Access;
pub(crate) use self::access::{Guard, Token};
use self::records::Limits;
use self::snapshot::Snapshot;
use super::board::{Row, State as Progress};
use super::live::LiveBoard;
use crate::evidence_file::{self, Record};
use crate::report::{ReportError, class_policy, html, report_policy};
use crate::text::for_page;

/// How many reports of machines are formatted at a time.
const REPORTS: usize = 2;

/// What the pages share.
struct Site {
    board: Arc<LiveBoard>,
    guard: Guard,
    /// The name of the class.
    name: String,
    accept_any: bool,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    /// A text that no other start of a board has: numbers of changes begin again with each.
    start: String,
    limits: Limits,
    reports: Semaphore,
}

/// What is served, and to whom.
pub(crate) struct Options {
    /// Who may read and send.
    pub(crate) guard: Guard,
    /// The name of the class.
    pub(crate) name: String,
    /// Whether machines that are not on the board may send records.
    pub(crate) accept_any: bool,
}

/// Starts to serve the board, until `cancel`.
///
/// # Errors
///
/// When the system has no random numbers, or a template cannot be filled, which is a bug.
pub(crate) fn start(
    listener: TcpListener,
    board: Arc<LiveBoard>,
    Options { guard, name, accept_any }: Options,
    cancel: CancellationToken,
) -> Result<(), String> {
    let start = access::random_hex().map_err(|error| error.to_string())?;
    let first = Snapshot::default().next(&board.rows()).map_err(|error| error.to_string())?;
    let (sender, snapshots) = watch::channel(Arc::new(first));
    tokio::spawn(snapshot::publish(Arc::clone(&board), sender));
    let site = Arc::new(Site {
        board,
        guard,
        name,
        accept_any,
        snapshots,
        start: start[..16].to_owned(),
        limits: Limits::new(),
        reports: Semaphore::new(REPORTS),
    });
    let router = Router::new()
        .route("/", get(page))
        .route("/events", get(events))
        .route("/machines/{name}", get(machine))
        .route("/records/{name}", put(records::put))
        .fallback(|| async { (StatusCode::NOT_FOUND, "there is no such page\n") })
        .layer(from_fn_with_state(Arc::clone(&site), guarded))
        .with_state(site);
    tokio::spawn(connections::serve(listener, router, cancel));
    Ok(())
}

/// Lets a request through that may pass, and gives every answer the headers that keep it where it belongs.
async fn guarded(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let access = site.guard.access(request.method(), request.uri(), request.headers());
    let is_granted = access == Access::Granted;
    let mut response = match access {
        Access::Granted => next.run(request).await,
        Access::Exchange(cookie) => match HeaderValue::from_str(&cookie) {
            Ok(cookie) => {
                (StatusCode::SEE_OTHER, [(header::LOCATION, HeaderValue::from_static("/")), (header::SET_COOKIE, cookie)])
                    .into_response()
            }
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
        Access::WrongHost => {
            (StatusCode::MISDIRECTED_REQUEST, "open the board as http://localhost or http://127.0.0.1\n")
                .into_response()
        }
        Access::NoToken => (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Bearer")],
            "open the board with its token, /?token=TOKEN; records need `Authorization: Bearer TOKEN`\n",
        )
            .into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if !is_granted {
        // Whoever is refused keeps no place among the connections.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
        headers.insert(header::CONTENT_SECURITY_POLICY, nothing);
    }
    response
}

/// The headers of every answer.
const HEADERS: [(&str, &str); 6] = [
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cache-control", "no-store"),
];

impl Site {
    /// The number of a change, as pages and events have it.
    fn version(&self, change: u64) -> String {
        format!("{}-{change}", self.start)
    }

    /// Returns the change that a reader has; nothing where it is another start's.
    fn change(&self, version: &str) -> Option<u64> {
        version.strip_prefix(&self.start)?.strip_prefix('-')?.parse().ok()
    }
}

/// `GET /`
async fn page(State(site): State<Arc<Site>>) -> Response {
    let snapshot = Arc::clone(&site.snapshots.borrow());
    formatted(snapshot.page(&site.name, &site.version(snapshot.change)), &class_policy())
}

fn formatted(page: Result<String, ReportError>, policy: &str) -> Response {
    match (page, HeaderValue::from_str(policy)) {
        (Ok(page), Ok(policy)) => {
            ([(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response()
        }
        _ => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "the page cannot be formatted: a bug of meshcheck\n",
        )
            .into_response(),
    }
}

/// What a reader of the events has, and what is still to be sent.
struct Reader {
    site: Arc<Site>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    change: u64,
    events: VecDeque<Event>,
}

/// `GET /events`
async fn events(State(site): State<Arc<Site>>, uri: Uri, headers: HeaderMap) -> Response {
    let asked = uri.query().and_then(|query| query.strip_prefix("v="));
    // A browser that connects again sends the number of the last event.
    let last = headers.get("last-event-id").and_then(|it| it.to_str().ok()).or(asked);
    let change = last.and_then(|version| site.change(version));
    let mut snapshots = site.snapshots.clone();
    snapshots.mark_changed();
    let mut events = VecDeque::new();
    if change.is_none() {
        events.push_back(Event::default().event("reload").data("another start"));
    }
    let change = change.unwrap_or(u64::MAX);
    let reader = Reader { site, snapshots, change, events };
    let events = futures::stream::unfold(reader, |mut reader| async move {
        loop {
            if let Some(event) = reader.events.pop_front() {
                return Some((Ok::<_, Infallible>(event), reader));
            }
            reader.snapshots.changed().await.ok()?;
            let snapshot = Arc::clone(&reader.snapshots.borrow_and_update());
            let version = reader.site.version(snapshot.change);
            reader.events = snapshot.events(reader.change, &version).into();
            reader.change = reader.change.max(snapshot.change);
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

/// `GET /machines/NAME`
async fn machine(State(site): State<Arc<Site>>, Path(name): Path<String>) -> Response {
    let row: Option<Row> = site.board.rows().row(&name).cloned();
    let reason = match row.as_ref().map(|row| &row.state) {
        None => {
            return (StatusCode::NOT_FOUND, "the board has no machine of this name\n")
                .into_response();
        }
        Some(Progress::Judged(_)) => None,
        Some(Progress::NotReached(reason)) => Some(format!("not reached: {reason}")),
        Some(_) => Some("not checked yet".to_owned()),
    };
    if let Some(reason) = reason {
        return for_page(&format!("{name}: {reason}\n")).into_response();
    }
    let Ok(_place) = site.reports.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let board = Arc::clone(&site.board);
    let page = tokio::task::spawn_blocking(move || {
        let record = evidence_file::read_record(&board.record(&name)).ok();
        let judged = record.as_ref().and_then(|record| board.judge(record).ok());
        match (&record, &judged, row.as_ref().and_then(Row::report)) {
            (Some(Record::Mesh(evidence)), Some(report), _) => html(report, Some(evidence)),
            (_, Some(report), _) | (_, None, Some(report)) => html(report, None),
            (_, None, None) => Ok(String::new()),
        }
    });
    match page.await {
        Ok(page) => formatted(page, &report_policy()),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
