//! Redis: how much waits in queues, and what the server says of itself.
//!
//! Redis forgets a list with its last element, so a key that is not there is an empty queue and counts as zero;
//! a misspelt name cannot be told from one. Lengths are asked for together but not as one transaction, which
//! a user with the fewest rights may not have: an element that moves between two keys may be seen in both or neither.
//!
//! Each reading has its own connection, of which no more is read than a bounded answer.

use std::time::SystemTime;

use futures_util::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use redis::{
    Cmd, ConnectionAddr, ConnectionInfo, ErrorKind as RedisKind, IntoConnectionInfo, Pipeline, RedisError,
    ServerErrorKind,
};
use rehearsal_plan::Problem;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::tells;
use crate::json::{number, quoted};
use crate::observation::{ErrorKind, Failure, Reading, Role, Sample};
use crate::observer::Observer;
use crate::secret::Secret;
use crate::settings::{self, Settings};
use crate::web::{LONGEST_ANSWER, chain};

struct Redis {
    server: ConnectionInfo,
    asks: Asks,
}

enum Asks {
    /// The lengths of these keys, summed.
    Keys(Vec<String>),
    /// One line of `INFO`.
    Info(String),
}

/// Takes `url`, `user` and `password`, and either `keys` or `info`.
pub fn make(settings: &mut Settings<'_>, role: Role) -> Option<Box<dyn Observer>> {
    if !tells(settings, role, &[Role::Metric]) {
        return None;
    }
    let server = settings.require("url", server);
    let user = settings.take("user", settings::text);
    let password = settings.secret("password");
    let (keys, info) = (settings.take("keys", settings::texts), settings.take("info", settings::text));
    let asks = match (keys, info) {
        (Some(keys), None) => Some(Asks::Keys(keys)),
        (None, Some(line)) => Some(Asks::Info(line)),
        _ if settings.has("keys") != settings.has("info") => None,
        _ => {
            settings.complain(Problem::new("has not exactly one of the keys `keys` and `info`"));
            None
        }
    };
    let server = server?;
    if let Some(password) = server.redis_settings().password() {
        settings.hide(Secret::new(password));
    }
    let mut login = server.redis_settings().clone().set_skip_set_lib_name();
    if let Some(user) = user {
        login = login.set_username(user);
    }
    if let Some(password) = password {
        login = login.set_password(password.reveal());
    }
    Some(Box::new(Redis { server: server.set_redis_settings(login), asks: asks? }))
}

fn server(value: &Value) -> Result<ConnectionInfo, Problem> {
    let not_a_server = || Problem::new("is not a URL of Redis").hint("write it as in `redis://127.0.0.1:6379/0`");
    let server = settings::text(value)?.into_connection_info().map_err(|_| not_a_server())?;
    match server.addr() {
        ConnectionAddr::Tcp(..) | ConnectionAddr::Unix(_) => Ok(server),
        _ => {
            Err(Problem::new("asks for TLS, which this observer does not speak").hint("put a TLS tunnel before Redis"))
        }
    }
}

impl Observer for Redis {
    fn read(&mut self, _now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
        Box::pin(async {
            let number = match self.server.addr() {
                ConnectionAddr::Tcp(host, port) => {
                    self.ask(TcpStream::connect((&**host, *port)).await.map_err(lost)?).await
                }
                ConnectionAddr::Unix(path) => self.ask(UnixStream::connect(path).await.map_err(lost)?).await,
                _ => return Err(Failure::format("an address that this observer does not know")),
            };
            Ok(Reading::Metric(number?).into())
        })
    }
}

fn lost(error: std::io::Error) -> Failure {
    Failure::Error(ErrorKind::Connection, error.to_string())
}

impl Redis {
    async fn ask(&self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<f64, Failure> {
        let (read, write) = tokio::io::split(stream);
        let bounded = tokio::io::join(read.take(LONGEST_ANSWER as u64), write);
        let (connection, driver) =
            MultiplexedConnection::new(self.server.redis_settings(), bounded).await.map_err(|error| said(&error))?;
        let broken = async {
            driver.await;
            // Whoever still waits for an answer is told so by the connection itself.
            std::future::pending().await
        };
        tokio::select! {
            // The driver moves the bytes, and ends when the connection does.
            never = broken => never,
            number = self.number(connection) => number,
        }
    }

    async fn number(&self, mut connection: MultiplexedConnection) -> Result<f64, Failure> {
        match &self.asks {
            Asks::Keys(keys) => Ok(lengths(&mut connection, keys).await?.into_iter().sum::<u64>() as f64),
            Asks::Info(line) => {
                // Without a section the server tells its usual ones, in which every name stands once.
                let text: String =
                    redis::cmd("INFO").query_async(&mut connection).await.map_err(|error| said(&error))?;
                info(&text, line)
            }
        }
    }
}

/// Asks what the keys are, then how long each is.
async fn lengths(connection: &mut MultiplexedConnection, keys: &[String]) -> Result<Vec<u64>, Failure> {
    let mut types = Pipeline::new();
    for key in keys {
        types.cmd("TYPE").arg(key);
    }
    let types: Vec<String> = types.query_async(connection).await.map_err(|error| said(&error))?;
    let mut lengths = Pipeline::new();
    for (key, kind) in keys.iter().zip(types) {
        let command = match kind.as_str() {
            "none" => continue,
            "list" => "LLEN",
            "zset" => "ZCARD",
            "stream" => "XLEN",
            "set" => "SCARD",
            "hash" => "HLEN",
            other => return Err(Failure::format(format!("the key {} is a {}, no queue", quoted(key), quoted(other)))),
        };
        lengths.add_command(Cmd::new().arg(command).arg(key).clone());
    }
    if lengths.is_empty() {
        return Ok(Vec::new());
    }
    lengths.query_async(connection).await.map_err(|error| said(&error))
}

/// Finds a line of `INFO`.
fn info(text: &str, wanted: &str) -> Result<f64, Failure> {
    let found = text.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| *name == wanted);
    let (_, value) = found.ok_or_else(|| Failure::missing(format!("INFO has no line {}", quoted(wanted))))?;
    number(&value.into())?.ok_or_else(|| Failure::missing(format!("{} is empty", quoted(wanted))))
}

fn said(error: &RedisError) -> Failure {
    let kind = match error.kind() {
        RedisKind::AuthenticationFailed | RedisKind::Server(ServerErrorKind::NoPerm) => ErrorKind::Denied,
        RedisKind::Server(_) if error.code() == Some("NOAUTH") => ErrorKind::Denied,
        RedisKind::Server(_) | RedisKind::Extension => match error.code() {
            Some("NOAUTH" | "WRONGPASS") => ErrorKind::Denied,
            _ => ErrorKind::Refused,
        },
        RedisKind::Io => ErrorKind::Connection,
        _ => ErrorKind::Format,
    };
    Failure::Error(kind, chain(error))
}
