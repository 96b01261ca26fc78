//! The one file of an authority: written whole or not at all, for its owner alone.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use rcgen::KeyPair;
use serde::{Deserialize, Serialize};

use super::Authority;
use crate::admissions::Admissions;

/// The file's content.
#[derive(Serialize, Deserialize)]
struct Stored<Book> {
    fleet: String,
    created_unix: u64,
    /// DER, in base64.
    certificate: String,
    /// PKCS #8 DER, in base64.
    key: String,
    admissions: Book,
}

pub(super) fn write(authority: &Authority, path: &Path) -> io::Result<()> {
    let stored = Stored {
        fleet: authority.fleet.clone(),
        created_unix: authority.created_unix,
        certificate: BASE64_STANDARD.encode(&authority.certificate),
        key: BASE64_STANDARD.encode(authority.key.serialized_der()),
        admissions: &authority.admissions,
    };
    replace(path, &serde_json::to_vec_pretty(&stored)?)
}

pub(super) fn read(path: &Path) -> io::Result<Authority> {
    let stored: Stored<Admissions> = serde_json::from_slice(&fs::read(path)?)?;
    let damaged = |problem: &str| io::Error::new(io::ErrorKind::InvalidData, problem.to_owned());
    let key = BASE64_STANDARD
        .decode(&stored.key)
        .ok()
        .and_then(|der| KeyPair::try_from(der).ok())
        .ok_or_else(|| damaged("the private key is not readable"))?;
    let certificate =
        BASE64_STANDARD.decode(&stored.certificate).map_err(|_| damaged("the certificate is not readable"))?;
    Ok(Authority {
        fleet: stored.fleet,
        created_unix: stored.created_unix,
        certificate,
        key,
        admissions: stored.admissions,
    })
}

/// Writes a new file beside the old one and puts it in its place: a crash, also of the machine, leaves
/// one or the other, and the new one once this has returned.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().expect("the path is that of a file in a folder");
    fs::create_dir_all(folder)?;
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {} // a leftover of a crash might have another mode
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    fs::File::open(folder)?.sync_all()
}
