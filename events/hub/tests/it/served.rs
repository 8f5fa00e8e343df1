//! The suites that every broker must pass, over the wire, and what is true of the wire alone.

use std::sync::Arc;
use std::time::Duration;

use mamparo_broker::{Lease, Log, Message, PublishError, Queue, QueueError};
use mamparo_conformance::broker::{LogSubject, QueueSubject};
use mamparo_hub::{Client, Hub, LogOptions, TopicOptions, serve};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::{Fixture, queue};

/// A hub that is served, until it is dropped or stopped.
struct Served {
    fixture: Fixture,
    uri: String,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Served {
    async fn new(topics: Vec<TopicOptions>) -> Self {
        let fixture = Fixture::new(topics).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let uri = format!("http://{}", listener.local_addr().expect("an address"));
        let (stop, serving) = start(fixture.hub.clone(), listener);
        Self { fixture, uri, stop: Some(stop), serving }
    }

    fn client(&self) -> Client {
        Client::connect(&self.uri).expect("a client")
    }

    async fn stop(&mut self) {
        drop(self.stop.take());
        (&mut self.serving).await.expect("serving ends");
    }

    /// Serves it again where it was.
    async fn again(&mut self) {
        let address = self.uri.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind(address).await.expect("the same port");
        let (stop, serving) = start(self.fixture.hub.clone(), listener);
        (self.stop, self.serving) = (Some(stop), serving);
    }
}

fn start(hub: Hub, listener: TcpListener) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        serve(hub, listener, stopped).await.expect("serving");
    });
    (stop, serving)
}

async fn queue_subject() -> QueueSubject {
    let topics = vec![TopicOptions::queue("jobs", queue()), TopicOptions::queue("other", queue())];
    let served = Served::new(topics).await;
    let advance = served.fixture.advance();
    QueueSubject { queue: Arc::new(served.client()), name: "jobs".into(), advance, guard: Box::new(served) }
}

async fn log_subject() -> LogSubject {
    let options = LogOptions { partitions: LogSubject::PARTITIONS, ..LogOptions::default() };
    let served = Served::new(vec![TopicOptions::log("facts", options)]).await;
    LogSubject { log: Arc::new(served.client()), topic: "facts".into(), guard: Box::new(served) }
}

mod queue_suite {
    mamparo_conformance::queue_suite!(super::queue_subject);
}

mod log_suite {
    mamparo_conformance::log_suite!(super::log_subject);
}

const LEASE: Lease = Lease { max: 10, visibility: Duration::from_secs(30), wait: Duration::from_secs(10) };

fn jobs() -> Vec<TopicOptions> {
    vec![TopicOptions::queue("jobs", queue())]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_gives_back_its_leases_without_an_attempt() {
    let served = Served::new(jobs()).await;
    let (gone, stays) = (served.client(), served.client());
    gone.publish(vec![Message::new("jobs", "a"), Message::new("jobs", "b")]).await.expect("publish");
    let found = gone.receive("jobs", LEASE).await.expect("receive");
    assert_eq!(found.len(), 2);
    assert_eq!(gone.ack(&[found[0].receipt.clone()]).await, Ok(1));
    drop(gone);
    let again = stays.receive("jobs", LEASE).await.expect("receive");
    assert_eq!(
        again.iter().map(|found| (&found.message.payload[..], found.attempt)).collect::<Vec<_>>(),
        [(&b"b"[..], 1)]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_outlives_the_server() {
    let mut served = Served::new(jobs()).await;
    let client = served.client();
    client.publish(vec![Message::new("jobs", "a")]).await.expect("publish");
    let found = client.receive("jobs", LEASE).await.expect("receive");
    // A receiver that waits is answered when the server stops.
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.receive("jobs", LEASE).await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    served.stop().await;
    let answer = waiting.await.expect("the receiver");
    assert!(
        matches!(&answer, Ok(found) if found.is_empty())
            || matches!(&answer, Err(QueueError::Unavailable(_)))
    );
    let refused = client.publish(vec![Message::new("jobs", "b")]).await;
    assert!(matches!(refused, Err(PublishError::Unavailable(_))), "{refused:?}");
    assert!(matches!(client.ack(&[found[0].receipt.clone()]).await, Err(QueueError::Unavailable(_))));

    served.again().await;
    let retry = async { while client.publish(vec![Message::new("jobs", "b")]).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(10), retry).await.expect("the client comes back");
    assert_eq!(client.ack(&[found[0].receipt.clone()]).await, Ok(0), "its lease was given back");
    let again = client.receive("jobs", LEASE).await.expect("receive");
    let payloads: Vec<_> = again.iter().map(|found| (&found.message.payload[..], found.attempt)).collect();
    assert_eq!(payloads, [(&b"a"[..], 1), (&b"b"[..], 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_does_not_need_the_server_to_be_made() {
    let client = Client::connect("http://127.0.0.1:1").expect("a client");
    let refused = client.publish(vec![Message::new("jobs", "a")]).await;
    assert!(matches!(refused, Err(PublishError::Unavailable(_))), "{refused:?}");
    assert!(client.queues().await.is_err());
    assert!(Client::connect("not a uri").is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_are_sent_together_are_committed_in_order() {
    let served =
        Served::new(vec![TopicOptions::log("facts", LogOptions { partitions: 1, ..Default::default() })])
            .await;
    let client = served.client();
    let sent: Vec<_> = (0..200)
        .map(|number: u64| {
            let client = client.clone();
            // Polled in order, so that they are sent in order.
            Box::pin(async move { client.append(vec![Message::new("facts", number.to_string())]).await })
        })
        .collect();
    let places = futures(sent).await;
    let offsets: Vec<_> = places.into_iter().map(|place| place.expect("append")[0].1).collect();
    assert_eq!(offsets, (0..200).collect::<Vec<u64>>());
}

/// Polls all of them in order until all are done.
async fn futures<T, F: Future<Output = T> + Unpin>(mut all: Vec<F>) -> Vec<T> {
    let mut done: Vec<Option<T>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, done) in all.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(value) = std::pin::Pin::new(future).poll(cx)
            {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_waiting_receivers_keep_no_acknowledgement_out() {
    let served =
        Served::new(vec![TopicOptions::queue("jobs", queue()), TopicOptions::queue("idle", queue())]).await;
    let client = served.client();
    let waiting: Vec<_> = (0..200)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.receive("idle", LEASE).await })
        })
        .collect();
    client.publish(vec![Message::new("jobs", "a")]).await.expect("publish");
    let work = async {
        let found = client.receive("jobs", LEASE).await.expect("receive");
        assert_eq!(client.ack(&[found[0].receipt.clone()]).await, Ok(1));
    };
    tokio::time::timeout(Duration::from_secs(5), work).await.expect("nothing is held up");
    waiting.iter().for_each(JoinHandle::abort);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_is_served_in_the_file_system_too() {
    let fixture = Fixture::new(jobs()).await;
    let path = fixture.folder.path().join("hub.sock");
    let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
    tokio::spawn(serve(fixture.hub.clone(), listener, std::future::pending()));
    let client = Client::connect(&format!("unix:{}", path.display())).expect("a client");
    client.publish(vec![Message::new("jobs", "a")]).await.expect("publish");
    assert_eq!(client.receive("jobs", LEASE).await.expect("receive").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_messages_travel_in_frames_that_are_bounded() {
    let served = Served::new(jobs()).await;
    let client = served.client();
    let large = || Message::new("jobs", vec![7; 1024 * 1024]);
    for _ in 0..2 {
        client.publish(vec![large(), large(), large()]).await.expect("publish");
    }
    let refused = client.publish((0..9).map(|_| large()).collect()).await;
    assert!(matches!(refused, Err(PublishError::TooLarge { part: "batch", .. })), "{refused:?}");
    assert_eq!(served.fixture.hub.publish((0..9).map(|_| large()).collect()).await, refused, "as in process");
    let mut count = 0;
    while count < 6 {
        let found = client.receive("jobs", LEASE).await.expect("receive");
        assert!((1..=4).contains(&found.len()), "{} in one frame", found.len());
        assert!(found.iter().all(|found| found.message.payload.len() == 1024 * 1024));
        count += found.len();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotas_are_typed_over_the_wire() {
    let small = mamparo_hub::QueueOptions { capacity_messages: 1, ..queue() };
    let served = Served::new(vec![TopicOptions::queue("jobs", small)]).await;
    let client = served.client();
    client.publish(vec![Message::new("jobs", "a")]).await.expect("publish");
    let full = client.publish(vec![Message::new("jobs", "b")]).await;
    assert_eq!(served.fixture.hub.publish(vec![Message::new("jobs", "b")]).await, full, "as in process");
    assert!(matches!(full, Err(PublishError::Full { .. })), "{full:?}");
}
