//! Randomness for nonces, unique file names and jitter, from the kernel.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

/// 128 random bits as 32 lower-case hex digits: unique for every practical purpose.
///
/// # Errors
/// When `/dev/urandom` cannot be read, as in a chroot without `/dev`.
pub fn hex128() -> io::Result<String> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// A duration between half of `time` and all of it, so that processes that failed together do not come back together.
/// Without randomness it is `time` itself.
#[must_use]
pub(crate) fn jitter(time: Duration) -> Duration {
    let mut bytes = [0; 2];
    let fraction = if fill(&mut bytes).is_ok() {
        f64::from(u16::from_be_bytes(bytes)) / f64::from(u16::MAX)
    } else {
        1.0
    };
    time.mul_f64(0.5 + fraction / 2.0)
}

fn fill(bytes: &mut [u8]) -> io::Result<()> {
    #[cfg(feature = "simulation")]
    if super::simulation::fill(bytes) {
        return Ok(());
    }
    File::open("/dev/urandom")?.read_exact(bytes)
}
