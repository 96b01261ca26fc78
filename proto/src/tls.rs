//! Mutual TLS under the fleet's own authority: the settings that both ends share,
//! so that neither can be started with a weaker one by accident.
//!
//! Agents know the coordinator by [`SERVER_NAME`], not by its address: the address
//! may be an IP behind NAT or change, while the authority vouches for the name.

use base64::{Engine, prelude::BASE64_STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

/// The name in the coordinator's certificate, whatever its address is.
pub const SERVER_NAME: &str = "coordinator.rehearsal";

/// Settings of the link's listener: only agents with a certificate of the authority get in.
///
/// `chain` is the server's certificate first, all DER; `key` is PKCS #8 DER.
pub fn link_server(ca: &[u8], chain: &[Vec<u8>], key: &[u8]) -> ServerTlsConfig {
    join_server(chain, key).client_ca_root(certificate(ca)).client_auth_optional(false)
}

/// Settings of the join listener, whose clients have no certificate yet.
pub fn join_server(chain: &[Vec<u8>], key: &[u8]) -> ServerTlsConfig {
    ServerTlsConfig::new().identity(identity(chain, key))
}

/// Settings of an agent on the link: it shows `chain` and accepts only the authority's server.
pub fn link_client(ca: &[u8], chain: &[Vec<u8>], key: &[u8]) -> ClientTlsConfig {
    join_client(ca).identity(identity(chain, key))
}

/// Settings of an agent that joins: it trusts the authority of the join blob alone.
pub fn join_client(ca: &[u8]) -> ClientTlsConfig {
    ClientTlsConfig::new().ca_certificate(certificate(ca)).domain_name(SERVER_NAME)
}

/// An agent's key pair, made where it is used: the private half never travels.
pub struct AgentKey {
    /// The private key, PKCS #8 DER, as [`link_client`] wants it.
    pub private: Vec<u8>,
    /// The public key as [`crate::v1::JoinRequest`] wants it: an uncompressed P-256 point.
    pub public: Vec<u8>,
}

/// The system gave no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("generating the agent's key: the system gave no random numbers")]
pub struct NoRandomness;

impl AgentKey {
    /// Makes a new key pair.
    ///
    /// # Errors
    /// [`NoRandomness`] if the system's generator fails.
    pub fn generate() -> Result<AgentKey, NoRandomness> {
        let (algorithm, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
        let private = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_| NoRandomness)?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, private.as_ref(), &random).map_err(|_| NoRandomness)?;
        Ok(AgentKey { private: private.as_ref().to_vec(), public: pair.public_key().as_ref().to_vec() })
    }
}

fn certificate(der: &[u8]) -> Certificate {
    Certificate::from_pem(pem("CERTIFICATE", der))
}

fn identity(chain: &[Vec<u8>], key: &[u8]) -> Identity {
    let chain: String = chain.iter().map(|der| pem("CERTIFICATE", der)).collect();
    Identity::from_pem(chain, pem("PRIVATE KEY", key))
}

/// Wraps DER as PEM (RFC 7468), the one form that tonic takes.
fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = BASE64_STANDARD.encode(der);
    while !rest.is_empty() {
        let tail = rest.split_off(rest.len().min(64));
        text.push_str(&rest);
        text.push('\n');
        rest = tail;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_has_lines_of_64_characters() {
        let text = pem("CERTIFICATE", &[7; 100]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "-----BEGIN CERTIFICATE-----");
        assert_eq!(lines[1].len(), 64);
        assert_eq!(lines[lines.len() - 1], "-----END CERTIFICATE-----");
        let body: String = lines[1..lines.len() - 1].concat();
        assert_eq!(BASE64_STANDARD.decode(body).unwrap(), vec![7; 100]);
    }

    #[test]
    fn keys_differ_and_have_the_form_of_the_wire() {
        let (one, other) = (AgentKey::generate().unwrap(), AgentKey::generate().unwrap());
        assert_eq!((one.public.len(), one.public[0]), (65, 4));
        assert_ne!(one.private, other.private);
    }
}
