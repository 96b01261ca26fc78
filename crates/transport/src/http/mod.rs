//! HTTP/1.1 as one viewer's browser speaks it: own cookies, a few kept connections a host, redirects followed, every hop reported.

mod call;
mod client;
mod connection;
mod cookies;
mod decode;
mod exchange;
mod idle;
mod pool;
mod redirect;

pub use call::{Hop, HopEvent, Request, Response};
pub use client::{Client, ClientOptions};

pub(crate) use client::deadline;
pub(crate) use idle::Cooling;
