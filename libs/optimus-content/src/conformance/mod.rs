//! The suite every store of content passes: what [`ContentStore`] promises, each promise a function over a
//! [`StoreFactory`].
//!
//! [`content_conformance_tests!`](crate::content_conformance_tests) makes a test of each function, and is the list of all of
//! them.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says what is wrong")]

pub mod coming;
pub mod damaged;
pub mod keeping;
mod support;

#[cfg(test)]
pub(crate) use support::given_up_after;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use optimus_common::content::Digest;

use crate::{ContentStore, Rules};

/// What happens to content where nobody looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// One of its bytes, after the first, is another one.
    Changed,
    /// Only the first bytes are left, or none.
    CutOff,
}

/// Where the suite gets its stores from.
#[async_trait]
pub trait StoreFactory: Send + Sync {
    /// A new store without any content, that goes by these rules. It works as long as the factory lives.
    async fn open(&self, rules: Rules) -> Arc<dyn ContentStore>;

    /// The least time between two uses of which the store can tell which one was first.
    fn tick(&self) -> Duration;

    /// What content counts for beside its bytes, at most.
    fn beside(&self) -> u64;

    /// Damages content of the store, below it.
    async fn damage(&self, digest: Digest, damage: Damage);
}

/// Makes one `#[tokio::test]` of each promise. `$factory` is an expression for a new
/// [`StoreFactory`](crate::conformance::StoreFactory); paths in it start at `crate`.
#[macro_export]
macro_rules! content_conformance_tests {
    ($factory:expr) => {
        $crate::each_promise! { $crate, $factory;
            coming {
                content_comes_back_unchanged,
                bytes_of_another_digest_are_refused,
                content_is_not_there_before_its_end,
                content_larger_than_is_taken_is_refused,
                the_same_content_again_is_no_other,
                content_that_is_there_is_compared_all_the_same,
                the_same_content_at_once_is_one,
                uploads_given_up_take_no_room,
                uploads_given_up_at_any_moment_take_no_room,
                a_store_has_a_name_of_its_own,
            }
            damaged {
                damaged_content_is_not_handed_out_and_is_removed,
                what_says_it_is_larger_than_asked_for_is_not_read,
                a_put_mends_damaged_content,
                a_late_reader_removes_nothing_new,
            }
            keeping {
                what_nobody_uses_goes_after_its_time,
                what_a_job_holds_stays_until_it_is_over,
                what_is_released_goes_after_its_time,
                a_job_is_told_what_is_missing,
                a_job_on_its_way_is_not_asked_for,
                an_error_ends_no_hold,
                a_job_nothing_is_known_of_holds_up_nobody,
                what_was_not_used_for_the_longest_time_makes_room,
                what_is_held_makes_no_room,
                jobs_hold_no_more_than_they_may,
                what_was_just_used_makes_no_room,
            }
        }
    };
}

/// The `#[tokio::test]`s of a suite that is the module `conformance` of a crate.
#[doc(hidden)]
#[macro_export]
macro_rules! each_promise {
    ($suite:tt, $factory:expr; $($module:ident { $($test:ident),* $(,)? })*) => {
        $(mod $module {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    $suite::conformance::$module::$test(&$factory).await;
                }
            )*
        })*
    };
}
