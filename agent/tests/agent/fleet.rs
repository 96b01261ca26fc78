//! What outlives a coordinator: the authority and its addresses. One coordinator after the other may serve the same agents.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rehearsal_fleet::{Authority, Guest, IssuedCertificate, Refused};
use rehearsal_proto::join::JoinBlob;
use rehearsal_proto::tls::{SERVER_NAME, join_server, link_server};
use rehearsal_proto::v1::JoinReply;
use tonic::Status;
use tonic::transport::ServerTlsConfig;

/// A fleet that agents can join as long as its token is good.
pub struct Fleet {
    pub blob: JoinBlob,
    pub rules: Mutex<Rules>,
    authority: Mutex<Authority>,
    /// They stay open from one coordinator to the next, so that nobody else gets the ports.
    listeners: [TcpListener; 2],
}

/// How it deals with those who ask.
pub struct Rules {
    /// How many who join are sent away for now.
    pub busy: usize,
    /// For how long certificates hold, as agents are told.
    pub holds: Duration,
    /// Whether nobody's certificate is renewed.
    pub disowns: bool,
}

impl Fleet {
    /// A fleet of so many agents, who stay or do not.
    pub fn new(agents: usize, stays: bool) -> Arc<Self> {
        let mut authority = Authority::create("test", now()).unwrap();
        let token = authority.token(now() + 600, agents as u32).unwrap();
        let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let [join, link] = [0, 1].map(|which: usize| vec![listeners[which].local_addr().unwrap().to_string()]);
        let (ca_der, fleet) = (authority.certificate().to_vec(), "test".to_owned());
        let (token, expires_unix) = (token.secret, token.expires_unix);
        let blob = JoinBlob { coordinators: join, link, ca_der, token, expires_unix, fleet, stays };
        let rules = Mutex::new(Rules { busy: 0, holds: Duration::from_secs(3_600), disowns: false });
        Arc::new(Self { blob, rules, authority: Mutex::new(authority), listeners })
    }

    /// The listeners of joining and of the link, for another coordinator.
    pub fn listeners(&self) -> [TcpListener; 2] {
        [0, 1].map(|which: usize| self.listeners[which].try_clone().unwrap())
    }

    /// What both listeners show.
    pub fn tls(&self) -> [ServerTlsConfig; 2] {
        let shown = self.authority.lock().unwrap().server_certificate(&[SERVER_NAME.to_owned()], now()).unwrap();
        [join_server(&shown.chain, &shown.key), link_server(&self.blob.ca_der, &shown.chain, &shown.key)]
    }

    #[allow(clippy::result_large_err, reason = "tonic's own type")]
    pub fn admit(&self, token: &str, key: &[u8]) -> Result<JoinReply, Status> {
        let mut rules = self.rules.lock().unwrap();
        if let Some(busy) = rules.busy.checked_sub(1) {
            rules.busy = busy;
            return Err(Status::unavailable("too many at once"));
        }
        self.reply(&rules, self.authority.lock().unwrap().admit(token, key, &Guest::default(), now()))
    }

    #[allow(clippy::result_large_err, reason = "tonic's own type")]
    pub fn renew(&self, certificate: &[u8], key: &[u8]) -> Result<JoinReply, Status> {
        let rules = self.rules.lock().unwrap();
        if rules.disowns {
            return Err(Status::permission_denied("never seen it"));
        }
        self.reply(&rules, self.authority.lock().unwrap().renew(certificate, key, now()))
    }

    #[allow(clippy::result_large_err, reason = "tonic's own type")]
    fn reply(&self, rules: &Rules, issued: Result<IssuedCertificate, Refused>) -> Result<JoinReply, Status> {
        let issued = issued.map_err(|refused| Status::permission_denied(refused.to_string()))?;
        let IssuedCertificate { agent, chain, expires_unix } = issued;
        Ok(JoinReply { certificate_chain: chain, agent, expires_unix, holds_s: rules.holds.as_secs() })
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
