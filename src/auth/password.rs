//! Passwords: Argon2id, off the worker threads, as many at once as there are cores, with a bounded queue.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// Hashes that may wait or run; beyond, callers are told to come back. The contract promises at least 64.
pub const QUEUE_MAX: usize = 256;
/// What a caller beyond the queue is told to wait.
pub const QUEUE_RETRY_MS: u64 = 2_000;
/// A hash of no password, so that an unknown e-mail costs as much as a known one.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlz$Jm9fTqZ1L9kPzjZ3zQ4yEw3vC8m0n1rZ0Hc6yJ0mJ0E";

/// Why there is no answer about a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too many wait already.
    #[error("too many passwords are being hashed")]
    Overloaded,
    /// The hash could not be made.
    #[error("the password could not be hashed")]
    Failed,
}

/// Hashes and verifies.
#[derive(Clone)]
pub struct Passwords {
    places: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Passwords {
    /// Makes a hasher that runs `at_once` at the same time.
    pub fn new(at_once: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(at_once.max(1))), waiting: Arc::new(AtomicUsize::new(0)) }
    }

    /// Hashes a password into a PHC string.
    ///
    /// # Errors
    /// See [`PasswordError`].
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        self.run(move || {
            let hash: Result<PasswordHash, _> = Argon2::default().hash_password(password.as_bytes());
            hash.map(|hash| hash.to_string()).map_err(|_| PasswordError::Failed)
        })
        .await?
    }

    /// Whether a password is the one behind a PHC string; `None` stands for nobody's and is never right, in the same
    /// time.
    ///
    /// # Errors
    /// See [`PasswordError`].
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, PasswordError> {
        self.run(move || {
            let known = hash.is_some();
            let text = hash.unwrap_or_else(|| NOBODY.to_owned());
            let Ok(parsed) = PasswordHash::new(&text) else { return false };
            Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && known
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let waiting = Waiting(self.waiting.clone());
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= QUEUE_MAX {
            return Err(PasswordError::Overloaded);
        }
        let place = self.places.clone().acquire_owned().await.map_err(|_| PasswordError::Failed)?;
        let result = tokio::task::spawn_blocking(move || {
            let _held_while_hashing = place;
            work()
        });
        let result = result.await.map_err(|_| PasswordError::Failed);
        drop(waiting);
        result
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_somebody_verifies() {
        let passwords = Passwords::new(2);
        let hash = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.verify("correct horse".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("wrong horse".to_owned(), Some(hash)).await.unwrap());
        assert!(PasswordHash::new(NOBODY).is_ok(), "nobody's hash must cost as much as anybody's");
        assert!(!passwords.verify("correct horse".to_owned(), None).await.unwrap());
    }
}
