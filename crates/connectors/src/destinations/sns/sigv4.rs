//! AWS Signature Version 4 for a POST
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>).

use hmac::{Hmac, KeyInit, Mac};
use model::Time;
use sdk::Secret;
use sha2::{Digest, Sha256};
use url::Url;

/// Who signs, and for which part of AWS.
pub(super) struct Signer<'a> {
    pub(super) access_key: &'a str,
    pub(super) secret_key: &'a Secret,
    pub(super) session_token: Option<&'a Secret>,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

impl Signer<'_> {
    /// The headers that sign a POST: `x-amz-date`, `authorization`, and the session's token if there is one.
    pub(super) fn sign(
        &self,
        url: &Url,
        content_type: &str,
        body: &[u8],
        now: Time,
    ) -> Vec<(&'static str, String)> {
        let stamp = now.to_timestamp().strftime("%Y%m%dT%H%M%SZ").to_string();
        let date = &stamp[..stamp.find('T').unwrap_or(stamp.len())];
        let host = match (url.host_str().unwrap_or_default(), url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        // by name, as they must be
        let mut headers = vec![
            ("content-length", body.len().to_string()),
            ("content-type", content_type.to_owned()),
            ("host", host),
            ("x-amz-date", stamp.clone()),
        ];
        if let Some(token) = self.session_token {
            headers.push(("x-amz-security-token", token.expose().to_owned()));
        }
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let (path, query) = (encoded_path(url.path()), url.query().unwrap_or_default());
        let request = format!("POST\n{path}\n{query}\n{lines}\n{names}\n{}", hex(&Sha256::digest(body)));
        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let text =
            format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", hex(&Sha256::digest(request.as_bytes())));
        let mut key = hmac(format!("AWS4{}", self.secret_key.expose()).as_bytes(), date.as_bytes());
        for part in [self.region, self.service, "aws4_request"] {
            key = hmac(&key, part.as_bytes());
        }
        let signature = hex(&hmac(&key, text.as_bytes()));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.access_key
        );
        // host and length are set where the request is made
        headers.retain(|(name, _)| name.starts_with("x-amz-"));
        headers.push(("authorization", authorization));
        headers
    }
}

/// The path as every service but S3 wants it: encoded once more, slash by slash.
fn encoded_path(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length
    Hmac::<Sha256>::new_from_slice(key).map_or_else(
        |_| Vec::new(),
        |mut mac| {
            mac.update(text);
            mac.finalize().into_bytes().to_vec()
        },
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_derived_as_aws_documents_it() {
        // the example of "Deriving a signing key" in AWS's documentation
        let mut key = hmac(b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", b"20120215");
        for part in ["us-east-1", "iam", "aws4_request"] {
            key = hmac(&key, part.as_bytes());
        }
        assert_eq!(hex(&key), "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d");
    }

    #[test]
    fn paths_are_encoded_once_more() {
        assert_eq!(encoded_path("/a%20b/c~d"), "/a%2520b/c~d");
    }
}
