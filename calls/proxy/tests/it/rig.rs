//! A proxy under test, services that do exactly what a test says, and a client that reads answers byte by byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use mamparo_balance::{Algorithm, BalanceConfig};
use mamparo_proxy::{
    Access, Answer, Door, Entry, Limits, Listener, Match, Metrics, Options, Path, PathRewrite, Proxy,
    Rewrite, Route, Routing, Services, Settings, Target, Transport, Upstream,
};
use prometheus_client::registry::Registry;

/// Longest that anything in a test may take; reaching it fails the test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A proxy that leads `/` to the service `it`; `/hidden` requires an identity, `/fixed` answers by itself.
pub(crate) struct Rig {
    pub(crate) proxy: Option<Proxy>,
    pub(crate) edge: SocketAddr,
    pub(crate) mesh: SocketAddr,
    registry: Registry,
}

impl Rig {
    pub(crate) fn new(endpoints: &[SocketAddr]) -> Self {
        Self::with(endpoints, Limits::default(), Settings::default())
    }

    pub(crate) fn with(endpoints: &[SocketAddr], limits: Limits, settings: Settings) -> Self {
        Self::speaking(endpoints, limits, settings, Transport::default())
    }

    pub(crate) fn speaking(
        endpoints: &[SocketAddr],
        limits: Limits,
        settings: Settings,
        transport: Transport,
    ) -> Self {
        Self::build(endpoints, limits, settings, transport, (Entry::default(), |routing| routing))
    }

    /// One whose edge begins with `entry`.
    pub(crate) fn behind(entry: Entry, endpoints: &[SocketAddr]) -> Self {
        Self::entered(entry, endpoints, Limits::default(), |routing| routing)
    }

    /// One whose edge begins with `entry`, and whose routing was changed.
    pub(crate) fn entered(
        entry: Entry,
        endpoints: &[SocketAddr],
        limits: Limits,
        change: impl FnOnce(Routing) -> Routing,
    ) -> Self {
        let settings = Settings { connect_retry_window: Duration::ZERO, ..Settings::default() };
        Self::build(endpoints, limits, settings, Transport::default(), (entry, change))
    }

    fn build(
        endpoints: &[SocketAddr],
        limits: Limits,
        settings: Settings,
        transport: Transport,
        (entry, change): (Entry, impl FnOnce(Routing) -> Routing),
    ) -> Self {
        let route = |name: &str, path: &str, access| Route {
            name: name.into(),
            matches: vec![Match::path(Path::Prefix(path.into()))],
            access,
            target: Target::service("it"),
            settings: settings.clone(),
        };
        let mut fixed = route("fixed", "/fixed", Access::Public);
        fixed.matches[0].methods = vec![http::Method::GET];
        fixed.target = Target::Answer(Answer {
            status: http::StatusCode::OK,
            headers: http::HeaderMap::new(),
            body: "fixed\n".into(),
        });
        let mut cut = route("cut", "/cut", Access::Public);
        let rewrite = Rewrite { path: Some(PathRewrite::Prefix("/".into())), ..Rewrite::default() };
        cut.target = Target::Services(Services { rewrite, ..Services::one("it") });
        let mut only = route("only", "/only", Access::Public);
        only.matches[0].hosts = vec!["only.test".parse().unwrap()];
        only.matches[0].methods = vec![http::Method::GET];
        let hidden = route("hidden", "/hidden", Access::Identified);
        let routes = vec![route("all", "/", Access::Public), hidden, fixed, cut, only];
        // Every endpoint is asked in its turn, so that tests know which.
        let balance = BalanceConfig { algorithm: Algorithm::RoundRobin, ..BalanceConfig::default() };
        let upstream = Upstream { balance, transport, settings, ..Upstream::new("it", endpoints) };
        let mut options = Options::new(change(Routing::new(routes, vec![upstream]).unwrap()));
        options.workers = NonZeroUsize::MIN;
        options.limits = limits;
        let (edge, mesh) = (listen(), listen());
        let (at_edge, at_mesh) = (edge.local_addr().unwrap(), mesh.local_addr().unwrap());
        let listeners = vec![
            Listener { entry, ..Listener::from(edge) },
            Listener { door: Door::Mesh, ..Listener::from(mesh) },
        ];
        let metrics = Arc::new(Metrics::default());
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let proxy = Proxy::start(options, listeners, metrics).unwrap();
        Self { proxy: Some(proxy), edge: at_edge, mesh: at_mesh, registry }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.edge)
    }

    /// The value of a metric, whose line begins with `name`.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let line =
            text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    /// Waits until a metric has a value.
    pub(crate) fn await_metric(&self, name: &str, value: u64) {
        self.await_that(name, |own| own == value);
    }

    /// Waits until a metric has a value for which `holds` is true.
    pub(crate) fn await_that(&self, name: &str, holds: impl Fn(u64) -> bool) {
        for _ in 0..2000 {
            if holds(self.metric(name)) {
                return;
            }
            thread::sleep(PATIENCE / 2000);
        }
        panic!("{name} is {} and does not become what is awaited", self.metric(name));
    }
}

pub(crate) fn listen() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

/// A port that belongs to a socket which does not listen yet: connections to it are refused.
pub(crate) fn reserve() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// A request or an answer, as its bytes said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) start: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Whether the body came to the end that its header announced.
    pub(crate) whole: bool,
}

impl Message {
    pub(crate) fn status(&self) -> u16 {
        self.start.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} is there twice: {self:?}");
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The code of a problem.
    pub(crate) fn code(&self) -> &str {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        self.text().split_once(r#""code":""#).unwrap().1.split('"').next().unwrap()
    }
}

/// One side of a connection.
pub(crate) struct Client {
    pub(crate) stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(to: SocketAddr) -> Self {
        Self::from(TcpStream::connect(to).unwrap())
    }

    pub(crate) fn from(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    pub(crate) fn get(&mut self, path: &str) -> Message {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: it.test\r\n\r\n"));
        self.answer()
    }

    /// The next line; nothing at the end of the stream or when the connection was reset.
    pub(crate) fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(String::from_utf8(line.strip_suffix(b"\r\n")?.to_vec()).unwrap()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn fields(&mut self) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        while let Some(line) = self.line().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap();
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        fields
    }

    /// The head of the next message; nothing at the end of the stream.
    pub(crate) fn head(&mut self) -> Option<Message> {
        let start = self.line()?;
        let headers = self.fields();
        Some(Message { start, headers, body: Vec::new(), trailers: Vec::new(), whole: false })
    }

    /// The next chunk of a chunked body; nothing when it ends in the middle.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = usize::from_str_radix(self.line()?.split(';').next()?, 16).unwrap();
        let mut chunk = vec![0; size];
        self.stream.read_exact(&mut chunk).ok()?;
        if size > 0 {
            assert_eq!(self.line()?, "");
        }
        Some(chunk)
    }

    /// Reads the body that belongs to `message`.
    pub(crate) fn body(&mut self, message: &mut Message, may_end_by_close: bool) {
        if message.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk() {
                if chunk.is_empty() {
                    message.trailers = self.fields();
                    message.whole = true;
                    break;
                }
                message.body.extend(chunk);
            }
        } else if let Some(length) = message.header("content-length") {
            let length: u64 = length.parse().unwrap();
            let _ = self.stream.by_ref().take(length).read_to_end(&mut message.body);
            message.whole = message.body.len() as u64 == length;
        } else if may_end_by_close {
            message.whole = self.stream.read_to_end(&mut message.body).is_ok();
        } else {
            message.whole = true;
        }
    }

    /// The next answer to a request that is not HEAD.
    pub(crate) fn answer(&mut self) -> Message {
        let mut message = self.head().expect("an answer");
        let bodiless = matches!(message.status(), 100..=199 | 204 | 304);
        if bodiless {
            message.whole = true;
        } else {
            self.body(&mut message, true);
        }
        message
    }

    /// The next request; nothing at the end of the stream.
    pub(crate) fn request(&mut self) -> Option<Message> {
        let mut message = self.head()?;
        self.body(&mut message, false);
        Some(message)
    }

    /// Whether the other side has closed the connection and has sent nothing else before.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => rest.is_empty(),
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }

    pub(crate) fn close_writing(&mut self) {
        self.stream.get_mut().shutdown(Shutdown::Write).unwrap();
    }
}

/// A service whose connections are handled by a function of the test, each on a thread of its own.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
}

impl Service {
    pub(crate) fn start(handle: impl Fn(Client) + Send + Sync + 'static) -> Self {
        Self::on(listen(), handle)
    }

    pub(crate) fn on(socket: TcpListener, handle: impl Fn(Client) + Send + Sync + 'static) -> Self {
        let address = socket.local_addr().unwrap();
        let handle = Arc::new(handle);
        thread::spawn(move || {
            for stream in socket.incoming() {
                let (handle, stream) = (Arc::clone(&handle), stream.unwrap());
                thread::spawn(move || handle(Client::from(stream)));
            }
        });
        Self { address }
    }

    /// Answers every request with `answer` and tells what it was asked.
    pub(crate) fn answering(answer: &'static str) -> (Self, Receiver<Message>) {
        let (seen, requests): (Sender<Message>, _) = mpsc::channel();
        let service = Self::start(move |mut connection| {
            while let Some(request) = connection.request() {
                let _ = seen.send(request);
                connection.send(answer);
            }
        });
        (service, requests)
    }
}

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
