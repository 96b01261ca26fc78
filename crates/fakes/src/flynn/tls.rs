//! TLS with a certificate that the cluster signed itself, as each cluster of Flynn does.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum::serve::Listener;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Handshakes that are done and wait to be served.
const WAITING: usize = 16;

/// A certificate with its key.
pub struct Identity {
    acceptor: TlsAcceptor,
    /// The base64 of the SHA-256 of the certificate.
    pub pin: String,
    /// The certificate in PEM.
    pub pem: String,
}

impl Identity {
    /// Makes one for loopback.
    pub fn new() -> io::Result<Identity> {
        let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
        let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key))
            .map_err(io::Error::other)?;
        let pin = STANDARD.encode(digest(&SHA256, made.cert.der()));
        Ok(Identity { acceptor: TlsAcceptor::from(Arc::new(config)), pin, pem: made.cert.pem() })
    }
}

/// Serves routes over TLS until the future is dropped.
pub async fn serve(listener: TcpListener, routes: Router, identity: Identity) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let Ok(address) = listener.local_addr() else { return };
    let (done, waiting) = mpsc::channel(WAITING);
    let accepting = accept(listener, identity.acceptor, done);
    tokio::select! {
        // Neither ends by itself.
        () = accepting => {}
        _ = async { axum::serve(Secured { waiting, address }, routes).await } => {}
    }
}

/// Shakes hands with everybody at once, so that one who is silent holds up no other.
async fn accept(listener: tokio::net::TcpListener, acceptor: TlsAcceptor, done: mpsc::Sender<Accepted>) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // It fails while the process is out of files; trying again at once would only take a core.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        };
        let (acceptor, done) = (acceptor.clone(), done.clone());
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                let _ = done.send((stream, peer)).await;
            }
        });
    }
}

type Accepted = (TlsStream<TcpStream>, SocketAddr);

struct Secured {
    waiting: mpsc::Receiver<Accepted>,
    address: SocketAddr,
}

impl Listener for Secured {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Accepted {
        match self.waiting.recv().await {
            Some(accepted) => accepted,
            // Nobody accepts any more, which ends serving in a moment.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
