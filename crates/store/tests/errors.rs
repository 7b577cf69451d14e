//! Errors that programs report, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use model::incident::State;
use model::{Event, Id, Incident, Labels, NewEvent, Time};
use store::errors::{self, BaseRow, EventRow, Found, Hit, Hourly, IssueRow, Looked, Step, Tagged};
use store::events::Texts;
use store::{Durability, Result, Store, Tx, incidents};
use support::on_both;

const NOW: Time = Time::from_seconds(1_790_000_000);

fn id(n: i64) -> Id {
    Id(Id::first_at(NOW).0 + n)
}

fn issue(tx: &mut Tx<'_>, n: i64, hash: &str) -> Result<()> {
    issue_of(tx, 1, n, hash)
}

fn issue_of(tx: &mut Tx<'_>, project: i64, n: i64, hash: &str) -> Result<()> {
    let new = NewEvent { key: format!("errors:{n}"), ..NewEvent::raise("errors", Labels::new()) };
    let (incident, _) = Incident::open(&Event::arrive(new, id(n), NOW));
    let texts = Arc::new(Texts::of(&incident.labels, &incident.annotations));
    incidents::insert(tx, &[(&incident, texts)])?;
    let row = IssueRow {
        id: id(n),
        project,
        merged_into: None,
        life: "{}".into(),
        users_seen: 0,
        first_release: "1.0".into(),
        last_release: "1.0".into(),
    };
    errors::insert_issues(tx, &[&row])?;
    errors::insert_words(tx, &[(id(n), "zerodivisionerror")])?;
    errors::attach_hashes(tx, &[(project, hash, "v1", id(n))])
}

fn event(n: i64, issue: i64) -> EventRow {
    let (base, body) = (Some(id(0)), vec![0, 1, 255]);
    let user = Some(n % 2);
    EventRow { id: id(n), project: 1, issue: id(issue), event_key: n, at: NOW, base, user, body }
}

#[test]
fn events_are_found_by_their_sums_and_walked_through_in_their_order() {
    on_both(async |store: Store| {
        let done = store.write(Durability::Disk, |tx| {
            issue(tx, 1, "aa")?;
            errors::attach_hashes(tx, &[(1, "bb", "v1", id(1)), (1, "aa", "v1", id(9))])?;
            let all: Vec<EventRow> = (1..=5).map(|n| event(n, 1)).collect();
            errors::insert(tx, &all.iter().collect::<Vec<_>>())?;
            errors::insert_bases(
                tx,
                &[&BaseRow { id: id(0), project: 1, hash: "aa".into(), body: vec![7] }],
            )?;
            errors::touch(tx, &[(id(1), 4)], NOW + Duration::from_secs(9))
        });
        done.await.unwrap();
        let read = store.read(|tx| {
            let found = errors::by_hashes(tx, &[(1, "bb"), (1, "cc"), (2, "aa"), (1, "aa")])?;
            assert_eq!(found.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [0, 3]);
            let Found::Issue(head) = &found[1].1 else { panic!("{found:?}") };
            assert_eq!((head.issue.id, head.state, head.times_seen), (id(1), State::Open, 5));
            assert_eq!(head.last_seen, NOW + Duration::from_secs(9));
            assert_eq!(errors::known(tx, &[4, 40])?, [(0, id(1))]);
            let mut at = |step| Ok(errors::navigate(tx, &[id(1)], step)?.map(|it| it.event_key));
            let steps: Result<Vec<Option<i64>>> =
                [Step::First, Step::Last, Step::Before(id(3)), Step::After(id(5)), Step::At(id(2))]
                    .into_iter()
                    .map(&mut at)
                    .collect();
            assert_eq!(steps?, [Some(1), Some(5), Some(2), None, Some(2)]);
            assert_eq!(errors::page(tx, &[id(1)], id(5), 2)?, [event(4, 1), event(3, 1)]);
            assert_eq!(errors::base_for(tx, 1, "aa")?.map(|it| it.body), Some(vec![7]));
            assert_eq!(errors::count_since(tx, &[id(1)], NOW, 3)?, 3);
            assert_eq!(errors::count_users_since(tx, &[id(1)], NOW, 9)?, 2);
            let mut say = |word: &str| errors::that_say(tx, &[id(9), id(1)], |text| text.contains(word));
            assert_eq!((say("zerodivision")?, say("other")?), (vec![1], vec![]));
            assert_eq!(errors::heads(tx, Looked::newest(None, 10))?.0[0].issue.id, id(1));
            Ok(())
        });
        read.await.unwrap();
        let done = store.write(Durability::Disk, |tx| {
            assert_eq!(errors::discard_hashes(tx, id(1))?, 2);
            errors::attach_hashes(tx, &[(1, "aa", "v1", id(9))])?;
            errors::by_hashes(tx, &[(1, "aa")])
        });
        assert_eq!(done.await.unwrap(), [(0, Found::Discarded)], "what is not wanted stays so");
    });
}

#[test]
fn what_is_counted_adds_up() {
    on_both(async |store: Store| {
        let done = store.write(Durability::Disk, |tx| {
            issue(tx, 1, "aa")?;
            let hour = |times| Hourly { issue: id(1), hour: 7, times, kept: times, bytes: times * 10 };
            errors::count_hours(tx, &[hour(2), hour(3)])?;
            let hit = |user| Hit { home: id(1), head: id(1), user };
            assert_eq!(errors::note_users(tx, &[hit(5), hit(6), hit(5)])?, [0, 1]);
            assert_eq!(errors::note_users(tx, &[hit(6), hit(7)])?, [1]);
            let tag = |value| Tagged { issue: id(1), name: "browser", value };
            errors::count_tags(tx, &[tag("Firefox"), tag("Chrome"), tag("Firefox")], NOW)?;
            errors::note_seen(tx, &[(1, "release", "1.0", 2), (1, "release", "1.0", 1)], NOW)?;
            errors::count_sent(tx, &[(1, "event", 2), (1, "session", 1), (1, "event", 1)], NOW)
        });
        done.await.unwrap();
        let read = store.read(|tx| {
            assert_eq!(errors::times_by_hour(tx, &[id(1)], Time(0))?, [(7, 5)]);
            let tags = errors::tags_of(tx, &[id(1)], None)?;
            let tags: Vec<(&str, i64)> = tags.iter().map(|it| (it.value.as_str(), it.times)).collect();
            assert_eq!(tags, [("Firefox", 2), ("Chrome", 1)]);
            assert_eq!(errors::tags_with(tx, &[id(1), id(2)], "browser", "Chrome")?, [(0, 1)].into());
            assert_eq!(errors::seen(tx, 1, "release", 9)?, [("1.0".into(), NOW, NOW, 3)]);
            let sent = errors::project_hours(tx, 1, NOW)?;
            let sent: Vec<(&str, i64)> =
                sent.iter().map(|(_, what, times)| (what.as_str(), *times)).collect();
            assert_eq!(sent, [("event", 3), ("session", 1)]);
            Ok(())
        });
        read.await.unwrap();
    });
}

#[test]
fn users_are_noted_where_their_errors_lead_and_counted_where_they_count() {
    on_both(async |store: Store| {
        let done = store.write(Durability::Disk, |tx| {
            [(1, "aa"), (2, "bb"), (3, "cc")].into_iter().try_for_each(|(n, hash)| issue(tx, n, hash))?;
            let hit = |home, head, user| Hit { home: id(home), head: id(head), user };
            assert_eq!(errors::note_users(tx, &[hit(1, 1, 5), hit(2, 2, 5)])?, [0, 1], "two by themselves");
            errors::set_merged(tx, id(2), Some(id(1)))?;
            errors::set_merged(tx, id(3), Some(id(1)))?;
            let hits = [hit(3, 1, 5), hit(3, 1, 6), hit(2, 1, 6), hit(1, 1, 7), hit(2, 1, 7)];
            assert_eq!(errors::note_users(tx, &hits)?, [1, 3], "each counts once for all of them");
            let seen = |tx: &mut Tx<'_>, n| -> Result<i64> {
                errors::recount(tx, id(n))?;
                Ok(errors::head(tx, id(n))?.map_or(-1, |it| it.issue.users_seen))
            };
            assert_eq!(seen(tx, 1)?, 3);
            errors::set_merged(tx, id(2), None)?;
            assert_eq!((seen(tx, 1)?, seen(tx, 2)?), (3, 3), "5, 6 and 7 here as there");
            errors::set_merged(tx, id(3), None)?;
            assert_eq!((seen(tx, 1)?, seen(tx, 3)?), (2, 2));
            Ok(())
        });
        done.await.unwrap();
    });
}

#[test]
fn what_is_too_much_to_be_counted_is_estimated_by_the_hour() {
    on_both(async |store: Store| {
        let hour = NOW.0 / errors::HOUR;
        let done = store.write(Durability::Disk, move |tx| {
            let of =
                |issue, back, times| Hourly { issue: id(issue), hour: hour - back, times, kept: 0, bytes: 0 };
            errors::count_hours(tx, &[of(1, 0, 600), of(1, 1, 1200), of(2, 1, 1200), of(1, 2, 400)])
        });
        done.await.unwrap();
        let read = store.read(move |tx| {
            let at = |back: i64, minutes: i64| Time((hour - back) * errors::HOUR + minutes * 60_000_000);
            let now = at(0, 30);
            let family = [id(1), id(2)];
            let whole = errors::estimate(tx, &family, (at(2, 0), at(0, 0)), now)?;
            assert_eq!(whole, (2800, 2800), "whole hours");
            let part = errors::estimate(tx, &family, (at(2, 30), at(1, 15)), now)?;
            assert_eq!(part, (0, 200 + 600), "parts have their share");
            let (least, about) = errors::estimate(tx, &family, (at(0, 15), Time::MAX), now)?;
            assert_eq!((least, about / 10), (0, 30), "half of what came in half an hour");
            Ok(())
        });
        read.await.unwrap();
        let counted = store.write(Durability::Disk, |tx| {
            issue(tx, 1, "aa")?;
            let events: Vec<EventRow> = (1..=5).map(|n| event(n, 1)).collect();
            errors::insert(tx, &events.iter().collect::<Vec<_>>())?;
            let soon = NOW + Duration::from_secs(1);
            let before = errors::count_between(tx, &[id(1)], (Time(0), NOW), 9)?;
            Ok((before, errors::count_between(tx, &[id(1)], (NOW, soon), 9)?))
        });
        assert_eq!(counted.await.unwrap(), (0, 5));
    });
}

#[test]
fn the_oldest_go_and_the_newest_stays() {
    on_both(async |store: Store| {
        let done = store.write(Durability::Disk, |tx| {
            issue(tx, 1, "aa")?;
            let all: Vec<EventRow> = (1..=5).map(|n| event(n, 1)).collect();
            errors::insert(tx, &all.iter().collect::<Vec<_>>())?;
            let hour = NOW.0 / errors::HOUR;
            errors::count_hours(tx, &[Hourly { issue: id(1), hour, times: 5, kept: 5, bytes: 15 }])?;
            let far = NOW + Duration::from_secs(1000);
            let gone = errors::evict(tx, id(1), far, 2)?;
            assert_eq!((gone.events, gone.bytes), (2, 6));
            let left = errors::weigh(tx, 1)?;
            assert_eq!((left.events, left.bytes), (3, 9));
            assert_eq!(errors::evict(tx, id(1), NOW, 9)?.events, 0, "none is so old");
            assert_eq!(errors::evict(tx, id(1), far, 9)?.events, 2);
            assert_eq!(errors::plenty(tx, 1)?[0].weight.events, 1);
            // its base is needed as long as there may be one that was compressed against it
            errors::insert_bases(
                tx,
                &[
                    &BaseRow { id: id(0), project: 1, hash: "aa".into(), body: vec![1] },
                    &BaseRow { id: id(8), project: 1, hash: "aa".into(), body: vec![2] },
                    &BaseRow { id: id(9), project: 1, hash: "zz".into(), body: vec![3] },
                ],
            )?;
            assert_eq!(errors::sweep_bases(tx, Id(0), 10)?, Some(id(9)));
            assert_eq!(errors::base_of(tx, id(0))?, Some(vec![1]));
            assert_eq!(errors::base_of(tx, id(9))?, None, "its sum leads nowhere");
            errors::forget_issue(tx, id(1))?;
            errors::sweep_bases(tx, Id(0), 10)?;
            assert_eq!((errors::base_of(tx, id(0))?, errors::base_of(tx, id(8))?), (None, None));
            Ok(())
        });
        done.await.unwrap();
    });
}

#[test]
fn issues_are_walked_from_the_newest_and_it_is_said_whether_there_are_older_ones() {
    on_both(async |store: Store| {
        let done = store.write(Durability::Disk, |tx| {
            [(1, 1, "aa"), (2, 1, "bb"), (3, 2, "aa"), (4, 1, "cc")]
                .into_iter()
                .try_for_each(|(n, project, hash)| issue_of(tx, project, n, hash))
        });
        done.await.unwrap();
        let read = store.read(|tx| {
            let mut walk = |project, before, limit| {
                let (found, older) = errors::heads(tx, Looked { project, before, limit })?;
                Result::Ok((found.iter().map(|it| it.issue.id).collect::<Vec<_>>(), older))
            };
            assert_eq!(walk(Some(1), Id(i64::MAX), 2)?, (vec![id(4), id(2)], true));
            assert_eq!(walk(Some(1), id(2), 2)?, (vec![id(1)], false));
            assert_eq!(walk(Some(1), id(1), 2)?, (vec![], false));
            assert_eq!(walk(None, id(4), 3)?, (vec![id(3), id(2), id(1)], false));
            Ok(())
        });
        read.await.unwrap();
    });
}
