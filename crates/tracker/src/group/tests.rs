//! What makes two events one error, and what does not.

use serde_json::{Value as Json, json};

use super::*;
use crate::{Arrival, Scrubber};

fn event(payload: Json) -> Event {
    let mut event = crate::normalise::event(payload.to_string().as_bytes(), &Arrival::default()).unwrap();
    Scrubber::default().scrub(&mut event);
    event
}

fn hashes(payload: Json) -> Vec<String> {
    by_rules(payload, "")
}

fn by_rules(payload: Json, rules: &str) -> Vec<String> {
    let rules: Rules = rules.parse().unwrap();
    group(&event(payload), &rules).hashes().into_iter().map(|hash| hash.value).collect()
}

fn frame(function: &str, line: &str, lineno: u32, in_app: bool) -> Json {
    json!({"module": "shop", "function": function, "context_line": line, "lineno": lineno, "in_app": in_app})
}

fn error(frames: Vec<Json>) -> Json {
    json!({"platform": "python", "exception": {"type": "KeyError", "value": "'id'", "stacktrace": {"frames": frames}}})
}

#[test]
fn lines_may_move_and_other_places_are_others() {
    let one = hashes(error(vec![frame("main", "run()", 3, true), frame("run", "order['id']", 10, true)]));
    let moved = hashes(error(vec![
        frame("main", "  run( )".replace("( )", "()").as_str(), 8, true),
        frame("run", "\torder['id']", 90, true),
    ]));
    assert_eq!(one, moved);
    let elsewhere =
        hashes(error(vec![frame("main", "run()", 3, true), frame("walk", "order['id']", 10, true)]));
    assert_ne!(one, elsewhere);
    let same_function =
        hashes(error(vec![frame("main", "run()", 3, true), frame("run", "order['no']", 12, true)]));
    assert_ne!(one, same_function);
}

#[test]
fn code_of_libraries_counts_only_in_the_second_variant() {
    let through_one = hashes(error(vec![frame("run", "f()", 1, true), frame("a", "x", 1, false)]));
    let through_other = hashes(error(vec![frame("run", "f()", 1, true), frame("b", "y", 1, false)]));
    assert_eq!(through_one.len(), 2);
    assert_eq!(through_one[0], through_other[0], "the program's frames are the same");
    assert_ne!(through_one[1], through_other[1]);
    let without = hashes(error(vec![frame("a", "x", 1, false)]));
    assert_eq!(without.len(), 1, "no frame of the program: only the system's variant");
}

#[test]
fn recursion_counts_once() {
    let deep = |count: usize| {
        let mut frames = vec![frame("main", "f()", 1, true)];
        frames.extend(
            vec![frame("f", "g()", 2, true), frame("g", "f()", 3, true)].into_iter().cycle().take(count * 2),
        );
        frames.push(frame("f", "raise", 4, true));
        hashes(error(frames))
    };
    assert_eq!(deep(10), deep(12));
    assert_ne!(deep(1), deep(0));
}

#[test]
fn what_is_said_counts_only_without_a_stack() {
    let said = |value: &str| hashes(json!({"exception": {"type": "KeyError", "value": value}}));
    assert_eq!(said("user 17 is gone"), said("user 4711 is gone"));
    assert_ne!(said("user 17 is gone"), said("shop 17 is gone"));
    let with_stack = |value: &str| {
        hashes(
            json!({"exception": {"type": "E", "value": value, "stacktrace": {"frames": [frame("f", "x", 1, true)]}}}),
        )
    };
    assert_eq!(with_stack("a"), with_stack("b"));
}

#[test]
fn messages_go_by_their_template() {
    let one = hashes(json!({"logentry": {"message": "user %s is gone", "params": ["ann"]}}));
    let other = hashes(json!({"logentry": {"message": "user %s is gone", "params": ["bob"]}}));
    assert_eq!(one, other);
    assert_eq!(hashes(json!({"message": "took 15 ms"})), hashes(json!({"message": "took 70 ms"})));
    assert_ne!(hashes(json!({"message": "a"})), hashes(json!({"message": "b"})));
    assert_eq!(hashes(json!({})).len(), 1, "an event that says nothing has a group, too");
}

#[test]
fn fingerprints_are_what_people_want() {
    let with = |fingerprint: Json, ty: &str| {
        hashes(
            json!({"fingerprint": fingerprint, "exception": {"type": ty, "value": "v"}, "tags": {"shop": "berlin"}}),
        )
    };
    assert_eq!(with(json!(["a", "b"]), "X"), with(json!(["a", "b"]), "Y"));
    assert_ne!(with(json!(["a", "b"]), "X"), with(json!(["ab"]), "X"));
    assert_ne!(with(json!(["{{ default }}", "a"]), "X"), with(json!(["{{default}}", "a"]), "Y"));
    assert_ne!(with(json!(["{{ default }}", "a"]), "X"), with(json!([]), "X"));
    assert_eq!(with(json!(["{{ default }}"]), "X"), with(json!([]), "X"));
    assert_eq!(with(json!(["{{ type }}", "{{ tags.shop }}"]), "X"), with(json!(["X", "berlin"]), "Y"));
    let named = event(json!({"message": "m"}));
    assert_eq!(
        filled_in(&named, "{{ error.type }} {{tags.x}} {{ what }} {{ stack.abs_path }} {{ message }} {{"),
        "<no-type> <no-value-for-tag-x> <unrecognized-variable-what> <no-abs-path> m {{"
    );
}

#[test]
fn a_checksum_is_a_hash() {
    let hash = "9EC79C33ec9942ab8353589fcb2e04dc";
    assert_eq!(hashes(json!({"checksum": hash})), [hash.to_lowercase()]);
    assert_eq!(hashes(json!({"checksum": "mine"})), hashes(json!({"checksum": "mine", "message": "m"})));
}

#[test]
fn rules_of_the_project_come_first() {
    let rules = "# databases\nerror.type:Operational* -> database\n\
                 stack.module:shop stack.function:pay app:yes -> \"pay, then\", {{ error.type }} \
                 title=\"Pay: {{ error.type }}\"\n\
                 !level:error message:\"* gone\" -> {{ default }}, gone";
    let database = by_rules(json!({"exception": {"type": "OperationalError", "value": "1"}}), rules);
    assert_eq!(
        database,
        by_rules(json!({"exception": {"type": "operationalfault"}, "fingerprint": ["x"]}), rules)
    );
    assert_eq!(database.len(), 1);
    let parsed: Rules = rules.parse().unwrap();
    assert_eq!(parsed.to_string().lines().count(), 3);
    let pay = event(error(vec![frame("pay", "x", 1, true)]));
    let grouping = group(&pay, &parsed);
    assert_eq!(grouping.title.as_deref(), Some("Pay: KeyError"));
    assert_eq!(grouping.variants[0].fingerprint, ["pay, then", "KeyError"]);
    assert!(grouping.rule.unwrap().starts_with("stack.module:shop"));
    let library = event(error(vec![frame("pay", "x", 1, false)]));
    assert_eq!(group(&library, &parsed).rule, None, "all matchers of frames match in one frame");
    let gone = by_rules(json!({"message": "all gone", "level": "info"}), rules);
    assert_ne!(gone, by_rules(json!({"message": "all gone"}), rules));
}

#[test]
fn a_rule_that_cannot_be_read_says_why() {
    for (rules, what) in [
        ("type:KeyError", "line 1: a rule has an arrow"),
        ("\n\ntyp:KeyError -> x", "line 3: there is no field `typ`"),
        ("KeyError -> x", "line 1: `KeyError` is no condition"),
        ("type:\"Key -> x", "line 1: a rule has an arrow"),
        ("type:a ->  ", "line 1: a fingerprint has 1 to 20 parts"),
        ("-> x", "line 1: a rule matches by 1 to 20 fields"),
    ] {
        let error = rules.parse::<Rules>().unwrap_err().to_string();
        assert!(error.starts_with(what), "{rules}: {error}");
    }
}

#[test]
fn patterns_match_as_people_expect() {
    use super::rules::looks_like;
    for (pattern, text, matches) in [
        ("*", "", true),
        ("a*c", "abbbc", true),
        ("a*c", "abbbd", false),
        ("A?c", "abc", true),
        ("*b*", "abc", true),
        ("", "a", false),
        ("a*b*c*d", "aXbXcXc", false),
        ("ä*", "Äpfel", true),
    ] {
        assert_eq!(looks_like(pattern, text), matches, "{pattern} {text}");
    }
    let long = "a".repeat(10_000);
    assert!(!looks_like(&format!("{}b", "*a".repeat(50)), &long), "in the time of a product, not of a power");
}

#[test]
fn the_reason_can_be_read() {
    let event = event(error(vec![frame("run", "f()", 1, true), frame("a", "x", 1, false)]));
    let rules = Rules::default();
    let told = serde_json::to_value(group(&event, &rules)).unwrap();
    assert_eq!(told["algorithm"], ALGORITHM);
    let app = &told["variants"][0];
    assert_eq!(app["name"], "app");
    assert_eq!(app["component"]["parts"][1]["hint"], "the stack counts");
    let frames = &app["component"]["parts"][2]["parts"];
    assert_eq!(frames[0]["parts"][1], json!({"id": "function", "contributes": true, "value": "run"}));
    assert_eq!(frames[1]["hint"], "not code of the program");
}

#[test]
fn reports_of_browsers_go_by_directive_and_origin() {
    let report = |blocked: &str, page: &str| {
        hashes(
            json!({"csp": {"effective-directive": "img-src", "blocked-uri": blocked, "document-uri": page}}),
        )
    };
    assert_eq!(
        report("https://a.org/1.png", "https://s.org/x"),
        report("https://a.org/2.png", "https://s.org/y")
    );
    assert_ne!(
        report("https://a.org/1.png", "https://s.org/x"),
        report("https://b.org/1.png", "https://s.org/x")
    );
}
