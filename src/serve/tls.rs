//! HTTPS: certificate and key from PEM files, by rustls.

use super::settings::TlsFiles;
use crate::error::{Error, Result};
use crate::files;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What accepts connections with a certificate.
///
/// Fails when a file cannot be read, holds something else, or the two do not fit together.
pub fn acceptor(of: &TlsFiles) -> Result<TlsAcceptor> {
    let read = |path: &Path| {
        let missing = || Error::data(format!("{} is not there; expected a PEM file", path.display()));
        files::read(path)?.ok_or_else(missing)
    };
    let wrong = |path: &Path, what: &str, why: String| {
        Error::data(format!("{} holds no {what} in PEM that can be read: {why}", path.display()))
    };
    let text = read(&of.certificates)?;
    let found: Result<Vec<CertificateDer>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let chain = found.map_err(|e| wrong(&of.certificates, "certificate", e.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(&of.certificates, "certificate", "there is none".into()));
    }
    let text = read(&of.key)?;
    let key =
        PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|e| wrong(&of.key, "private key", e.to_string()))?;
    let unfit = |e: tokio_rustls::rustls::Error| {
        Error::data(format!("{} and {} do not fit together: {e}", of.certificates.display(), of.key.display()))
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
