//! Projects and their keys, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod support;

use model::project::{Project, ProjectKey, Rate, Settings};
use model::{Id, Time};
use store::{Durability, Store, projects};
use support::on_both;

const NOW: Time = Time::from_seconds(1_790_000_000);

fn project(id: i64, slug: &str) -> Project {
    let settings = Settings { allowed_origins: vec!["shop.example".into()], ..Settings::default() };
    Project { id, slug: slug.into(), platform: "python".into(), team: Some(Id(9)), settings, created_at: NOW }
}

fn key(id: i64, project: i64) -> ProjectKey {
    let rate = Some(Rate { events: 10, seconds: 60 });
    let (public, label) = (format!("{id:032x}"), "Default".to_owned());
    ProjectKey { id: Id(id), project, public, label, rate, created_at: NOW, revoked_at: None }
}

#[test]
fn a_project_is_kept_whole_and_its_name_is_free_again_when_it_is_gone() {
    on_both(async |store: Store| {
        let done = store.write(Durability::Disk, |tx| {
            let numbers = (projects::next_number(tx)?, projects::next_number(tx)?);
            assert!(projects::insert(tx, &project(numbers.0, "shop"))?);
            assert!(!projects::insert(tx, &project(numbers.1, "shop"))?, "the same name");
            projects::insert_key(tx, &key(5, numbers.0))?;
            projects::insert_key(tx, &key(6, numbers.0))?;
            projects::update_key(tx, &ProjectKey { revoked_at: Some(NOW), rate: None, ..key(6, numbers.0) })?;
            Ok(numbers)
        });
        let (first, second) = done.await.unwrap();
        assert!(second > first);
        let read = store.read(move |tx| {
            let named = (projects::named(tx, "shop")?, projects::named(tx, &first.to_string())?);
            assert_eq!(projects::named(tx, "a\0b")?, None);
            Ok((named, projects::all(tx)?, projects::keys(tx)?, projects::keys_of(tx, first)?))
        });
        let (named, all, good, keys) = read.await.unwrap();
        assert_eq!(named, (Some(project(first, "shop")), Some(project(first, "shop"))));
        assert_eq!((all.len(), good), (1, vec![key(5, first)]));
        assert_eq!((keys.len(), keys[1].rate, keys[1].revoked_at), (2, None, Some(NOW)));
        let done = store.write(Durability::Disk, move |tx| {
            let before = projects::current_version(tx)?;
            projects::delete(tx, first, NOW)?;
            assert!(projects::current_version(tx)? > before);
            assert!(projects::insert(tx, &project(second, "shop"))?);
            Ok((projects::all(tx)?.len(), projects::keys(tx)?.len(), projects::count(tx)?))
        });
        assert_eq!(done.await.unwrap(), (1, 0, 1));
    });
}
