//! Trust in one certificate: clusters of Flynn sign their own, and clients are told its digest.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rehearsal_plan::Problem;
use ring::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use serde_json::Value;

use crate::{settings, web};

/// The SHA-256 digest of a server's own certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin([u8; 32]);

impl Pin {
    /// Reads a digest in base64.
    ///
    /// # Errors
    /// When it is something else.
    pub fn read(value: &Value) -> Result<Pin, Problem> {
        let bytes = STANDARD.decode(settings::text(value)?).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Pin).ok_or_else(|| {
            let hint = "it is what `flynn cluster add` gets by `-p`: the base64 of the SHA-256 of the certificate";
            Problem::new("is not the digest of a certificate").hint(hint)
        })
    }

    /// Trusts a server that has the certificate, whoever signed it and whatever names and dates are in it, and no other.
    pub fn trusted_alone(self) -> ClientConfig {
        let provider = web::provider();
        let verifier = Pinned { pin: self, algorithms: provider.signature_verification_algorithms };
        ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has ciphers for all versions of TLS that are compiled in")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth()
    }
}

#[derive(Debug)]
struct Pinned {
    pin: Pin,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match digest(&SHA256, end_entity).as_ref() == self.pin.0 {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(Error::General("the server's certificate is not the pinned one".into())),
        }
    }

    // That the server has the certificate's key is checked as for any other.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
