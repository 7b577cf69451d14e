//! Source maps: what was uploaded tells what people wrote, where errors are of files that were built.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::io::{Cursor, Write as _};
use std::process::Command;

use nightbell_acceptance::errors::{Builders, issues, project, token};
use nightbell_acceptance::http::{self, Answer};
use nightbell_acceptance::{Hub, PATIENCE, postgres, tool, wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;
use tracker::uploads::{PIECE_BYTES, Sum};
use zip::write::SimpleFileOptions;

const TOML: &str = "[route]\nreceiver = \"a\"\n[[receivers.a.inbox]]\n";
const ANY: &str = "/api/0/organizations/any-name";

/// A map of one line: `pay` at column 0, its call of `charge` at `at`, and where that throws at `at` + 10; the names
/// are the build's own.
fn map(at: usize) -> Vec<u8> {
    let vlq = |number: usize| -> String {
        let (mut left, mut text) = (number << 1, String::new());
        loop {
            let digit = left & 31;
            left >>= 5;
            let all = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            text.push(char::from(all[if left > 0 { digit | 32 } else { digit }]));
            if left == 0 {
                return text;
            }
        }
    };
    // column, source, line, column of the source, name
    let mappings = format!("AAAAA,{}ACEC,{}AEA", vlq(at), vlq(10));
    let map = json!({
        "version": 3, "file": "app.js", "sources": ["webpack:///./src/pay.ts"], "names": ["pay", "charge"],
        "sourcesContent": ["function pay() {\n  charge();\n}\n  throw new Error(order);\n"], "mappings": mappings,
    });
    map.to_string().into_bytes()
}

/// An archive as sentry-cli makes it.
fn archive(manifest: &Value, files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let manifest = manifest.to_string().into_bytes();
    for (name, bytes) in files.iter().copied().chain([("manifest.json", manifest.as_slice())]) {
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A built file and its map, of which the archive knows the id if there is one.
fn built(debug_id: Option<&str>, map: &[u8]) -> Vec<u8> {
    let headers = debug_id.map_or(json!({}), |id| json!({ "debug-id": id }));
    let mut of_file = headers.clone();
    of_file["sourcemap"] = "app.js.map".into();
    let manifest = json!({ "files": {
        "files/_/_/app.js": { "type": "minified_source", "url": "~/js/app.js", "headers": of_file },
        "files/_/_/app.js.map": { "type": "source_map", "url": "~/js/app.js.map", "headers": headers },
    } });
    archive(&manifest, &[("files/_/_/app.js", b"function a(){}"), ("files/_/_/app.js.map", map)])
}

fn sum(bytes: &[u8]) -> String {
    let mut sum = Sum::default();
    sum.add(bytes);
    sum.text()
}

fn ask(hub: &Hub, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    http::ask(hub.address(), method, path, &[("Authorization", &bearer)], &body).unwrap()
}

fn send(hub: &Hub, token: &str, name: &str, pieces: &[(String, &[u8])]) -> Answer {
    let mut body = Vec::new();
    for (sum, piece) in pieces {
        let head = format!(
            "--xx\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{sum}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        body.extend_from_slice(&[head.as_bytes(), piece, b"\r\n"].concat());
    }
    body.extend_from_slice(b"--xx--\r\n");
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "multipart/form-data; boundary=xx")];
    http::ask_with(hub.address(), "POST", &format!("{ANY}/chunk-upload/"), &headers, &body).unwrap()
}

/// Uploads an archive as sentry-cli does; says what became of it.
fn upload(hub: &Hub, token: &str, archive: &[u8], more: &Value) -> Value {
    let pieces: Vec<(String, &[u8])> = archive.chunks(PIECE_BYTES).map(|it| (sum(it), it)).collect();
    let sums: Vec<&String> = pieces.iter().map(|(sum, _)| sum).collect();
    let mut asked = json!({ "checksum": sum(archive), "chunks": sums, "projects": ["shop"] });
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let path = format!("{ANY}/artifactbundle/assemble/");
    let first = ask(hub, token, "POST", &path, &asked).json();
    if first["state"] != "not_found" {
        return first;
    }
    for some in pieces.chunks(8) {
        let sent = send(hub, token, "file", some);
        assert_eq!(sent.status, 200, "{sent:?}");
    }
    wait_for("the upload", PATIENCE, || {
        let state = ask(hub, token, "POST", &path, &asked).json();
        (state["state"] != "assembling").then_some(state)
    })
}

/// What a browser reports of the file at a URL, where things are at these columns.
fn event(url: &str, [call, throw]: [usize; 2], more: &Value) -> Value {
    let frame = |name: &str, at: usize| {
        let (line, column) = (1, at + 1);
        json!({ "abs_path": url, "function": name, "lineno": line, "colno": column, "in_app": true })
    };
    let frames = [frame("n", call), frame("t", throw)];
    let mut event = json!({
        "platform": "javascript",
        "exception": { "values": [{ "type": "Error", "value": "no order", "stacktrace": { "frames": frames } }] },
    });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

/// Reports an event; returns it as it is kept.
fn report(hub: &Hub, made: &Value, event: &Value) -> Value {
    let (id, key) = (made["id"].as_str().unwrap(), made["public_key"].as_str().unwrap());
    let answer = hub.post(&format!("/api/{id}/store/?sentry_version=7&sentry_key={key}"), event);
    let event_id = answer["id"].as_str().unwrap();
    let issue = &issues(hub, "")[0];
    hub.get(&format!("/api/v1/issues/{}/events/{event_id}", issue["id"].as_str().unwrap()))["event"].clone()
}

fn frames<'a>(event: &'a Value, stack: &str) -> &'a Vec<Value> {
    event["exceptions"][0][stack]["frames"].as_array().unwrap_or_else(|| panic!("no {stack} in {event:#}"))
}

fn with_id(url: &str, id: &str) -> Value {
    json!({ "debug_meta": { "images": [{ "type": "sourcemap", "code_file": url, "debug_id": id }] } })
}

#[test]
fn what_was_uploaded_tells_what_people_wrote() {
    uploaded(Hub::start(TOML));
}

#[test]
fn what_was_uploaded_tells_it_on_postgresql_as_well() {
    let Some(database) = postgres::database_or_skip() else { return };
    uploaded(Hub::start_on(&database, TOML));
}

fn uploaded(mut hub: Hub) {
    let (made, _) = project(&hub, "shop");
    let ci = token(&hub, "ingest");
    let ids = ["c0ffee00-0000-4000-8000-000000000001", "c0ffee00-0000-4000-8000-000000000002"];
    // two builds of one source, with other places
    for (id, at) in ids.into_iter().zip([14, 40]) {
        let done = upload(&hub, &ci, &built(Some(id), &map(at)), &json!({}));
        assert_eq!((&done["state"], &done["missingChunks"]), (&json!("ok"), &json!([])), "{done}");
    }
    let again = upload(&hub, &ci, &built(Some(ids[0]), &map(14)), &json!({}));
    assert_eq!(again["state"], "ok", "known: nothing is sent again");
    hub.kill_and_wake();
    for (id, (url, at)) in
        ids.into_iter().zip([("https://shop.example/app.1a.js", 14), ("https://shop.example/app.9f.js", 40)])
    {
        let kept = report(&hub, &made, &event(url, [at, at + 10], &with_id(url, id)));
        let last = &frames(&kept, "stacktrace")[1];
        assert_eq!(
            (&last["filename"], &last["function"]),
            (&json!("src/pay.ts"), &json!("charge")),
            "{kept:#}"
        );
        assert_eq!(
            (&last["lineno"], &last["context_line"]),
            (&json!(4), &json!("  throw new Error(order);"))
        );
        let raw = &frames(&kept, "raw_stacktrace")[1];
        assert_eq!((&raw["abs_path"], &raw["function"]), (&json!(url), &json!("t")), "as it was sent");
    }
    let found = issues(&hub, "");
    assert_eq!(
        (found.len(), &found[0]["times_seen"]),
        (1, &json!(2)),
        "another build is the same issue: {found:#?}"
    );
    let id = found[0]["id"].as_str().unwrap();
    assert!(hub.says(&["issue", "show", id]).contains("src/pay.ts:4 in charge"));
    let listed = hub.says_json(&["project", "maps", "shop"]);
    let listed = listed["items"].as_array().unwrap();
    assert_eq!((listed.len(), &listed[0]["maps"], &listed[0]["release"]), (2, &json!(1), &Value::Null));
    for it in listed {
        hub.says(&["project", "maps", "shop", "--remove", it["id"].as_str().unwrap()]);
    }
    assert!(hub.says(&["project", "maps", "shop"]).contains("none were uploaded"));
    let url = "https://shop.example/app.1a.js?v=3";
    let kept = report(&hub, &made, &event(url, [14, 24], &with_id(url, ids[0])));
    let why = frames(&kept, "stacktrace")[1]["unmapped"].as_str().unwrap();
    let wanted =
        "no source map for https://shop.example/app.1a.js: none was uploaded with the debug id c0ffee00-";
    assert!(why.starts_with(wanted), "{why}");
}

#[test]
fn builds_without_ids_go_by_release() {
    let hub = Hub::start(TOML);
    let (made, _) = project(&hub, "shop");
    let ci = token(&hub, "ingest");
    let url = "https://shop.example/js/app.js?v=1";
    let of = |release: &str, dist: &str| json!({ "release": release, "dist": dist });
    let plain = report(&hub, &made, &event(url, [14, 24], &of("shop@1.0", "7")));
    assert!(frames(&plain, "stacktrace")[1]["unmapped"].is_null(), "nobody uploads anything here");
    for (dist, at) in [("7", 14), ("8", 40)] {
        let done = upload(&hub, &ci, &built(None, &map(at)), &json!({ "version": "shop@1.0", "dist": dist }));
        assert_eq!(done["state"], "ok", "{done}");
        let kept = report(&hub, &made, &event(url, [at, at + 10], &of("shop@1.0", dist)));
        assert_eq!(frames(&kept, "stacktrace")[1]["function"], "charge", "{kept:#}");
    }
    let kept = report(&hub, &made, &event(url, [14, 24], &of("shop@2.0", "7")));
    let why = frames(&kept, "stacktrace")[1]["unmapped"].as_str().unwrap();
    assert!(why.ends_with("none was uploaded for release shop@2.0, dist 7"), "{why}");
    assert!(kept["exceptions"][0]["raw_stacktrace"].is_null());
    // a map that is none loses no error
    let done = upload(
        &hub,
        &ci,
        &built(None, b"{\"version\": 3, \"mappings\": \"!\"}"),
        &json!({ "version": "shop@3.0" }),
    );
    assert_eq!(done["state"], "ok", "{done}");
    let kept = report(&hub, &made, &event(url, [14, 24], &of("shop@3.0", "7")));
    let why = frames(&kept, "stacktrace")[1]["unmapped"].as_str().unwrap();
    assert!(why.contains("cannot be read"), "{why}");
    // releases are named before anything of them is heard
    let body = json!({ "version": "shop@9.0", "projects": ["shop"] });
    assert_eq!(ask(&hub, &ci, "POST", &format!("{ANY}/releases/"), &body).status, 201);
    assert_eq!(
        ask(&hub, &ci, "PUT", &format!("{ANY}/releases/shop@9.0/"), &json!({ "projects": ["shop"] })).status,
        200
    );
    let all = ask(&hub, &ci, "GET", "/api/0/projects/any/shop/releases/", &Value::Null).json();
    assert!(all.as_array().unwrap().iter().any(|it| it["version"] == "shop@9.0"), "{all}");
    let one = ask(&hub, &ci, "GET", &format!("{ANY}/releases/shop%401.0/"), &Value::Null).json();
    assert_eq!((&one["version"], &one["projects"][0]["slug"]), (&json!("shop@1.0"), &json!("shop")));
}

#[test]
fn what_is_not_right_is_refused_with_the_reason() {
    let hub = Hub::start(TOML);
    let (_, _) = project(&hub, "shop");
    let (ci, reader) = (token(&hub, "ingest"), token(&hub, "read"));
    let options = ask(&hub, &ci, "GET", &format!("{ANY}/chunk-upload/"), &Value::Null);
    assert_eq!((options.status, &options.json()["hashAlgorithm"]), (200, &json!("sha1")));
    for (token, status) in [(reader.as_str(), 403), ("nb_nobody", 401)] {
        let answer = ask(&hub, token, "GET", &format!("{ANY}/chunk-upload/"), &Value::Null);
        assert_eq!(answer.status, status);
        assert!(
            answer.json()["detail"].is_string() && answer.header("content-type") == Some("application/json")
        );
        assert_eq!(send(&hub, token, "file", &[(sum(b"a"), b"a")]).status, status);
    }
    // pieces
    let damaged = send(&hub, &ci, "file", &[(sum(b"a"), b"b")]);
    assert!(
        damaged.status == 400 && damaged.json()["detail"].as_str().unwrap().contains("damaged"),
        "{damaged:?}"
    );
    assert_eq!(send(&hub, &ci, "file_gzip", &[(sum(b"a"), b"a")]).status, 400);
    assert_eq!(send(&hub, &ci, "file", &vec![(sum(b"a"), b"a".as_slice()); 9]).status, 413, "too many");
    let large = vec![0; PIECE_BYTES + 1];
    assert_eq!(send(&hub, &ci, "file", &[(sum(&large), &large)]).status, 413);
    // archives
    let path = format!("{ANY}/artifactbundle/assemble/");
    let asked = json!({ "checksum": sum(b"a"), "chunks": [sum(b"a")], "projects": ["shop"] });
    let missing = ask(&hub, &ci, "POST", &path, &asked).json();
    assert_eq!((&missing["state"], &missing["missingChunks"]), (&json!("not_found"), &json!([sum(b"a")])));
    let mut stranger = asked.clone();
    stranger["projects"] = json!(["till"]);
    assert_eq!(ask(&hub, &ci, "POST", &path, &stranger).status, 404);
    assert_eq!(
        ask(&hub, &ci, "POST", &path, &json!({ "checksum": "x", "chunks": [], "projects": [] })).status,
        400
    );
    assert_eq!(send(&hub, &ci, "file", &[(sum(b"a"), b"a")]).status, 200);
    let mut other = asked.clone();
    other["checksum"] = sum(b"b").into();
    let bomb = vec![b' '; 40 << 20];
    let no_maps = archive(&json!({ "files": {} }), &[]);
    let small = built(None, &bomb);
    assert!(small.len() < PIECE_BYTES, "a bomb is small");
    for (state, word) in [
        (ask(&hub, &ci, "POST", &path, &other).json(), "checksum"),
        (upload(&hub, &ci, b"a", &json!({})), "zip"),
        (upload(&hub, &ci, &small, &json!({})), "more than"),
        (upload(&hub, &ci, &no_maps, &json!({})), "no source maps"),
    ] {
        assert_eq!(state["state"], "error", "{word}: {state}");
        assert!(state["detail"].as_str().unwrap().contains(word), "{state}");
    }
    assert!(hub.get("/api/v1/projects/shop/artifacts")["items"].as_array().unwrap().is_empty());
}

#[test]
fn sentry_cli_uploads_what_esbuild_made() {
    Builders::find_or_skip().into_iter().for_each(|it| made_and_uploaded(&it));
}

#[test]
fn the_sentry_cli_before_it_uploads_it_as_well() {
    Builders::find_or_skip().into_iter().for_each(|it| made_and_uploaded(&it.of_old()));
}

fn made_and_uploaded(builders: &Builders) {
    let hub = Hub::start(TOML);
    let (made, _) = project(&hub, "shop");
    let ci = token(&hub, "ingest");
    let says = |words: &[&str]| builders.sentry_cli_says(&hub, &ci, words);
    let url = "https://shop.example/static/app.min.js";
    // by id, two builds; then by release, a third without ids
    for (entry, is_injected) in [("first.ts", true), ("second.ts", true), ("second.ts", false)] {
        let folder = TempDir::new().unwrap();
        let file = builders.build(entry, folder.path()).display().to_string();
        let place = folder.path().display().to_string();
        if is_injected {
            says(&["sourcemaps", "inject", &place]);
            says(&["sourcemaps", "upload", "--wait", &place]);
        } else {
            says(&["releases", "new", "shop@2.0"]);
            let words = ["sourcemaps", "upload", "--wait", "--release", "shop@2.0", "--dist", "7"];
            says(&[&words[..], &["--url-prefix", "~/static", &place]].concat());
            says(&["releases", "finalize", "shop@2.0"]);
        }
        let script = Builders::source("report.js");
        let reported = tool::run(Command::new("node").args([&script, &file, url, "shop@2.0", "7"]));
        let kept = report(&hub, &made, &serde_json::from_str(&reported).unwrap());
        let last = frames(&kept, "stacktrace").last().unwrap();
        assert_eq!((&last["function"], &last["lineno"]), (&json!("charge"), &json!(7)), "{kept:#}");
        assert!(last["filename"].as_str().unwrap().ends_with("pay.ts"), "{last}");
        assert_eq!(last["context_line"], "  return order.lines!.map((line) => line.price);");
        assert_eq!(frames(&kept, "raw_stacktrace").last().unwrap()["abs_path"], url);
    }
    let found = issues(&hub, "");
    assert_eq!((found.len(), &found[0]["times_seen"]), (1, &json!(3)), "{found:#?}");
    let listed = says(&["releases", "list"]);
    assert!(listed.contains("shop@2.0"), "{listed}");
    let folder = TempDir::new().unwrap();
    builders.build("first.ts", folder.path());
    let words = ["sourcemaps", "upload", &folder.path().display().to_string()];
    let refused = builders.sentry_cli(&hub, &token(&hub, "read"), &words);
    let said = tool::both(&refused);
    assert!(!refused.status.success() && said.contains("lacks the scope ingest"), "{said}");
}
