//! What plugins keep, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod support;

use store::{Durability, Store, plugins};
use support::on_both;

#[test]
fn each_plugin_keeps_its_own_values_and_no_more_than_it_may() {
    on_both(async |store: Store| {
        let kept = store.write(Durability::Disk, |tx| {
            let most = 2;
            let kept = [
                plugins::set(tx, "foo", "a", "1", most)?,
                plugins::set(tx, "foo", "b", "\"ü\"", most)?,
                // one too many, and one in place of another
                plugins::set(tx, "foo", "c", "3", most)?,
                plugins::set(tx, "foo", "a", "{\"n\":4}", most)?,
                plugins::set(tx, "bar", "a", "5", most)?,
            ];
            Ok(kept)
        });
        assert_eq!(kept.await.unwrap(), [true, true, false, true, true]);
        let read = store.read(|tx| {
            let values =
                [plugins::get(tx, "foo", "a")?, plugins::get(tx, "foo", "b")?, plugins::get(tx, "foo", "c")?];
            Ok((values, plugins::names(tx, "foo", "")?, plugins::names(tx, "foo", "b")?))
        });
        let (values, all, some) = read.await.unwrap();
        assert_eq!(values.map(Option::unwrap_or_default), ["{\"n\":4}", "\"ü\"", ""]);
        assert_eq!((all, some), (vec!["a".to_owned(), "b".to_owned()], vec!["b".to_owned()]));
        let gone = store.write(Durability::Disk, |tx| {
            Ok([
                plugins::delete(tx, "foo", "a")?,
                plugins::delete(tx, "foo", "a")?,
                plugins::delete(tx, "bar", "x")?,
            ])
        });
        assert_eq!(gone.await.unwrap(), [true, false, false]);
    });
}
