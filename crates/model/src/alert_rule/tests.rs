//! What rules say of errors, by examples.

use super::*;

const NOW: Time = Time::from_seconds(1_790_000_000);

fn judged(rule: &AlertRule, happened: Happened, fired_at: Option<Time>, events: [i64; 2]) -> Judgement {
    let tags: BTreeMap<String, String> =
        [("level", "error"), ("environment", "production"), ("release", "1.2")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    let attributes = |name: &str| (name == "type").then(|| "KeyError".to_owned());
    let facts = Facts {
        happened,
        tags: &tags,
        attributes: &attributes,
        times: 7,
        first_seen: NOW - Duration::from_secs(3600),
        assignee: "",
        latest_release: "1.2",
        now: NOW,
    };
    let count = |it: Count| {
        Ok::<i64, std::convert::Infallible>(match it {
            Count::Events(since) if since >= NOW - Duration::from_secs(300) => events[1],
            Count::Events(_) => events[0],
            Count::Users(_) => 3,
        })
    };
    rule.judge(&facts, fired_at, count).unwrap()
}

fn rule(spec: serde_json::Value) -> AlertRule {
    let rule: AlertRule = serde_json::from_value(spec).unwrap();
    rule.check().unwrap();
    rule
}

#[test]
fn without_rules_what_is_new_or_back_is_told() {
    let rule = AlertRule::default_for("shop");
    let fires = |happened| judged(&rule, happened, Some(NOW), [0, 0]).fires;
    assert!(fires(Happened::First) && fires(Happened::Regression) && fires(Happened::Unmuted));
    let no = judged(&rule, Happened::Again, None, [0, 0]);
    assert!(!no.fires && no.why.starts_with("none of its conditions holds: it is new;"), "{no:?}");
}

#[test]
fn conditions_count_what_they_are_about() {
    let when = |it: serde_json::Value| rule(serde_json::json!({ "project": "shop", "when": [it] }));
    let fires = |rule: &AlertRule, events| judged(rule, Happened::Again, None, events).fires;
    let many = when(serde_json::json!({ "is": "events", "more_than": 10, "minutes": 5 }));
    assert!(fires(&many, [11, 11]) && !fires(&many, [10, 10]));
    let percent = when(serde_json::json!({ "is": "percent", "more_than": 100, "minutes": 5 }));
    assert!(fires(&percent, [13, 9]) && !fires(&percent, [12, 8]) && !fires(&percent, [9, 9]));
    let users = when(serde_json::json!({ "is": "users", "more_than": 2, "minutes": 5 }));
    assert!(fires(&users, [0, 0]));
}

#[test]
fn filters_and_frequency_hold_back() {
    let with = |filters: serde_json::Value| {
        rule(serde_json::json!({ "project": "shop", "when": [{ "is": "every_event" }], "filters": filters }))
    };
    let fires = |rule: &AlertRule, at| judged(rule, Happened::Again, at, [0, 0]).fires;
    let good = serde_json::json!([
        { "is": "level_at_least", "level": "warning" }, { "is": "latest_release" }, { "is": "unassigned" },
        { "is": "older_than", "minutes": 30 }, { "is": "seen_at_least", "times": 7 },
        { "is": "attribute", "name": "type", "how": "starts_with", "value": "key" },
        { "is": "tag", "name": "customer", "how": "is_set", "not": true },
    ]);
    assert!(fires(&with(good.clone()), None));
    assert!(!fires(&with(good), Some(NOW - Duration::from_secs(29 * 60))), "told half an hour ago");
    let bad = with(serde_json::json!([{ "is": "level_at_least", "level": "fatal" }]));
    assert_eq!(judged(&bad, Happened::First, None, [0, 0]).why, "a filter leaves it out: at least fatal");
    let elsewhere = AlertRule { environment: "staging".into(), ..with(serde_json::json!([])) };
    assert!(!fires(&elsewhere, None));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let bad = |spec: serde_json::Value| {
        serde_json::from_value::<AlertRule>(spec).unwrap().check().unwrap_err().field
    };
    assert_eq!(bad(serde_json::json!({ "project": "shop", "when": [] })), "when");
    let zero = serde_json::json!([{ "is": "events", "more_than": 1, "minutes": 0 }]);
    assert_eq!(bad(serde_json::json!({ "project": "shop", "when": zero })), "when[0].minutes");
}
