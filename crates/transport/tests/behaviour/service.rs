//! A service whose instances come and go, as a user meets it: one name, one cookie jar, connections to whoever is there.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use rehearsal_plan::{Endpoint, Instances, Standing};
use rehearsal_transport::http::{Client, ClientOptions, Request};
use rehearsal_transport::socket::{SocketOptions, websocket};
use rehearsal_transport::{FailureKind, NetworkOptions, ServiceOptions};
use tokio::sync::watch;
use url::Url;

use crate::support::*;

fn instances(listed: &[(SocketAddr, Standing)]) -> Arc<Instances> {
    let of = |(address, standing): &(SocketAddr, Standing)| {
        (Endpoint { host: address.ip().to_string(), port: address.port() }, *standing)
    };
    Arc::new(listed.iter().map(of).collect())
}

fn serving(servers: &[&Server]) -> Arc<Instances> {
    instances(&servers.iter().map(|server| (server.address, Standing::Serving)).collect::<Vec<_>>())
}

/// A user of the service `web`, and what changes its instances.
fn user(now: Arc<Instances>) -> (watch::Sender<Arc<Instances>>, Rc<Client>) {
    let (sender, instances) = watch::channel(now);
    let service = ServiceOptions { host: "web".into(), port: 80, instances, seed: 1 };
    let network = NetworkOptions { service: Some(service), ..NetworkOptions::default() };
    (sender, client_with(ClientOptions::default(), network))
}

fn get(path: &str) -> Request {
    Request::get(Url::parse(&format!("http://web{path}")).unwrap())
}

/// Answers with the host and the cookie that were sent, and sets one for the name.
fn echo(request: &str) -> Vec<u8> {
    let header = |name: &str| request.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("none").to_owned();
    answer("200 OK", "set-cookie: s=42; Path=/\r\n", &format!("{} {}", header("host: "), header("cookie: ")))
}

#[test]
fn a_user_has_one_name_and_one_jar_for_all_instances() {
    run(async {
        let (one, two) = (Server::answering(echo).await, Server::answering(echo).await);
        let (sender, client) = user(serving(&[&one]));
        assert_eq!(call(&client, get("/a")).await.unwrap(), (200, "web none".into()));
        sender.send_replace(serving(&[&two]));
        assert_eq!(
            call(&client, get("/b")).await.unwrap(),
            (200, "web s=42".into()),
            "the other instance gets the cookie"
        );
        assert_eq!((one.connections.get(), two.connections.get()), (1, 1));
    });
}

#[test]
fn kept_connections_are_used_while_their_instance_is_listed_and_no_longer() {
    run(async {
        let (one, two) = (Server::answering(echo).await, Server::answering(echo).await);
        let (sender, client) = user(serving(&[&one]));
        for _ in 0..3 {
            call(&client, get("/")).await.unwrap();
        }
        sender.send_replace(instances(&[(one.address, Standing::Draining), (two.address, Standing::Serving)]));
        call(&client, get("/")).await.unwrap();
        assert_eq!((one.connections.get(), two.connections.get()), (1, 0), "what is open goes on while it drains");
        let both = futures_util::future::join(call(&client, get("/")), call(&client, get("/"))).await;
        assert!(both.0.is_ok() && both.1.is_ok());
        assert_eq!((one.connections.get(), two.connections.get()), (1, 1), "a new one goes to who serves");
        sender.send_replace(serving(&[&two]));
        for _ in 0..3 {
            call(&client, get("/")).await.unwrap();
        }
        assert_eq!((one.connections.get(), two.connections.get()), (1, 1));
        assert_eq!(client.idle_connections(), 1, "that to the instance which is gone was closed");
    });
}

#[test]
fn a_service_without_instances_fails_at_once_and_by_name() {
    run(async {
        let (sender, client) = user(Arc::default());
        let failure = client.send(get("/"), &|_| {}).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::NoInstance, "{failure}");
        let options = SocketOptions::new(Url::parse("ws://web/socket").unwrap());
        assert_eq!(websocket::open(&client, options).await.unwrap_err().kind, FailureKind::NoInstance);
        let server = Server::answering(echo).await;
        sender.send_replace(serving(&[&server]));
        assert_eq!(call(&client, get("/")).await.unwrap().0, 200, "it recovers with the next instance");
    });
}

/// One that has just died is listed until its check fails.
#[test]
fn an_instance_that_does_not_take_the_connection_is_passed_over() {
    run(async {
        let nobody = { tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() };
        let server = Server::answering(echo).await;
        for seed in 0..8 {
            let now = instances(&[(nobody, Standing::Serving), (server.address, Standing::Serving)]);
            let service = ServiceOptions { host: "web".into(), port: 80, instances: watch::channel(now).1, seed };
            let network = NetworkOptions { service: Some(service), ..NetworkOptions::default() };
            let client = client_with(ClientOptions::default(), network);
            assert_eq!(call(&client, get("/")).await.unwrap().0, 200, "{seed}");
        }
        let (_sender, client) = user(instances(&[(nobody, Standing::Serving)]));
        assert_eq!(client.send(get("/"), &|_| {}).await.unwrap_err().kind, FailureKind::Refused);
    });
}
