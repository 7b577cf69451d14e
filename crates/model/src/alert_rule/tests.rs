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
        is_new_in_environment: true,
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
            Count::Events { since, most } if since >= NOW - Duration::from_secs(300) => {
                events[1].min(most.into())
            }
            Count::Events { most, .. } => events[0].min(most.into()),
            Count::Users { most, .. } => 3.min(most.into()),
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
fn what_was_first_seen_elsewhere_is_new_where_a_rule_looks() {
    let of = |environment: &str| {
        rule(serde_json::json!({
            "project": "shop", "environment": environment, "when": [{ "is": "first_seen" }],
        }))
    };
    let there = judged(&of("production"), Happened::Again, None, [0, 0]);
    assert_eq!((there.fires, there.why.as_str()), (true, "it is new in the environment production"));
    assert!(!judged(&of(""), Happened::Again, None, [0, 0]).fires, "it is not new altogether");
    assert!(!judged(&of("staging"), Happened::First, None, [0, 0]).fires);
}

#[test]
fn attributes_that_nothing_has_are_refused() {
    let ask = serde_json::json!({ "is": "attribute", "name": "browser", "how": "is_set" });
    let spec = serde_json::json!({ "project": "shop", "when": [{ "is": "every_event" }], "filters": [ask] });
    let rule: AlertRule = serde_json::from_value(spec).unwrap();
    let refused = rule.check().unwrap_err().to_string();
    assert!(refused.contains("filters[0].name") && refused.contains("none of message"), "{refused}");
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
