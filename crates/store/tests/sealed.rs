//! Secrets lie sealed in the database; what was in the clear is sealed at a start, and without its key nothing is lost.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod support;

use std::os::unix::fs::PermissionsExt as _;

use model::{Id, OwnedDestination, Time};
use serde_json::{Value, json};
use store::definitions::{self, Definition, Kind};
use store::overrides::{self, Version};
use store::{Durability, Keys, Location, Store, StoreError};
use support::fresh_database;

const SECRET: &str = "hush-hush-hush";

async fn fill(store: &Store) {
    let document = Ok(json!({ "receivers": { "url": SECRET } }).to_string());
    let (at, by, summary) = (Time::from_seconds(1), "ann".to_owned(), "set url".to_owned());
    let version = Version { version: 1, at, by, summary, rolled_back_to: None, document };
    let body = OwnedDestination::new("slack", json!({ "webhook": SECRET }));
    let (id, owner, name) = (Id(7), Id(0), "desk".to_owned());
    let it = Definition { id, owner, name, body, created_at: at, updated_at: at };
    let write = move |tx: &mut store::Tx<'_>| {
        Ok((overrides::keep(tx, &version)?, definitions::put(tx, Kind::Destination, &it)?))
    };
    assert_eq!(store.write(Durability::Disk, write).await.unwrap(), (true, true));
}

/// What lies in the rows.
async fn rows(store: &Store) -> [String; 2] {
    let read = |tx: &mut store::Tx<'_>| {
        let of = |tx: &mut store::Tx<'_>, sql: &str| tx.query_one(sql, &[], |row| row.string(0));
        let document = of(tx, "SELECT document FROM config_overrides")?.unwrap();
        Ok([document, of(tx, "SELECT body FROM definitions")?.unwrap()])
    };
    store.read(read).await.unwrap()
}

/// What is read of them.
async fn opened(store: &Store) -> [Result<String, String>; 2] {
    let version = store.read(overrides::newest).await.unwrap().unwrap();
    let found = store.read(|tx| definitions::get::<Value>(tx, Kind::Destination, Id(7))).await;
    let body = match found {
        Ok(found) => Ok(found.unwrap().body.to_string()),
        Err(StoreError::BadRow(why)) => Err(why),
        Err(other) => panic!("{other}"),
    };
    [version.document, body]
}

async fn is_open(store: &Store) -> bool {
    opened(store).await.iter().all(|it| it.as_ref().is_ok_and(|text| text.contains(SECRET)))
}

fn keys(digit: char) -> Keys {
    Keys::parse(&digit.to_string().repeat(64)).unwrap()
}

#[tokio::test]
async fn a_hub_with_a_folder_makes_its_key_and_seals_what_was_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    let (path, key) = (Location::Folder(folder.path().to_owned()), folder.path().join("secret.key"));
    let store = Store::open(&path).await.unwrap();
    fill(&store).await;
    assert!(rows(&store).await.iter().all(|row| row.contains(SECRET)) && !key.exists());
    store.close();

    let store = Store::open_sealed(&path, None).await.unwrap();
    assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let sealed = rows(&store).await;
    assert!(sealed.iter().all(|row| row.starts_with("sealed:1:") && !row.contains(SECRET)), "{sealed:?}");
    assert!(is_open(&store).await);
    store.close();
    // commands on the files of a hub that is stopped read it, too
    let store = Store::open(&path).await.unwrap();
    assert!(is_open(&store).await);
    store.close();

    // without the key there is another, everything is there still, and says what is missing
    let old = std::fs::read_to_string(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let store = Store::open_sealed(&path, None).await.unwrap();
    let name = sealed[0].split(':').nth(2).unwrap();
    for it in opened(&store).await {
        let why = it.unwrap_err();
        assert!(why.contains(name) && why.contains("not among"), "{why}");
    }
    assert_eq!(rows(&store).await, sealed);
    store.close();
    let new = std::fs::read_to_string(&key).unwrap();
    std::fs::write(&key, format!("{new}{old}")).unwrap();
    let store = Store::open_sealed(&path, None).await.unwrap();
    assert!(is_open(&store).await && rows(&store).await != sealed, "the first key seals from here on");
    store.close();
    std::fs::write(&key, "garbage").unwrap();
    let refused = Store::open_sealed(&path, None).await.err().unwrap().to_string();
    assert!(refused.contains("secret.key") && refused.contains("64 hexadecimal digits"), "{refused}");
}

#[tokio::test]
async fn nodes_share_a_key_and_it_can_be_changed() {
    let Some(url) = fresh_database().await else { return };
    let url = Location::Url(url);
    let store = Store::open_sealed(&url, None).await.unwrap();
    fill(&store).await;
    assert!(rows(&store).await.iter().all(|row| row.contains(SECRET)), "there is no key");
    let (one, two) = (keys('1'), keys('2'));
    let sealed = Store::open_sealed(&url, Some(one.clone())).await.unwrap();
    assert!(rows(&sealed).await.iter().all(|row| !row.contains(SECRET)));
    assert!(is_open(&sealed).await);
    let other = Store::open_sealed(&url, Some(two.clone())).await.unwrap();
    assert!(opened(&other).await.iter().all(Result::is_err));
    let both = Store::open_sealed(&url, Some(two.and(&one))).await.unwrap();
    assert!(is_open(&both).await);
    assert!(is_open(&other).await && !is_open(&sealed).await, "all of it is sealed with the new key");
}
