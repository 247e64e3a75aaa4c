//! What is remembered of guesses at one secret: a small state machine over plain numbers. Guesses are admitted before
//! they are looked at, so that of many at once no more are looked at than may be wrong.

use std::time::Duration;

use crate::clock::Timestamp;

/// The first wait; each further wrong guess doubles it.
const FIRST_DELAY: Duration = Duration::from_secs(2);
/// A guess that has not been settled after this long never will be: its instance is gone.
const LEASE: Duration = Duration::from_secs(60);

/// How many wrong guesses are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    /// Before the first wait, at least 1.
    pub attempts: u32,
    /// After how long one is forgiven.
    pub interval: Duration,
    /// What is counted.
    pub counts: Counts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counts {
    /// Wrong guesses in a row: a right one ends them. Waits grow up to the interval.
    Consecutive,
    /// All wrong guesses. The wait is for the next to be forgiven.
    All,
}

/// Guesses, with the moments from which they are forgiven or forgotten, in Unix seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    failed: u32,
    failed_at: i64,
    /// Admitted, and neither right nor wrong yet.
    pending: u32,
    admitted_at: i64,
}

/// Whether a guess may be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may, and must be settled.
    Admitted,
    /// Not before one of those that are being looked at is settled.
    Busy,
    /// Not before this long.
    Refused(Duration),
}

/// How a guess ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// Whoever made it was told nothing.
    Untold,
}

impl Tally {
    /// Admits a guess, if it may be looked at.
    pub(super) fn admit(self, policy: Policy, now: Timestamp) -> (Self, Admission) {
        let mut tally = self.tidied(policy, now);
        let failed = tally.failed - tally.forgiven(policy, now);
        if failed.saturating_add(tally.pending) >= policy.attempts {
            if tally.pending > 0 {
                return (tally, Admission::Busy);
            }
            let wait = tally.wait(failed, policy, now);
            if !wait.is_zero() {
                return (tally, Admission::Refused(wait));
            }
        }
        tally.pending += 1;
        tally.admitted_at = now.as_unix();
        (tally, Admission::Admitted)
    }

    /// Ends an admitted guess.
    pub(super) fn settle(self, verdict: Verdict, policy: Policy, now: Timestamp) -> Self {
        let mut tally = self.tidied(policy, now);
        tally.pending = tally.pending.saturating_sub(1);
        match (verdict, policy.counts) {
            (Verdict::Right, Counts::Consecutive) => tally.failed = 0,
            (Verdict::Right, Counts::All) | (Verdict::Untold, _) => {}
            (Verdict::Wrong, _) => tally.add(policy, now),
        }
        tally.tidied(policy, now)
    }

    /// After how long nothing of this counts any more.
    pub(super) fn life(self, policy: Policy) -> Duration {
        policy.interval.saturating_mul(self.failed) + LEASE
    }

    pub(super) fn is_blank(self) -> bool {
        self == Self::default()
    }

    pub(super) fn has_failed(self) -> bool {
        self.failed > 0
    }

    fn add(&mut self, policy: Policy, now: Timestamp) {
        let forgiven = self.forgiven(policy, now);
        self.failed = (self.failed - forgiven).saturating_add(1);
        self.failed_at = match policy.counts {
            // Forgiveness goes on at its own pace.
            Counts::All if self.failed > 1 => {
                (Timestamp::from_unix(self.failed_at) + policy.interval * forgiven).as_unix()
            }
            // Waits begin anew.
            Counts::All | Counts::Consecutive => now.as_unix(),
        };
    }

    /// How many of the wrong guesses do not count any more.
    fn forgiven(self, policy: Policy, now: Timestamp) -> u32 {
        let passed = now.since(Timestamp::from_unix(self.failed_at)).as_secs();
        u32::try_from(passed / policy.interval.as_secs()).unwrap_or(u32::MAX).min(self.failed)
    }

    /// Without what does not count any more, and without the moments of nothing.
    fn tidied(mut self, policy: Policy, now: Timestamp) -> Self {
        if self.forgiven(policy, now) == self.failed {
            (self.failed, self.failed_at) = (0, 0);
        }
        if self.pending == 0 || now.since(Timestamp::from_unix(self.admitted_at)) > LEASE {
            (self.pending, self.admitted_at) = (0, 0);
        }
        self
    }

    /// How long the next guess must wait when so many count.
    fn wait(self, failed: u32, policy: Policy, now: Timestamp) -> Duration {
        let delay = match policy.counts {
            Counts::Consecutive => {
                let growth = 2_u32.checked_pow(failed - policy.attempts).unwrap_or(u32::MAX);
                FIRST_DELAY.saturating_mul(growth).min(policy.interval)
            }
            Counts::All => policy.interval * (self.failed - policy.attempts + 1),
        };
        (Timestamp::from_unix(self.failed_at) + delay).since(now)
    }

    /// As text, for Redis. A blank one is empty.
    pub(super) fn encode(self) -> String {
        if self.is_blank() {
            return String::new();
        }
        let Self { failed, failed_at, pending, admitted_at } = self;
        format!("{failed} {failed_at} {pending} {admitted_at}")
    }

    /// What [`Tally::encode`] wrote; blank when it is not that.
    pub(super) fn decode(text: &str) -> Self {
        let mut words = text.split(' ');
        let mut parse = || {
            let failed = words.next()?.parse().ok()?;
            let failed_at = words.next()?.parse().ok()?;
            let pending = words.next()?.parse().ok()?;
            let admitted_at = words.next()?.parse().ok()?;
            Some(Self { failed, failed_at, pending, admitted_at })
        };
        parse().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_unix(1_800_000_000);
    const ACCOUNT: Policy =
        Policy { attempts: 3, interval: Duration::from_secs(900), counts: Counts::Consecutive };
    const NETWORK: Policy = Policy { attempts: 3, interval: Duration::from_secs(6), counts: Counts::All };

    fn after(seconds: u64) -> Timestamp {
        START + Duration::from_secs(seconds)
    }

    /// A guess that is looked at.
    fn guess(tally: Tally, verdict: Verdict, policy: Policy, now: Timestamp) -> Tally {
        let (tally, admission) = tally.admit(policy, now);
        assert_eq!(admission, Admission::Admitted);
        tally.settle(verdict, policy, now)
    }

    fn wrong(count: u32, policy: Policy) -> Tally {
        (0..count).fold(Tally::default(), |tally, _| guess(tally, Verdict::Wrong, policy, START))
    }

    #[test]
    fn waits_grow_with_each_wrong_guess_up_to_the_longest() {
        let mut tally = wrong(3, ACCOUNT);
        let mut now = START;
        let mut waits = Vec::new();
        for _ in 0..11 {
            let (_, Admission::Refused(wait)) = tally.admit(ACCOUNT, now) else { panic!("{tally:?}") };
            waits.push(wait.as_secs());
            now = now + wait;
            tally = guess(tally, Verdict::Wrong, ACCOUNT, now);
        }
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
    }

    #[test]
    fn a_right_guess_ends_the_row_but_not_what_a_network_got_wrong_elsewhere() {
        assert!(guess(wrong(2, ACCOUNT), Verdict::Right, ACCOUNT, START).is_blank());
        let tally = guess(wrong(2, NETWORK), Verdict::Right, NETWORK, START);
        assert_eq!(tally, wrong(2, NETWORK));
    }

    #[test]
    fn of_many_guesses_at_once_no_more_are_admitted_than_may_be_wrong() {
        for policy in [ACCOUNT, NETWORK] {
            let mut tally = wrong(1, policy);
            for admission in [Admission::Admitted, Admission::Admitted, Admission::Busy] {
                let (next, got) = tally.admit(policy, START);
                assert_eq!(got, admission);
                tally = next;
            }
            tally = tally.settle(Verdict::Untold, policy, START);
            assert_eq!(tally.admit(policy, START).1, Admission::Admitted);
        }
    }

    #[test]
    fn one_wrong_guess_is_forgiven_after_each_interval() {
        let tally = wrong(3, NETWORK);
        assert_eq!(tally.admit(NETWORK, after(4)).1, Admission::Refused(Duration::from_secs(2)));
        let tally = guess(tally, Verdict::Wrong, NETWORK, after(7));
        // The second is forgiven 12 seconds after the first, not after the one that came late.
        assert_eq!(tally.admit(NETWORK, after(11)).1, Admission::Refused(Duration::from_secs(1)));
        assert_eq!(tally.admit(NETWORK, after(12)).1, Admission::Admitted);
        assert!(tally.tidied(NETWORK, after(24)).is_blank());
    }

    #[test]
    fn guesses_of_an_instance_that_is_gone_are_forgotten() {
        let mut tally = Tally::default();
        for _ in 0..3 {
            tally = tally.admit(ACCOUNT, START).0;
        }
        assert_eq!(tally.admit(ACCOUNT, after(60)).1, Admission::Busy);
        assert_eq!(tally.admit(ACCOUNT, after(61)).1, Admission::Admitted);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(numbers: (u32, i64, u32, i64)) {
            let (failed, failed_at, pending, admitted_at) = numbers;
            let tally = Tally { failed, failed_at, pending, admitted_at };
            prop_assert_eq!(Tally::decode(&tally.encode()), tally);
        }

        #[test]
        fn whatever_stands_in_redis_is_survived(
            text in "[-0-9 ]{0,60}|.*", now: i64, verdict in 0..3_usize,
        ) {
            let now = Timestamp::from_unix(now);
            let verdict = [Verdict::Right, Verdict::Wrong, Verdict::Untold][verdict];
            for policy in [ACCOUNT, NETWORK] {
                let (tally, _) = Tally::decode(&text).admit(policy, now);
                let _ = tally.settle(verdict, policy, now).life(policy);
            }
        }

        /// However guesses come, the wrong ones that are looked at are at most those that are free, and one for every
        /// wait.
        #[test]
        fn wrong_guesses_cost_time(pauses in prop::collection::vec(0_u64..600, 1..200)) {
            for policy in [ACCOUNT, NETWORK] {
                let (mut tally, mut now, mut looked_at) = (Tally::default(), START, 0);
                for pause in &pauses {
                    now = now + Duration::from_secs(*pause);
                    if let (admitted, Admission::Admitted) = tally.admit(policy, now) {
                        tally = admitted.settle(Verdict::Wrong, policy, now);
                        looked_at += 1;
                    }
                }
                let time = now.since(START).as_secs();
                let most = match policy.counts {
                    Counts::All => 3 + time / 6,
                    // Each of the first waits at most once more for each that is forgiven.
                    Counts::Consecutive => 3 + 9 + 2 * (1 + time / 900),
                };
                prop_assert!(looked_at <= most, "{} in {} s", looked_at, time);
            }
        }
    }
}
