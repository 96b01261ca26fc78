//! Every adapter against what it reads: the real program where the distribution has one, else a fake that answers
//! as the published interface says.
#![allow(clippy::unwrap_used, reason = "clippy's leave for tests does not reach their shared functions")]

mod harness;
mod real;

mod settings;
mod pages;
mod web;
mod command;
mod demo;
mod haproxy;
mod prometheus;
mod redis;
mod consul;
mod zabbix;
mod flynn;
mod kubernetes;
