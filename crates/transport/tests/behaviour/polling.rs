//! Long polling through everything that can go wrong: each event once, in order, and never in a hot loop.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use rehearsal_transport::FailureKind;
use rehearsal_transport::socket::{
    By, Closed, Commands, Outgoing, PollSample, SendError, SocketEvent, SocketOptions, polling,
};
use tokio::time::Instant;

use crate::support::*;

/// The cursor of a request, or `None` if it opens the socket.
fn cursor(request: &str) -> Option<u64> {
    let path = request.split(' ').nth(1).unwrap();
    path.split_once("cursor=").map(|(_, number)| number.parse().unwrap())
}

fn batch(cursor: u64, events: &str) -> Vec<u8> {
    answer("200 OK", "", &format!(r#"{{"cursor": {cursor}, "events": [{events}]}}"#))
}

/// Opens a socket, runs it until it closes, and returns the numbers in its messages, its polls and its end.
async fn listen(server: &Server, commands: Rc<Commands>, last: i64) -> (Vec<i64>, Vec<PollSample>, Closed) {
    let opened = polling::open(&client(), SocketOptions::new(server.url("/poll?room=1"))).await.unwrap();
    assert!(!opened.socket.can_send());
    assert_eq!(opened.status, 200);
    let (mut numbers, mut polls) = (Vec::new(), Vec::new());
    let control = commands.clone();
    let running = opened.socket.run(commands, |event| match event {
        SocketEvent::Message(message) => {
            assert_eq!(message.event.as_deref(), Some("n"));
            numbers.push(message.data.as_i64().unwrap());
            if numbers.last() == Some(&last) {
                control.close(1000);
            }
        }
        SocketEvent::Poll(sample) => polls.push(sample),
        SocketEvent::Sent => unreachable!("polling does not send"),
    });
    let closed = running.await;
    (numbers, polls, closed)
}

#[test]
fn every_event_comes_once_and_in_order_through_all_mishaps() {
    run_paused(async {
        let asked = Rc::new(Cell::new(0));
        let counter = asked.clone();
        let server = Server::answering(move |request| {
            assert!(request.contains("room=1"));
            let Some(cursor) = cursor(request) else {
                return batch(100, "");
            };
            counter.set(counter.get() + 1);
            let number = cursor - 100;
            let events = format!(r#"{{"event": "n", "data": {number}}}, {{"data": {}, "event": "n"}}"#, number + 1);
            match counter.get() % 6 {
                1 => batch(cursor + 2, &events),
                2 => answer("503 Service Unavailable", "", "draining"),
                3 => b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{\"c".to_vec(),
                4 => batch(cursor, &events),
                5 => answer("200 OK", "", r#"{"cursor": "x", "events": 7}"#),
                _ => b"banana".to_vec(),
            }
        })
        .await;
        let (numbers, polls, closed) = listen(&server, Commands::new(1), 7).await;
        assert_eq!(numbers, (0..8).collect::<Vec<_>>());
        assert_eq!(closed, Closed { by: By::User, code: 1000, reason: String::new() });
        let outcomes: Vec<_> = polls.iter().map(|poll| poll.status).take(6).collect();
        let protocol = Err(FailureKind::Protocol);
        assert_eq!(outcomes, [Ok(200), Ok(503), protocol, protocol, protocol, protocol]);
        assert!(polls.iter().all(|poll| poll.queued <= poll.sent && poll.sent <= poll.ended));
    });
}

#[test]
fn a_server_cannot_make_us_ask_in_a_hot_loop() {
    run_paused(async {
        for reply in [batch(1, ""), answer("500 Oops", "", ""), answer("200 OK", "", "[]")] {
            let asked = Rc::new(RefCell::new(Vec::new()));
            let log = asked.clone();
            let server = Server::answering(move |request| {
                let Some(_) = cursor(request) else {
                    return batch(1, "");
                };
                log.borrow_mut().push(Instant::now());
                reply.clone()
            })
            .await;
            let commands = Commands::new(1);
            let closing = async {
                tokio::time::sleep(Duration::from_secs(60)).await;
                commands.close(1000);
            };
            tokio::join!(listen(&server, commands.clone(), -1), closing);
            let asked = asked.borrow().len();
            assert!((3..=10).contains(&asked), "{asked} polls in a minute");
        }
    });
}

#[test]
fn a_refusal_ends_the_socket() {
    run(async {
        let server = Server::answering(|request| match cursor(request) {
            None => batch(1, ""),
            Some(_) => answer("401 Unauthorized", "", ""),
        })
        .await;
        let (_, polls, closed) = listen(&server, Commands::new(1), 0).await;
        assert_eq!((closed.by, closed.code), (By::Server, 401));
        assert_eq!(polls.len(), 1);
        assert_eq!(polls[0].status, Ok(401));
    });
}

#[test]
fn a_failed_opening_has_the_servers_status() {
    run(async {
        let check = async |bytes: Vec<u8>, status: Option<u16>| {
            let server = Server::sending(bytes).await;
            let url = url::Url::parse(&format!("ws://{}/poll", server.address)).unwrap();
            let failure = polling::open(&client(), SocketOptions::new(url)).await.unwrap_err();
            assert_eq!(failure.status, status, "{failure}");
        };
        check(answer("502 Bad Gateway", "", ""), Some(502)).await;
        check(answer("200 OK", "", "{}"), Some(200)).await;
        check(Vec::new(), None).await;
    });
}

#[test]
fn the_user_may_close_while_a_poll_hangs_but_not_send() {
    run(async {
        let hung = Rc::new(Cell::new(0));
        let counter = hung.clone();
        let server = Server::answering(move |request| match cursor(request) {
            None => batch(1, ""),
            Some(_) => {
                counter.set(counter.get() + 1);
                Vec::new()
            }
        })
        .await;
        let commands = Commands::new(1);
        let closing = async {
            until("a poll hangs", || hung.get() == 1).await;
            assert_eq!(commands.send(Outgoing::Text("x".into())), Err(SendError::ReceiveOnly));
            commands.close(1001);
        };
        let ((_, polls, closed), ()) = tokio::join!(listen(&server, commands.clone(), -1), closing);
        assert_eq!((closed.by, closed.code, polls.len()), (By::User, 1001, 0));
    });
}

#[test]
fn what_is_on_its_way_when_the_user_leaves_is_still_heard() {
    run(async {
        let commands = Commands::new(1);
        let leaving = commands.clone();
        // The server answers in the same moment in which the user leaves.
        let server = Server::answering(move |request| match cursor(request) {
            None => batch(1, ""),
            Some(cursor) => {
                leaving.close(1000);
                batch(cursor + 1, r#"{"event": "n", "data": 7}"#)
            }
        })
        .await;
        let (numbers, polls, closed) = listen(&server, commands, -1).await;
        assert_eq!((numbers, polls.len()), (vec![7], 1));
        assert_eq!(closed, Closed { by: By::User, code: 1000, reason: String::new() });
    });
}
