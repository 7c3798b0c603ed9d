//! One suite for every port that the stores implement, run against SQLite and PostgreSQL alike: each function of the
//! modules below is a test of both. What only one of them can meet (connections cut, sessions ended) is
//! in `faults`, what happens to whole processes (killed, on a full disk) in `endings`.
//!
//! `cargo test --test store_conformance`; see `cluster` for where PostgreSQL comes from.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod cluster;
mod documents;
mod endings;
mod faults;
mod guarantees;
mod hooks;
mod measure;
mod nearest;
mod notices;
mod people;
mod place;
mod places;
mod proxy;
mod races;
mod turns;
mod world;

macro_rules! suite {
    ($($module:ident: $($test:ident),+ $(,)?;)+) => {
        mod sqlite {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    crate::$module::$test(crate::place::Place::sqlite().await).await;
                }
            )+)+
        }

        mod postgres {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    crate::$module::$test(crate::place::Place::postgres().await).await;
                }
            )+)+
        }
    };
}

suite! {
    guarantees:
        a_commit_survives_a_restart,
        a_stale_owner_commits_nothing,
        a_commit_builds_on_the_last_one,
        a_poisoned_row_fails_certainly,
        terms_are_edited_in_the_commit,
        batches_of_every_size,
        commits_of_many_owners_at_once,
        the_wakeful_are_found,
        the_outbox_keeps_order,
        the_audit_finds_what_is_wrong;
    people:
        a_person_registers_and_changes,
        one_of_many_gets_the_email,
        people_are_listed,
        a_person_is_forgotten,
        a_family_rotates,
        one_of_many_rotates,
        families_end,
        segments_count_confirmed_claims;
    places:
        the_schema_is_brought_up,
        nobody_opens_nothing,
        a_key_is_used_once,
        a_conflict_uses_no_key,
        a_store_lives,
        staff_comes_and_goes,
        stores_are_followed,
        a_product_lives,
        job_runs_are_kept;
    notices:
        a_notice_is_leased_in_order,
        a_page_is_told_once,
        audiences_are_found_in_pages,
        pushes_are_settled,
        ends_are_warned_of_once;
    turns:
        a_job_has_one_turn_per_period,
        one_of_many_gets_the_turn;
    hooks:
        a_webhook_gets_a_message_once;
    documents:
        a_launch_is_one_transaction,
        a_draft_is_deleted,
        a_date_has_one_occurrence,
        an_occurrence_follows_its_series,
        a_series_lives,
        promotions_are_listed,
        what_was_withdrawn_is_hidden,
        promotions_are_searched,
        claims_are_listed,
        a_store_ends_or_launches;
    nearest:
        the_nearest_come_first_however_many;
}
