//! The suites every store passes, one for each part of a [`JobStore`]: what it promises, each promise a function over a
//! [`StoreFactory`].
//!
//! [`conformance_tests!`](crate::conformance_tests) makes a test of each function. The lists of them are the macros of the
//! parts.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says what is wrong")]

pub mod admission;
pub mod cancelling;
pub mod contention;
pub mod counting;
pub mod events;
pub mod jobs;
pub mod leases;
pub mod lifecycle;
pub mod ordering;
pub mod progress;
pub mod registry;
pub mod results;
mod support;
pub mod upkeep;
pub mod waiting;

use std::sync::Arc;

use async_trait::async_trait;
#[doc(hidden)]
pub use optimus_content::each_promise;

use crate::{JobStore, settings::QueueSettings};

/// Where the suite gets its stores from.
#[async_trait]
pub trait StoreFactory: Send + Sync {
    /// A new store without any jobs, that goes by these settings. It works as long as the factory lives.
    async fn open(&self, queue: &QueueSettings) -> Arc<dyn JobStore>;
}

/// Makes one `#[tokio::test]` of each promise of all parts. `$factory` is an expression for a new
/// [`StoreFactory`](crate::conformance::StoreFactory); paths in it start at `crate`.
#[macro_export]
macro_rules! conformance_tests {
    ($factory:expr) => {
        $crate::job_queue_conformance!($factory);
        $crate::worker_registry_conformance!($factory);
        $crate::event_bus_conformance!($factory);
        $crate::upkeep_conformance!($factory);
    };
}

/// The suite of [`JobQueue`](crate::JobQueue).
#[macro_export]
macro_rules! job_queue_conformance {
    ($factory:expr) => {
        $crate::conformance::each_promise! { $crate, $factory;
            admission {
                the_same_key_and_body_is_the_same_job,
                the_same_key_with_another_body_is_refused,
                a_key_is_its_owners_alone,
                what_a_key_made_is_known_without_submitting,
                duplicates_at_once_make_one_job,
                a_submission_repeated_by_its_id_is_one_job,
                a_key_is_free_again_after_its_time,
                a_full_queue_takes_no_more,
                a_full_store_takes_no_more_bytes,
                a_known_key_is_answered_by_a_full_queue,
                bytes_that_are_no_text_come_back_unchanged,
                large_payloads_come_back_unchanged,
            }
            cancelling {
                a_queued_job_is_cancelled_at_once,
                a_delayed_job_is_cancelled_at_once,
                a_running_job_is_asked_for,
                a_finished_job_stays_as_it_is,
                a_job_given_back_after_a_cancel_is_over,
                a_cancel_and_a_finish_at_once_end_the_job_once,
                a_cancel_and_a_claim_at_once_agree,
            }
            contention {
                every_job_is_claimed_by_one_of_many,
                any_interleaving_ends_every_job_once,
            }
            counting {
                depths_count_each_place,
                totals_count_each_event,
            }
            leases {
                a_job_finishes_once,
                only_who_finished_a_job_may_repeat_it,
                a_stale_token_can_do_nothing,
                tokens_grow,
                a_lease_lasts_as_long_as_it_is_renewed,
                a_released_job_loses_no_attempt_and_comes_first,
                a_retried_job_waits_for_its_backoff,
                each_backoff_is_twice_the_last,
                a_job_retried_too_often_fails_for_the_reason_given,
                only_so_many_dead_jobs_are_kept,
            }
            lifecycle {
                a_job_is_queued_then_running_then_completed,
                who_and_where_from_travels_with_a_job,
                a_failed_job_says_why,
                an_unknown_job_is_nothing,
                every_transition_is_one_of_the_table,
                a_finished_job_expires_without_a_trace,
                a_result_comes_back_unchanged,
            }
            ordering {
                jobs_of_one_priority_come_in_order,
                interactive_comes_before_normal_before_batch,
                waiting_jobs_age,
                languages_are_apart,
            }
            results {
                a_large_result_comes_in_parts,
                an_unfinished_job_has_no_parts,
                the_oldest_results_make_room,
                a_result_larger_than_all_may_be_keeps_its_totals,
                expired_results_no_longer_count,
            }
            waiting {
                a_waiting_worker_hears_of_a_job,
                workers_of_several_languages_wait_at_once,
                a_wait_abandoned_takes_nothing_with_it,
                waiting_ends_where_a_job_waits_already,
                waiting_ends_with_its_time,
                waiting_ends_with_a_backoff,
            }
        }
    };
}

/// The suite of [`WorkerRegistry`](crate::WorkerRegistry).
#[macro_export]
macro_rules! worker_registry_conformance {
    ($factory:expr) => {
        $crate::conformance::each_promise! { $crate, $factory;
            registry {
                workers_are_known_until_they_leave,
                silent_workers_are_forgotten,
            }
        }
    };
}

/// The suite of [`EventBus`](crate::EventBus).
#[macro_export]
macro_rules! event_bus_conformance {
    ($factory:expr) => {
        $crate::conformance::each_promise! { $crate, $factory;
            events {
                ends_and_cancels_are_announced,
            }
            progress {
                a_job_is_followed_from_its_queue_to_its_end,
                a_job_that_never_ran_is_followed_as_well,
                a_follower_goes_on_after_a_number,
                what_was_told_is_heard_before_the_end,
                attempts_are_told_one_after_the_other,
                only_who_holds_a_job_tells_of_it,
                what_is_told_after_the_end_is_dropped,
                all_that_is_kept_is_heard_later,
                the_oldest_updates_make_room,
                jobs_are_followed_apart,
                followers_come_and_go,
                a_crowd_of_followers_comes_and_goes,
                an_unknown_job_cannot_be_followed,
            }
        }
    };
}

/// The suite of [`Upkeep`](crate::Upkeep).
#[macro_export]
macro_rules! upkeep_conformance {
    ($factory:expr) => {
        $crate::conformance::each_promise! { $crate, $factory;
            upkeep {
                an_expired_lease_holds_until_it_is_reaped,
                a_lost_lease_is_an_attempt,
                a_job_out_of_attempts_is_dead,
                an_audit_of_a_sound_store_repairs_nothing,
            }
        }
    };
}
