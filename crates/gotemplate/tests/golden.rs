//! What Go's own packages make of the same templates: see `golden/README.md`.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;

use gotemplate::alertmanager::{self, Alert, Data, kv};
use gotemplate::{Functions, Limits, Mode, Moment, Set, Stage, Value};
use jiff::Timestamp;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    mode: String,
    data: String,
    template: String,
    #[serde(default)]
    output: String,
    #[serde(default)]
    stage: String,
    #[serde(default)]
    error: String,
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::map(entries.into_iter().map(|(name, value)| (name.into(), value)).collect::<BTreeMap<_, _>>())
        .unwrap()
}

fn words<const N: usize>(words: [&str; N]) -> Value {
    Value::strings(words.map(Into::into)).unwrap()
}

fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Value {
    kv(pairs.map(|(name, value)| (name.into(), value.into())))
}

fn alertmanager_data() -> Value {
    let alert = |number: usize, status: &'static str| Alert {
        status,
        labels: labels([
            ("severity", "critical"),
            ("alertname", "DiskFull"),
            ("disk", &format!("sd{number}")),
        ]),
        annotations: labels([
            ("summary", &format!("Disk <{number}> & more")),
            ("runbook", "https://run.example/a?b=c&d=e f"),
        ]),
        starts_at: Moment::utc(at("2026-03-04T05:06:07.089Z")),
        ends_at: match status {
            "resolved" => Moment::utc(at("2026-03-04T15:16:17Z")),
            _ => Moment::zero(),
        },
        generator_url: "http://p.example/graph?g0.expr=up%3D0&g0.tab=1".into(),
        fingerprint: format!("00000000000000a{number}").into(),
    };
    let data = Data {
        alerts: vec![alert(1, "firing"), alert(2, "firing"), alert(3, "resolved")],
        notification_reason: "first notification".into(),
        group_labels: labels([("alertname", "DiskFull")]),
        common_labels: labels([("alertname", "DiskFull"), ("severity", "critical"), ("cluster", "a b")]),
        external_url: "http://bell.example:9093".into(),
        ..Data::new("team-x")
    };
    data.value().unwrap()
}

fn any() -> Value {
    let text = |text: &str| Value::text(text);
    let list = vec![Value::Int(1), text("two"), Value::Float(3.5), Value::Nil, Value::Bool(true)];
    map([
        ("s", text("text")),
        ("u", text("Ünï→日本")),
        ("h", text("<b>&'\"</b>")),
        ("n", Value::Int(7)),
        ("neg", Value::Int(-3)),
        ("f", Value::Float(1.5)),
        ("big", Value::Float(1e21)),
        ("small", Value::Float(1e-7)),
        ("t", Value::Bool(true)),
        ("no", Value::Bool(false)),
        ("z", Value::Nil),
        ("e", text("")),
        ("empty", Value::list(vec![]).unwrap()),
        ("l", Value::list(list).unwrap()),
        ("m", map([("b", text("x")), ("a", Value::Int(1)), ("c", map([("d", text("deep"))]))])),
        ("words", words(["x", "y"])),
        ("url", text("http://e.example/a b?q=1&r=2#f")),
        ("js", text("javascript:alert(1)")),
        ("lines", text("a\nb\tc")),
    ])
}

fn data(name: &str) -> Value {
    match name {
        "am" => alertmanager_data(),
        "nil" => Value::Nil,
        "int" => Value::Int(42),
        "text" => Value::text("O'Reilly: <b>\"fish\" & chips</b>+"),
        "words" => words(["one", "two", "three"]),
        _ => any(),
    }
}

/// What comes of it, or the stage and the text of the error.
fn run(mode: &str, over: &str, template: &str) -> Result<String, (Stage, String)> {
    let set = Set::new(Functions::new().with(alertmanager::FUNCTIONS));
    let mode = if mode == "h" { Mode::Html } else { Mode::Text };
    let text = set.text(template, mode);
    let result =
        text.and_then(|text| text.render(&data(over), &Limits::default(), at("2026-03-04T12:00:00Z")));
    result.map_err(|error| (error.stage, error.text))
}

/// Errors of the inline text have no file's name here.
fn nameless(error: &str) -> String {
    error.replacen("template: t:", "template: :", 1).replacen("executing \"t\"", "executing \"\"", 1)
}

#[test]
fn the_same_comes_out_as_of_go() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("golden/recorded.json")).unwrap();
    assert!(cases.len() >= 300, "{}", cases.len());
    let known: Vec<&str> =
        include_str!("golden/different.txt").lines().filter(|line| !line.starts_with('#')).collect();
    let mut wrong = Vec::new();
    let mut different = Vec::new();
    for case in &cases {
        let ours = run(&case.mode, &case.data, &case.template);
        let same = match (&ours, case.error.is_empty()) {
            (Ok(output), true) => *output == case.output,
            // the text of errors in running is Go's; others say it in their own words
            (Err((Stage::Run | Stage::Type, text)), false) if case.stage == "run" => {
                *text == nameless(&case.error)
            }
            (Err((Stage::Escape, _)), false) => case.stage == "run",
            // a template that there is not is found before it runs
            (Err((Stage::Parse, _)), false) => {
                case.stage == "parse"
                    || case.error.contains("no such template")
                    || case.error.contains("not defined")
            }
            _ => false,
        };
        let template = case.template.replace('\n', "⏎");
        if same {
            continue;
        }
        if known.contains(&template.as_str()) {
            different.push(template);
            continue;
        }
        let theirs = if case.error.is_empty() { &case.output } else { &case.error };
        wrong.push(format!("{} {} {template}\n  go:   {theirs:?}\n  ours: {ours:?}", case.mode, case.data));
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let stale: Vec<&&str> = known.iter().filter(|line| !different.iter().any(|it| it == **line)).collect();
    assert!(stale.is_empty(), "these are the same by now: {stale:?}");
}
