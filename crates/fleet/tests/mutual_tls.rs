//! Joining and the link end to end on loopback: who has a certificate of the fleet
//! gets in, and nobody else, in either direction.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rehearsal_fleet::{Authority, Guest, IssuedCertificate, ServerCertificate};
use rehearsal_proto::{
    tls::{self, AgentKey, SERVER_NAME},
    v1::{
        AgentMessage, CoordinatorMessage, JoinReply, JoinRequest, Probe, ProbeAnswer, RenewRequest,
        join_client::JoinClient,
        join_server::{Join, JoinServer},
        link_client::LinkClient,
        link_server::{Link, LinkServer},
    },
};
use tokio::net::TcpListener;
use tokio_stream::{Empty, wrappers::TcpListenerStream};
use tonic::{
    Code, Request, Response, Status, Streaming,
    transport::{Channel, ClientTlsConfig, Endpoint, Server},
};

const BOUND: Duration = Duration::from_secs(20);

struct Coordinator {
    authority: Mutex<Authority>,
}

/// The smallest service of both listeners: it admits and renews, and knows nothing else.
#[derive(Clone)]
struct Desk(Arc<Coordinator>);

#[tonic::async_trait]
impl Join for Desk {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinReply>, Status> {
        let request = request.into_inner();
        let mut authority = self.0.authority.lock().unwrap();
        let issued = authority.admit(&request.token, &request.public_key, &Guest::default(), now());
        issued.map(reply).map_err(|refused| Status::permission_denied(refused.to_string()))
    }
}

#[tonic::async_trait]
impl Link for Desk {
    type SessionStream = Empty<Result<CoordinatorMessage, Status>>;
    type ClockStream = Empty<Result<ProbeAnswer, Status>>;

    async fn session(&self, _: Request<Streaming<AgentMessage>>) -> Result<Response<Self::SessionStream>, Status> {
        Err(Status::unimplemented("not part of this test"))
    }

    async fn clock(&self, _: Request<Streaming<Probe>>) -> Result<Response<Self::ClockStream>, Status> {
        Err(Status::unimplemented("not part of this test"))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<JoinReply>, Status> {
        let shown = request.peer_certs().ok_or_else(|| Status::unauthenticated("no certificate"))?;
        let mut authority = self.0.authority.lock().unwrap();
        let issued = authority.renew(&shown[0], &request.get_ref().public_key, now());
        issued.map(reply).map_err(|refused| Status::permission_denied(refused.to_string()))
    }
}

fn reply(issued: IssuedCertificate) -> Response<JoinReply> {
    let IssuedCertificate { agent, chain, expires_unix } = issued;
    Response::new(JoinReply { certificate_chain: chain, agent, expires_unix, holds_s: expires_unix - now() })
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

struct Listening {
    coordinator: Arc<Coordinator>,
    ca: Vec<u8>,
    join: SocketAddr,
    link: SocketAddr,
}

async fn listen() -> Listening {
    let authority = Authority::create("test", now()).unwrap();
    let ca = authority.certificate().to_vec();
    let ServerCertificate { chain, key } = authority.server_certificate(&[SERVER_NAME.to_owned()], now()).unwrap();
    let coordinator = Arc::new(Coordinator { authority: Mutex::new(authority) });
    let desk = Desk(coordinator.clone());

    let (join_listener, join) = bind().await;
    let server = Server::builder().tls_config(tls::join_server(&chain, &key)).unwrap();
    tokio::spawn(server.serve_with_incoming(JoinServer::new(desk.clone()), join_listener));

    let (link_listener, link) = bind().await;
    let server = Server::builder().tls_config(tls::link_server(&ca, &chain, &key)).unwrap();
    tokio::spawn(server.serve_with_incoming(LinkServer::new(desk), link_listener));
    Listening { coordinator, ca, join, link }
}

async fn bind() -> (TcpListenerStream, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (TcpListenerStream::new(listener), address)
}

/// Who said no: TLS before any request was heard, or the service that heard one.
#[derive(Debug, PartialEq)]
enum Refusal {
    Tls,
    Service(String),
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Refusal {
        match status.code() {
            Code::PermissionDenied | Code::Unauthenticated => Refusal::Service(status.message().to_owned()),
            _ => Refusal::Tls,
        }
    }
}

async fn connect(to: SocketAddr, settings: ClientTlsConfig) -> Result<Channel, Refusal> {
    let endpoint = Endpoint::from_shared(format!("https://{to}")).unwrap();
    let endpoint = endpoint.tls_config(settings).unwrap().timeout(BOUND).connect_timeout(BOUND);
    endpoint.connect().await.map_err(|_| Refusal::Tls)
}

/// What an agent does at half of its certificate's life; needs a connection that was let in.
async fn renew(to: SocketAddr, settings: ClientTlsConfig) -> Result<JoinReply, Refusal> {
    let mut client = LinkClient::new(connect(to, settings).await?);
    let request = RenewRequest { public_key: AgentKey::generate().unwrap().public };
    Ok(client.renew(request).await?.into_inner())
}

async fn join(at: &Listening, token: &str, key: &AgentKey) -> Result<JoinReply, Refusal> {
    let mut client = JoinClient::new(connect(at.join, tls::join_client(&at.ca)).await?);
    let request = JoinRequest { token: token.to_owned(), public_key: key.public.clone(), ..JoinRequest::default() };
    Ok(client.join(request).await?.into_inner())
}

fn token(at: &Listening) -> String {
    at.coordinator.authority.lock().unwrap().token(now() + 60, 1).unwrap().secret
}

#[tokio::test]
async fn an_agent_joins_and_renews_as_the_same_agent() {
    let at = listen().await;
    let key = AgentKey::generate().unwrap();
    let joined = join(&at, &token(&at), &key).await.unwrap();
    let settings = tls::link_client(&at.ca, &joined.certificate_chain, &key.private);
    let renewed = renew(at.link, settings).await.unwrap();
    assert_eq!((joined.agent, renewed.agent), (1, 1));
    assert_ne!(joined.certificate_chain, renewed.certificate_chain);
}

#[tokio::test]
async fn a_wrong_token_is_refused_with_its_reason() {
    let at = listen().await;
    let refused = join(&at, "guess", &AgentKey::generate().unwrap()).await;
    let reason = "admitting an agent: its token is unknown to this fleet".to_owned();
    assert_eq!(refused, Err(Refusal::Service(reason)));
}

#[tokio::test]
async fn without_a_certificate_the_link_stays_closed() {
    let at = listen().await;
    assert_eq!(renew(at.link, tls::join_client(&at.ca)).await, Err(Refusal::Tls));
}

#[tokio::test]
async fn a_certificate_of_another_fleet_is_refused() {
    let (ours, other) = (listen().await, listen().await);
    let key = AgentKey::generate().unwrap();
    let foreign = join(&other, &token(&other), &key).await.unwrap();
    let settings = tls::link_client(&ours.ca, &foreign.certificate_chain, &key.private);
    assert_eq!(renew(ours.link, settings).await, Err(Refusal::Tls));
}

#[tokio::test]
async fn an_agent_refuses_the_coordinator_of_another_fleet() {
    let (ours, other) = (listen().await, listen().await);
    let key = AgentKey::generate().unwrap();
    let joined = join(&ours, &token(&ours), &key).await.unwrap();
    let settings = tls::link_client(&other.ca, &joined.certificate_chain, &key.private);
    assert_eq!(renew(ours.link, settings).await, Err(Refusal::Tls));
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_refused() {
    let at = listen().await;
    let (secret, key) = (token(&at), AgentKey::generate().unwrap());
    let past = now() - 2 * 3600;
    let ended = at.coordinator.authority.lock().unwrap().admit(&secret, &key.public, &Guest::default(), past).unwrap();
    let settings = tls::link_client(&at.ca, &ended.chain, &key.private);
    assert_eq!(renew(at.link, settings).await, Err(Refusal::Tls));
}

/// An agent's certificate must not let it play the coordinator to other agents.
#[tokio::test]
async fn an_agent_cannot_pose_as_the_coordinator() {
    let at = listen().await;
    let key = AgentKey::generate().unwrap();
    let joined = join(&at, &token(&at), &key).await.unwrap();
    let (listener, address) = bind().await;
    let settings = tls::join_server(&joined.certificate_chain, &key.private);
    let server = Server::builder().tls_config(settings).unwrap();
    tokio::spawn(server.serve_with_incoming(LinkServer::new(Desk(at.coordinator.clone())), listener));
    assert_eq!(renew(address, tls::join_client(&at.ca)).await, Err(Refusal::Tls));
}
