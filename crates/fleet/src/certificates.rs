//! The three kinds of certificate of a fleet: the authority's own, the
//! coordinator's and an agent's. What each may be used for is decided here.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, Error, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SerialNumber, SignatureAlgorithm,
};
use ring::{
    agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral},
    rand::{SecureRandom, SystemRandom},
};
use time::OffsetDateTime;

/// A fleet serves rehearsals of some weeks; then a new one is made.
const AUTHORITY_S: u64 = 90 * 24 * 3600;
/// Made anew at each start of a coordinator, which runs for a day at most.
const SERVER_S: u64 = 7 * 24 * 3600;
/// Short, because nothing is ever revoked; renewed at half of it.
pub(crate) const AGENT_S: u64 = 3600;
/// Certificates hold from a day before they are made: agents check them with
/// wall clocks that may be wrong just after boot.
const EARLIER_S: u64 = 24 * 3600;

/// The authority's certificate. It is a function of its arguments: loading makes it
/// again to sign in its name.
pub(crate) fn authority(fleet: &str, created_unix: u64) -> Result<CertificateParams, Error> {
    let mut params = named(&format!("rehearsal fleet {fleet}"), created_unix, AUTHORITY_S)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(params)
}

/// The coordinator's certificate for its names and addresses.
pub(crate) fn server(names: &[String], now_unix: u64) -> Result<CertificateParams, Error> {
    let mut params = leaf("rehearsal coordinator", now_unix, SERVER_S)?;
    params.subject_alt_names = CertificateParams::new(names)?.subject_alt_names;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

/// An agent's certificate. It is good for nothing but being a client.
pub(crate) fn agent(number: u32, now_unix: u64) -> Result<CertificateParams, Error> {
    let mut params = leaf(&format!("rehearsal agent {number}"), now_unix, AGENT_S)?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn leaf(name: &str, now_unix: u64, life_s: u64) -> Result<CertificateParams, Error> {
    let mut params = named(name, now_unix, life_s)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(SerialNumber::from_slice(&random::<16>()?));
    Ok(params)
}

fn named(name: &str, now_unix: u64, life_s: u64) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = instant(now_unix.saturating_sub(EARLIER_S))?;
    params.not_after = instant(now_unix.saturating_add(life_s))?;
    Ok(params)
}

/// `unix` in seconds since the Unix epoch; an error past the year 9999.
fn instant(unix: u64) -> Result<OffsetDateTime, Error> {
    let seconds = i64::try_from(unix).map_err(|_| Error::Time)?;
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| Error::Time)
}

/// `N` bytes that nobody can guess.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::RingUnspecified)?;
    Ok(bytes)
}

/// An agent's public key as it came over the wire: a point that lies on P-256.
pub(crate) struct AgentPublicKey(Vec<u8>);

impl AgentPublicKey {
    /// Checks the point by using it once in a key agreement, which refuses any that is not on the curve.
    pub(crate) fn try_new(point: &[u8]) -> Option<AgentPublicKey> {
        let private = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).ok()?;
        let public = UnparsedPublicKey::new(&ECDH_P256, point);
        agree_ephemeral(private, &public, |_secret| ()).ok()?;
        Some(AgentPublicKey(point.to_vec()))
    }
}

impl PublicKeyData for AgentPublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}
