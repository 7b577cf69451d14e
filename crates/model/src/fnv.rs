//! FNV-1a with 64 bits (Fowler, Noll, Vo): a hash that is the same in every build, and in Prometheus. Nobody is kept
//! out by it: whoever wants two texts that are alike finds them.

/// A sum that bytes are added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(14_695_981_039_346_656_037)
    }
}

impl Fnv {
    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        const PRIME: u64 = 1_099_511_628_211;
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    }

    /// The sum so far.
    pub fn sum(self) -> u64 {
        self.0
    }
}
