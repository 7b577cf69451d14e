//! A provider of identities, as small as one can be: discovery, keys, and tokens that say what a test wishes.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use model::Time;
use serde_json::{Value, json};

/// How a token is signed.
#[derive(Clone)]
enum How {
    Rs256,
    Es256,
    Hs256(String),
    Unsigned,
    Forged,
}

/// What a token says, and how it is signed.
#[derive(Clone)]
pub struct Wish {
    claims: Value,
    how: How,
}

impl Wish {
    pub fn rs256(claims: Value) -> Self {
        Wish { claims, how: How::Rs256 }
    }

    pub fn es256(claims: Value) -> Self {
        Wish { claims, how: How::Es256 }
    }

    pub fn hs256(claims: Value, secret: &str) -> Self {
        Wish { claims, how: How::Hs256(secret.to_owned()) }
    }

    pub fn unsigned(claims: Value) -> Self {
        Wish { claims, how: How::Unsigned }
    }

    /// Signed with a key that is not the provider's, under the name of one that is.
    pub fn forged(claims: Value) -> Self {
        Wish { claims, how: How::Forged }
    }
}

/// A running provider; it ends when it is dropped.
pub struct Provider {
    inner: Arc<Inner>,
    thread: Option<JoinHandle<()>>,
}

struct Inner {
    address: SocketAddr,
    rsa: RsaKeyPair,
    foreign: RsaKeyPair,
    ec: EcdsaKeyPair,
    /// By code: the token that it is good for, and the challenge that its verifier must meet.
    codes: Mutex<HashMap<String, (String, String)>>,
    ended: AtomicBool,
}

impl Provider {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let inner = Arc::new(Inner {
            address: listener.local_addr().unwrap(),
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            foreign: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            codes: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let serving = inner.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.ended.load(Ordering::SeqCst) {
                    return;
                }
                serving.answer(stream.unwrap());
            }
        });
        Provider { inner, thread: Some(thread) }
    }

    pub fn issuer(&self) -> String {
        self.inner.issuer()
    }

    /// The time of the tests, in seconds.
    pub fn now(&self) -> i64 {
        crate::support::NOW.parse::<Time>().unwrap().as_seconds()
    }

    /// Lets somebody in who was asked about so; gives the code that their browser comes back with.
    pub fn confirm(&self, asked: &BTreeMap<String, String>, wish: Wish) -> String {
        assert_eq!((asked["response_type"].as_str(), asked["client_id"].as_str()), ("code", "bell"));
        let usual = json!({
            "iss": self.issuer(), "aud": "bell", "nonce": asked["nonce"],
            "iat": self.now(), "exp": self.now() + 300,
        });
        let mut claims = usual.as_object().unwrap().clone();
        claims.extend(wish.claims.as_object().unwrap().clone());
        let token = self.inner.sign(&Value::Object(claims), &wish.how);
        let mut codes = self.inner.codes.lock().unwrap();
        let code = BASE64.encode(rand::random::<[u8; 12]>());
        codes.insert(code.clone(), (token, asked["code_challenge"].clone()));
        code
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.inner.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.inner.address));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Inner {
    fn issuer(&self) -> String {
        format!("http://{}/realm", self.address)
    }

    fn sign(&self, claims: &Value, how: &How) -> String {
        let (alg, kid) = match how {
            How::Rs256 | How::Forged => ("RS256", "r"),
            How::Es256 => ("ES256", "e"),
            How::Hs256(_) => ("HS256", "h"),
            How::Unsigned => ("none", "n"),
        };
        let header = json!({ "alg": alg, "kid": kid, "typ": "JWT" });
        let text = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let with_rsa = |key: &RsaKeyPair| {
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
            signature
        };
        let signature = match how {
            How::Rs256 => with_rsa(&self.rsa),
            How::Forged => with_rsa(&self.foreign),
            How::Es256 => self.ec.sign(&SystemRandom::new(), text.as_bytes()).unwrap().as_ref().to_vec(),
            How::Hs256(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
                hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
            }
            How::Unsigned => Vec::new(),
        };
        format!("{text}.{}", BASE64.encode(signature))
    }

    fn keys(&self) -> Value {
        let rsa = self.rsa.public_key();
        let number = |bytes: &[u8]| BASE64.encode(bytes);
        let point = self.ec.public_key().as_ref();
        json!({ "keys": [
            {
                "kty": "RSA", "kid": "r", "use": "sig", "alg": "RS256",
                "n": number(rsa.modulus().big_endian_without_leading_zero()),
                "e": number(rsa.exponent().big_endian_without_leading_zero()),
            },
            {
                "kty": "EC", "kid": "e", "use": "sig", "alg": "ES256", "crv": "P-256",
                "x": number(&point[1..33]), "y": number(&point[33..]),
            },
        ] })
    }

    fn answer(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            head.push(line.trim().to_owned());
        }
        let header = |name: &str| {
            let pairs = head.iter().filter_map(|line| line.split_once(':'));
            pairs
                .filter(|(have, _)| have.eq_ignore_ascii_case(name))
                .map(|(_, it)| it.trim().to_owned())
                .next()
        };
        let mut body = vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body).unwrap();
        let path = head[0].split(' ').nth(1).unwrap();
        let (status, answer) = match path {
            "/realm/.well-known/openid-configuration" => (200, self.description()),
            "/realm/keys" => (200, self.keys()),
            "/realm/token" => self.token(&body, header("authorization").as_deref()),
            _ => (404, json!({})),
        };
        let answer = answer.to_string();
        let length = answer.len();
        let mut stream = reader.into_inner();
        // a browser or client that has gone away needs no answer
        let _ = write!(
            stream,
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{answer}"
        );
    }

    fn description(&self) -> Value {
        let issuer = self.issuer();
        json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            // more than anybody should take
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
        })
    }

    fn token(&self, body: &[u8], authorization: Option<&str>) -> (u16, Value) {
        let form: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        let known = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("bell:client-hush"));
        if authorization != Some(known.as_str()) {
            return (401, json!({ "error": "invalid_client" }));
        }
        // good once
        let Some((token, challenge)) = self.codes.lock().unwrap().remove(&form["code"]) else {
            return (400, json!({ "error": "invalid_grant" }));
        };
        let met = BASE64.encode(digest(&SHA256, form["code_verifier"].as_bytes()));
        if met != challenge || !form["redirect_uri"].ends_with("/auth/oidc/callback") {
            return (400, json!({ "error": "invalid_grant" }));
        }
        (
            200,
            json!({ "access_token": "opaque", "token_type": "Bearer", "expires_in": 60, "id_token": token }),
        )
    }
}
