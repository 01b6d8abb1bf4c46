//! One suite for all stores: memory, SQLite, and a real Postgres with one and with two replicas.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod cases;
mod observers;
mod replicas;
mod secrets;
mod support;

use support::{Memory, Postgres, Sqlite};

macro_rules! suite {
    ($($case:ident),* $(,)?) => {
        mod memory { $(#[tokio::test] async fn $case() { super::cases::$case(super::Memory::start().await).await; })* }
        mod sqlite { $(#[tokio::test] async fn $case() { super::cases::$case(super::Sqlite::start().await).await; })* }
        mod postgres { $(#[tokio::test] async fn $case() { super::cases::$case(super::Postgres::start().await).await; })* }
    };
}

suite! {
    a_write_is_in_the_index_when_it_is_answered,
    an_equal_write_changes_nothing,
    expectations_are_kept,
    a_batch_is_all_or_nothing,
    requirements_hold,
    what_another_store_created_keeps_its_age,
    a_mesh_goes_with_everything_in_it,
    concurrent_writers_get_gapless_revisions,
    the_feed_gives_every_key_its_last_change_in_order,
    a_watermark_goes_with_its_batch,
    everything_is_there_after_a_restart,
    an_observer_hears_of_transactions_that_change_something,
}
