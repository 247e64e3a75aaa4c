//! How the hashing threads make way for all others. Refreshes take a millisecond here and there, a hash takes all that it
//! gets for tens of them: whoever wakes must not wait for it, and hashes must go on where nobody sleeps.
//!
//! Both follow from what Linux gives to a thread that asks for a long slice at a low weight. Since 6.12 a thread with a
//! shorter slice takes the core from it at once, and does not wait for the next tick of the clock (`sched_setattr(2)`,
//! the kernel's `PREEMPT_SHORT`); and when all cores are busy it still gets its share, which `SCHED_IDLE` would not give.

/// `nice`, at least: a tenth of the others' weight.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;
/// Longer than the slice of any thread that did not ask, which is 3 ms at most; in nanoseconds.
#[cfg(target_os = "linux")]
const SLICE: u64 = 20_000_000;

/// Of the structure's first version, in bytes (`SCHED_ATTR_SIZE_VER0`).
#[cfg(target_os = "linux")]
const SIZE: u32 = 48;
#[cfg(target_os = "linux")]
const _: () = assert!(size_of::<libc::sched_attr>() >= SIZE as usize);

/// `SCHED_FLAG_KEEP_POLICY`.
#[cfg(target_os = "linux")]
const KEEP_POLICY: u64 = 0x08;

/// Puts the calling thread behind the others. Where that is refused all is as it was.
#[cfg(target_os = "linux")]
pub(super) fn make_way() {
    // Never before the others of a process that is behind already.
    let nice = rustix::process::getpriority_process(None).map_or(NICE, |nice| nice.max(NICE));
    let attributes = libc::sched_attr {
        size: SIZE,
        sched_policy: 0, // kept
        sched_flags: KEEP_POLICY,
        sched_nice: nice,
        sched_priority: 0,
        sched_runtime: SLICE,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel reads `size` bytes of a structure that lives until the call returns, and keeps nothing of it.
    #[expect(unsafe_code, reason = "neither the standard library nor rustix has this call")]
    unsafe {
        libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0);
    }
}

/// Elsewhere a priority is the whole process's.
#[cfg(not(target_os = "linux"))]
pub(super) fn make_way() {}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_that_makes_way_is_changed() {
        let before = standing();
        let after = |nice| {
            let thread = std::thread::spawn(move || {
                rustix::process::setpriority_process(None, nice).unwrap();
                make_way();
                standing()
            });
            thread.join().unwrap()
        };
        // Who is behind already comes no further to the front.
        assert_eq!(after(15).0, 15);
        let (nice, slice) = after(before.0);
        assert_eq!(standing(), before);
        assert_eq!(nice, NICE.max(before.0));
        // Kernels before 6.12 know no slices of one's own.
        if before.1.is_some() {
            assert_eq!(slice, Some(SLICE));
        }
    }

    /// The calling thread's `nice` and, where the kernel tells, its slice.
    fn standing() -> (i32, Option<u64>) {
        let told = std::fs::read_to_string("/proc/thread-self/sched").unwrap_or_default();
        let slice =
            told.lines().find_map(|line| line.strip_prefix("se.slice")?.rsplit(' ').next()?.parse().ok());
        (rustix::process::getpriority_process(None).unwrap(), slice)
    }
}
