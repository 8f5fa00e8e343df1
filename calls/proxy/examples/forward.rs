//! A proxy in front of a tiny service, to measure what a request costs:
//!
//! ```text
//! cargo run --release -p mamparo-proxy --example forward -- 8081 8082 1   # proxy, service, workers of the proxy
//! wrk -t1 -c64 -d10 --latency http://127.0.0.1:8081/                      # and 8082 for the service alone
//! ```
//!
//! Every line on standard input prints the processor time that the proxy's threads have used so far, in
//! microseconds, and how many requests it has answered; the end of the input drains the proxy.

use std::convert::Infallible;
use std::io::BufRead as _;
use std::net::{Ipv4Addr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use mamparo_proxy::{
    Access, Listener, Match, Metrics, Options, Path, Proxy, Route, Routing, Settings, Target, Upstream,
};
use prometheus_client::registry::Registry;

type Failed = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u16>());
    let mut number = |default| arguments.next().unwrap_or(Ok(default));
    let (front, back, workers) = (number(8081)?, number(8082)?, number(1)?);
    let service = TcpListener::bind((Ipv4Addr::LOCALHOST, back))?;
    let endpoint = service.local_addr()?;
    std::thread::Builder::new().name("service".into()).spawn(move || serve(service))?;

    let route = Route {
        name: "all".into(),
        matches: vec![Match::path(Path::Prefix("/".into()))],
        access: Access::Public,
        target: Target::service("hello"),
        settings: Settings::default(),
    };
    let upstream = Upstream::new("hello", &[endpoint]);
    let mut options = Options::new(Routing::new(vec![route], vec![upstream])?);
    options.workers = NonZeroUsize::new(workers.into()).unwrap_or(NonZeroUsize::MIN);
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, front))?;
    let metrics = Arc::new(Metrics::default());
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let proxy = Proxy::start(options, vec![Listener::from(socket)], metrics)?;
    eprintln!("proxy on {front}, service on {back}, workers of the proxy: {workers}");

    for line in std::io::stdin().lock().lines() {
        line?;
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        let answered = text.lines().find(|line| line.contains("status=\"2xx\"") && line.contains("all"));
        let answered = answered.and_then(|line| line.rsplit(' ').next()).unwrap_or("0");
        println!("{} {answered}", used_by("proxy-")?.as_micros());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let drained = runtime.block_on(proxy.drain(Duration::from_secs(2)));
    eprintln!("drained; connections cut: {}", drained.cut);
    Ok(())
}

/// Processor time of the threads whose names begin with `name`.
fn used_by(name: &str) -> Result<Duration, Failed> {
    let mut used = Duration::ZERO;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let thread = thread?.path();
        if std::fs::read_to_string(thread.join("comm"))?.starts_with(name) {
            let text = std::fs::read_to_string(thread.join("schedstat"))?;
            let nanos = text.split_whitespace().next().unwrap_or("0").parse()?;
            used += Duration::from_nanos(nanos);
        }
    }
    Ok(used)
}

fn serve(socket: TcpListener) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build_local(tokio::runtime::LocalOptions::default())?;
    runtime.block_on(async {
        socket.set_nonblocking(true)?;
        let socket = tokio::net::TcpListener::from_std(socket)?;
        loop {
            let (stream, _) = socket.accept().await?;
            stream.set_nodelay(true)?;
            tokio::task::spawn_local(async move {
                let hello = service_fn(|_: Request<Incoming>| async {
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello\n"))))
                });
                let mut http = hyper::server::conn::http1::Builder::new();
                // Broken connections are the load generator's way to end.
                let _ = http.header_read_timeout(None).serve_connection(TokioIo::new(stream), hello).await;
            });
        }
    })
}
