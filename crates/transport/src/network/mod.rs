//! What all users of a thread share on their way to the system under test: names, addresses, the allow list and TLS.

mod connect;
mod dns;
mod origin;
mod service;
mod stream;

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use rehearsal_plan::Endpoint;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

pub(crate) use origin::{Origin, is_secure};
pub(crate) use stream::Stream;

use crate::http::Cooling;
use dns::Names;
use service::Service;

pub use service::ServiceOptions;

/// Decides whether an address of a host may be loaded; the error says why not. It is asked after the name was resolved, so a name
/// that is allowed cannot lead to an address that is not.
pub type Allow = dyn Fn(&str, IpAddr) -> Result<(), String>;

/// Says how a thread reaches the system under test.
#[derive(Default)]
pub struct NetworkOptions {
    /// Asked before every connection; `None` allows everything.
    pub allow: Option<Box<Allow>>,
    /// Local addresses to connect from, in turn. The kernel finds free ports slowly beyond about 14,000 connections of one
    /// source address to one destination, so large agents have several. Empty: the kernel chooses.
    pub sources: Vec<IpAddr>,
    /// Certificates of authorities to trust besides Mozilla's, in DER.
    pub roots: Vec<CertificateDer<'static>>,
    /// The service whose instances are followed, if there is one.
    pub service: Option<ServiceOptions>,
}

/// Names why a thread's network could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// One of [`NetworkOptions::roots`] is not a usable certificate.
    #[error("adding a trusted certificate")]
    Root(#[source] rustls::Error),
    /// The cryptography provider offers none of the protocol versions.
    #[error("setting up TLS")]
    Tls(#[source] rustls::Error),
}

/// Opens connections for all users of a thread.
pub struct Network {
    names: Names,
    tls: TlsConnector,
    allow: Option<Box<Allow>>,
    sources: Vec<IpAddr>,
    next_source: Cell<usize>,
    service: Option<Service>,
    /// Idle connections of all users whose buffers wait to be given back.
    pub(crate) cooling: Cooling,
}

impl Network {
    /// Makes the network of a thread. Nothing is looked up or opened yet.
    ///
    /// # Errors
    /// When a certificate of `options.roots` cannot be used, or TLS cannot be set up.
    pub fn new(options: NetworkOptions) -> Result<Rc<Self>, NetworkError> {
        Ok(Rc::new(Self {
            names: Names::default(),
            tls: TlsConnector::from(Arc::new(tls_config(options.roots)?)),
            allow: options.allow,
            sources: options.sources,
            next_source: Cell::new(0),
            service: options.service.map(Service::new),
            cooling: Cooling::default(),
        }))
    }

    /// Whether a kept connection must not be used again because the instance that it leads to is gone.
    pub(crate) fn is_gone(&self, instance: Option<&Endpoint>) -> bool {
        instance.zip(self.service.as_ref()).is_some_and(|(instance, service)| service.is_gone(instance))
    }
}

fn tls_config(roots: Vec<CertificateDer<'static>>) -> Result<ClientConfig, NetworkError> {
    let mut trusted = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for root in roots {
        trusted.add(root).map_err(NetworkError::Root)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(NetworkError::Tls)?
        .with_root_certificates(trusted)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Users share this configuration, but no two viewers share a session ticket: each pays for its own full handshake.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}
