//! Requests and answers. Whoever asks slowly is cut off: by time, and by whoever comes when all places are taken.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::families;
use super::health::Watch;
use super::snapshot::Snapshot;
use super::socket::Socket;
use crate::records::health;

/// Connections at once; one more cuts off the oldest.
const MAX_CONNECTIONS: usize = 16;
/// Until a request's head is whole.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// Until its answer is taken.
const CONNECTION_TIME: Duration = Duration::from_secs(10);
/// Bytes and fields of a request's head.
const MAX_HEAD: usize = 8 << 10;
const MAX_FIELDS: usize = 32;
/// Between two looks at snapshots.
const LOOK: Duration = Duration::from_secs(1);
/// After a failed accept, which means that descriptors are short.
const REST: Duration = Duration::from_millis(100);

const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const FRONT: &str = "patchspan\n/metrics  figures for Prometheus\n/health   whether all is well: 200 or 503, with reasons\n";

/// What is asked for.
#[derive(Debug)]
struct State {
    snapshots: Receiver<Arc<Snapshot>>,
    watch: Watch,
    /// Metrics, and when they were written: who asks more often gets the same.
    page: Option<(Instant, Bytes)>,
}

impl State {
    fn refresh(&mut self, now: Instant) {
        if let Ok(snapshot) = self.snapshots.try_recv() {
            self.watch.take(snapshot, now);
            self.page = None;
        }
    }

    fn metrics(&mut self, now: Instant) -> Option<Bytes> {
        let is_old = |(written, _): &(Instant, Bytes)| now.duration_since(*written) >= LOOK;
        if self.page.as_ref().is_none_or(is_old) {
            let checks = self.watch.checks(now);
            let text = families::text(self.watch.newest(), &checks);
            self.page = text.map(|text| (now, Bytes::from(text)));
        }
        self.page.as_ref().map(|(_, page)| page.clone())
    }
}

type Shared = Rc<RefCell<State>>;
type Answer = Response<Full<Bytes>>;

/// Answers until `stopped`.
pub(super) async fn serve(
    socket: Socket,
    snapshots: Receiver<Arc<Snapshot>>,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let state = Rc::new(RefCell::new(State {
        snapshots,
        watch: Watch::new(Instant::now()),
        page: None,
    }));
    let tasks = LocalSet::new();
    let answering = async {
        spawn_local(look(Rc::clone(&state)));
        tokio::select! {
            outcome = accept(socket, &state) => outcome,
            _ = stopped => Ok(()),
        }
    };
    tasks.run_until(answering).await
}

/// Snapshots count also when nobody asks.
async fn look(state: Shared) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        state.borrow_mut().refresh(Instant::now());
    }
}

async fn accept(socket: Socket, state: &Shared) -> io::Result<()> {
    let mut places = Places::default();
    match socket {
        Socket::Tcp(listener) => {
            let listener = TcpListener::from_std(listener)?;
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => places.give(spawn_local(converse(stream, Rc::clone(state)))),
                    Err(_) => sleep(REST).await,
                }
            }
        }
        // Its file is taken away when this ends.
        Socket::Unix(listener, _file) => {
            let listener = UnixListener::from_std(listener)?;
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => places.give(spawn_local(converse(stream, Rc::clone(state)))),
                    Err(_) => sleep(REST).await,
                }
            }
        }
    }
}

/// Connections, the oldest first.
#[derive(Debug, Default)]
struct Places(VecDeque<JoinHandle<()>>);

impl Places {
    fn give(&mut self, connection: JoinHandle<()>) {
        self.0.retain(|connection| !connection.is_finished());
        if self.0.len() >= MAX_CONNECTIONS
            && let Some(oldest) = self.0.pop_front()
        {
            oldest.abort();
        }
        self.0.push_back(connection);
    }
}

/// One request, one answer. What goes wrong on the way concerns only who asked.
async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, state: Shared) {
    let service = service_fn(move |request| {
        let answer = answer(&request, &mut state.borrow_mut());
        async { Ok::<Answer, Infallible>(answer) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .keep_alive(false)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_FIELDS);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    let _ = timeout(CONNECTION_TIME, connection).await;
}

fn answer(request: &Request<Incoming>, state: &mut State) -> Answer {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n");
        let allowed = HeaderValue::from_static("GET, HEAD");
        answer.headers_mut().insert(ALLOW, allowed);
        return answer;
    }
    let now = Instant::now();
    state.refresh(now);
    match request.uri().path() {
        "/metrics" => match state.metrics(now) {
            Some(page) => text(StatusCode::OK, METRICS, page),
            None => text(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "no metrics\n"),
        },
        "/health" => {
            let checks = state.watch.checks(now);
            let status = if checks.iter().all(|check| check.is_good) {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            text(status, JSON, health::answer(&checks))
        }
        "/" => text(StatusCode::OK, TEXT, FRONT),
        _ => text(StatusCode::NOT_FOUND, TEXT, FRONT),
    }
}

fn text(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
