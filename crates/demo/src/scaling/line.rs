//! A connection at the balancer: its requests take their turn at an instance, and it is told when
//! that instance wants it to leave.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;
use tokio::time::{sleep, timeout_at};

use super::balancer::Balancer;
use super::pool::{ConnectionId, Order, Service};
use crate::Shared;
use crate::refusal::Refusal;
use crate::session::Token;

/// A connection, as its requests know it.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    balancer: Arc<Balancer>,
    id: ConnectionId,
    orders: watch::Receiver<Order>,
}

/// A connection, as long as it lasts: its instance is free of it when this is dropped.
#[derive(Debug)]
pub(crate) struct Member(Line);

impl Member {
    pub(super) fn new(balancer: Arc<Balancer>, id: ConnectionId, orders: watch::Receiver<Order>) -> Self {
        Self(Line { balancer, id, orders })
    }

    pub(crate) fn line(&self) -> Line {
        self.0.clone()
    }

    /// Notes that there will be no more requests: from now on this is a WebSocket.
    pub(crate) fn became_socket(&self) -> Line {
        self.0.balancer.lock().pool.became_socket(self.0.id);
        self.line()
    }

    /// Waits until the connection is to end without a word.
    pub(crate) async fn cut(&mut self) {
        // An error would say that the balancer has forgotten this connection, which lasts.
        let _ = self.0.orders.wait_for(|order| *order == Order::Cut).await;
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.0.balancer.lock();
        state.pool.close(self.0.id);
        state.lines.remove(&self.0.id);
    }
}

impl Line {
    /// Waits until the connection's instance drains and it is this one's time to leave in order. It
    /// may be told to stay before that, because another instance has it by then.
    async fn asked_to_leave(&mut self) {
        loop {
            let order = *self.orders.borrow_and_update();
            let told = match order {
                Order::Leave { at } => timeout_at(self.balancer.instant(at), self.orders.changed()).await,
                Order::Stay => Ok(self.orders.changed().await),
                Order::Cut => pending().await,
            };
            // Either it is time, or nobody is left to say anything else.
            if !matches!(told, Ok(Ok(()))) {
                return;
            }
        }
    }

    fn turn(&self, session: Option<Token>) -> Service {
        let mut state = self.balancer.lock();
        let (service, order) = state.pool.serve(self.id, session);
        state.give(order.map(|order| (self.id, order)).into_iter().collect());
        service
    }
}

/// Waits until an instance that drains asks its connection to leave; for ever without an autoscaler.
pub(crate) async fn asked_to_leave(line: &mut Option<Line>) {
    match line {
        Some(line) => line.asked_to_leave().await,
        None => pending().await,
    }
}

/// Lets a request wait as long as its instance is slow, and refuses it if none has room. It is not
/// counted before its turn: who is cut off while waiting was not answered.
pub(crate) async fn in_turn(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let line = request.extensions().get::<Line>();
    match line.map(|line| line.turn(shared.sessions.of(request.headers()))) {
        None | Some(Service::After(Duration::ZERO)) => {}
        Some(Service::After(wait)) => sleep(wait).await,
        Some(Service::Refused) => return Refusal::Overloaded.into_response(),
    }
    next.run(request).await
}
