//! Which content is removed.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use optimus_common::{JobId, content::Digest};

use crate::settings::ContentSettings;

/// The shortest time for which content is kept: a job that was given its content must be in its store by then.
const LEAST_KEPT: Duration = Duration::from_mins(1);

/// Where room is made, one part in so many of the bound is left free, so that not every upload has to make some.
const LEAVES: u64 = 10;

/// How much a store takes, and how long it keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Largest content.
    pub max_bytes: u64,
    /// All content together.
    pub max_total_bytes: u64,
    /// How long content is kept that nobody uses.
    pub retention: Duration,
    /// What was used this recently makes no room for other content, and a job that holds content for no longer than this
    /// may still be on its way into its store.
    pub min_kept: Duration,
}

impl Rules {
    pub fn of(settings: &ContentSettings) -> Self {
        let min_kept = settings.min_kept.max(LEAST_KEPT);
        Self {
            max_bytes: settings.max_bytes,
            max_total_bytes: settings.max_total_bytes,
            retention: settings.retention.max(min_kept),
            min_kept,
        }
    }

    /// For content in Redis.
    pub fn of_redis(settings: &ContentSettings) -> Self {
        Self {
            max_bytes: settings.redis_max_bytes,
            max_total_bytes: settings.redis_max_total_bytes,
            ..Self::of(settings)
        }
    }

    /// Of these jobs, with the moment since which each holds content, those that must be in their store if they ever were on
    /// their way into it.
    pub(crate) fn old_holds(
        &self,
        holds: impl IntoIterator<Item = (JobId, SystemTime)>,
        now: SystemTime,
    ) -> Vec<JobId> {
        let is_old = |since| now.duration_since(since).unwrap_or_default() >= self.min_kept;
        holds
            .into_iter()
            .filter_map(|(job, since)| is_old(since).then_some(job))
            .collect()
    }

    /// How much content a store keeps when it makes room because there was more than `max_total_bytes`.
    pub fn total_after_removal(&self) -> u64 {
        left_of(self.max_total_bytes)
    }
}

/// How much stays where there was more than the bound.
pub(crate) fn left_of(bound: u64) -> u64 {
    bound - bound / LEAVES
}

/// Content as a store lists it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) digest: Digest,
    /// What it counts for.
    pub(crate) bytes: u64,
    pub(crate) used: SystemTime,
}

/// What may go of these, in this order: what nobody used for its time, and where all of them together are more than `most`,
/// what was used the longest ago.
pub(crate) fn removable(
    mut entries: Vec<Entry>,
    held: &HashSet<Digest>,
    rules: &Rules,
    now: SystemTime,
    most: u64,
) -> Vec<Entry> {
    let mut total: u64 = entries.iter().map(|entry| entry.bytes).sum();
    entries.retain(|entry| !held.contains(&entry.digest));
    entries.sort_unstable_by_key(|entry| entry.used);
    entries
        .into_iter()
        .take_while(|entry| {
            // A clock that was put back makes nothing old.
            let unused = now.duration_since(entry.used).unwrap_or_default();
            let goes = unused >= rules.retention || (total > most && unused >= rules.min_kept);
            total = total.saturating_sub(if goes { entry.bytes } else { 0 });
            goes
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        max_bytes: 100,
        max_total_bytes: 100,
        retention: Duration::from_secs(1000),
        min_kept: Duration::from_secs(10),
    };

    /// Unused for so many seconds, of so many bytes each; their numbers, in the order in which they go.
    fn gone(entries: &[(u64, u64)], held: &[u8], most: u64) -> Vec<u8> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 30);
        let digest = |number| Digest::from([number; 32]);
        let entries = entries.iter().zip(0..).map(|((unused, bytes), number)| Entry {
            digest: digest(number),
            bytes: *bytes,
            used: now - Duration::from_secs(*unused),
        });
        let held = held.iter().map(|number| digest(*number)).collect();
        removable(entries.collect(), &held, &RULES, now, most)
            .iter()
            .map(|entry| entry.digest.as_bytes()[0])
            .collect()
    }

    #[test]
    fn what_is_unused_for_its_time_goes_unless_it_is_held() {
        assert_eq!(gone(&[(999, 1), (1000, 1), (5000, 1)], &[], 100), [2, 1]);
        assert_eq!(gone(&[(999, 1), (1000, 1), (5000, 1)], &[2], 100), [1]);
    }

    #[test]
    fn the_longest_unused_makes_room_as_far_as_needed() {
        let entries = [(20, 40), (40, 40), (30, 40), (60, 40)];
        assert!(gone(&entries, &[], 160).is_empty());
        assert_eq!(gone(&entries, &[], 159), [3]);
        assert_eq!(gone(&entries, &[], 100), [3, 1]);
        assert_eq!(gone(&entries, &[3], 100), [1, 2]);
    }

    #[test]
    fn what_was_just_used_makes_no_room() {
        assert_eq!(gone(&[(9, 80), (11, 80), (9, 80)], &[], 0), [1]);
        // Used in what is the future here.
        assert!(gone(&[(0, 80)], &[], 0).is_empty());
    }

    #[test]
    fn no_setting_takes_content_from_a_job_on_its_way() {
        let mut settings = optimus_settings::defaults_of::<ContentSettings>("content");
        settings.min_kept = Duration::ZERO;
        settings.retention = Duration::ZERO;
        let rules = Rules::of(&settings);
        assert_eq!((rules.min_kept, rules.retention), (LEAST_KEPT, LEAST_KEPT));
        let in_redis = Rules::of_redis(&settings);
        assert_eq!((in_redis.min_kept, in_redis.retention), (LEAST_KEPT, LEAST_KEPT));
    }
}
