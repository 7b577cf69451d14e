//! What signs tokens: a delivery's id under a signature that binds it to what the message was about, where it went and
//! whom it was for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use model::{Delivery, Id, Notification};
use sha2::Sha256;
use store::{Result, Tx};

/// Bytes of a delivery's id, and of the signature: enough that nobody guesses one.
const ID_BYTES: usize = 8;
const SIGNATURE_BYTES: usize = 16;
/// Under which name the key is kept, and how many bytes it has.
const KEY: &str = "answers";
const KEY_BYTES: usize = 32;

/// Signs what can be answered.
#[derive(Clone)]
pub(crate) struct Signer(Hmac<Sha256>);

impl Signer {
    /// With the key that all nodes share; at the first start of the first node it is made.
    ///
    /// # Errors
    /// When the database is gone or full.
    pub(crate) fn kept(tx: &mut Tx<'_>) -> Result<Self> {
        let fresh: [u8; KEY_BYTES] = rand::random();
        let key = store::answers::secret(tx, KEY, &URL_SAFE_NO_PAD.encode(fresh))?;
        let key = Hmac::<Sha256>::new_from_slice(key.as_bytes());
        key.map(Signer).map_err(|error| store::StoreError::BadRow(format!("the key of answers: {error}")))
    }

    /// Of one delivery, bound to where it went, whom it was for and what it was about.
    fn signature(&self, delivery: &Delivery, says: &Notification) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(&delivery.id.0.to_be_bytes());
        for text in [&delivery.receiver, &delivery.destination] {
            mac.update(&(text.len() as u64).to_be_bytes());
            mac.update(text.as_bytes());
        }
        says.alerts.iter().for_each(|alert| mac.update(&alert.incident.0.to_be_bytes()));
        mac
    }

    pub(crate) fn token(&self, delivery: &Delivery, says: &Notification) -> String {
        let signature = self.signature(delivery, says).finalize().into_bytes();
        let mut bytes = delivery.id.0.to_be_bytes().to_vec();
        bytes.extend_from_slice(&signature[..SIGNATURE_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(crate) fn is_good(&self, signature: &[u8], delivery: &Delivery, says: &Notification) -> bool {
        self.signature(delivery, says).verify_truncated_left(signature).is_ok()
    }
}

/// The delivery that a token speaks of, and its signature.
pub(crate) fn parts(token: &str) -> Option<(Id, Vec<u8>)> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (id, signature) = bytes.split_first_chunk::<ID_BYTES>()?;
    (signature.len() == SIGNATURE_BYTES).then(|| (Id(i64::from_be_bytes(*id)), signature.to_vec()))
}
