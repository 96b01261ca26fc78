//! One connection to the coordinator: dials, then carries messages both ways until it breaks.

use std::time::Duration;

use anyhow::Context as _;
use rehearsal_link::{ToAgent, ToCoordinator};
use rehearsal_metrics::Interval;
use rehearsal_proto::LARGEST_MESSAGE;
use rehearsal_proto::v1::{AgentMessage, CoordinatorMessage, link_client::LinkClient};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

use crate::identity::Identity;

/// Messages that wait for the network: more than a window of intervals and the heartbeats between them. When it is full
/// the connection is as good as gone and is given up.
const WAITING: usize = 256;

/// The longest that dialling an address takes, TLS included: three round trips of 300 ms when every third packet is lost.
pub(crate) const DIALLING: Duration = Duration::from_secs(10);

/// How long the end of a connection may take: one repetition of what was lost.
const PARTING: Duration = Duration::from_secs(3);

/// What a connection tells the session.
pub(crate) enum News {
    /// It stands.
    Connected,
    /// The coordinator said something.
    Message(ToAgent),
    /// It is gone, or never came to be: why, unless the coordinator closed it in order.
    Gone(Option<anyhow::Error>),
}

/// Where the coordinator is and how to be trusted there.
#[derive(Clone)]
pub(crate) struct Dialer(Identity);

impl Dialer {
    pub(crate) fn new(identity: Identity) -> Self {
        Self(identity)
    }

    /// A channel to the first address that answers, made with the newest certificate.
    pub(crate) async fn dial(&self) -> anyhow::Result<LinkClient<Channel>> {
        let mut failed = None;
        for address in &self.0.blob().link {
            match connect(address, self.0.tls()).await {
                Ok(channel) => return Ok(LinkClient::new(channel).max_decoding_message_size(LARGEST_MESSAGE)),
                Err(error) => failed = Some(error.context(format!("dialling {address}"))),
            }
        }
        Err(failed.unwrap_or_else(|| anyhow::anyhow!("the join blob has no address of the link")))
    }
}

/// A channel to an address. The endpoint's own limit would leave out the handshake of TLS, for which a dead peer is waited
/// for without end.
pub(crate) async fn connect(address: &str, tls: ClientTlsConfig) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("https://{address}"))?.tcp_nodelay(true).tls_config(tls)?;
    Ok(tokio::time::timeout(DIALLING, endpoint.connect()).await.context("waiting for the connection")??)
}

/// A connection that is being made, or stands. Dropping it ends it.
pub(crate) struct Connection {
    outgoing: mpsc::Sender<AgentMessage>,
    task: JoinHandle<()>,
}

impl Connection {
    /// Dials after a delay and tells what becomes of it; `Gone` comes exactly once, last.
    pub(crate) fn open(dialer: Dialer, after: Duration, news: mpsc::Sender<News>) -> Self {
        let (outgoing, receiver) = mpsc::channel(WAITING);
        let task = tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let why = carry(&dialer, receiver, &news).await.err();
            let _ = news.send(News::Gone(why)).await; // the session may have ended
        });
        Self { outgoing, task }
    }

    /// Queues a message; false when the connection is given up.
    pub(crate) fn send(&self, message: ToCoordinator<Interval>) -> bool {
        self.outgoing.try_send(message.into()).is_ok()
    }

    /// Ends it when all that was said is there: the other end then ends it, too. What a process that just went had said may
    /// be lost, because what is still on its way to it would be answered by resetting the connection.
    pub(crate) async fn close(mut self) {
        self.outgoing = mpsc::channel(1).0;
        let _ = tokio::time::timeout(PARTING, &mut self.task).await; // whoever is not there any more needs not know
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    dialer: &Dialer,
    outgoing: mpsc::Receiver<AgentMessage>,
    news: &mpsc::Sender<News>,
) -> anyhow::Result<()> {
    let mut client = dialer.dial().await?;
    // The hello travels with the request, so the session must hear of the connection before the coordinator answers. From
    // here on it hangs up when nothing is heard.
    let _ = news.send(News::Connected).await;
    let mut incoming = client.session(ReceiverStream::new(outgoing)).await.context("opening the session")?.into_inner();
    while let Some(message) = incoming.message().await.context("listening to the coordinator")? {
        let message: CoordinatorMessage = message;
        let message = ToAgent::try_from(message).context("understanding the coordinator")?;
        if news.send(News::Message(message)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Standard error is the agent's log.
pub(crate) fn log(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "agent: {text}");
}
