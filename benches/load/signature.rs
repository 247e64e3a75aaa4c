//! The yardstick: one RSA-2048 signature through josekit, which no token can do without.

use std::time::Duration;

use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jws::alg::rsassa::RsassaJwsSigner;
use josekit::jws::{JwsSigner, RS256};

/// About as long as the header and claims of an access token.
const MESSAGE: [u8; 512] = [b'x'; 512];

pub struct Signer(RsassaJwsSigner);

impl Signer {
    pub fn new() -> Self {
        let pair = RsaKeyPair::generate(2048).unwrap();
        Self(RS256.signer_from_der(pair.to_der_private_key()).unwrap())
    }

    /// Microseconds of CPU time, while every core signs: as under load, none has the machine to itself.
    pub fn cpu_of_one(&self, count: u32) -> f64 {
        let cores = std::thread::available_parallelism().unwrap().get();
        let total: Duration = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..cores).map(|_| scope.spawn(|| self.sign(count))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        crate::micros(total) / f64::from(count) / f64::from(u32::try_from(cores).unwrap())
    }

    fn sign(&self, count: u32) -> Duration {
        let before = own_cpu_time();
        for _ in 0..count {
            std::hint::black_box(self.0.sign(std::hint::black_box(&MESSAGE)).unwrap());
        }
        own_cpu_time().saturating_sub(before)
    }
}

/// CPU time of this thread.
fn own_cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}
