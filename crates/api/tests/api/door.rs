//! Who is let in: token, `Host`, `Origin`, and what browsers are told.

use crate::fake::{TOKEN, World};

/// One request by its headers; `PORT` stands for the server's.
struct Case {
    why: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    status: u16,
}

const BEARER: (&str, &str) = ("authorization", "Bearer the-token");

#[tokio::test]
async fn the_door_opens_to_whom_it_should() {
    let case = |why, path, headers, status| Case { why, path, headers, status };
    let cases = [
        case("the token", "/api/runs", &[BEARER], 200),
        case("the scheme in lower case", "/api/runs", &[("authorization", "bearer the-token")], 200),
        case("no token", "/api/runs", &[], 401),
        case("no token for metrics", "/metrics", &[], 401),
        case("no token for what is not there", "/nothing", &[], 401),
        case("another token", "/api/runs", &[("authorization", "Bearer the-tokem")], 401),
        case("part of the token", "/api/runs", &[("authorization", "Bearer the-toke")], 401),
        case("another scheme", "/api/runs", &[("authorization", "Basic the-token")], 401),
        case("no scheme", "/api/runs", &[("authorization", "the-token")], 401),
        case("the token in the address", "/api/runs?token=the-token", &[], 401),
        case("the token in a cookie", "/api/runs", &[("cookie", "token=the-token")], 401),
        case("the page without a token", "/", &[], 200),
        case("its files without a token", "/assets/app.js", &[], 200),
        case("a way around the page", "/assets/../api/runs", &[], 404),
        case("a hidden way around the page", "/assets/%2e%2e/api/runs", &[], 404),
        case("a coded way around the page", "/assets/..%2fapi%2fruns", &[], 404),
        case("a doubled slash", "//api/runs", &[], 401),
        case("localhost", "/api/runs", &[BEARER, ("host", "localhost:PORT")], 200),
        case("IPv6", "/api/runs", &[BEARER, ("host", "[::1]:PORT")], 200),
        case("an address without port", "/api/runs", &[BEARER, ("host", "127.0.0.1")], 200),
        case("a foreign name", "/api/runs", &[BEARER, ("host", "evil.example:PORT")], 421),
        case("a foreign name for the page", "/", &[("host", "evil.example")], 421),
        case("a name that begins like ours", "/", &[("host", "localhost.evil.example")], 421),
        case("a name that begins like an address", "/", &[("host", "127.0.0.1.evil.example")], 421),
        case("a name in front of the host", "/", &[("host", "localhost@evil.example")], 421),
        case("our name behind another", "/", &[("host", "evil.example@localhost")], 421),
        case("no name", "/", &[("host", "")], 421),
        case("our own page", "/api/runs", &[BEARER, ("origin", "http://127.0.0.1:PORT")], 200),
        case("our own page behind TLS", "/api/runs", &[BEARER, ("origin", "https://127.0.0.1:PORT")], 200),
        case("a foreign page", "/api/runs", &[BEARER, ("origin", "http://evil.example")], 403),
        case("another port", "/api/runs", &[BEARER, ("origin", "http://127.0.0.1:1")], 403),
        case("another name for us", "/api/runs", &[BEARER, ("origin", "http://localhost:PORT")], 403),
        case("a page without an origin", "/api/runs", &[BEARER, ("origin", "null")], 403),
        case("a foreign page asks for the page", "/", &[("origin", "http://evil.example")], 403),
        case(
            "one own and one foreign",
            "/",
            &[("origin", "http://127.0.0.1:PORT"), ("origin", "http://evil.example")],
            403,
        ),
        case("a foreign page without a token", "/api/runs", &[("origin", "http://evil.example")], 403),
    ];
    let world = World::start();
    let port = world.server.address().port().to_string();
    for Case { why, path, headers, status } in cases {
        assert_eq!(raw(&world, "GET", path, headers, &port).await, status, "{why}");
    }
}

/// Asks by a socket of its own: a client library would tidy up paths and headers. Returns the status.
async fn raw(world: &World, method: &str, path: &str, headers: &[(&str, &str)], port: &str) -> u16 {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut text = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        text += &format!("host: 127.0.0.1:{port}\r\n");
    }
    for (name, value) in headers {
        text += &format!("{name}: {}\r\n", value.replace("PORT", port));
    }
    let mut stream = tokio::net::TcpStream::connect(world.server.address()).await.unwrap();
    stream.write_all((text + "\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn foreign_pages_are_refused_with_every_method() {
    let world = World::start();
    let port = world.server.address().port().to_string();
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
        let headers = [BEARER, ("origin", "http://evil.example"), ("content-length", "0")];
        assert_eq!(raw(&world, method, "/api/runs/last", &headers, &port).await, 403, "{method}");
    }
    assert!(world.desk.commands.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_refused_token_says_where_the_right_one_is() {
    let world = World::start();
    let response = world.http.get(world.url("/api/runs")).send().await.unwrap();
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    let text = response.text().await.unwrap();
    assert!(text.contains("control.json") && !text.contains(TOKEN), "{text}");
}

#[tokio::test]
async fn every_answer_tells_browsers_to_be_careful() {
    let world = World::start();
    for (path, keep) in
        [("/", "no-cache"), ("/assets/app.js", "no-cache"), ("/api/runs", "no-store"), ("/nothing", "no-store")]
    {
        let response = world.request("GET", path).send().await.unwrap();
        let headers = response.headers();
        let policy = headers["content-security-policy"].to_str().unwrap();
        for part in ["default-src 'self'", "script-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(headers["cache-control"], keep, "{path}");
        assert!(!headers.contains_key("set-cookie"), "{path}");
    }
}
