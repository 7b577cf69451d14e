//! What is done to plugins over the API and takes its time.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use serde_json::json;
use support::Stage;

#[tokio::test]
async fn a_check_is_a_job_that_says_how_it_goes_and_is_remembered() {
    let stage = Stage::new().await;
    let begun = stage.post("/api/v1/plugins/bell/check", &json!({})).await.expect(202);
    assert_eq!(
        (&begun["id"], &begun["what"], &begun["plugin"]),
        (&json!(1), &json!("check"), &json!("bell"))
    );
    let job = stage.get("/api/v1/plugin-jobs/1").await.expect(200);
    assert_eq!(
        (&job["state"], &job["why"], &job["log"]),
        (&json!("done"), &json!(null), &json!(["it rings"]))
    );
    assert_eq!(job["report"], json!({ "good": true, "findings": [], "remarks": [], "log": [] }));
    let audit = stage.get("/api/v1/audit").await.expect(200);
    assert_eq!(audit["items"][0]["action"], "plugin.check", "{audit}");
    assert_eq!(stage.get("/api/v1/plugin-jobs").await.expect(200)["items"][0]["id"], 1);
    for missing in ["2", "one"] {
        stage.get(&format!("/api/v1/plugin-jobs/{missing}")).await.problem(404);
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_no_job() {
    let stage = Stage::new().await;
    let said = stage.post("/api/v1/plugins/bells/check", &json!({})).await.problem(404);
    assert!(said.contains("there is no plugin bells"), "{said}");
    let install = "/api/v1/plugins/bell/install";
    assert!(stage.post(install, &json!({ "upgrade": true })).await.problem(403).contains("it is off"));
    for package in ["bell", "../bell==1", "--pre==1", "bell @ http://evil.example"] {
        let said = stage.post(install, &json!({ "package": package })).await.problem(400);
        assert!(said.contains("package: ") && said.contains("in one version"), "{said}");
    }
    let said = stage.post(install, &json!({ "package": "gong==1" })).await.problem(400);
    assert!(said.contains("its plugin is called \"gong\", not \"bell\""), "{said}");
    stage.post("/api/v1/plugins/bell/test", &json!({})).await.problem(404);
    assert_eq!(stage.get("/api/v1/plugin-jobs").await.expect(200)["items"], json!([]));
    let audit = stage.get("/api/v1/audit").await.expect(200);
    assert!(!audit.to_string().contains("plugin."), "{audit}");
}
