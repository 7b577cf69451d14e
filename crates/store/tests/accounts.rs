//! Users, teams, sessions, invitations and the audit log, on both databases.

#![allow(clippy::unwrap_used, reason = "a test that breaks fails")]

mod support;

use model::account::{Actor, ActorKind, Membership, Role, Team, User};
use model::{Id, Time};
use serde_json::json;
use store::audit::Entry;
use store::invitations::Invitation;
use store::sessions::Session;
use store::tokens::Token;
use store::{Durability, Store, audit, invitations, sessions, teams, tokens, users};
use support::on_both;

const NOW: Time = Time::from_seconds(1_790_000_000);

fn user(id: i64, name: &str) -> User {
    User::new(Id(id), name, Role::Responder, NOW)
}

#[test]
fn a_user_is_kept_whole_and_no_two_have_one_name() {
    on_both(async |store: Store| {
        let full = User {
            full_name: "Ann Ü.".into(),
            email: "ann@example.org".into(),
            phone: "+4915112345678".into(),
            time_zone: "Europe/Berlin".into(),
            machine: true,
            ..user(5, "Ann")
        };
        let kept = full.clone();
        let done = store.write(Durability::Disk, move |tx| {
            assert!(users::insert(tx, &kept)?);
            assert!(!users::insert(tx, &user(6, "aNN"))?, "the same name in other letters");
            assert!(users::insert(tx, &user(7, "bob"))?);
            users::set_password(tx, Id(7), Some("$argon2id$x"))?;
            users::seen(tx, Id(7), NOW)?;
            users::identify(tx, "https://id.example.org", "4711", Id(7))
        });
        done.await.unwrap();
        let read = store.read(|tx| {
            let by_name = (users::named(tx, "ANN")?, users::named(tx, &Id(5).to_string())?);
            let bob = users::by_identity(tx, "https://id.example.org", "4711")?.unwrap();
            assert_eq!((users::named(tx, "a\0b")?, teams::named(tx, "a\0b")?), (None, None));
            let nobody = users::by_identity(tx, "https://other.example.org", "4711")?;
            let passwords = (users::password(tx, Id(5))?, users::password(tx, Id(7))?);
            let pages = (users::page(tx, None, 1)?, users::page(tx, Some(Id(5)), 10)?);
            Ok((by_name, bob, nobody, passwords, pages, users::count(tx)?))
        });
        let (by_name, bob, nobody, passwords, pages, count) = read.await.unwrap();
        assert_eq!(by_name, (Some(full.clone()), Some(full)));
        assert!(bob.has_password && bob.last_seen == Some(NOW) && nobody.is_none());
        assert_eq!(passwords, (None, Some("$argon2id$x".to_owned())));
        assert_eq!((pages.0.len(), pages.1[0].name.as_str(), count), (1, "bob", 2));
        let changed = store.write(Durability::Disk, |tx| {
            let mut bob = users::get(tx, Id(7))?.unwrap();
            assert_eq!(users::other_admins(tx, Id(5))?, 0);
            bob.role = Role::Admin;
            users::update(tx, &bob)?;
            assert_eq!((users::other_admins(tx, Id(5))?, users::other_admins(tx, Id(7))?), (1, 0));
            bob.disabled_at = Some(NOW);
            users::update(tx, &bob)?;
            assert_eq!(users::other_admins(tx, Id(5))?, 0);
            users::get(tx, Id(7))
        });
        let bob = changed.await.unwrap().unwrap();
        assert!(bob.role == Role::Admin && !bob.is_enabled() && bob.has_password);
    });
}

#[test]
fn a_team_has_members_with_a_role_each() {
    on_both(async |store: Store| {
        let team =
            |id, name: &str| Team { id: Id(id), name: name.into(), about: "x".into(), created_at: NOW };
        let member = |team, user, role| Membership { team: Id(team), user: Id(user), role };
        let done = store.write(Durability::Disk, move |tx| {
            assert!(teams::insert(tx, &team(1, "DB people"))? && teams::insert(tx, &team(2, "web"))?);
            assert!(!teams::insert(tx, &team(3, "db People"))?);
            for it in [member(1, 5, Role::Viewer), member(1, 5, Role::Manager), member(2, 5, Role::Viewer)] {
                teams::put_member(tx, it, model::Time(10))?;
            }
            teams::put_member(tx, member(1, 4, Role::Responder), model::Time(20))?;
            let found = (teams::members(tx, Id(1))?, teams::of_user(tx, Id(5))?);
            assert_eq!(found.0, [member(1, 4, Role::Responder), member(1, 5, Role::Manager)]);
            assert_eq!(found.1, [member(1, 5, Role::Manager), member(2, 5, Role::Viewer)]);
            assert_eq!(teams::member(tx, Id(2), Id(4))?, None);
            let leaves = |tx: &mut store::Tx<'_>, at| teams::remove_member(tx, Id(1), Id(4), model::Time(at));
            assert!(leaves(tx, 30)? && !leaves(tx, 40)?);
            // another role is no other member, and who was one then still was
            for (at, then) in
                [(9, Some(vec![])), (20, Some(vec![Id(4), Id(5)])), (30, Some(vec![Id(5)])), (40, None)]
            {
                assert_eq!(store::past::members(tx, Id(1), model::Time(at))?, then, "at {at}");
            }
            teams::update(tx, &Team { about: "y".into(), ..team(1, "Databases") })?;
            assert_eq!(teams::named(tx, "DATABASES")?.unwrap().about, "y");
            teams::delete(tx, Id(1), model::Time(50))?;
            Ok((teams::page(tx, None, 10)?.len(), teams::of_user(tx, Id(5))?.len()))
        });
        assert_eq!(done.await.unwrap(), (1, 1));
    });
}

#[test]
fn sessions_end_one_by_one_all_at_once_and_by_themselves() {
    on_both(async |store: Store| {
        let session = |id, user, expires_at| Session {
            id: Id(id),
            user: Id(user),
            created_at: NOW,
            seen_at: NOW,
            expires_at,
            agent: "curl".into(),
            address: "::1".into(),
        };
        let done = store.write(Durability::Disk, move |tx| {
            for n in 1..=5 {
                sessions::insert(tx, &session(n, 7, Time(NOW.0 + n)), &format!("hash {n}"))?;
            }
            sessions::insert(tx, &session(6, 8, Time(NOW.0 + 6)), "hash 6")?;
            assert_eq!(sessions::by_hash(tx, "hash 2")?, Some(session(2, 7, Time(NOW.0 + 2))));
            sessions::seen(tx, Id(2), Time(9))?;
            assert_eq!(sessions::by_hash(tx, "hash 2")?.unwrap().seen_at, Time(9));
            assert!(sessions::end(tx, Id(2))? && !sessions::end(tx, Id(2))?);
            assert_eq!(sessions::sweep(tx, Time(NOW.0 + 2), 10)?, 1);
            sessions::keep_newest(tx, Id(7), 2)?;
            let left: Vec<Id> = sessions::of_user(tx, Id(7))?.iter().map(|it| it.id).collect();
            assert_eq!(left, [Id(5), Id(4)]);
            assert_eq!(sessions::end_all(tx, Id(7), Some(Id(4)))?, 1);
            assert_eq!(sessions::end_all(tx, Id(7), None)?, 1);
            sessions::by_hash(tx, "hash 6")
        });
        assert!(done.await.unwrap().is_some(), "another user's session is left alone");
    });
}

#[test]
fn an_invitation_is_good_once() {
    on_both(async |store: Store| {
        let invitation = |id, user: Option<i64>| Invitation {
            id: Id(id),
            user: user.map(Id),
            name: "ann".into(),
            email: String::new(),
            role: Role::Admin,
            made_by: "start".into(),
            created_at: NOW,
            expires_at: Time(NOW.0 + 10),
            used_at: None,
        };
        let done = store.write(Durability::Disk, move |tx| {
            for (id, user) in [(1, None), (2, Some(7)), (3, Some(7)), (4, Some(8))] {
                invitations::insert(tx, &invitation(id, user), &format!("hash {id}"))?;
            }
            let first = invitations::by_hash(tx, "hash 1")?.unwrap();
            assert!(first == invitation(1, None) && first.is_good(NOW) && !first.is_good(Time(NOW.0 + 10)));
            assert!(invitations::use_up(tx, Id(1), NOW)? && !invitations::use_up(tx, Id(1), NOW)?);
            invitations::use_up_all(tx, Id(7), NOW)?;
            let good = invitations::list(tx, 10)?.into_iter().filter(|it| it.is_good(NOW));
            let good: Vec<Id> = good.map(|it| it.id).collect();
            assert_eq!(invitations::sweep(tx, Time(NOW.0 + 11), 3)?, 3);
            Ok(good)
        });
        assert_eq!(done.await.unwrap(), [Id(4)]);
    });
}

#[test]
fn a_token_may_belong_to_a_user() {
    on_both(async |store: Store| {
        let token = |id, user| Token {
            id: Id(id),
            user,
            name: "x".into(),
            scopes: "read".into(),
            created_at: NOW,
            expires_at: None,
            revoked_at: None,
        };
        let done = store.write(Durability::Disk, move |tx| {
            tokens::insert(tx, &token(1, None), "a")?;
            tokens::insert(tx, &token(2, Some(Id(7))), "b")?;
            Ok((tokens::get(tx, Id(1))?, tokens::of_user(tx, Id(7))?))
        });
        assert_eq!(done.await.unwrap(), (Some(token(1, None)), vec![token(2, Some(Id(7)))]));
    });
}

#[test]
fn the_audit_log_is_paged_redacted_and_forgotten_by_age() {
    on_both(async |store: Store| {
        let entry = |id: i64, action: &str| Entry {
            id: Id(id),
            at: Time(id),
            actor: Actor {
                kind: ActorKind::User,
                id: Some(Id(7)),
                name: "ann".into(),
                address: "::1".into(),
            },
            action: action.into(),
            object_kind: "user".into(),
            object_id: "x".into(),
            before: None,
            after: Some(json!({ "password": "hush", "name": "bob" })),
        };
        let done = store.write(Durability::Disk, move |tx| {
            for id in 1..=6 {
                audit::write(tx, &entry(id, if id % 2 == 0 { "even" } else { "odd" }))?;
            }
            let (all, next) = audit::page(tx, None, 4, 100, |_| true)?;
            assert_eq!((all.len(), next), (4, Some(Id(3))));
            let shown = json!({ "password": audit::REDACTED, "name": "bob" });
            assert_eq!(all[0], Entry { after: Some(shown), ..entry(6, "even") });
            let (rest, next) = audit::page(tx, next, 4, 100, |it| it.action == "even")?;
            assert_eq!((rest.len(), next), (1, None));
            let (none, next) = audit::page(tx, None, 4, 2, |_| false)?;
            assert_eq!((none.len(), next), (0, Some(Id(5))), "no search looks at too much");
            assert_eq!((audit::sweep(tx, Time(4), 2)?, audit::sweep(tx, Time(4), 2)?), (2, 1));
            Ok(audit::page(tx, None, 9, 100, |_| true)?.0.len())
        });
        assert_eq!(done.await.unwrap(), 3);
    });
}
