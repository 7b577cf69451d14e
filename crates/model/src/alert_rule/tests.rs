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
            Count::About { until: Some(_), .. } => events[0] - events[1],
            Count::About { until: None, .. } => events[1],
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
    // what is more than is counted one by one is compared all the same
    assert!(fires(&percent, [700_000, 500_000]) && !fires(&percent, [900_000, 500_000]));
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
fn a_rule_says_how_many_of_its_conditions_and_filters_must_hold() {
    let said = |action: &str, filter: &str, when: serde_json::Value, filters: serde_json::Value| {
        let spec = serde_json::json!({
            "project": "shop", "when": when, "action_match": action, "filters": filters, "filter_match": filter,
        });
        let it = judged(&rule(spec), Happened::Regression, None, [5, 5]);
        (it.fires, it.why)
    };
    let back = serde_json::json!({ "is": "regression" });
    let new = serde_json::json!({ "is": "first_seen" });
    let many = serde_json::json!({ "is": "events", "more_than": 4, "minutes": 5 });
    let of = |all: &[&serde_json::Value]| serde_json::json!(all);
    let no_filter = serde_json::json!([]);
    let (fires, why) = said("all", "all", of(&[&back, &many]), no_filter.clone());
    assert!(fires && why == "it was over, and is back, and more than 4 in 5 minutes", "{why}");
    let (fires, why) = said("all", "any", of(&[&back, &new]), no_filter.clone());
    assert!(!fires && why == "not all of its conditions hold: it is new", "{why}");
    let (fires, why) = said("none", "none", of(&[&new]), no_filter.clone());
    assert!(fires && why == "none of these: it is new", "{why}");
    let (fires, why) = said("none", "all", of(&[&new, &back]), no_filter);
    assert!(!fires && why.starts_with("one of its conditions holds: it was over"), "{why}");
    let (fatal, unassigned) = (
        serde_json::json!({ "is": "level_at_least", "level": "fatal" }),
        serde_json::json!({ "is": "unassigned" }),
    );
    assert!(said("any", "any", of(&[&back]), of(&[&fatal, &unassigned])).0);
    let (fires, why) = said("any", "any", of(&[&back]), of(&[&fatal]));
    assert!(!fires && why == "no filter lets it in: at least fatal", "{why}");
    assert!(said("any", "none", of(&[&back]), of(&[&fatal])).0);
    let (fires, why) = said("any", "none", of(&[&back]), of(&[&fatal, &unassigned]));
    assert!(!fires && why == "a filter leaves it out: not assigned to nobody", "{why}");
    // what nobody has asked for is not written, so that older programs can read it
    let plain = serde_json::to_value(AlertRule::default_for("shop")).unwrap();
    assert!(plain.get("action_match").is_none() && plain.get("filter_match").is_none(), "{plain}");
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
