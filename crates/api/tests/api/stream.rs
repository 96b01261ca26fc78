//! The stream of snapshots: the newest for everybody, no backlog for the slow, and an end that can be told from a break.

use std::time::Duration;

use rehearsal_api::Frame;
use tokio::time::timeout;

use crate::document::Document;
use crate::fake::{RUN, World, snapshot};

/// Far longer than anything here takes.
const BOUND: Duration = Duration::from_secs(10);

/// One open stream of events.
struct Screen {
    response: reqwest::Response,
    read: String,
}

/// One message: its id, its event and its data.
#[derive(Debug, Default, PartialEq)]
struct Message {
    id: Option<u64>,
    event: Option<String>,
    data: String,
}

impl Screen {
    async fn open(world: &World) -> Self {
        let response = world.request("GET", &format!("/api/runs/{RUN}/events")).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, read: String::new() }
    }

    /// The next block between empty lines, comments included; `None` at the end of the stream.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.read.split_once("\n\n") {
                let block = block.to_owned();
                self.read = rest.to_owned();
                return Some(block);
            }
            let chunk = self.response.chunk().await.ok()??;
            self.read += std::str::from_utf8(&chunk).unwrap();
        }
    }

    /// The next message, comments left out; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Message> {
        timeout(BOUND, self.message()).await.expect("no message came, nor the end")
    }

    async fn message(&mut self) -> Option<Message> {
        loop {
            let block = self.block().await?;
            let mut message = Message::default();
            for line in block.lines() {
                match line.split_once(": ") {
                    Some(("id", id)) => message.id = Some(id.parse().unwrap()),
                    Some(("event", event)) => message.event = Some(event.to_owned()),
                    Some(("data", data)) => message.data += data,
                    _ => {}
                }
            }
            if message != Message::default() {
                return Some(message);
            }
        }
    }
}

#[tokio::test]
async fn a_screen_gets_the_newest_snapshot_at_once_and_each_later_one() {
    let (world, document) = (World::start(), Document::new());
    let mut screen = Screen::open(&world).await;
    for revision in 1..5 {
        let message = screen.next().await.unwrap();
        assert_eq!((message.id, message.event), (Some(revision), None));
        document.check_named("Snapshot", &message.data);
        assert!(message.data.contains(&format!("\"revision\":{revision},")));
        world.desk.show(Frame::new(&snapshot(revision + 1)));
    }
}

#[tokio::test]
async fn the_end_of_the_run_is_told_after_its_last_snapshot() {
    let world = World::start();
    let mut screen = Screen::open(&world).await;
    assert_eq!(screen.next().await.unwrap().id, Some(1));
    world.desk.show(Frame::new(&snapshot(2)));
    world.desk.end_run();
    assert_eq!(screen.next().await.unwrap().id, Some(2));
    assert_eq!(screen.next().await.unwrap().event.as_deref(), Some("end"));
    assert_eq!(screen.next().await, None);
    // Who comes later sees how it ended.
    let mut late = Screen::open(&world).await;
    assert_eq!(late.next().await.unwrap().id, Some(2));
    assert_eq!(late.next().await.unwrap().event.as_deref(), Some("end"));
    assert_eq!(late.next().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_gets_the_newest_and_no_backlog() {
    const SHOWN: u64 = 400;
    let (world, size) = (World::start(), 256 * 1024);
    let mut slow = Screen::open(&world).await;
    let mut quick = Screen::open(&world).await;
    assert_eq!(quick.next().await.unwrap().id, Some(1));
    // The quick reader sets the pace, so that the slow one's stream had its turn for each.
    for revision in 2..=SHOWN {
        world.desk.show(Frame { revision, json: "x".repeat(size) });
        assert_eq!(quick.next().await.unwrap().id, Some(revision));
    }
    world.desk.end_run();
    let mut seen = Vec::new();
    while let Some(message) = slow.next().await {
        seen.extend(message.id);
    }
    assert!(seen.is_sorted_by(|one, next| one < next), "{seen:?}");
    assert_eq!(seen.last(), Some(&SHOWN), "the newest must come last");
    assert!(seen.len() < SHOWN as usize / 4, "{} of {SHOWN} snapshots were kept for it", seen.len());
}

#[tokio::test]
async fn a_screen_that_comes_again_goes_on_with_the_newest() {
    let world = World::start();
    let mut screen = Screen::open(&world).await;
    assert_eq!(screen.next().await.unwrap().id, Some(1));
    drop(screen);
    for revision in 2..=5 {
        world.desk.show(Frame::new(&snapshot(revision)));
    }
    let mut again = Screen::open(&world).await;
    assert_eq!(again.next().await.unwrap().id, Some(5));
    world.desk.show(Frame::new(&snapshot(6)));
    assert_eq!(again.next().await.unwrap().id, Some(6));
}

#[tokio::test]
async fn the_end_of_the_server_is_not_the_end_of_the_run() {
    let world = World::start();
    let mut screen = Screen::open(&world).await;
    assert_eq!(screen.next().await.unwrap().id, Some(1));
    timeout(BOUND, world.server.stop()).await.expect("the open stream must not hold up the end");
    assert_eq!(screen.next().await, None, "an `end` would tell screens not to come again");
}

#[tokio::test]
async fn a_silent_stream_says_that_it_is_alive() {
    let world = World::start();
    let mut screen = Screen::open(&world).await;
    assert_eq!(screen.next().await.unwrap().id, Some(1));
    tokio::time::pause(); // from here on time passes as fast as everybody waits
    // The dashboard gives a silent stream up after 15 s.
    let block = timeout(Duration::from_secs(14), screen.response.chunk()).await.expect("in time").unwrap().unwrap();
    assert!(block.starts_with(b":"), "{block:?}");
}
