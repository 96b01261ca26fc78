//! Joining: a token for a certificate, for those whom the launcher vouches for.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use rehearsal_fleet::{Door, Guest, GuestList, InstanceId};
use rehearsal_plan::AgentNumber;
use rehearsal_proto::v1;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::{Instant, timeout};
use tonic::{Request, Response, Status};

use super::super::authority::SharedAuthority;
use super::{Arrival, enter, reply};
use crate::serve::log;

/// How long an agent waits at the door for its launcher to know it. Then it asks again.
const AT_THE_DOOR: Duration = Duration::from_secs(5);
/// Joins a second. A fleet of a thousand joins in ten seconds, and guessing tokens is hopeless anyway.
const JOINS_PER_SECOND: u32 = 100;

/// Spaces joins evenly.
struct Pace {
    next: Instant,
}

impl Pace {
    fn new() -> Self {
        Self { next: Instant::now() }
    }

    /// How long this join has to wait.
    fn wait(&mut self, now: Instant) -> Duration {
        let at = self.next.max(now);
        self.next = at + Duration::from_secs(1) / JOINS_PER_SECOND;
        at.duration_since(now)
    }
}

/// Who joins comes here.
pub(super) struct JoinService {
    authority: SharedAuthority,
    list: watch::Receiver<GuestList>,
    inbox: mpsc::Sender<Arrival>,
    pace: Arc<Mutex<Pace>>,
}

impl JoinService {
    pub(super) fn new(
        authority: SharedAuthority,
        list: watch::Receiver<GuestList>,
        inbox: mpsc::Sender<Arrival>,
    ) -> Self {
        Self { authority, list, inbox, pace: Arc::new(Mutex::new(Pace::new())) }
    }

    /// Where an agent runs, if its launcher vouches for it.
    #[allow(clippy::result_large_err)] // tonic's own type
    async fn vouched(&self, instance: &InstanceId, from: IpAddr) -> Result<Option<String>, Status> {
        let mut list = self.list.clone();
        let decided = list.wait_for(|list| list.door(instance, from) != Door::NotYet);
        let door = match timeout(AT_THE_DOOR, decided).await {
            Ok(Ok(list)) => list.door(instance, from),
            Ok(Err(_)) | Err(_) => Door::NotYet,
        };
        match door {
            Door::Open(region) => Ok(region),
            Door::NotYet => {
                Err(Status::unavailable(format!("{instance} is not known yet as one of the fleet's: try again")))
            }
            Door::Shut => {
                log(&format!(
                    "warning: {from} was refused: it has the fleet's token and says that it is {instance}, which is elsewhere"
                ));
                Err(Status::permission_denied(format!("admitting an agent: {instance} does not come from {from}")))
            }
        }
    }
}

#[tonic::async_trait]
impl v1::join_server::Join for JoinService {
    async fn join(&self, request: Request<v1::JoinRequest>) -> Result<Response<v1::JoinReply>, Status> {
        let wait = self.pace.lock().await.wait(Instant::now());
        if wait > Duration::from_secs(5) {
            return Err(Status::resource_exhausted("too many agents are joining: try again"));
        }
        tokio::time::sleep(wait).await;
        let from = request.remote_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
        let v1::JoinRequest { token, public_key, build, instance, region, .. } = request.into_inner();
        check_build(&build)?;
        // Strangers wait for nothing.
        self.authority.check(&token)?;
        let is_vouched = matches!(*self.list.borrow(), GuestList::Named(_));
        let known = self.vouched(&InstanceId(instance.clone()), from).await?;
        let guest = Guest { instance, region: known.unwrap_or(region), is_vouched };
        let issued = self.authority.admit(&token, &public_key, &guest)?;
        enter(&self.inbox, AgentNumber(issued.agent), guest).await?;
        Ok(Response::new(reply(issued)))
    }
}

/// A cluster of different builds would measure different things.
#[allow(clippy::result_large_err)] // tonic's own type
fn check_build(build: &str) -> Result<(), Status> {
    let own = env!("CARGO_PKG_VERSION");
    match build == own {
        true => Ok(()),
        false => {
            Err(Status::failed_precondition(format!("the agent is of build {build}, the coordinator of build {own}")))
        }
    }
}
