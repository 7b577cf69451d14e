//! TLS as a destination's settings want it: own authorities, a client's certificate, another name.

use std::fmt;
use std::sync::{Arc, LazyLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::recent::Recent;
use crate::secret::Secret;

/// How connections are encrypted. Nothing: as the system's authorities have it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// The authorities that certificates must come from, as PEM, in place of the system's. Like the other
    /// two, mostly given as `{ file = "…" }`. A certificate that stands in here itself is taken, too.
    ca: Option<Secret>,
    /// The certificate, with its chain, that the hub shows, as PEM; needs `key`.
    cert: Option<Secret>,
    /// The key of that certificate, as PEM without a password.
    key: Option<Secret>,
    /// The name that the certificate must be for, in place of the one in the URL.
    server_name: Option<String>,
    /// Whether any certificate is taken: then anybody on the way can read and answer.
    insecure_skip_verify: bool,
    /// The least version that is spoken. Older ones than TLS 1.2 are not in any case.
    min_version: Option<TlsVersion>,
    /// The latest version that is spoken.
    max_version: Option<TlsVersion>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
enum TlsVersion {
    #[serde(rename = "TLS10")]
    Tls10,
    #[serde(rename = "TLS11")]
    Tls11,
    #[serde(rename = "TLS12")]
    Tls12,
    #[serde(rename = "TLS13")]
    Tls13,
}

/// What was built of which settings: thousands of destinations share a few.
static BUILT: LazyLock<Recent<Tls, Arc<ClientConfig>>> = LazyLock::new(Recent::default);

impl Tls {
    /// What these settings come to.
    ///
    /// # Errors
    /// What is wrong with them, beginning with the field.
    pub fn config(&self) -> Result<Arc<ClientConfig>, String> {
        BUILT.get_or(self, || self.build().map(Arc::new))
    }

    /// The name that the other side is asked for, if not the one that it is reached by.
    pub(super) fn name(&self) -> Option<&str> {
        self.server_name.as_deref().filter(|name| !name.is_empty())
    }

    fn build(&self) -> Result<ClientConfig, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = self.verifier(&provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions()?)
            .map_err(|error| format!("min_version: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        match (&self.cert, &self.key) {
            (None, None) => Ok(builder.with_no_client_auth()),
            (Some(_), None) => Err("cert: needs a `key`".to_owned()),
            (None, Some(_)) => Err("key: needs a `cert`".to_owned()),
            (Some(cert), Some(key)) => {
                let chain = certificates(cert).map_err(|reason| format!("cert: {reason}"))?;
                let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes());
                let key = key.map_err(|_| "key: there is no private key without a password in it")?;
                builder.with_client_auth_cert(chain, key).map_err(|error| format!("key: {error}"))
            }
        }
    }

    fn versions(&self) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
        let least = self.min_version.unwrap_or(TlsVersion::Tls12);
        let most = self.max_version.unwrap_or(TlsVersion::Tls13);
        let spoken =
            [(TlsVersion::Tls13, &rustls::version::TLS13), (TlsVersion::Tls12, &rustls::version::TLS12)];
        let wanted = spoken.into_iter().filter(|(version, _)| (least..=most).contains(version));
        let versions: Vec<_> = wanted.map(|(_, version)| version).collect();
        match versions.is_empty() {
            true if most < TlsVersion::Tls12 => {
                Err("max_version: TLS 1.0 and 1.1 are not spoken: they are broken".to_owned())
            }
            true => Err("max_version: is less than `min_version`".to_owned()),
            false => Ok(versions),
        }
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Verifier, String> {
        let pinned = match &self.ca {
            Some(ca) => certificates(ca).map_err(|reason| format!("ca: {reason}"))?,
            None => Vec::new(),
        };
        let usual: Arc<dyn ServerCertVerifier> = if self.ca.is_some() {
            let mut roots = RootCertStore::empty();
            for certificate in &pinned {
                roots.add(certificate.clone()).map_err(|error| format!("ca: {error}"))?;
            }
            let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
            builder.build().map_err(|error| format!("ca: {error}"))?
        } else {
            let system = rustls_platform_verifier::Verifier::new(provider.clone());
            Arc::new(system.map_err(|error| format!("ca: the system's authorities cannot be had: {error}"))?)
        };
        let name = self.name().map(str::to_owned).map(ServerName::try_from);
        let name = name.transpose().map_err(|_| "server_name: is no name of a server")?;
        Ok(Verifier { usual, pinned, name, any: self.insecure_skip_verify })
    }
}

/// The certificates of a PEM text, of which there must be one.
fn certificates(pem: &Secret) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.expose().as_bytes()).collect();
    let found = found.map_err(|_| "is not PEM".to_owned())?;
    if found.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(found) }
}

/// Judges a server's certificate: the usual way but for what the settings say.
struct Verifier {
    usual: Arc<dyn ServerCertVerifier>,
    /// Taken when a server shows one of these itself: WebPKI takes no authority as a server, but many a
    /// self-signed certificate says that it is one, and other TLS libraries take it.
    pinned: Vec<CertificateDer<'static>>,
    name: Option<ServerName<'static>>,
    any: bool,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        asked: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.any {
            return Ok(ServerCertVerified::assertion());
        }
        let name = self.name.as_ref().unwrap_or(asked);
        let judged = self.usual.verify_server_cert(shown, chain, name, stapled, now);
        if judged.is_err() && self.pinned.contains(shown) && !is_out_of_date(&judged) {
            let parsed = ParsedCertificate::try_from(shown)?;
            rustls::client::verify_server_name(&parsed, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        judged
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls12_signature(message, shown, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls13_signature(message, shown, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

fn is_out_of_date(judged: &Result<ServerCertVerified, rustls::Error>) -> bool {
    use rustls::CertificateError as Bad;
    let Err(rustls::Error::InvalidCertificate(reason)) = judged else { return false };
    matches!(
        reason,
        Bad::Expired | Bad::ExpiredContext { .. } | Bad::NotValidYet | Bad::NotValidYetContext { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(fields: serde_json::Value) -> String {
        serde_json::from_value::<Tls>(fields).unwrap().config().map(drop).unwrap_err()
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_field() {
        assert_eq!(refusal(json!({"ca": "hush"})), "ca: there is no certificate in it");
        assert_eq!(refusal(json!({"cert": "x"})), "cert: needs a `key`");
        assert_eq!(refusal(json!({"key": "x"})), "key: needs a `cert`");
        assert_eq!(refusal(json!({"server_name": "a b"})), "server_name: is no name of a server");
        assert!(refusal(json!({"max_version": "TLS11"})).starts_with("max_version: TLS 1.0"));
        let twisted = json!({"min_version": "TLS13", "max_version": "TLS12"});
        assert_eq!(refusal(twisted), "max_version: is less than `min_version`");
        assert!(serde_json::from_value::<Tls>(json!({"min_version": "SSL3"})).is_err());
    }

    #[test]
    fn old_versions_as_the_least_change_nothing() {
        let tls: Tls = serde_json::from_value(json!({"min_version": "TLS10"})).unwrap();
        assert_eq!(tls.versions().unwrap().len(), 2);
    }
}
