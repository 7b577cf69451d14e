//! In Alertmanager's place, groups are told what Alertmanager would tell, and when it would tell it.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nightbell_acceptance::alertmanager::{Alert, after, ago, ahead, now, send, start, time_of, told};
use nightbell_acceptance::{PATIENCE, Receiver, Reply};

const SECOND: Duration = Duration::from_secs(1);

/// A file with one route and one receiver of some webhooks.
fn file(route: &str, webhooks: &[&str]) -> String {
    let webhooks: String = webhooks.iter().map(|it| format!("  - {it}\n")).collect();
    format!(
        "route:\n  receiver: default\n{route}\nreceivers:\n- name: default\n  webhook_configs:\n{webhooks}"
    )
}

fn url(receiver: &Receiver) -> String {
    format!("url: '{}'", receiver.url("/hook"))
}

fn test(labels: &[(&str, &str)]) -> Alert {
    Alert::new(&[&[("alertname", "test")], labels].concat())
}

#[test]
fn alerts_of_one_label_set_are_merged() {
    let receiver = Receiver::open();
    let route = "  group_by: [alertname]\n  group_wait: 1s\n  group_interval: 1s\n  repeat_interval: 1ms\n";
    let hub = start(&file(route, &[&url(&receiver)]));
    let first = now();
    send(&hub, &[test(&[]).from(ahead(1))]);
    // another sender, later, with an earlier start
    send(&hub, &[test(&[]).from(first)]);
    let heard = receiver.wait_count(1, PATIENCE);
    assert_eq!(
        (time_of(&heard[0], 0, "startsAt"), told(&heard[0], "alertname")),
        (first, vec!["test:firing".into()])
    );

    send(&hub, &[test(&[]).annotated(&[("ann", "v1")]).from(now()).until(ahead(300))]);
    let heard = receiver.wait_count(2, PATIENCE);
    assert_eq!(heard[1].body["alerts"][0]["annotations"]["ann"], "v1");
    assert_eq!(time_of(&heard[1], 0, "startsAt"), first);
    after(&heard[0], &heard[1], SECOND);

    // it is said to be over three times: the latest end counts, and the last words
    let ends = [now() - SECOND / 5, now(), now() - SECOND / 10];
    for (end, text) in ends.into_iter().zip(["v2", "v3", "v3"]) {
        send(&hub, &[test(&[]).annotated(&[("ann", text)]).from(end - SECOND / 2).until(end)]);
    }
    let last = ends[1];
    let over = receiver.wait_count(3, PATIENCE)[2].clone();
    assert_eq!(
        (over.body["status"].clone(), told(&over, "alertname")),
        ("resolved".into(), vec!["test:resolved".into()])
    );
    assert_eq!((time_of(&over, 0, "startsAt"), time_of(&over, 0, "endsAt")), (first, last));
    assert_eq!(over.body["alerts"][0]["annotations"]["ann"], "v3");

    // it begins again: another life, another start
    let again = now();
    send(&hub, &[test(&[]).from(again)]);
    let heard = receiver.wait_count(4, PATIENCE);
    assert_eq!(
        (time_of(&heard[3], 0, "startsAt"), told(&heard[3], "alertname")),
        (again, vec!["test:firing".into()])
    );
    assert_eq!(heard[3].body["alerts"][0]["annotations"], serde_json::json!({}));
}

#[test]
fn of_two_senders_words_on_the_end_the_later_one_counts() {
    let receiver = Receiver::open();
    let route = "  group_by: [alertname]\n  group_wait: 0s\n  group_interval: 1s\n  repeat_interval: 1s\n";
    let hub = start(&format!("global: {{resolve_timeout: 10m}}\n{}", file(route, &[&url(&receiver)])));
    send(&hub, &[test(&[]).until(ahead(300))]);
    send(&hub, &[test(&[]).until(ahead(2))]);
    let heard = receiver.wait_count(5, PATIENCE);
    assert!(heard.iter().all(|it| it.body["status"] == "firing"), "{heard:#?}");
    // what only a time-out would end, any word may end
    send(&hub, &[Alert::new(&[("alertname", "other")])]);
    let short = ahead(2);
    send(&hub, &[Alert::new(&[("alertname", "other")]).until(short)]);
    let over = receiver.wait_for("its end", PATIENCE, |heard| {
        heard.iter().find(|it| told(it, "alertname") == ["other:resolved"]).cloned()
    });
    assert_eq!(time_of(&over, 0, "endsAt"), short);
}

#[test]
fn a_repeat_comes_at_a_tick_of_the_group() {
    let receiver = Receiver::open();
    let route = "  group_by: [alertname]\n  group_wait: 0s\n  group_interval: 2s\n  repeat_interval: 3s\n";
    let hub = start(&file(route, &[&url(&receiver)]));
    send(&hub, &[test(&[])]);
    let heard = receiver.wait_count(2, PATIENCE);
    after(&heard[0], &heard[1], 4 * SECOND);
}

#[test]
fn what_comes_together_is_told_together() {
    let receiver = Receiver::open();
    let route = "  group_by: []\n  group_wait: 1s\n  group_interval: 1s\n  repeat_interval: 2900ms\n";
    let hub = start(&file(route, &[&url(&receiver)]));
    let alert = |name: &str| Alert::new(&[("alertname", name)]).from(now());
    send(&hub, &[alert("test1")]);
    send(&hub, &[alert("test5")]);
    let heard = receiver.wait_count(1, PATIENCE);
    assert_eq!(told(&heard[0], "alertname"), ["test1:firing", "test5:firing"]);
    send(&hub, &[alert("test2"), alert("test3")]);
    let heard = receiver.wait_count(2, PATIENCE);
    after(&heard[0], &heard[1], SECOND);
    let all = ["test1:firing", "test2:firing", "test3:firing", "test5:firing"];
    assert_eq!(told(&heard[1], "alertname"), all);
    let heard = receiver.wait_count(3, PATIENCE);
    after(&heard[1], &heard[2], 3 * SECOND);
    assert_eq!(told(&heard[2], "alertname"), all);
}

#[test]
fn what_is_not_heard_of_any_more_is_over_after_the_resolve_timeout() {
    let receiver = Receiver::open();
    let route = "  group_by: [alertname]\n  group_wait: 0s\n  group_interval: 1s\n";
    let hub = start(&format!("global: {{resolve_timeout: 2s}}\n{}", file(route, &[&url(&receiver)])));
    let before = now();
    send(&hub, &[test(&[("lbl", "v1")]), test(&[("lbl", "v2")])]);
    let by = now();
    let heard = receiver.wait_count(2, PATIENCE);
    assert_eq!(told(&heard[1], "lbl"), ["v1:resolved", "v2:resolved"]);
    let end = time_of(&heard[1], 0, "endsAt");
    assert!(before + 2 * SECOND <= end && end <= by + 2 * SECOND, "{before} {end} {by}");
    assert!(heard[1].at.duration_since(heard[0].at) < 4 * SECOND);
    receiver.stays_at(2, SECOND);
}

#[test]
fn who_does_not_want_to_hear_of_ends_hears_of_what_fires_only() {
    let (all, firing) = (Receiver::open(), Receiver::open());
    let route = "  group_by: [alertname]\n  group_wait: 1s\n  group_interval: 2s\n";
    let quiet = format!("{{{}, send_resolved: false}}", url(&firing));
    let hub = start(&file(route, &[&url(&all), &quiet]));
    send(&hub, &[test(&[("lbl", "v1")]), test(&[("lbl", "v2")])]);
    for receiver in [&all, &firing] {
        assert_eq!(told(&receiver.wait_count(1, PATIENCE)[0], "lbl"), ["v1:firing", "v2:firing"]);
    }
    send(&hub, &[test(&[("lbl", "v1")]).until(now()), test(&[("lbl", "v3")])]);
    assert_eq!(told(&all.wait_count(2, PATIENCE)[1], "lbl"), ["v1:resolved", "v2:firing", "v3:firing"]);
    assert_eq!(told(&firing.wait_count(2, PATIENCE)[1], "lbl"), ["v2:firing", "v3:firing"]);
    send(&hub, &[test(&[("lbl", "v2")]).until(now())]);
    assert_eq!(told(&all.wait_count(3, PATIENCE)[2], "lbl"), ["v2:resolved", "v3:firing"]);
    firing.stays_at(2, SECOND);
}

#[test]
fn what_ends_and_begins_again_between_two_ticks_is_no_news() {
    let receiver = Receiver::open();
    let route = "  group_by: [alertname]\n  group_wait: 0s\n  group_interval: 2s\n";
    let hub = start(&file(route, &[&url(&receiver)]));
    let first = ago(60);
    send(&hub, &[test(&[]).from(first)]);
    receiver.wait_count(1, PATIENCE);
    send(&hub, &[test(&[]).from(first).until(now())]);
    send(&hub, &[test(&[]).from(first)]);
    receiver.stays_at(1, 3 * SECOND);
    // what began and ended between two ticks is shown beside what goes on
    send(&hub, &[test(&[("lbl", "short")])]);
    send(&hub, &[test(&[("lbl", "short")]).until(now())]);
    let heard = receiver.wait_count(2, PATIENCE);
    assert_eq!(told(&heard[1], "lbl"), [":firing", "short:resolved"]);
    assert_eq!(time_of(&heard[1], 0, "startsAt"), first);
}

#[test]
fn a_try_that_fails_is_made_again_and_nobody_else_hears_twice() {
    let count = AtomicUsize::new(0);
    let failing = Receiver::with(move |_| {
        Reply::status(if count.fetch_add(1, Ordering::Relaxed) < 3 { 500 } else { 200 })
    });
    let healthy = Receiver::open();
    let route = "  group_by: [alertname]\n  group_wait: 0s\n  group_interval: 1s\n";
    let hub = start(&file(route, &[&url(&failing), &url(&healthy)]));
    send(&hub, &[test(&[])]);
    failing.wait_for("the message", PATIENCE, |heard| heard.iter().any(|it| it.status == 200).then_some(()));
    let tries = failing.heard().len();
    failing.stays_at(tries, 2 * SECOND);
    assert_eq!((tries, healthy.heard().len()), (4, 1));
}

#[test]
fn a_reload_starts_the_clocks_anew_and_tells_nothing_twice() {
    let receiver = Receiver::open();
    let route = "  group_by: []\n  group_wait: 500ms\n  group_interval: 3s\n  repeat_interval: 10m\n";
    let hub = start(&file(route, &[&url(&receiver)]));
    send(&hub, &[Alert::new(&[("alertname", "test1")])]);
    receiver.wait_count(1, PATIENCE);
    receiver.stays_at(1, SECOND);
    hub.signal("HUP");
    let reloaded = std::time::Instant::now();
    nightbell_acceptance::wait_for("the reload", PATIENCE, || {
        hub.log().contains("was reloaded").then_some(())
    });
    send(&hub, &[Alert::new(&[("alertname", "test2")])]);
    let heard = receiver.wait_count(2, PATIENCE);
    assert_eq!(told(&heard[1], "alertname"), ["test1:firing", "test2:firing"]);
    let passed = heard[1].at.duration_since(reloaded);
    assert!(passed > 2 * SECOND + SECOND / 2, "the old clock went on: {passed:?}");
    assert!(passed < 4 * SECOND, "{passed:?}");
}

#[test]
fn what_waits_for_a_tick_is_told_at_a_reload() {
    let receiver = Receiver::open();
    let route = "  group_by: []\n  group_wait: 0s\n  group_interval: 5m\n";
    let hub = start(&file(route, &[&url(&receiver)]));
    send(&hub, &[Alert::new(&[("alertname", "test1")])]);
    receiver.wait_count(1, PATIENCE);
    send(&hub, &[Alert::new(&[("alertname", "test2")])]);
    receiver.stays_at(1, SECOND);
    assert_eq!(hub.ask("POST", "/-/reload", "").status, 200);
    let heard = receiver.wait_count(2, PATIENCE);
    assert_eq!(told(&heard[1], "alertname"), ["test1:firing", "test2:firing"]);
}

#[test]
fn a_restart_tells_nothing_twice_and_forgets_nothing() {
    let receiver = Receiver::open();
    let route = "  group_by: [alertname]\n  group_wait: 0s\n  group_interval: 1s\n";
    let mut hub = start(&file(route, &[&url(&receiver)]));
    let firing = || [test(&[]).from(ago(60)).until(ahead(300))];
    send(&hub, &firing());
    hub.wait_delivered(1);
    hub.kill_and_wake();
    send(&hub, &firing());
    receiver.stays_at(1, 2 * SECOND);
    send(&hub, &[test(&[]).until(now())]);
    assert_eq!(told(&receiver.wait_count(2, PATIENCE)[1], "alertname"), ["test:resolved"]);
    hub.wait_delivered(2);
    hub.kill_and_wake();
    send(&hub, &[test(&[]).until(now())]);
    receiver.stays_at(2, 2 * SECOND);
}

#[test]
fn a_route_that_continues_tells_those_after_it_as_well() {
    let [all, db, audit] = [Receiver::open(), Receiver::open(), Receiver::open()];
    let hub = start(&format!(
        "route:\n  receiver: all\n  group_wait: 0s\n  group_interval: 1s\n  routes:\n  \
         - {{receiver: audit, matchers: ['team=~\"db|web\"'], continue: true}}\n  \
         - {{receiver: db, matchers: ['team=db']}}\n  - {{receiver: all, matchers: ['team=db']}}\n\
         receivers:\n- {{name: all, webhook_configs: [{{{}}}]}}\n- {{name: db, webhook_configs: [{{{}}}]}}\n\
         - {{name: audit, webhook_configs: [{{{}}}]}}\n",
        url(&all),
        url(&db),
        url(&audit)
    ));
    send(&hub, &[test(&[("team", "db")])]);
    for receiver in [&db, &audit] {
        assert_eq!(told(&receiver.wait_count(1, PATIENCE)[0], "team"), ["db:firing"]);
    }
    send(&hub, &[test(&[("team", "web")]), test(&[("team", "ops")])]);
    assert_eq!(told(&audit.wait_count(2, PATIENCE)[1], "team"), ["db:firing", "web:firing"]);
    assert_eq!(told(&all.wait_count(1, PATIENCE)[0], "team"), ["ops:firing"]);
    assert_eq!((all.heard().len(), db.heard().len()), (1, 1));
}

#[test]
fn what_goes_on_is_not_told_to_be_over_after_an_absence() {
    let receiver = Receiver::open();
    let route = "  group_by: [alertname]\n  group_wait: 0s\n  group_interval: 1s\n";
    let mut hub = start(&file(route, &[&url(&receiver)]));
    let first = ago(60);
    let ends = ahead(2);
    send(&hub, &[test(&[]).from(first).until(ends), Alert::new(&[("alertname", "other")]).until(ends)]);
    receiver.wait_count(2, PATIENCE);
    hub.wait_delivered(2);
    hub.kill();
    nightbell_acceptance::wait_for("both ends to pass", PATIENCE, || (now() > ends).then_some(()));
    hub.wake();
    receiver.stays_at(2, 2 * SECOND);
    // its sender is back, and says that it goes on; then that it is over
    send(&hub, &[test(&[]).from(first).until(ahead(300))]);
    receiver.stays_at(2, 2 * SECOND);
    let shown = hub.get("/api/v2/alerts?filter=alertname%3Dtest");
    assert_eq!(
        shown[0]["startsAt"].as_str().unwrap().parse::<model::Time>().unwrap().as_seconds(),
        first.as_seconds()
    );
    send(&hub, &[test(&[]).from(first).until(now())]);
    assert_eq!(told(&receiver.wait_count(3, PATIENCE)[2], "alertname"), ["test:resolved"]);
}

#[test]
fn what_is_urgent_does_not_wait_for_its_groups_tick() {
    let receiver = Receiver::open();
    let hub = nightbell_acceptance::Hub::start(&format!(
        "[incidents]\nurgent = ['severity=\"critical\"']\n[route]\nreceiver = \"ops\"\ngroup_by = [\"alertname\"]\n\
         group_wait = \"0s\"\ngroup_interval = \"10m\"\n[[receivers.ops.webhook]]\nurl = \"{}\"\n",
        receiver.url("/hook")
    ));
    let alert = |n: &str, severity: &str| test(&[("n", n), ("severity", severity)]);
    send(&hub, &[alert("1", "warning")]);
    receiver.wait_count(1, PATIENCE);
    send(&hub, &[alert("2", "warning")]);
    receiver.stays_at(1, SECOND);
    send(&hub, &[alert("3", "critical")]);
    let heard = receiver.wait_count(2, PATIENCE);
    assert_eq!(told(&heard[1], "n"), ["1:firing", "2:firing", "3:firing"], "what waited comes along");
    send(&hub, &[alert("3", "critical")]);
    receiver.stays_at(2, SECOND);
}
