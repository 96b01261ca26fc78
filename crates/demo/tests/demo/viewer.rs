//! One client of the demo: it keeps its cookie by hand and follows nothing by itself, so that the
//! tests see every answer.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rehearsal_demo::{Demo, Options};
use reqwest::header::{COOKIE, HeaderMap, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// Bounds every wait of the tests: far more than any of them needs.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub type Socket = WebSocketStream<TcpStream>;

pub fn start() -> Demo {
    Demo::start(Options::default()).unwrap()
}

#[derive(Clone)]
pub struct Viewer {
    http: reqwest::Client,
    host: String,
    pub cookie: Option<String>,
    /// What the viewer's requests say: which agent plays which user.
    played: Option<(String, u64)>,
}

impl Viewer {
    pub fn stranger(demo: &Demo) -> Self {
        let http = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
        let host = demo.address().to_string();
        Self { http, host, cookie: None, played: None }
    }

    pub async fn guest(demo: &Demo) -> Self {
        let mut viewer = Self::stranger(demo);
        let response = viewer.post("/auth/guest", "").await;
        viewer.cookie = Some(session_of(&response));
        viewer
    }

    /// Returns the same viewer as this agent's user.
    pub fn played_by(&self, agent: &str, user: u64) -> Self {
        Self { played: Some((agent.to_owned(), user)), ..self.clone() }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(cookie) = &self.cookie {
            headers.insert(COOKIE, cookie.parse().unwrap());
        }
        if let Some((agent, user)) = &self.played {
            headers.insert("x-rehearsal-agent", agent.parse().unwrap());
            headers.insert("x-rehearsal-user", (*user).into());
        }
        headers
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.host)).headers(self.headers())
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: impl ToString) -> Response {
        let request = self.request(Method::POST, path).body(body.to_string());
        request.send().await.unwrap()
    }

    /// Polls and returns the answer; without a cursor this opens.
    pub async fn poll(&self, cursor: Option<u64>) -> Value {
        let query = cursor.map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
        self.get(&format!("/poll{query}")).await.json().await.unwrap()
    }

    pub async fn socket(&self) -> Result<Socket, tungstenite::Error> {
        let mut request = format!("ws://{}/socket", self.host).into_client_request()?;
        request.headers_mut().extend(self.headers());
        let stream = TcpStream::connect(&self.host).await?;
        Ok(client_async(request, stream).await?.0)
    }

    /// Broadcasts and returns to how many it went.
    pub async fn broadcast(&self, event: &Value) -> u64 {
        let response = self.post("/admin/broadcast", event).await;
        assert_eq!(response.status(), 202);
        let answer: Value = response.json().await.unwrap();
        answer["to"].as_u64().unwrap()
    }
}

/// Returns the cookie that the response sets, as a request carries it.
pub fn session_of(response: &Response) -> String {
    let header = response.headers()[SET_COOKIE].to_str().unwrap();
    let (pair, attributes) = header.split_once(';').unwrap();
    assert!(pair.starts_with("session=") && pair.len() == "session=".len() + 32, "{pair}");
    assert_eq!(attributes, " HttpOnly; Path=/");
    pair.to_owned()
}

/// Reads the next message that carries JSON.
pub async fn hear(socket: &mut Socket) -> Value {
    let message = timeout(PATIENCE, socket.next()).await.unwrap();
    let text = message.unwrap().unwrap().into_text().unwrap();
    serde_json::from_str(&text).unwrap()
}

pub async fn say(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
}

/// Asks again until it holds, as what is counted after a write is counted a moment later.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("waited in vain until {what}"));
}
