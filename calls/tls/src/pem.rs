//! Certificates and keys out of files, with errors that say which file and what to do.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};

use crate::error::TlsError;
use crate::limits::PEM_FILE_BYTES;
use crate::rules::provider;

/// All certificates of a file, in their order; at least one.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(file, "certificates")?;
    let not_pem = |problem: String| TlsError::NotPem {
        file: file.into(),
        what: "certificate",
        label: "CERTIFICATE",
        tool: "x509",
        problem,
    };
    let all: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&bytes).collect();
    match all {
        Ok(all) if all.is_empty() => Err(not_pem(found(&bytes))),
        Ok(all) => Ok(all),
        Err(error) => Err(not_pem(error.to_string())),
    }
}

/// A chain of certificates, with the key that the first of them was issued for.
pub(crate) fn identity(cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(cert)?;
    let secret = private_key(key)?;
    let signing = provider()
        .key_provider
        .load_private_key(secret)
        .map_err(|error| TlsError::UnusableKey { file: key.into(), problem: error.to_string() })?;
    let identity = CertifiedKey::new(chain, signing);
    match identity.keys_match() {
        // What cannot be compared is left to the handshake.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(identity),
        Err(Error::InconsistentKeys(_)) => Err(TlsError::KeyMismatch { cert: cert.into(), key: key.into() }),
        Err(error) => {
            Err(TlsError::MalformedCertificate { file: cert.into(), nth: 1, problem: error.to_string() })
        }
    }
}

/// The authorities in a file. Each must be one: an authority that is passed over is a surprise later.
pub(crate) fn authorities(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for (at, certificate) in certificates(file)?.into_iter().enumerate() {
        roots.add(certificate).map_err(|error| TlsError::UnusableAuthority {
            file: file.into(),
            nth: at + 1,
            problem: error.to_string(),
        })?;
    }
    Ok(roots)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = read(file, "a private key")?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        if contains(&bytes, b"BEGIN ENCRYPTED PRIVATE KEY") || contains(&bytes, b"Proc-Type: 4,ENCRYPTED") {
            return TlsError::EncryptedKey { file: file.into() };
        }
        let problem = match error {
            pem::Error::NoItemsFound => found(&bytes),
            other => other.to_string(),
        };
        TlsError::NotPem {
            file: file.into(),
            what: "private key",
            label: "PRIVATE KEY",
            tool: "pkey",
            problem,
        }
    })
}

fn read(file: &Path, what: &'static str) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { file: file.into(), source };
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(unreadable)?;
    opened.take(PEM_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > PEM_FILE_BYTES {
        return Err(TlsError::TooLarge { file: file.into(), what, limit: PEM_FILE_BYTES });
    }
    Ok(bytes)
}

/// What a file that holds nothing of use is.
fn found(bytes: &[u8]) -> String {
    let begin: &[u8] = b"-----BEGIN ";
    let label = bytes.windows(begin.len()).position(|window| window == begin).map(|at| {
        let rest = bytes.iter().skip(at + begin.len()).take(40);
        let label: Vec<u8> = rest
            .copied()
            .take_while(|byte| *byte != b'-' && byte.is_ascii_graphic() || *byte == b' ')
            .collect();
        String::from_utf8_lossy(&label).into_owned()
    });
    match label {
        Some(label) => format!("it begins with `{label}`"),
        None if bytes.is_empty() => "it is empty".to_owned(),
        None => "it is no PEM".to_owned(),
    }
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}
