//! The link: sessions of agents that show a certificate of the fleet, their clock, and a newer certificate.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rehearsal_engine::RunClock;
use rehearsal_link::{Session, ToCoordinator};
use rehearsal_metrics::Interval;
use rehearsal_plan::AgentNumber;
use rehearsal_proto::v1;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::super::authority::SharedAuthority;
use super::{Arrival, enter, reply};

/// Messages to one agent that wait for its network; an agent that falls behind by this much is cut off.
const WAITING: usize = 256;

/// Who was admitted dials here.
pub(super) struct LinkService {
    authority: SharedAuthority,
    inbox: mpsc::Sender<Arrival>,
    clock: Arc<RunClock>,
    sessions: AtomicU64,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl LinkService {
    pub(super) fn new(authority: SharedAuthority, inbox: mpsc::Sender<Arrival>, clock: Arc<RunClock>) -> Self {
        Self { authority, inbox, clock, sessions: AtomicU64::new(1) }
    }

    /// The agent whose certificate made this connection.
    #[allow(clippy::result_large_err)] // tonic's own type
    fn caller<T>(&self, request: &Request<T>) -> Result<(AgentNumber, Vec<u8>), Status> {
        let certificates = request.peer_certs().ok_or_else(|| Status::unauthenticated("no certificate was shown"))?;
        let own = certificates.first().ok_or_else(|| Status::unauthenticated("no certificate was shown"))?;
        let agent = self.authority.agent_of(own.as_ref());
        let agent =
            agent.ok_or_else(|| Status::permission_denied("the certificate is not of this fleet, or has ended"))?;
        Ok((AgentNumber(agent), own.as_ref().to_vec()))
    }
}

#[tonic::async_trait]
impl v1::link_server::Link for LinkService {
    type SessionStream = ReceiverStream<Result<v1::CoordinatorMessage, Status>>;
    type ClockStream = Answers<v1::ProbeAnswer>;

    async fn session(
        &self,
        request: Request<Streaming<v1::AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (agent, _) = self.caller(&request)?;
        // It may have been admitted long before this run.
        enter(&self.inbox, agent, self.authority.guest(agent.0)).await?;
        let session = Session(self.sessions.fetch_add(1, Ordering::Relaxed));
        let (outgoing, messages) = mpsc::channel(WAITING);
        let connected = Arrival::Connected { session, outgoing: outgoing.clone() };
        self.inbox.send(connected).await.map_err(|_| Status::unavailable("the run is over"))?;
        tokio::spawn(listen(session, agent, request.into_inner(), self.inbox.clone(), outgoing));
        Ok(Response::new(ReceiverStream::new(messages)))
    }

    async fn clock(&self, request: Request<Streaming<v1::Probe>>) -> Result<Response<Self::ClockStream>, Status> {
        use tokio_stream::StreamExt as _;
        self.caller(&request)?;
        let clock = Arc::clone(&self.clock);
        let answers = request.into_inner().map(move |probe| {
            let received_us = clock.now().0;
            probe.map(|probe| v1::ProbeAnswer { sent_us: probe.sent_us, received_us, answered_us: clock.now().0 })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn renew(&self, request: Request<v1::RenewRequest>) -> Result<Response<v1::JoinReply>, Status> {
        let (_, certificate) = self.caller(&request)?;
        let issued = self.authority.renew(&certificate, &request.into_inner().public_key)?;
        Ok(Response::new(reply(issued)))
    }
}

/// Hands on what an agent says, until it stops or says what cannot be understood.
async fn listen(
    session: Session,
    agent: AgentNumber,
    mut incoming: Streaming<v1::AgentMessage>,
    inbox: mpsc::Sender<Arrival>,
    outgoing: mpsc::Sender<Result<v1::CoordinatorMessage, Status>>,
) {
    while let Ok(Some(message)) = incoming.message().await {
        let message = match understand(agent, message) {
            Ok(message) => message,
            Err(status) => {
                let _ = outgoing.send(Err(*status)).await; // it may have hung up itself
                break;
            }
        };
        if inbox.send(Arrival::Said { session, message }).await.is_err() {
            break;
        }
    }
    let _ = inbox.send(Arrival::Disconnected { session }).await; // the run may be over
}

/// A certificate speaks for one agent: a hello in another's name is refused.
fn understand(agent: AgentNumber, message: v1::AgentMessage) -> Result<ToCoordinator<Interval>, Box<Status>> {
    let message = ToCoordinator::try_from(message).map_err(|error| Status::invalid_argument(error.to_string()))?;
    match &message {
        ToCoordinator::Hello(hello) if hello.agent != agent => {
            Err(Status::permission_denied(format!("agent {} spoke in the name of agent {}", agent.0, hello.agent.0))
                .into())
        }
        _ => Ok(message),
    }
}
