//! A server's life: where it may listen, what it says when it cannot, how it stops.

use std::net::SocketAddr;
use std::time::Duration;

use rehearsal_api::{Listen, Reach, Server, Token};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout};

use crate::fake::{TOKEN, World};

fn start(world: &World, address: SocketAddr, reach: Reach) -> std::io::Result<Server> {
    let listen = Listen { address, option: "--dashboard", reach };
    Server::start(listen, world.desk.clone(), Token::new(TOKEN), Vec::new())
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_option_that_changes_it() {
    let world = World::start();
    let error = start(&world, world.server.address(), Reach::Loopback).unwrap_err();
    let told = error.to_string();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(told.contains(&world.server.address().to_string()) && told.contains("--dashboard"), "{told}");
}

#[tokio::test]
async fn other_machines_are_let_in_only_when_asked_for() {
    let world = World::start();
    let anywhere: SocketAddr = ([0, 0, 0, 0], 0).into();
    let error = start(&world, anywhere, Reach::Loopback).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    // Bound to loopback all the same: what is asked for is permission, and no test opens a port to others.
    let names = vec!["show.example".to_owned()];
    let server = start(&world, ([127, 0, 0, 1], 0).into(), Reach::Network { names }).unwrap();
    for (host, status) in [("show.example", 200), ("Show.Example:7700", 200), ("other.example", 421)] {
        let request = world.http.get(format!("http://{}/api/runs", server.address())).header("host", host);
        assert_eq!(request.bearer_auth(TOKEN).send().await.unwrap().status(), status, "{host}");
    }
}

#[tokio::test]
async fn a_server_without_a_dashboard_says_so() {
    let world = World::start();
    let server = start(&world, ([127, 0, 0, 1], 0).into(), Reach::Loopback).unwrap();
    let response = world.http.get(format!("http://{}/", server.address())).send().await.unwrap();
    assert_eq!(response.status(), 404);
    crate::document::Document::new().check_named("RefusalBody", &response.text().await.unwrap());
}

#[tokio::test]
async fn the_port_is_free_again_after_the_stop() {
    let world = World::start();
    let address = world.server.address();
    world.http.get(format!("http://{address}/")).send().await.unwrap();
    let World { desk, server, http } = world;
    timeout(Duration::from_secs(1), server.stop()).await.expect("idle connections must not hold up the end");
    let again = World { desk, server: World::start().server, http };
    start(&again, address, Reach::Loopback).unwrap();
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_hold_up_the_stop() {
    let world = World::start();
    let mut stuck = tokio::net::TcpStream::connect(world.server.address()).await.unwrap();
    let head = format!(
        "POST /api/runs HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 9\r\n\r\n"
    );
    stuck.write_all(head.as_bytes()).await.unwrap();
    // An answer to another request shows that the server has had its turn with the first.
    world.http.get(world.url("/")).send().await.unwrap();
    tokio::time::pause();
    let begun = Instant::now();
    world.server.stop().await;
    assert!(begun.elapsed() <= Duration::from_millis(2100), "{:?}", begun.elapsed());
}
