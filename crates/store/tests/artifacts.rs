//! Source maps of builds, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod support;

use std::time::Duration;

use model::{Id, Time};
use store::artifacts::{self, Bundle, File};
use store::{Durability, Result, Store, Tx};
use support::on_both;

const NOW: Time = Time::from_seconds(1_790_000_000);

fn id(n: i64) -> Id {
    Id(Id::first_at(NOW).0 + n)
}

fn bundle(n: i64, release: &str, build: &str) -> Bundle {
    Bundle {
        id: id(n),
        project: 1,
        checksum: format!("{n:040x}"),
        release: release.into(),
        build: build.into(),
        files: 1,
        bytes: 100,
        used_at: NOW,
    }
}

/// A bundle of a built file and its map.
fn keep(tx: &mut Tx<'_>, it: &Bundle, debug_id: &str) -> Result<()> {
    artifacts::begin(tx, it)?;
    let file = |n: i64, url: &str, source_map: &str, is_map| File {
        id: id(it.id.0 - id(0).0 + n),
        bundle: it.id,
        project: it.project,
        release: it.release.clone(),
        build: it.build.clone(),
        url: url.into(),
        debug_id: debug_id.into(),
        source_map: source_map.into(),
        is_map,
    };
    artifacts::insert_files(tx, &[file(1, "~/a.js", "a.js.map", false), file(2, "~/a.js.map", "", true)])?;
    for part in 0..20 {
        artifacts::insert_part(tx, id(it.id.0 - id(0).0 + 2), part, &[part as u8])?;
    }
    Ok(())
}

#[test]
fn pieces_wait_and_go() {
    on_both(async |store: Store| {
        let done = store.write(Durability::Disk, |tx| {
            artifacts::put_piece(tx, "aa", b"1", NOW)?;
            artifacts::put_piece(tx, "bb", b"2", NOW)?;
            artifacts::put_piece(tx, "aa", b"1", NOW + Duration::from_secs(9))?;
            assert_eq!(artifacts::pieces_there(tx, &["bb".into(), "cc".into(), "aa".into()])?, [0, 2]);
            assert_eq!(artifacts::count_pieces(tx)?, 2);
            assert_eq!(artifacts::sweep_pieces(tx, NOW + Duration::from_secs(1), 9)?, 1);
            assert_eq!(
                (artifacts::piece(tx, "aa")?, artifacts::piece(tx, "bb")?),
                (Some(b"1".to_vec()), None)
            );
            artifacts::forget_pieces(tx, &["aa".into()])?;
            artifacts::count_pieces(tx)
        });
        assert_eq!(done.await.unwrap(), 0);
    });
}

#[test]
fn files_are_found_when_their_bundle_is_whole() {
    on_both(async |store: Store| {
        let done = store.write(Durability::Disk, |tx| {
            for (n, release, build) in [(10, "1.0", ""), (20, "1.0", "7"), (30, "", "")] {
                keep(tx, &bundle(n, release, build), if n == 30 { "d1" } else { "" })?;
            }
            assert_eq!(artifacts::has_any(tx, 1, "1.0")?, (false, false), "none is whole");
            assert!(artifacts::by_debug_id(tx, 1, "d1")?.is_none());
            for (n, release, build) in [(10, "1.0", ""), (20, "1.0", "7"), (30, "", "")] {
                artifacts::finish(tx, &bundle(n, release, build))?;
            }
            assert_eq!(artifacts::has_any(tx, 1, "1.0")?, (true, true));
            assert_eq!(artifacts::has_any(tx, 1, "2.0")?, (true, false));
            assert_eq!(artifacts::has_any(tx, 2, "1.0")?, (false, false));
            let map = artifacts::by_debug_id(tx, 1, "d1")?.unwrap();
            assert_eq!((map.id, artifacts::body(tx, map.id)?.len()), (id(32), 20));
            assert!(
                artifacts::by_debug_id(tx, 1, "")?.is_none()
                    && artifacts::by_debug_id(tx, 2, "d1")?.is_none()
            );
            let mut of = |build| Ok(artifacts::by_url(tx, 1, ("1.0", build), "~/a.js")?.map(|it| it.bundle));
            let found: Result<Vec<Option<Id>>> = ["7", "8", ""].into_iter().map(&mut of).collect();
            assert_eq!(found?, [Some(id(20)), Some(id(10)), Some(id(10))], "its own build, or one for any");
            // the same again is not kept twice
            keep(tx, &bundle(40, "1.0", "7"), "")?;
            artifacts::finish(
                tx,
                &Bundle { checksum: bundle(20, "", "").checksum, ..bundle(40, "1.0", "7") },
            )?;
            let page = artifacts::page(tx, 1, Id(i64::MAX), 9)?;
            assert_eq!(page, [bundle(30, "", ""), bundle(20, "1.0", "7"), bundle(10, "1.0", "")]);
            Ok(())
        });
        done.await.unwrap();
    });
}

#[test]
fn what_is_too_much_goes_part_by_part() {
    on_both(async |store: Store| {
        let done = store.write(Durability::Disk, |tx| {
            for n in 1..=4 {
                keep(tx, &bundle(n * 10, "1.0", ""), "")?;
                artifacts::finish(tx, &bundle(n * 10, "1.0", ""))?;
            }
            keep(tx, &bundle(50, "1.0", ""), "")?;
            artifacts::touch(tx, id(10), NOW + Duration::from_secs(100))?;
            assert_eq!(artifacts::trim(tx, 1, NOW, (9, 300))?, 1, "by bytes");
            assert_eq!(artifacts::trim(tx, 1, NOW, (2, 1000))?, 1, "by number");
            assert_eq!(artifacts::trim(tx, 1, NOW + Duration::from_secs(1), (9, 1000))?, 2, "by use");
            assert!(artifacts::page(tx, 1, Id(i64::MAX), 9)?.is_empty());
            let mut steps = 0;
            while artifacts::sweep(tx, NOW)? > 0 {
                steps += 1;
            }
            assert_eq!(steps, 12, "two steps for the parts of each, one for the rest");
            assert_eq!(artifacts::any_of(tx, 1)?, Some(id(50)), "somebody is writing at it");
            while artifacts::sweep(tx, NOW + Duration::from_secs(1))? > 0 {}
            assert_eq!((artifacts::any_of(tx, 1)?, artifacts::body(tx, id(52))?), (None, vec![]));
            assert!(!artifacts::retire(tx, id(10))?);
            Ok(())
        });
        done.await.unwrap();
    });
}
