//! The HTTP API of the coordinator: how dashboards, scripts and other commands see and steer runs.
//!
//! The crate knows runs only through the trait [`Desk`], which the coordinator implements. Around it stand the routes with
//! their OpenAPI document, one source for both ([`openapi`]); the stream of snapshots; the guard at the door (token, `Host`,
//! `Origin`); the [`Server`]; and the [`Client`] by which `coordinator stop` and its like reach a run in another process.
//!
//! Whoever has the token may do everything: there are no roles. The token is never part of an address that a server sees, and
//! there are no cookies, so no other page in the same browser can act in the operator's name.
#![forbid(unsafe_code)]

mod server;
mod desk;
mod request;
mod forecast;
mod command;
mod refusal;
mod frame;
mod routes;
mod body;
mod guard;
mod token;
mod client;

pub use client::{Client, ClientError};
pub use command::{Answer, Applied, Command};
pub use desk::{Desk, Reply};
pub use forecast::{AgentsForecast, CueForecast, CurvePoint, Forecast};
pub use frame::Frame;
pub use refusal::{Problem, Refusal, RefusalBody, Severity};
pub use request::{ReportFile, ReportFormat, RunEntry, RunRequest, ScenarioEntry, Started};
pub use routes::openapi;
pub use server::{Asset, Listen, Reach, Server};
pub use token::Token;
