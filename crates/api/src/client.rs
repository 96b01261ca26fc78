//! How a command in another process steers a run: `coordinator stop`, `pause`, `resume`, `cue`, `scale`.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::{RequestBuilder, Response, StatusCode, Url};
use serde_json::{Value, json};
use thiserror::Error;

use crate::body::{BY, LONGEST_NAME};
use crate::command::{ScaleBody, StopBody};
use crate::{Answer, Command, Problem, RefusalBody, Token};

/// How long an answer may take: a command waits for its agents, and then says which of them are late.
const PATIENCE: Duration = Duration::from_secs(30);

/// Speaks to the coordinator that performs a run.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where the coordinator listens.
    pub address: SocketAddr,
    /// What opens its door.
    pub token: Token,
}

/// Why a command was not carried out, or may not have been. `asked` is the command in words.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody listens: nothing was done.
    #[error(
        "asking the coordinator at {address} to {asked} failed: nobody answers there. The run is over or its coordinator was \
         killed: `coordinator report RUN --format json` tells of a run that was judged, --format seconds of one that broke off"
    )]
    NobodyThere {
        asked: String,
        address: SocketAddr,
        #[source]
        source: reqwest::Error,
    },
    /// The answer did not come, or broke off: it may have been done.
    #[error(
        "asking the coordinator at {address} to {asked} brought no answer. It may have been done: look at the dashboard or the \
         run's event log before asking again"
    )]
    NoAnswer {
        asked: String,
        address: SocketAddr,
        #[source]
        source: reqwest::Error,
    },
    /// The coordinator says no: nothing was done.
    #[error("the coordinator refuses to {asked}: {reason}")]
    Refused {
        asked: String,
        /// The HTTP status, such as 404: there is no such run, 409: it does not go with the run's present state.
        status: u16,
        reason: String,
        problems: Vec<Problem>,
    },
    /// What answers there is not our coordinator.
    #[error(
        "asking the coordinator at {address} to {asked} brought status {status} and an answer that is none of ours: another \
         program listens there now, or a coordinator of another version"
    )]
    Stranger { asked: String, address: SocketAddr, status: u16 },
}

impl Client {
    /// Gives a command in the name of `by`, of which the audit log gets the visible ASCII characters, and waits for the answer.
    ///
    /// # Errors
    /// When nobody answers, or the answer is no; the message says what to do next.
    pub async fn command(&self, run: &str, by: &str, command: &Command) -> Result<Answer, ClientError> {
        let asked = words(run, command);
        let Self { address, .. } = *self;
        match self.request(run, by, command).send().await {
            Ok(response) => self.answer(asked, response).await,
            Err(source) if source.is_connect() => Err(ClientError::NobodyThere { asked, address, source }),
            Err(source) => Err(ClientError::NoAnswer { asked, address, source }),
        }
    }

    fn request(&self, run: &str, by: &str, command: &Command) -> RequestBuilder {
        let (segments, body) = place(command);
        let mut url = Url::parse(&format!("http://{}/", self.address)).expect("an IP address and port make a URL");
        url.path_segments_mut().expect("an http URL has a path").clear().extend(["api", "runs", run]).extend(segments);
        let post = reqwest::Client::new().post(url).timeout(PATIENCE).bearer_auth(self.token.reveal()).json(&body);
        // The name of a person or an account, as far as a header can carry it.
        let by: String = by.chars().filter(char::is_ascii_graphic).take(LONGEST_NAME).collect();
        if by.is_empty() { post } else { post.header(BY, by) }
    }

    async fn answer(&self, asked: String, response: Response) -> Result<Answer, ClientError> {
        let Self { address, .. } = *self;
        let status = response.status();
        let text = match response.text().await {
            Ok(text) => text,
            Err(source) => return Err(ClientError::NoAnswer { asked, address, source }),
        };
        let stranger = |asked| ClientError::Stranger { asked, address, status: status.as_u16() };
        if status == StatusCode::OK {
            return serde_json::from_str(&text).map_err(|_| stranger(asked));
        }
        match serde_json::from_str(&text) {
            Ok(RefusalBody { error, problems }) => {
                Err(ClientError::Refused { asked, status: status.as_u16(), reason: error, problems })
            }
            Err(_) => Err(stranger(asked)),
        }
    }
}

/// Where a command is sent below its run, and with what.
fn place(command: &Command) -> (Vec<&str>, Value) {
    match command {
        Command::Stop { now } => (vec!["stop"], json!(StopBody { now: *now })),
        Command::Pause => (vec!["pause"], json!({})),
        Command::Resume => (vec!["resume"], json!({})),
        Command::Scale { to, scenario, over } => (vec!["scale"], json!(ScaleBody::of(*to, scenario, *over))),
        Command::Cue { name } => (vec!["cues", name], json!({})),
    }
}

fn words(run: &str, command: &Command) -> String {
    match command {
        Command::Stop { now: false } => format!("stop run {run}"),
        Command::Stop { now: true } => format!("stop run {run} at once"),
        Command::Pause => format!("pause run {run}"),
        Command::Resume => format!("resume run {run}"),
        Command::Scale { .. } => format!("scale run {run}"),
        Command::Cue { name } => format!("fire cue {name} of run {run}"),
    }
}
