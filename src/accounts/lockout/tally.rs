//! What is remembered of guesses at one secret: a small state machine over plain numbers. Guesses are admitted before
//! they are looked at, so that of many at once no more are looked at than may be wrong.

use std::time::Duration;

use super::policy::{Counts, Policy};
use crate::clock::Timestamp;

/// The first wait; each further wrong guess doubles it.
const FIRST_DELAY: Duration = Duration::from_secs(2);
/// A guess that has not been settled after this long never will be: its instance is gone, or was cut off.
pub(super) const LEASE: Duration = Duration::from_secs(10);
/// More than these doublings mean nothing.
const MAX_EXCESS: u32 = 32;

/// Guesses. Moments are Unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    failed: u32,
    /// From when on they are forgiven.
    failed_at: i64,
    /// When each was admitted that is neither right nor wrong yet.
    pending: Vec<i64>,
}

/// Whether a guess may be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may, since this moment, and must be settled.
    Admitted(Timestamp),
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
    Abandoned,
}

impl Tally {
    /// Admits a guess, if it may be looked at.
    pub(super) fn admit(&self, policy: Policy, now: Timestamp) -> (Self, Admission) {
        let mut tally = self.tidied(policy, now);
        let counting = tally.failed - tally.forgiven(policy, now);
        if counting as usize + tally.pending.len() >= policy.attempts as usize {
            if !tally.pending.is_empty() {
                return (tally, Admission::Busy);
            }
            let wait = tally.wait(counting, policy, now);
            if !wait.is_zero() {
                return (tally, Admission::Refused(wait));
            }
        }
        tally.pending.push(now.as_unix());
        (tally, Admission::Admitted(now))
    }

    /// Ends a guess that was admitted at that moment.
    pub(super) fn settle(
        &self,
        verdict: Verdict,
        admitted: Timestamp,
        policy: Policy,
        now: Timestamp,
    ) -> Self {
        let mut tally = self.tidied(policy, now);
        if let Some(place) = tally.pending.iter().position(|pending| *pending == admitted.as_unix()) {
            tally.pending.swap_remove(place);
        }
        match (verdict, policy.counts) {
            (Verdict::Right, Counts::Consecutive) => tally.failed = 0,
            (Verdict::Right, Counts::All) | (Verdict::Abandoned, _) => {}
            (Verdict::Wrong, _) => tally.add(policy, now),
        }
        tally.tidied(policy, now)
    }

    /// After how long nothing of this counts any more.
    pub(super) fn life(&self, policy: Policy) -> Duration {
        policy.interval.saturating_mul(self.failed) + LEASE
    }

    fn add(&mut self, policy: Policy, now: Timestamp) {
        let forgiven = self.forgiven(policy, now);
        self.failed = self.failed - forgiven + 1;
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
    fn forgiven(&self, policy: Policy, now: Timestamp) -> u32 {
        let passed = now.since(Timestamp::from_unix(self.failed_at)).as_secs();
        u32::try_from(passed / policy.interval.as_secs()).unwrap_or(u32::MAX).min(self.failed)
    }

    /// Without what does not count any more. Nothing has happened in the future: a clock was wrong, or is.
    fn tidied(&self, policy: Policy, now: Timestamp) -> Self {
        let mut tally = self.clone();
        tally.failed = tally.failed.min(policy.attempts.saturating_add(MAX_EXCESS));
        tally.failed_at = tally.failed_at.min(now.as_unix());
        if tally.forgiven(policy, now) == tally.failed {
            (tally.failed, tally.failed_at) = (0, 0);
        }
        let oldest = now - LEASE;
        tally.pending.retain(|pending| (oldest.as_unix()..=now.as_unix()).contains(pending));
        tally
    }

    /// How long the next guess must wait when so many count.
    fn wait(&self, counting: u32, policy: Policy, now: Timestamp) -> Duration {
        let delay = match policy.counts {
            Counts::Consecutive => {
                let growth = 2_u32.checked_pow(counting - policy.attempts).unwrap_or(u32::MAX);
                FIRST_DELAY.saturating_mul(growth).min(policy.interval)
            }
            Counts::All => policy.interval * (self.failed - policy.attempts + 1),
        };
        (Timestamp::from_unix(self.failed_at) + delay).since(now)
    }

    pub(super) fn is_blank(&self) -> bool {
        self.failed == 0 && self.pending.is_empty()
    }

    /// As text, for Redis. A blank one is empty.
    pub(super) fn encode(&self) -> String {
        if self.is_blank() {
            return String::new();
        }
        let numbers = [i64::from(self.failed), self.failed_at];
        let texts: Vec<_> = numbers.iter().chain(&self.pending).map(ToString::to_string).collect();
        texts.join(" ")
    }

    /// What [`Tally::encode`] wrote; blank when it is not that.
    pub(super) fn decode(text: &str) -> Self {
        let mut words = text.split(' ');
        let mut parse = || {
            let failed = words.next()?.parse().ok()?;
            let failed_at = words.next()?.parse().ok()?;
            let pending = words.by_ref().map(str::parse).collect::<Result<_, _>>().ok()?;
            Some(Self { failed, failed_at, pending })
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
        assert_eq!(admission, Admission::Admitted(now));
        tally.settle(verdict, now, policy, now)
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
            for admission in [Admission::Admitted(START), Admission::Admitted(START), Admission::Busy] {
                let (next, got) = tally.admit(policy, START);
                assert_eq!(got, admission);
                tally = next;
            }
            tally = tally.settle(Verdict::Abandoned, START, policy, START);
            assert_eq!(tally.admit(policy, START).1, Admission::Admitted(START));
        }
    }

    #[test]
    fn one_wrong_guess_is_forgiven_after_each_interval() {
        let tally = wrong(3, NETWORK);
        assert_eq!(tally.admit(NETWORK, after(4)).1, Admission::Refused(Duration::from_secs(2)));
        let tally = guess(tally, Verdict::Wrong, NETWORK, after(7));
        // The second is forgiven 12 seconds after the first, not after the one that came late.
        assert_eq!(tally.admit(NETWORK, after(11)).1, Admission::Refused(Duration::from_secs(1)));
        assert_eq!(tally.admit(NETWORK, after(12)).1, Admission::Admitted(after(12)));
        assert!(tally.tidied(NETWORK, after(24)).is_blank());
    }

    #[test]
    fn guesses_of_an_instance_that_is_gone_are_forgotten_one_by_one() {
        let mut tally = Tally::default();
        for second in 0..3 {
            tally = tally.admit(ACCOUNT, after(second)).0;
        }
        assert_eq!(tally.admit(ACCOUNT, after(10)).1, Admission::Busy);
        // The others of a busy account do not keep it alive.
        let (tally, admission) = tally.admit(ACCOUNT, after(11));
        assert_eq!(admission, Admission::Admitted(after(11)));
        assert_eq!(tally.pending.len(), 3);
        // Whoever comes late settles nobody else's.
        let tally = tally.settle(Verdict::Abandoned, START, ACCOUNT, after(11));
        assert_eq!(tally.pending.len(), 3);
    }

    #[test]
    fn what_happened_in_the_future_happened_now() {
        let year = 365 * 86_400;
        let tally = wrong(3, ACCOUNT);
        let ahead =
            Tally { failed_at: after(year).as_unix(), pending: vec![after(year).as_unix(); 3], ..tally };
        assert_eq!(ahead.admit(ACCOUNT, START).1, Admission::Refused(Duration::from_secs(2)));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(failed in 1_u32.., failed_at: i64, pending: Vec<i64>) {
            let tally = Tally { failed, failed_at, pending };
            prop_assert_eq!(Tally::decode(&tally.encode()), tally);
        }

        #[test]
        fn whatever_stands_in_redis_is_survived(
            text in "[-0-9 ]{0,60}|.*", now: i64, verdict in 0..3_usize,
        ) {
            let now = Timestamp::from_unix(now);
            let verdict = [Verdict::Right, Verdict::Wrong, Verdict::Abandoned][verdict];
            for policy in [ACCOUNT, NETWORK] {
                let (tally, _) = Tally::decode(&text).admit(policy, now);
                let settled = tally.settle(verdict, now, policy, now);
                prop_assert!(settled.life(policy) <= Duration::from_secs(36 * 900 + 10));
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
                    if let (admitted, Admission::Admitted(_)) = tally.admit(policy, now) {
                        tally = admitted.settle(Verdict::Wrong, now, policy, now);
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
