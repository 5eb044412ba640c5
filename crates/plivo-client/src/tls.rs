//! TLS as this client speaks it: rustls with ring, the system's certificates, and those of the configuration.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::ClientError;

/// The TLS settings; the system's certificates are read only where they are `needed`.
pub(crate) fn config(
    extra_root_pem: Option<&[u8]>,
    needed: bool,
) -> Result<ClientConfig, ClientError> {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = extra_root_pem {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|_| ClientError::ExtraRoot)?;
        let (added, ignored) = roots.add_parsable_certificates(certificates);
        if added == 0 || ignored > 0 {
            return Err(ClientError::ExtraRoot);
        }
    }
    if needed {
        // Single certificates of a system may be unreadable; what matters is that some are not.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(ClientError::NoRoots);
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
