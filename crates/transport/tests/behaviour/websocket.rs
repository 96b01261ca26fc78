//! WebSockets that echo, close, vanish and misbehave.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;

use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, header};
use rehearsal_transport::Failure;
use rehearsal_transport::http::{Client, Request};
use rehearsal_transport::socket::{By, Closed, Commands, Opened, Outgoing, SocketEvent, SocketOptions, websocket};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request as Upgrade, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::support::*;

/// A server that agrees to a WebSocket, sets a cookie, and goes on as `handle` says.
async fn upgrading<F: Future<Output = ()>>(handle: impl Fn(WebSocketStream<TcpStream>) -> F + 'static) -> Server {
    let handle = Rc::new(handle);
    Server::start(move |_, stream| {
        let handle = handle.clone();
        async move {
            #[allow(clippy::result_large_err, reason = "the library's signature")]
            let set_cookie = |request: &Upgrade, mut response: Response| -> Result<Response, ErrorResponse> {
                let cookie = request.headers().get(header::COOKIE).cloned();
                let cookie = cookie.unwrap_or(HeaderValue::from_static("seat=7"));
                response.headers_mut().insert(header::SET_COOKIE, cookie);
                Ok(response)
            };
            let stream = tokio_tungstenite::accept_hdr_async(stream, set_cookie).await.unwrap();
            handle(stream).await;
        }
    })
    .await
}

fn options(server: &Server) -> SocketOptions {
    SocketOptions::new(server.url("/socket?room=1"))
}

async fn open(client: &Client, server: &Server) -> Result<Opened, Failure> {
    websocket::open(client, options(server)).await
}

/// How a socket ends that only listens.
async fn end_of(server: Server) -> Closed {
    let opened = open(&client(), &server).await.unwrap();
    opened.socket.run(Commands::new(4), |_| ()).await
}

#[test]
fn messages_go_both_ways_and_the_user_closes() {
    run(async {
        let heard = Rc::new(RefCell::new(Vec::new()));
        let log = heard.clone();
        let server = upgrading(move |mut stream: WebSocketStream<TcpStream>| {
            let heard = log.clone();
            async move {
                stream.send(Message::Ping("are you there".into())).await.unwrap();
                while let Some(Ok(message)) = stream.next().await {
                    heard.borrow_mut().push(message.clone());
                    if message.is_text() || message.is_binary() {
                        stream.send(message).await.unwrap();
                    }
                }
            }
        })
        .await;
        let client = client();
        let opened = open(&client, &server).await.unwrap();
        assert_eq!(opened.status, 101);
        assert!(opened.socket.can_send());
        assert!(opened.queued <= opened.sent && opened.sent <= opened.ended);

        let (commands, events) = (Commands::new(4), Rc::new(RefCell::new(Vec::new())));
        let (log, control) = (events.clone(), commands.clone());
        let running = spawn_local(opened.socket.run(commands.clone(), move |event| match event {
            SocketEvent::Message(message) => {
                let event = message.event.unwrap_or_else(|| "none".into());
                log.borrow_mut().push(format!("{event} {} {}", message.data, message.text.len()));
                if &*message.text == b"\x01\x02" {
                    control.close(1000);
                }
            }
            SocketEvent::Sent => log.borrow_mut().push("sent".into()),
            SocketEvent::Poll(_) => unreachable!("a websocket does not poll"),
        }));
        commands.send(Outgoing::Text(r#"{"event":"chat","data":[1]}"#.into())).unwrap();
        commands.send(Outgoing::Binary(vec![1, 2].into())).unwrap();
        assert_eq!(running.await.unwrap(), Closed { by: By::User, code: 1000, reason: String::new() });
        assert!(commands.send(Outgoing::Text("late".into())).is_err());
        let mut events = events.borrow().clone();
        events.sort();
        assert_eq!(events, ["chat [1] 27", "none null 2", "sent", "sent"]);
        until("the server has the close frame", || heard.borrow().iter().any(Message::is_close)).await;
        let heard = heard.borrow();
        assert!(heard.contains(&Message::Pong("are you there".into())), "{heard:?}");
        let close = heard.iter().find_map(|m| if let Message::Close(frame) = m { frame.clone() } else { None });
        assert_eq!(u16::from(close.unwrap().code), 1000);
    });
}

#[test]
fn cookies_of_the_upgrade_are_the_users() {
    run(async {
        let server = upgrading(|_| async {}).await;
        let page = Server::answering(|request| answer("200 OK", "", request)).await;
        let client = client();
        open(&client, &server).await.unwrap();
        // Cookies know no ports, so the page's server gets it too.
        let (_, echo) = call(&client, Request::get(page.url("/"))).await.unwrap();
        assert!(echo.contains("cookie: seat=7"), "{echo}");
        open(&client, &server).await.unwrap();
    });
}

#[test]
fn endings_say_who_and_why() {
    run(async {
        let closing = upgrading(|mut stream: WebSocketStream<TcpStream>| async move {
            let frame = CloseFrame { code: 4001.into(), reason: "show is over".into() };
            stream.close(Some(frame)).await.unwrap();
            while let Some(Ok(_)) = stream.next().await {}
        })
        .await;
        assert_eq!(end_of(closing).await, Closed { by: By::Server, code: 4001, reason: "show is over".into() });
        let vanishing = upgrading(|stream| async move { drop(stream) }).await;
        let end = end_of(vanishing).await;
        assert_eq!((end.by, end.code), (By::Network, 1006), "{end:?}");
        let sending = async |bytes: &'static [u8]| {
            upgrading(move |mut stream: WebSocketStream<TcpStream>| async move {
                stream.get_mut().write_all(bytes).await.unwrap();
                closed(stream.get_mut()).await;
            })
            .await
        };
        let check = async |bytes: &'static [u8], code: u16| {
            let end = end_of(sending(bytes).await).await;
            assert_eq!((end.by, end.code), (By::Server, code), "{end:?}");
        };
        check(b"\xf1\x00", 1002).await;
        check(b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 1009).await;
        check(b"\x81\x02\xff\xfe", 1007).await;
    });
}

#[test]
fn a_server_that_ignores_the_farewell_is_left_behind() {
    run_paused(async {
        let server = upgrading(|mut stream: WebSocketStream<TcpStream>| async move {
            closed(stream.get_mut()).await;
        })
        .await;
        let opened = open(&client(), &server).await.unwrap();
        let commands = Commands::new(1);
        commands.close(1001);
        let closed = opened.socket.run(commands, |_| ()).await;
        assert_eq!((closed.by, closed.code), (By::User, 1001));
    });
}

#[test]
fn a_refused_opening_has_the_servers_status() {
    run(async {
        let check = async |bytes: Vec<u8>, kind: &str, status: Option<u16>| {
            let server = Server::sending(bytes).await;
            let failure = open(&client(), &server).await.unwrap_err();
            assert_eq!((failure.kind.as_str(), failure.status), (kind, status), "{failure}");
        };
        check(answer("503 Service Unavailable", "", "busy"), "protocol", Some(503)).await;
        check(answer("200 OK", "", "a page"), "protocol", Some(200)).await;
        check(b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec(), "protocol", None).await;
        check(Vec::new(), "closed", None).await;
    });
}

#[test]
fn dropping_the_socket_closes_the_connection_and_its_future_is_small() {
    run(async {
        let gone = Rc::new(std::cell::Cell::new(false));
        let flag = gone.clone();
        let server = upgrading(move |mut stream: WebSocketStream<TcpStream>| {
            let gone = flag.clone();
            async move {
                closed(stream.get_mut()).await;
                gone.set(true);
            }
        })
        .await;
        let opened = open(&client(), &server).await.unwrap();
        let running = opened.socket.run(Commands::new(1), |_| ());
        let size = size_of_val(&running);
        assert!(size < 1024, "{size}");
        let task = spawn_local(running);
        tokio::task::yield_now().await;
        task.abort();
        until("the server sees the end", || gone.get()).await;
    });
}
