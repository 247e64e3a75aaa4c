//! Section `password`.

use super::reader::Reader;

/// Argon2id and its queue.
#[derive(Clone, Debug)]
pub struct PasswordSettings {
    /// Memory of one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
    /// Hashes computed at once.
    pub max_concurrent: u32,
    /// Hashes that may wait.
    pub queue: u32,
}

impl PasswordSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let cores =
            std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
        let settings = Self {
            memory_kib: reader.number("password.memory_kib", 8, 4 * 1024 * 1024).unwrap_or(8),
            iterations: reader.number("password.iterations", 1, 1000).unwrap_or(1),
            parallelism: reader.number("password.parallelism", 1, 64).unwrap_or(1),
            max_concurrent: reader.number("password.max_concurrent", 1, 1024).unwrap_or(cores),
            queue: reader.number("password.queue", 1, 1_000_000).unwrap_or(1),
        };
        if settings.memory_kib < 8 * settings.parallelism {
            reader.fault(
                "password.memory_kib",
                "must be at least 8 for each of password.parallelism".to_owned(),
            );
        }
        settings
    }
}
