//! The CA bundle for other programs: the system's roots and the local hub's CA in one PEM file. Variables such as `SSL_CERT_FILE`
//! replace a program's roots, so the hub's CA alone would break every other program of that shell.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::process::Trouble;

/// The bundle's name, beside the CA in the hub's folder.
const FILE: &str = "ca-bundle.pem";

/// Columns of a line of base64 in PEM.
const COLUMNS: usize = 64;

/// Writes the bundle beside the CA and returns its path.
pub(crate) fn write(ca: &Path) -> Result<PathBuf, Trouble> {
    let refuse = |path: &Path, error: std::io::Error| Trouble::usage(format!("cannot use {}: {error}", path.display()));
    let ours = std::fs::read_to_string(ca).map_err(|error| refuse(ca, error))?;
    // SSL_CERT_FILE may be this very bundle from the last time: then its roots come round again, and our CA is not doubled below.
    let system: Vec<String> =
        rustls_native_certs::load_native_certs().certs.iter().map(|certificate| pem(certificate)).collect();
    let mut text: String = system.into_iter().filter(|certificate| squeezed(certificate) != squeezed(&ours)).collect();
    text.push_str(&ours);
    let folder = ca.parent().unwrap_or_else(|| Path::new("."));
    let path = folder.join(FILE);
    let beside = folder.join(format!(".{FILE}.{}", std::process::id()));
    // Moved into place whole: another program may be reading the old one.
    let written = std::fs::File::create(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| std::fs::rename(&beside, &path));
    written.map(|()| path.clone()).map_err(|error| refuse(&path, error))
}

fn pem(der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in encoded.as_bytes().chunks(COLUMNS) {
        text.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}

fn squeezed(pem: &str) -> String {
    pem.split_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_long_as_pem_wants_them() {
        let text = pem(&[7; 100]);
        assert!(text.lines().all(|line| line.len() <= COLUMNS), "{text}");
        assert_eq!(text.lines().count(), 5);
    }

    #[test]
    fn our_ca_stands_in_it_once() {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, pem(b"ours")).unwrap();
        let bundle = std::fs::read_to_string(write(&ca).unwrap()).unwrap();
        assert_eq!(bundle.matches(pem(b"ours").lines().nth(1).unwrap()).count(), 1);
    }
}
