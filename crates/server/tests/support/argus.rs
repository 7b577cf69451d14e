//! Who asks Argus' API: sources and people, each with a token.

use std::net::SocketAddr;

use axum::body::Body;
use axum::http::Request;
use nightbell_server::auth::Peer;
use serde_json::{Value, json};

use super::{NOW, Reply, Stage};

/// What paths of people's own things begin with.
pub const ROOT: &str = "/api/v2/notificationprofiles/";

/// A source with a token of its machine user.
pub struct Source<'a> {
    pub stage: &'a Stage,
    pub pk: i64,
    token: String,
}

impl<'a> Source<'a> {
    pub async fn new(stage: &'a Stage, name: &str) -> Source<'a> {
        let new = json!({ "name": name, "type": "Zino", "base_url": "https://zino.example.org/ui/" });
        let source = stage.post("/api/v2/incidents/sources/", &new).await.expect(201);
        let tokens = format!("/api/v1/users/{name}/tokens");
        let token = stage.post(&tokens, &json!({ "name": "glue" })).await.expect(201);
        let token = token["secret"].as_str().unwrap().to_owned();
        Source { stage, pk: source["pk"].as_i64().unwrap(), token }
    }

    pub async fn ask(&self, method: &str, path: &str, body: &Value) -> Reply {
        with_token(self.stage, &self.token, method, path, body).await
    }

    pub async fn post(&self, more: Value) -> Reply {
        let mut new = json!({ "start_time": NOW, "description": "it hurts", "tags": [] });
        new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.ask("POST", "/api/v2/incidents/", &new).await
    }

    pub async fn opens(&self, name: &str) -> i64 {
        self.post(json!({ "source_incident_id": name })).await.expect(201)["pk"].as_i64().unwrap()
    }

    pub async fn event(&self, pk: i64, kind: &str) -> Reply {
        let event = json!({ "type": kind, "timestamp": NOW, "description": format!("says {kind}") });
        self.ask("POST", &format!("/api/v2/incidents/{pk}/events/"), &event).await
    }
}

pub async fn with_token(stage: &Stage, token: &str, method: &str, path: &str, body: &Value) -> Reply {
    let elsewhere: SocketAddr = "192.0.2.7:1000".parse().unwrap();
    let request = Request::builder().method(method).uri(path).extension(Peer(elsewhere));
    let request =
        request.header("authorization", format!("Token {token}")).header("host", "bell.example.org");
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    stage.send(request.body(body).unwrap()).await
}

/// A person with a token.
pub struct Person<'a> {
    stage: &'a Stage,
    token: String,
}

impl<'a> Person<'a> {
    pub async fn new(stage: &'a Stage, name: &str) -> Person<'a> {
        Person::with_role(stage, name, "responder").await
    }

    pub async fn with_role(stage: &'a Stage, name: &str, role: &str) -> Person<'a> {
        stage.post("/api/v1/users", &json!({ "name": name, "role": role })).await.expect(201);
        let token =
            stage.post(&format!("/api/v1/users/{name}/tokens"), &json!({ "name": "cli" })).await.expect(201);
        Person { stage, token: token["secret"].as_str().unwrap().to_owned() }
    }

    pub async fn ask(&self, method: &str, path: &str, body: Value) -> Reply {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("{ROOT}{path}") };
        with_token(self.stage, &self.token, method, &path, &body).await
    }

    pub async fn get(&self, path: &str) -> Value {
        self.ask("GET", path, Value::Null).await.expect(200)
    }

    pub async fn make(&self, path: &str, body: Value) -> Value {
        self.ask("POST", path, body).await.expect(201)
    }

    pub async fn destination(&self, channel: &str) -> Value {
        let settings = json!({ "channel": channel, "password": "hush-hush" });
        let new = json!({ "media": "scripted", "label": channel, "settings": settings });
        let made = self.make("destinations/", new).await;
        let path = format!("/api/v1/destinations/{}/verification", model::Id(made["pk"].as_i64().unwrap()));
        self.stage.ask("PUT", &path, "{}").await.expect(200);
        made
    }
}
