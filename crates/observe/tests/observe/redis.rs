//! The `redis` adapter against a real Redis.

use crate::harness::{outcome, speak, until};
use crate::real::{Program, free_port};

async fn read(keys: &str) -> String {
    outcome(&format!("[autoscaler.metrics.queue]\nobserve = \"redis\"\ntimeout = \"2s\"\n{keys}")).await
}

#[tokio::test]
async fn a_real_redis_tells_the_lengths_of_its_queues() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let port = free_port().to_string();
    let arguments = ["--bind", "127.0.0.1", "--port", &port, "--save", "", "--unixsocket", socket.to_str().unwrap()];
    let Some(_redis) = Program::start("redis-server", "redis-server", &arguments) else { return };
    let url = format!("redis://127.0.0.1:{port}/1");
    until("it answers", async || (read(&format!("url = \"{url}\"\nkeys = [\"q\"]")).await == "0").then_some(())).await;

    let mut connection = redis::Client::open(url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
    for line in [
        "RPUSH list a b c",
        "ZADD sorted 1 a 2 b",
        "XADD stream * k v",
        "SADD set a b c d",
        "HSET hash a 1",
        "SET text a",
        "ACL SETUSER reader on >pass-pass ~list +select +type +llen",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        redis::cmd(words[0]).arg(&words[1..]).exec_async(&mut connection).await.unwrap();
    }
    let at = async |keys: &str| read(&format!("url = \"{url}\"\n{keys}")).await;
    assert_eq!(at("keys = [\"list\"]").await, "3");
    assert_eq!(at("keys = [\"list\", \"sorted\", \"stream\", \"set\", \"hash\", \"none\"]").await, "11");
    assert_eq!(at("keys = [\"text\"]").await, "format: the key `text` is a `string`, no queue");
    assert_eq!(at("info = \"connected_clients\"").await, "2", "this test and the reading itself");
    assert_eq!(at("info = \"conected_clients\"").await, "missing: INFO has no line `conected_clients`");
    assert_eq!(
        at("info = \"redis_version\"").await,
        "format: not a number: `\"7.0.15\"`".replace("7.0.15", &version(&mut connection).await)
    );
    let by_socket = format!("url = \"redis+unix://{}?db=1\"\nkeys = [\"set\"]", socket.display());
    assert_eq!(read(&by_socket).await, "4");

    let reader = "user = \"reader\"\npassword = \"pass-pass\"\n";
    assert_eq!(at(&format!("{reader}keys = [\"list\"]")).await, "3", "the rights to read are enough");
    let other = at(&format!("{reader}keys = [\"sorted\"]")).await;
    assert!(other.starts_with("denied: "), "{other}");
    let wrong = at("user = \"reader\"\npassword = \"wrong-pass\"\nkeys = [\"list\"]").await;
    assert!(wrong.starts_with("denied: ") && !wrong.contains("wrong-pass"), "{wrong}");
}

async fn version(connection: &mut redis::aio::MultiplexedConnection) -> String {
    let info: String = redis::cmd("INFO").arg("server").query_async(connection).await.unwrap();
    info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap().to_string()
}

#[tokio::test]
async fn hostile_servers_are_errors() {
    let check = async |bytes: &[u8], expected: &str| {
        let address = speak(bytes).await;
        let found = read(&format!("url = \"redis://{address}\"\nkeys = [\"q\"]")).await;
        assert!(found.starts_with(expected) && found.parse::<f64>().is_err(), "{found}");
    };
    check(b"", "connection: ").await;
    check(b"HTTP/1.1 400 Bad Request\r\n\r\n", "connection: ").await;
    check(b"*2000000000\r\n", "connection: ").await;
    check(b"$2000000000\r\nabc", "connection: ").await;
    check(&b"*1\r\n".repeat(100_000), "connection: ").await;
    check(&[&b"+list\r\n$3000000\r\n"[..], &[b'x'; 3_000_000]].concat(), "connection: ").await;
    check(b"+list\r\n:-5\r\n", "").await;
}
