//! The `haproxy` adapter against a real HAProxy, whose servers are moved from state to state by its own socket.

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::harness::{outcome, serve, speak, until};
use crate::real::{Program, free_port};

/// Two servers, and a third slot that a `server-template` keeps in maintenance.
const CONFIG: &str = "
global
    stats socket SOCKET mode 600 level admin
    stats socket ipv4@127.0.0.1:PORT2 level user
defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s
frontend page
    bind 127.0.0.1:PORT1
    stats enable
    stats uri /stats
backend web
    server one SERVER check inter 50ms fall 1 rise 1
    server two SERVER check inter 50ms fall 1 rise 1
    server-template slot 3 127.0.0.1:9 disabled
backend young
    server-template slot 1 127.0.0.1:9 check inter 2s disabled
";

/// Says something on the admin socket.
async fn tell(socket: &str, line: &str) -> Option<String> {
    let mut stream = UnixStream::connect(socket).await.ok()?;
    stream.write_all(format!("{line}\n").as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    Some(answer)
}

#[tokio::test]
async fn a_real_haproxy_tells_its_servers_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, config) = (folder.path().join("socket"), folder.path().join("haproxy.cfg"));
    let socket = socket.to_str().unwrap();
    let (page, port) = (free_port(), free_port());
    let server = serve(Router::new().route("/", get(|| async { "ok" }))).await.replace("http://", "");
    let text = CONFIG.replace("SOCKET", socket).replace("PORT1", &page.to_string());
    let text = text.replace("PORT2", &port.to_string()).replace("SERVER", &server);
    std::fs::write(&config, text).unwrap();
    let Some(_haproxy) = Program::start("haproxy", "haproxy", &["-db", "-f", config.to_str().unwrap()]) else { return };
    until("it listens", async || tell(socket, "show info").await).await;

    let read =
        async |role: &str, keys: &str| outcome(&format!("[autoscaler.{role}]\nobserve = \"haproxy\"\n{keys}")).await;
    let ways = [
        format!("socket = \"{socket}\"\nbackend = \"web\""),
        format!("socket = \"127.0.0.1:{port}\"\nbackend = \"web\""),
        format!("url = \"http://127.0.0.1:{page}/stats;csv\"\nbackend = \"web\""),
    ];
    let check = async |expected: &str| {
        until(expected, async || (read("supply", &ways[0]).await == expected).then_some(())).await;
        for way in &ways {
            assert_eq!(read("supply", way).await, expected, "{way}");
        }
    };
    check("running 2 ready 2 draining 0").await;
    tell(socket, "set server web/one state drain").await.unwrap();
    check("running 2 ready 1 draining 1").await;
    tell(socket, "set server web/one state maint").await.unwrap();
    check("running 1 ready 1 draining 0").await;
    tell(socket, "set server web/two health down").await.unwrap();
    tell(socket, "disable health web/two").await.unwrap();
    tell(socket, "set server web/two health down").await.unwrap();
    check("running 1 ready 0 draining 0").await;

    let young = ways[0].replace("web", "young");
    assert_eq!(read("supply", &young).await, "running 0 ready 0 draining 0");
    tell(socket, "set server young/slot1 state ready").await.unwrap();
    let table = tell(socket, "show stat").await.unwrap();
    assert!(table.lines().any(|line| line.starts_with("young,slot1,") && line.contains(",UP")), "{table}");
    assert_eq!(read("supply", &young).await, "running 1 ready 0 draining 0", "no check has reached it");

    let queue = format!("{}\ncolumn = \"qcur\"", ways[0]);
    assert_eq!(read("metrics.queue", &queue).await, "0");
    let limit = format!("{}\ncolumn = \"qlimit\"\nserver = \"two\"", ways[0]);
    assert_eq!(read("metrics.queue", &limit).await, "missing: `qlimit` is empty");
    let other = read("supply", &ways[0].replace("web", "wbe")).await;
    assert!(other.starts_with("format: there is no backend `wbe`; there are `page"), "{other}");
}

#[tokio::test]
async fn a_socket_that_is_none_or_talks_nonsense_is_an_error() {
    let read = async |address: &str| {
        outcome(&format!("[autoscaler.supply]\nobserve = \"haproxy\"\nbackend = \"web\"\nsocket = \"{address}\"")).await
    };
    assert_eq!(read("/no/such/socket").await, "connection: No such file or directory (os error 2)");
    let nonsense = read(&speak(b"\xff\0\"".repeat(99)).await).await;
    assert_eq!(nonsense, "format: the statistics are not UTF-8");
    let empty = read(&speak(*b"").await).await;
    assert_eq!(empty, "format: these are no statistics of HAProxy: ``");
    let long = read(&speak(vec![b'x'; 3 << 20]).await).await;
    assert_eq!(long, "too_large: the answer is longer than 1048576 bytes");
    let half = read(&speak(*b"# pxname,svname,status\nweb,one,UP\nweb,tw").await).await;
    assert_eq!(half, "format: the statistics are cut off");
}
