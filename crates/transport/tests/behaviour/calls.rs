//! What a browser does for its user: cookies, redirects, kept connections, and no more than six of them.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use rehearsal_transport::NetworkOptions;
use rehearsal_transport::http::{ClientOptions, Request};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::support::*;

fn sign_in(request: &str) -> Vec<u8> {
    let see = |to: &str| answer("302 Found", &format!("location: {to}\r\n"), "moved");
    let path = request.split(' ').nth(1).unwrap();
    match path {
        "/auth/sns" => see("/sns/authorize?state=2"),
        "/sns/authorize?state=2" => see("../auth/callback?code=1&state=2"),
        "/auth/callback?code=1&state=2" => {
            answer("302 Found", "location: done\r\nset-cookie: s=42; Path=/; HttpOnly\r\n", "")
        }
        "/auth/done" | "/api" if request.contains("cookie: s=42\r\n") => answer("200 OK", "", "welcome"),
        _ => answer("401 Unauthorized", "", path),
    }
}

#[test]
fn a_sign_in_follows_redirects_and_keeps_its_cookie() {
    run(async {
        let server = Server::answering(sign_in).await;
        let (client, hops) = (client(), Recorder::default());
        let response = client.send(Request::get(server.url("/auth/sns")), &|event| hops.note(event)).await.unwrap();
        assert_eq!((response.status, &*response.body, response.url.path()), (200, &b"welcome"[..], "/auth/done"));
        let expected = [
            "0 GET /auth/sns",
            "0 302",
            "1 GET /sns/authorize",
            "1 302",
            "2 GET /auth/callback",
            "2 302",
            "3 GET /auth/done",
            "3 200",
        ];
        assert_eq!(hops.take(), expected);
        assert_eq!(hops.connects.get(), 1, "the hops share a connection");
        assert_eq!(call(&client, Request::get(server.url("/api"))).await.unwrap().0, 200);
        assert_eq!(call(&super::support::client(), Request::get(server.url("/api"))).await.unwrap().0, 401);
    });
}

#[test]
fn redirects_are_counted() {
    run(async {
        let server = Server::answering(|_| answer("302 Found", "location: /\r\n", "")).await;
        let (client, hops) = (client(), Recorder::default());
        let request = Request { follow: 2, ..Request::get(server.url("/")) };
        let failure = client.send(request, &|event| hops.note(event)).await.unwrap_err();
        assert_eq!(failure.kind.as_str(), "redirects");
        assert_eq!(hops.take(), ["0 GET /", "0 302", "1 GET /", "1 302", "2 GET /", "2 302"]);
        let request = Request { follow: 0, ..Request::get(server.url("/")) };
        assert_eq!(call(&client, request).await.unwrap().0, 302);
    });
}

#[test]
fn a_post_carries_its_body_headers_and_credentials() {
    run(async {
        let server = Server::answering(|request| answer("200 OK", "", request)).await;
        let options = ClientOptions { headers: vec![(header::ACCEPT, "x/y".parse().unwrap())], ..Default::default() };
        let client = client_with(options, NetworkOptions::default());
        let mut request = Request::new(Method::POST, server.url("/vote?x=1#part"));
        request.body = "{}".into();
        request.auth = Some(("ada".into(), "secret".into()));
        request.headers = HeaderMap::from_iter([
            (header::USER_AGENT, HeaderValue::from_static("tv")),
            (header::CONTENT_LENGTH, HeaderValue::from_static("99")),
        ]);
        let (_, echo) = call(&client, request).await.unwrap();
        assert!(echo.starts_with("POST /vote?x=1 HTTP/1.1\r\n"), "{echo}");
        for line in ["accept: x/y", "user-agent: tv", "authorization: Basic YWRhOnNlY3JldA==", "content-length: 2"] {
            assert!(echo.contains(&format!("\r\n{line}\r\n")), "{line} in {echo}");
        }
        assert!(echo.ends_with("\r\n\r\n{}"), "{echo}");
        let (_, echo) = call(&client, Request::new(Method::POST, server.url("/"))).await.unwrap();
        assert!(echo.contains("content-length: 0"), "{echo}");
    });
}

#[test]
fn connections_are_kept_reused_and_reaped() {
    run(async {
        let gone = Rc::new(Cell::new(false));
        let flag = gone.clone();
        let server = Server::start(move |_, mut stream| {
            let gone = flag.clone();
            async move {
                while read_request(&mut stream).await.is_some() {
                    stream.write_all(&answer("200 OK", "", "hello")).await.unwrap();
                }
                gone.set(true);
            }
        })
        .await;
        let client = client();
        for _ in 0..3 {
            call(&client, Request::get(server.url("/"))).await.unwrap();
        }
        assert_eq!(server.connections.get(), 1);
        // This server answers a HEAD with a body, which nobody must take for the next answer.
        call(&client, Request::new(Method::HEAD, server.url("/"))).await.unwrap();
        call(&client, Request::get(server.url("/"))).await.unwrap();
        assert_eq!(server.connections.get(), 2);
        client.reap(Instant::now());
        assert_eq!(client.idle_connections(), 1, "it is young");
        client.reap(Instant::now() + Duration::from_secs(61));
        assert_eq!(client.idle_connections(), 0);
        until("the server sees the end", || gone.get()).await;
    });
}

#[test]
fn a_connection_that_the_server_closed_while_idle_is_replaced_unnoticed() {
    run(async {
        // Closes after each answer, without saying so: sometimes the client sees it before it writes, sometimes after.
        let server = Server::start(|_, mut stream| async move {
            read_request(&mut stream).await;
            stream.write_all(&answer("200 OK", "", "hello")).await.unwrap();
        })
        .await;
        let (client, hops) = (client(), Recorder::default());
        for number in 1..=5 {
            client.send(Request::get(server.url("/")), &|event| hops.note(event)).await.unwrap();
            assert_eq!(server.connections.get(), number);
        }
        assert_eq!(hops.take().len(), 10, "no try is reported twice");
    });
}

#[test]
fn only_what_is_safe_to_repeat_is_sent_again() {
    run(async {
        // Answers once, then takes the next request and hangs up.
        let server = Server::start(|_, mut stream| async move {
            read_request(&mut stream).await;
            stream.write_all(&answer("200 OK", "", "hello")).await.unwrap();
            read_request(&mut stream).await;
        })
        .await;
        let client = client();
        call(&client, Request::get(server.url("/"))).await.unwrap();
        call(&client, Request::get(server.url("/"))).await.unwrap();
        assert_eq!(server.connections.get(), 2);
        assert_eq!(failing(&client, Request::new(Method::POST, server.url("/"))).await, "closed");
        assert_eq!(server.connections.get(), 2, "a vote is not sent twice");
    });
}

#[test]
fn a_user_has_six_connections_to_a_host() {
    run(async {
        let (busy, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let counters = (busy.clone(), most.clone());
        let server = Server::start(move |_, mut stream| {
            let (busy, most) = counters.clone();
            async move {
                while read_request(&mut stream).await.is_some() {
                    busy.set(busy.get() + 1);
                    most.set(most.get().max(busy.get()));
                    // Gives whatever else could be sent at once every chance to arrive.
                    for _ in 0..50 {
                        tokio::task::yield_now().await;
                    }
                    busy.set(busy.get() - 1);
                    stream.write_all(&answer("200 OK", "", "hello")).await.unwrap();
                }
            }
        })
        .await;
        let client = client();
        let calls = (0..30).map(|_| call(&client, Request::get(server.url("/"))));
        for result in futures_util::future::join_all(calls).await {
            result.unwrap();
        }
        assert_eq!((most.get(), server.connections.get(), client.idle_connections()), (6, 6, 6));
    });
}

#[test]
fn dropping_a_call_or_a_client_closes_its_connections() {
    run(async {
        let open = Rc::new(Cell::new(0));
        let counter = open.clone();
        let server = Server::start(move |number, mut stream| {
            let open = counter.clone();
            async move {
                open.set(open.get() + 1);
                read_request(&mut stream).await;
                if number == 1 {
                    stream.write_all(&answer("200 OK", "", "hello")).await.unwrap();
                }
                closed(&mut stream).await;
                open.set(open.get() - 1);
            }
        })
        .await;
        let client = client();
        call(&client, Request::get(server.url("/"))).await.unwrap();
        let held = futures_util::future::join_all([
            call(&client, Request::new(Method::POST, server.url("/"))),
            call(&client, Request::new(Method::POST, server.url("/"))),
        ]);
        let mut held = Box::pin(held);
        tokio::select! {
            _ = &mut held => panic!("nobody answers"),
            () = until("two connections", || open.get() == 2) => {}
        }
        drop(held);
        until("the calls' connections are closed", || open.get() == 0).await;
        client.close();
        assert_eq!(client.idle_connections(), 0);
    });
}

#[test]
fn tls_is_spoken_and_certificates_are_checked() {
    run(async {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let server = Server::start(move |_, stream| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                while read_request(&mut stream).await.is_some() {
                    stream.write_all(&answer("200 OK", "", "secret")).await.unwrap();
                }
            }
        })
        .await;
        let url = url::Url::parse(&format!("https://localhost:{}/", server.address.port())).unwrap();
        assert_eq!(failing(&client(), Request::get(url.clone())).await, "tls");
        let roots = vec![made.cert.der().clone()];
        let client = client_with(ClientOptions::default(), NetworkOptions { roots, ..Default::default() });
        for _ in 0..2 {
            assert_eq!(call(&client, Request::get(url.clone())).await.unwrap().1, "secret");
        }
        assert_eq!(server.connections.get(), 2, "one refused, one kept");
    });
}

#[test]
fn the_future_of_a_call_is_small() {
    run(async {
        let client = client();
        let url = url::Url::parse("http://127.0.0.1/").unwrap();
        let size = size_of_val(&client.send(Request::get(url), &|_| ()));
        assert!(size < 4096, "{size}");
    });
}
