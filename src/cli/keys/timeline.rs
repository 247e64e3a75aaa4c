//! `chancery keys list --timeline`: the keys that are published as bars over time.

use crate::clock::Timestamp;
use crate::keys::{KeyState, SigningKey};

const PUBLISHED: char = '░';
const SIGNS: char = '█';
const RETIRED: char = '▒';
const LEGEND: &str = "░ published, does not sign yet   █ signs   ▒ retired, published while its tokens live   right of now: as planned";
/// `a1B2c3D4… EdDSA retired  `
const LABEL: usize = 27;
const LEAST_WIDTH: usize = 20;

/// When a key passes from one state to the next, known or planned.
struct Bar<'a> {
    key: &'a SigningKey,
    signs_from: Option<Timestamp>,
    signs_to: Option<Timestamp>,
    leaves: Option<Timestamp>,
}

/// Draws the published keys at `now`, up to `width` columns wide.
pub fn draw(keys: &[SigningKey], scheduled_at: Option<Timestamp>, now: Timestamp, width: usize) -> String {
    let bars: Vec<_> =
        keys.iter().filter(|key| key.is_published(now)).map(|key| Bar::of(key, scheduled_at)).collect();
    let axis = Axis::over(&bars, now, width.saturating_sub(LABEL).max(LEAST_WIDTH));
    let mut lines = axis.header(now);
    lines.extend(bars.iter().map(|bar| bar.draw(&axis)));
    lines.push(String::new());
    lines.push(LEGEND.to_owned());
    lines.join("\n")
}

impl<'a> Bar<'a> {
    fn of(key: &'a SigningKey, scheduled_at: Option<Timestamp>) -> Self {
        let (signs_from, signs_to) = match key.state {
            KeyState::Next => (scheduled_at, None),
            KeyState::Active { activated_at } => (Some(activated_at), scheduled_at),
            KeyState::Retired { activated_at, retired_at } => (activated_at, Some(retired_at)),
            KeyState::Revoked { .. } => (None, None),
        };
        let leaves = key.leaves_at().or_else(|| Some(signs_to? + key.promises.retention));
        Self { key, signs_from, signs_to, leaves }
    }

    fn draw(&self, axis: &Axis) -> String {
        let kid: String = self.key.kid.chars().take(8).collect();
        let label = format!("{kid}… {:<6}{:<8}", self.key.algorithm.as_str(), self.key.state.name());
        let mut bar = " ".repeat(axis.column(self.key.published_at));
        let mut drawn = axis.column(self.key.published_at);
        // A phase that is too short to see takes one column all the same.
        for (glyph, end) in [(PUBLISHED, self.signs_from), (SIGNS, self.signs_to), (RETIRED, self.leaves)] {
            let is_empty = glyph == PUBLISHED && end == Some(self.key.published_at);
            let end = end.map_or(axis.columns, |end| axis.column(end).max(drawn + usize::from(!is_empty)));
            let length = end.min(axis.columns).saturating_sub(drawn);
            bar.extend(std::iter::repeat_n(glyph, length));
            drawn += length;
        }
        format!("{label:<LABEL$}{bar}")
    }
}

/// The time that the columns show.
struct Axis {
    start: i64,
    end: i64,
    columns: usize,
}

impl Axis {
    /// From the first publication to the last planned moment, and never empty.
    fn over(bars: &[Bar<'_>], now: Timestamp, columns: usize) -> Self {
        let start = bars.iter().map(|bar| bar.key.published_at).chain([now]).min().unwrap_or(now).as_unix();
        let moments = bars.iter().flat_map(|bar| [bar.signs_from, bar.signs_to, bar.leaves]);
        let end = moments.flatten().chain([now]).max().unwrap_or(now).as_unix();
        // A little room on the right, so that a key that leaves is seen to.
        let room = (end - start) / 20;
        Self { start, end: (end + room).max(start + 60), columns }
    }

    fn column(&self, time: Timestamp) -> usize {
        let columns = i128::try_from(self.columns).unwrap_or(0);
        let column = i128::from(time.as_unix() - self.start) * columns / i128::from(self.end - self.start);
        usize::try_from(column).unwrap_or(0).min(self.columns)
    }

    fn header(&self, now: Timestamp) -> Vec<String> {
        let last = self.column(now).min(self.columns - 1);
        let [start, end] = [self.start, self.end].map(|time| Timestamp::from_unix(time).to_string());
        let gap = self.columns.saturating_sub(start.len());
        let mark = if last + 5 > self.columns {
            format!("{:>width$}", "now ▼", width = last + 1)
        } else {
            format!("{:last$}▼ now", "")
        };
        vec![format!("{:LABEL$}{start}{end:>gap$}", ""), format!("{:LABEL$}{mark}", "")]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Algorithm;
    use crate::keys::Promises;

    fn key(kid: &str, published_at: i64, state: KeyState) -> SigningKey {
        let promises =
            Promises { propagation_time: Duration::from_secs(10), retention: Duration::from_secs(20) };
        SigningKey::recorded(kid, Algorithm::EdDsa, Timestamp::from_unix(published_at), state, promises)
    }

    #[test]
    fn each_key_is_a_bar_from_its_publication_to_its_leaving() {
        let at = Timestamp::from_unix;
        let keys = [
            key("retired-key", 0, KeyState::Retired { activated_at: Some(at(20)), retired_at: at(60) }),
            key("active-key", 20, KeyState::Active { activated_at: at(60) }),
            key("next-key", 60, KeyState::Next),
        ];
        let picture = draw(&keys, Some(at(90)), at(70), LABEL + 58);
        let bars: Vec<&str> = picture.lines().skip(2).take(3).collect();
        let blank = |count| " ".repeat(count);
        let bar = |glyph: char, count| glyph.to_string().repeat(count);
        assert_eq!(
            bars[0].chars().skip(LABEL).collect::<String>(),
            bar(PUBLISHED, 10) + &bar(SIGNS, 20) + &bar(RETIRED, 10)
        );
        assert_eq!(
            bars[1].chars().skip(LABEL).collect::<String>(),
            blank(10) + &bar(PUBLISHED, 20) + &bar(SIGNS, 15) + &bar(RETIRED, 10)
        );
        assert_eq!(
            bars[2].chars().skip(LABEL).collect::<String>(),
            blank(30) + &bar(PUBLISHED, 15) + &bar(SIGNS, 13)
        );
        assert!(bars[0].starts_with("retired-… EdDSA retired"), "{picture}");
        assert_eq!(picture.lines().nth(1).unwrap().chars().position(|c| c == '▼'), Some(LABEL + 35));
    }

    #[test]
    fn a_phase_too_short_to_see_takes_a_column() {
        let at = Timestamp::from_unix;
        let retired = KeyState::Retired { activated_at: Some(at(1)), retired_at: at(2) };
        let keys = [key("brief", 0, retired), key("long", 0, KeyState::Active { activated_at: at(2) })];
        let picture = draw(&keys, Some(at(1_000_000)), at(3), LABEL + 50);
        let bar: String = picture.lines().nth(2).unwrap().chars().skip(LABEL).collect();
        assert_eq!(bar, format!("{PUBLISHED}{SIGNS}{RETIRED}"));
    }
}
