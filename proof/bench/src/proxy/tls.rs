//! A certificate for the time of a bench: ECDSA P-256, made by the program `openssl`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The files of a certificate.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    /// Both of them in one file.
    pub(crate) both: PathBuf,
}

impl Certificate {
    /// A new one in `folder`, or `None` where there is no `openssl`.
    pub(crate) fn make(folder: &Path) -> Option<Self> {
        let file = |name: &str| folder.join(name);
        let certificate = Self { chain: file("chain.pem"), key: file("key.pem"), both: file("both.pem") };
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
        command.args(["-days", "2", "-subj", "/CN=localhost"]);
        command.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
        command.arg("-out").arg(&certificate.chain).arg("-keyout").arg(&certificate.key);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !status.is_ok_and(|status| status.success()) {
            return None;
        }
        let both = [&certificate.chain, &certificate.key].map(|file| std::fs::read(file).unwrap()).concat();
        std::fs::write(&certificate.both, both).unwrap();
        Some(certificate)
    }
}
