//! What a process has in memory, as Linux counts it.

/// Bytes now.
pub fn resident(process: u32) -> u64 {
    read(process, "VmRSS:")
}

/// The most bytes there ever were.
pub fn peak(process: u32) -> u64 {
    read(process, "VmHWM:")
}

pub fn megabytes(bytes: u64) -> String {
    format!("{} MiB", bytes / (1024 * 1024))
}

fn read(process: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let kibibytes = |line: &str| line.strip_prefix(field)?.trim().strip_suffix(" kB")?.parse::<u64>().ok();
    status.lines().find_map(kibibytes).unwrap() * 1024
}
