//! Servers that break down or play foul: each costs one call, with the right name for what happened.

use std::rc::Rc;
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzEncoder;
use rehearsal_transport::NetworkOptions;
use rehearsal_transport::http::{ClientOptions, Request};
use std::io::Read;
use tokio::io::AsyncWriteExt;
use url::Url;

use crate::support::*;

/// How a call fails to which a server answers `bytes` and then closes.
async fn failure_for(bytes: impl Into<Vec<u8>>) -> &'static str {
    let server = Server::sending(bytes.into()).await;
    let client = client_with(ClientOptions { max_body: 1 << 16, ..Default::default() }, NetworkOptions::default());
    failing(&client, Request::get(server.url("/"))).await
}

#[test]
fn broken_answers_have_names() {
    run(async {
        let check = async |bytes: &[u8], kind: &str| {
            assert_eq!(failure_for(bytes).await, kind, "{:?}", String::from_utf8_lossy(bytes));
        };
        check(b"", "closed").await;
        check(b"HTTP/1.1 200 OK\r\ncontent-le", "closed").await;
        check(b"garbage\r\n\r\n", "protocol").await;
        check(b"HTTP/1.1 banana\r\n\r\n", "protocol").await;
        check(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "protocol").await;
        check(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "closed").await;
        check(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel", "closed").await;
        check(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nbanana\r\n", "protocol").await;
        check(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n", "body").await;
        check(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope", "body").await;
        check(b"HTTP/1.1 302 Found\r\nlocation: gopher://x/\r\ncontent-length: 0\r\n\r\n", "url").await;
        let endless_head = [b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'x'; 1 << 20]].concat();
        assert_eq!(failure_for(endless_head).await, "protocol");
    });
}

#[test]
fn bombs_and_endless_bodies_are_bounded() {
    run(async {
        let mut bomb = Vec::new();
        GzEncoder::new(&*vec![0; 1 << 22], Compression::best()).read_to_end(&mut bomb).unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len());
        assert_eq!(failure_for([head.into_bytes(), bomb].concat()).await, "body");

        let endless = Server::start(|_, mut stream| async move {
            read_request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
            while stream.write_all(b"1\r\nx\r\n").await.is_ok() {}
        })
        .await;
        let client = client_with(ClientOptions { max_body: 1 << 16, ..Default::default() }, NetworkOptions::default());
        let hops = Recorder::default();
        let failure = client.send(Request::get(endless.url("/")), &|event| hops.note(event)).await.unwrap_err();
        assert_eq!(failure.kind.as_str(), "body");
        assert_eq!(hops.take(), ["0 GET /", "0 body"]);
        assert_eq!(hops.received.get(), (1 << 16) + 1);
    });
}

#[test]
fn silence_ends_with_the_timeout_wherever_it_begins() {
    run(async {
        let server = Server::start(|_, mut stream| async move {
            let request = read_request(&mut stream).await.unwrap_or_default();
            if request.starts_with("GET /body ") {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
            }
            closed(&mut stream).await;
        })
        .await;
        let check = async |url: Url, received: u64| {
            let (client, hops) = (client(), Recorder::default());
            let request = Request { timeout: Duration::from_millis(50), ..Request::get(url) };
            let failure = client.send(request, &|event| hops.note(event)).await.unwrap_err();
            assert_eq!(failure.kind.as_str(), "timeout");
            assert_eq!(hops.take().last().unwrap(), "0 timeout");
            assert_eq!(hops.received.get(), received);
        };
        check(server.url("/head"), 0).await;
        check(server.url("/body"), 4).await;
        // The server waits for a request, the client for the handshake.
        check(Url::parse(&format!("https://{}/", server.address)).unwrap(), 0).await;
    });
}

#[test]
fn a_connection_that_cannot_be_opened_says_why() {
    run(async {
        let closing = Server::start(|_, stream| async move { drop(stream) }).await.address;
        let refused = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap()
        };
        let check = async |url: String, kind: &str| {
            let request = Request::get(Url::parse(&url).unwrap());
            assert_eq!(failing(&client(), request).await, kind, "{url}");
        };
        check(format!("http://{refused}/"), "refused").await;
        check("ftp://localhost/".into(), "url").await;
        check("http://nobody.invalid/".into(), "dns").await;
        check(format!("https://{closing}/"), "tls").await;
    });
}

#[test]
fn the_allow_list_sees_the_address_behind_the_name() {
    run(async {
        let server = Server::sending(answer("200 OK", "", "hello")).await;
        let seen = Rc::new(std::cell::RefCell::new(Vec::new()));
        let log = seen.clone();
        let allow = move |host: &str, address: std::net::IpAddr| {
            log.borrow_mut().push(format!("{host} {address}"));
            Err("not in the environment".to_owned())
        };
        let network = NetworkOptions { allow: Some(Box::new(allow)), ..Default::default() };
        let client = client_with(ClientOptions::default(), network);
        let url = format!("http://localhost:{}/", server.address.port());
        assert_eq!(failing(&client, Request::get(Url::parse(&url).unwrap())).await, "denied");
        assert_eq!(*seen.borrow(), ["localhost 127.0.0.1"]);
        assert_eq!(server.connections.get(), 0);
    });
}
