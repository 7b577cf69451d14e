//! Silences of our own API, and the guard before those that catch too much.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::Stage;

async fn filled() -> Stage {
    let stage = Stage::new().await;
    for n in 0..4 {
        stage.incident(json!({"team": if n == 0 { "db" } else { "web" }, "n": n.to_string()})).await;
    }
    stage
}

#[tokio::test]
async fn a_silence_is_made_shown_changed_and_ended() {
    let stage = filled().await;
    let matchers = json!(["team=db", "n=~\"[0-9]\""]);
    let new = json!({"matchers": matchers, "for": "2h", "created_by": "ann", "comment": "new disks"});
    let made = stage.post("/api/v1/silences", &new).await.expect(201);
    assert_eq!((&made["state"], &made["created_by"]), (&json!("active"), &json!("ann")));
    assert_eq!(made["matchers"], json!(["team=\"db\"", "n=~\"[0-9]\""]));
    assert_eq!(
        (made["starts_at"].clone(), made["ends_at"].clone()),
        (json!(stage.at(0)), json!(stage.at(7200)))
    );
    let path = format!("/api/v1/silences/{}", made["id"].as_str().unwrap());
    assert_eq!(stage.get(&path).await.expect(200), made);
    stage.passes(Duration::from_secs(60));
    let longer = json!({"matchers": made["matchers"], "ends_at": stage.at(9000), "comment": "more disks"});
    let changed = stage.ask("PUT", &path, longer.to_string()).await.expect(200);
    assert_eq!((&changed["id"], &changed["comment"]), (&made["id"], &json!("more disks")));
    assert_eq!((&changed["created_by"], &changed["starts_at"]), (&json!("ann"), &made["starts_at"]));
    let other = json!({"matchers": ["team=db"], "ends_at": stage.at(9000)});
    let replaced = stage.ask("PUT", &path, other.to_string()).await.expect(200);
    assert_ne!(replaced["id"], made["id"]);
    assert_eq!(stage.get(&path).await.expect(200)["state"], "expired");
    let path = format!("/api/v1/silences/{}", replaced["id"].as_str().unwrap());
    assert_eq!(stage.delete(&path).await.expect(200)["state"], "expired");
    assert_eq!(stage.delete(&path).await.expect(200)["ends_at"], stage.at(0));
    let nowhere = "/api/v1/silences/00000000-0000-4000-8000-000000000000";
    stage.get(nowhere).await.problem(404);
    stage.delete(nowhere).await.problem(404);
    stage.ask("PUT", nowhere, new.to_string()).await.problem(404);
}

#[tokio::test]
async fn silences_are_listed_in_order() {
    let stage = filled().await;
    let add = async |comment: &str, from: i64, to: i64| {
        let (from, to) = (stage.at(from), stage.at(to));
        let new = json!({"matchers": ["a=b"], "starts_at": from, "ends_at": to, "comment": comment});
        stage.post("/api/v1/silences", &new).await.expect(201)["id"].as_str().unwrap().to_owned()
    };
    for (comment, from, to) in [("late", 0, 900), ("soon", 0, 300), ("next", 60, 900), ("after", 90, 900)] {
        add(comment, from, to).await;
    }
    let gone = add("gone", 0, 600).await;
    stage.delete(&format!("/api/v1/silences/{gone}")).await.expect(200);
    let comments = |page: &Value| {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["comment"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for (query, found) in [
        ("", &["soon", "late", "next", "after"][..]),
        ("state=active", &["soon", "late"]),
        ("state=pending", &["next", "after"]),
        ("state=expired", &["gone"]),
        ("state=all", &["soon", "late", "next", "after", "gone"]),
        ("limit=2&cursor=2", &["next", "after"]),
    ] {
        let page = stage.get(&format!("/api/v1/silences?{query}")).await.expect(200);
        assert_eq!(comments(&page), found, "{query}");
    }
    assert_eq!(stage.get("/api/v1/silences?limit=3").await.expect(200)["next"], "3");
    stage.get("/api/v1/silences?state=odd").await.problem(400);
}

#[tokio::test]
async fn a_silence_that_catches_a_lot_is_asked_about() {
    let stage = filled().await;
    let broad = json!({"matchers": ["team=web"], "for": "1h"});
    let preview =
        stage.post("/api/v1/silences/preview", &json!({"matchers": ["team=web"]})).await.expect(200);
    assert_eq!((&preview["active_count"], &preview["active_total"]), (&json!(3), &json!(4)));
    assert_eq!((&preview["share"], &preview["needs_confirmation"]), (&json!(0.75), &json!(true)));
    assert_eq!(preview["active"].as_array().unwrap().len(), 3);
    let asked = stage.post("/api/v1/silences", &broad).await;
    assert_eq!(asked.header("content-type"), "application/problem+json");
    let asked = asked.expect(409);
    assert_eq!((&asked["type"], &asked["share"]), (&json!("urn:nightbell:problem:confirm"), &json!(0.75)));
    assert_eq!((&asked["limit"], &asked["confirm"]), (&json!(0.5), &json!(true)));
    assert!(
        asked["detail"].as_str().unwrap().contains("3 of 4 of the incidents that are active now"),
        "{asked}"
    );
    assert_eq!(stage.get("/api/v1/silences").await.expect(200)["items"], json!([]));
    let mut sure = broad.clone();
    sure["confirm"] = json!(true);
    stage.post("/api/v1/silences", &sure).await.expect(201);
    let narrow = json!({"matchers": ["team=db"], "for": "1h"});
    let made = stage.post("/api/v1/silences", &narrow).await.expect(201);
    let path = format!("/api/v1/silences/{}", made["id"].as_str().unwrap());
    stage.ask("PUT", &path, broad.to_string()).await.expect(409);
    stage.post("/api/v1/silences/preview", &json!({"matchers": ["x"]})).await.problem(400);
}

#[tokio::test]
async fn what_is_silenced_is_not_told() {
    let stage = Stage::new().await;
    stage.post("/api/v1/silences", &json!({"matchers": ["team=web"], "for": "1h"})).await.expect(201);
    let id = stage.incident(json!({"team": "web"})).await;
    let explained = stage.get(&format!("/api/v1/explain/{id}")).await.expect(200);
    assert!(explained["held_by"][0].as_str().unwrap().starts_with("silenced by "), "{explained}");
    assert_eq!(explained["deliveries"], json!([]));
}

#[tokio::test]
async fn a_silence_may_recur() {
    let stage = filled().await;
    let times = json!([{"start_time": "22:00", "end_time": "06:00"}]);
    let nights = json!({"name": "nights", "time_intervals": [{"times": times}]});
    let new = json!({"matchers": ["team=db"], "for": "30d", "recurrence": nights});
    let made = stage.post("/api/v1/silences", &new).await.expect(201);
    assert_eq!(made["recurrence"]["name"], "nights");
    let explained = stage.post("/api/v1/explain", &json!({"labels": {"team": "db"}})).await.expect(200);
    assert_eq!(explained["held_by"], json!([]));
    let question = json!({"labels": {"team": "db"}, "at": "2026-06-01T23:00:00Z"});
    let explained = stage.post("/api/v1/explain", &question).await.expect(200);
    assert!(explained["held_by"][0].as_str().unwrap().starts_with("silenced by "), "{explained}");
}

#[tokio::test]
async fn bad_silences_are_refused() {
    let stage = filled().await;
    for (body, said) in [
        (json!({"for": "1h"}), "missing field `matchers`"),
        (json!({"matchers": "a=b", "for": "1h"}), "matchers: invalid type: string"),
        (json!({"matchers": [], "for": "1h"}), "at least one matcher required"),
        (
            json!({"matchers": ["a=~\".*\""], "for": "1h", "confirm": true}),
            "at least one matcher must not match the empty string",
        ),
        (json!({"matchers": ["a=b", "x"], "for": "1h"}), "matchers[1]: at character 2"),
        (json!({"matchers": ["a=~\"(\""], "for": "1h"}), "is not a usable regular expression"),
        (json!({"matchers": ["a=b"]}), "ends_at: is missing"),
        (json!({"matchers": ["a=b"], "for": "1h", "ends_at": stage.at(5)}), "for: is given beside `ends_at`"),
        (json!({"matchers": ["a=b"], "starts_at": stage.at(9), "ends_at": stage.at(5)}), "ends_at: "),
        (
            json!({"matchers": ["a=b"], "starts_at": stage.at(-9), "ends_at": stage.at(-5)}),
            "end time can't be in the past",
        ),
        (json!({"matchers": ["a=b"], "for": "1h", "reason": "x"}), "reason: unknown field"),
        (json!({"matchers": ["a=b"], "for": "1h", "recurrence": {"name": ""}}), "recurrence"),
    ] {
        let detail = stage.post("/api/v1/silences", &body).await.problem(400);
        assert!(detail.contains(said), "{body}: {detail}");
    }
    assert_eq!(stage.get("/api/v1/silences?state=all").await.expect(200)["items"], json!([]));
}
