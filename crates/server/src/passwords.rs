//! Passwords: kept as argon2id, and worked on beside the threads that serve requests.

use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

use crate::error::{Answer, Problem, Wrong};
use crate::limits::{MAX_HASHES, MAX_HASHES_WAITING, MAX_PASSWORD_BYTES, MIN_PASSWORD_CHARS, SALT_BYTES};

/// What is compared with when there is nothing to compare with, so that it takes as long: of the same parameters as
/// every hash that is made here, and of no password.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlz$\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Whether a password may be chosen.
///
/// # Errors
/// In words, why not.
pub fn check(password: &str) -> Result<(), Wrong> {
    let wrong = |reason: String| Err(Wrong::new("password", reason));
    if password.chars().count() < MIN_PASSWORD_CHARS {
        return wrong(format!("must have {MIN_PASSWORD_CHARS} characters or more; a few words do well"));
    }
    if password.len() > MAX_PASSWORD_BYTES {
        return wrong(format!("has {} bytes, the limit is {MAX_PASSWORD_BYTES}", password.len()));
    }
    Ok(())
}

/// The hash of a password, as a PHC string (argon2id, 19 MiB, two passes, as OWASP advises). Takes some 20 ms of a
/// processor.
///
/// # Errors
/// In words, when there is no memory for it.
pub fn hash_now(password: &str) -> Result<String, String> {
    let salt: [u8; SALT_BYTES] = rand::random();
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|error| error.to_string())
}

fn verify_now(password: &str, hash: &str) -> bool {
    Argon2::default().verify_password(password.as_bytes(), hash).is_ok()
}

/// Where passwords are worked on: a few at once, and not too many who wait.
#[derive(Debug)]
pub struct Passwords {
    places: Semaphore,
    queue: Semaphore,
}

impl Default for Passwords {
    fn default() -> Self {
        Passwords { places: Semaphore::new(MAX_HASHES), queue: Semaphore::new(MAX_HASHES_WAITING) }
    }
}

impl Passwords {
    /// The hash of a password that may be chosen.
    ///
    /// # Errors
    /// 400 when it may not; 503 when too many wait.
    pub async fn hash(&self, password: String) -> Answer<String> {
        check(&password).map_err(|wrong| Problem::all_wrong(vec![wrong]))?;
        let hash = self.aside(move || hash_now(&password)).await?;
        hash.map_err(|error| Problem::internal(format!("hashing a password: {error}")))
    }

    /// Whether a password is the one of this hash. Without a hash it never is, and that takes as long.
    ///
    /// # Errors
    /// 503 when too many wait.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Answer<bool> {
        // longer ones are never chosen
        let fits = password.len() <= MAX_PASSWORD_BYTES;
        let password = if fits { password } else { String::new() };
        let known = hash.is_some() && fits;
        let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
        Ok(self.aside(move || verify_now(&password, &hash)).await? && known)
    }

    async fn aside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Answer<T> {
        let busy = || Problem::unavailable("too many passwords are being looked at, try again in a moment");
        let _waiting = self.queue.try_acquire().map_err(|_| busy())?;
        let _place = self.places.acquire().await.map_err(|_| busy())?;
        tokio::task::spawn_blocking(work).await.map_err(|error| Problem::internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_itself_fits_its_hash() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse battery".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$") && !hash.contains("horse"));
        let fits = async |password: &str, hash: Option<String>| {
            passwords.verify(password.to_owned(), hash).await.unwrap()
        };
        assert!(fits("correct horse battery", Some(hash.clone())).await);
        assert!(!fits("correct horse batterz", Some(hash.clone())).await);
        assert!(!fits(&"x".repeat(MAX_PASSWORD_BYTES + 1), Some(hash)).await);
        assert!(!fits("", None).await && !fits("nobody", None).await);
        assert!(!fits("x", Some("no hash".to_owned())).await);
        assert_eq!(passwords.hash("short".to_owned()).await.unwrap_err().status, 400);
    }

    #[test]
    fn nobody_takes_as_long_as_somebody() {
        let real = hash_now("correct horse battery").unwrap();
        let parts = |text: &str| text.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parts(&real), parts(NOBODY), "other parameters would tell users from others by time");
        assert_eq!(real.len(), NOBODY.len() + real.split('$').nth(4).unwrap().len() - 20);
    }
}
