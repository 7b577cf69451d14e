use super::*;
use crate::messages;
use crate::template::{Html, Mapping, Names, Plain, Template};

fn within<T>(files: &[(&str, &str)], run: impl FnOnce() -> T) -> T {
    let mut set = (*built_in().templates).clone();
    for (name, text) in files {
        set.parse(name, text).unwrap();
    }
    Surroundings { templates: Arc::new(set) }.around(run)
}

fn rendered(source: &str) -> String {
    let template = within(&[], || Template::<Plain>::go(source)).unwrap();
    template.render(&Names::of(&messages::firing())).unwrap()
}

fn refused<L: Language>(source: &str) -> String {
    within(&[], || Template::<L>::go(source)).err().unwrap().to_string()
}

#[test]
fn messages_are_alertmanagers_data() {
    assert_eq!(
        rendered(
            "{{ .Receiver }} {{ .Status }} {{ len .Alerts.Firing }} {{ .CommonLabels.team }} {{ .NotificationReason }}"
        ),
        "ops firing 2 db first notification"
    );
    let first = "{{ with index .Alerts 0 }}{{ .Labels.instance }} {{ .StartsAt }} {{ .EndsAt.IsZero }} \
                 {{ .Fingerprint | len }}{{ end }}";
    assert_eq!(rendered(first), "db1:9100 2026-11-14 11:59:00.25 +0000 UTC true 16");
    assert_eq!(rendered("{{ since (index .Alerts 0).StartsAt }}"), "1m29.75s");
    assert_eq!(quoted("a.b-c"), r"a\.b-c");
}

#[test]
fn values_are_escaped_in_html_only() {
    let template = within(&[], || Template::<Html>::go("<i>{{ .CommonLabels.note }}</i>")).unwrap();
    let message = messages::firing();
    let names = Names::of(&message);
    assert_eq!(template.render(&names).unwrap(), "<i>&lt;b&gt;&amp;&#34;quoted&#34;&lt;/b&gt;</i>");
    assert_eq!(rendered("<i>{{ .CommonLabels.note }}"), r#"<i><b>&"quoted"</b>"#);
}

#[test]
fn files_are_read_over_what_is_built_in() {
    let files = [
        ("a.tmpl", r#"{{ define "__subject" }}mine {{ template "other" . }}{{ end }}"#),
        ("b.tmpl", r#"{{ define "other" }}{{ .Status }}{{ end }}"#),
    ];
    let template =
        within(&files, || Template::<Plain>::go(r#"{{ template "slack.default.title" . }}"#)).unwrap();
    assert_eq!(template.render(&Names::of(&messages::firing())).unwrap(), "mine firing");
}

#[test]
fn fallbacks_say_what_the_titles_of_a_team_say() {
    let files = [(
        "a.tmpl",
        r#"{{ define "slack.default.title" }}S{{ end }}{{ define "slack.default.titlelink" }}L{{ end }}
           {{ define "mattermost.default.title" }}M{{ end }}{{ define "__summary" }}mine{{ end }}"#,
    )];
    let said = |name: &str| {
        let template = within(&files, || Template::<Plain>::go(&format!("{{{{ template {name:?} . }}}}")));
        template.unwrap().render(&Names::of(&messages::firing())).unwrap()
    };
    assert_eq!(said("slack.default.fallback"), "S | L");
    assert!(said("mattermost.default.fallback").starts_with("M | http"));
    assert!(!said("webex.default.message").contains("mine"), "a helper of ours has no name that a team has");
}

#[test]
fn what_fails_on_a_sample_is_refused() {
    assert_eq!(
        refused::<Plain>("x\n{{ .Alerts.Nope }}"),
        r#"line 2:10: at <.Alerts.Nope>: can't evaluate field Nope in type template.Alerts"#
    );
    assert_eq!(refused::<Plain>("{{ nope }}"), r#"line 1: function "nope" not defined"#);
    assert_eq!(refused::<Plain>(r#"{{ template "nope" }}"#), r#"line 1: template "nope" not defined"#);
    assert!(refused::<Html>("<a href=\"").contains("ends in a non-text context"));
    assert!(
        refused::<Plain>(r#"{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}"#).contains("deep")
    );
    assert!(refused::<Mapping>("{{ . }}").contains("about a message"));
}

#[test]
fn what_fails_for_the_values_of_a_sample_is_taken_and_remarked_upon() {
    for (source, remark) in [
        (
            "{{ (index .Alerts.Firing 0).Labels.x }}",
            "one alert that is over, in line 1:4: at <index .Alerts.Firing 0>",
        ),
        ("{{ (index .Alerts 1).Labels.x }}", "one alert that is over, in line 1:4: at <index .Alerts 1>"),
        ("{{ slice .CommonLabels.instance 0 3 }}", "two alerts that fire and one that is over, in line 1:3"),
        (
            "{{ humanizeDuration .CommonAnnotations.dur }}",
            "two alerts that fire and one that is over, in line",
        ),
        ("{{ .CommonLabels.x | toUpper }}", ""),
    ] {
        let (template, remarks) = sdk::remarks::heard(|| within(&[], || Template::<Plain>::go(source)));
        assert!(template.is_ok(), "{template:?}");
        assert!(remarks.concat().contains(remark), "{remarks:?}");
        assert_eq!(remarks.len(), usize::from(!remark.is_empty()), "{remarks:?}");
    }
    assert!(refused::<Plain>("{{ .StartsAt }}").contains("can't evaluate field StartsAt in type"));
    assert!(
        refused::<Plain>("{{ range .Alerts }}{{ .Labels.a.b }}{{ end }}").contains("field b in type string")
    );
    assert!(refused::<Plain>("{{ toUpper }}").contains("wrong number of args for toUpper"));
}

#[test]
fn settings_name_the_field_that_holds_a_bad_one() {
    let registry = crate::registry();
    let settings = |text: &str| serde_json::json!({"url": "https://h.example/", "text": {"go": text}});
    assert!(registry.ready("slack", settings(r#"{{ template "slack.default.title" . }}"#)).is_ok());
    let bad = registry.ready("slack", settings("{{ .Nope }}")).err().unwrap().to_string();
    assert!(bad.starts_with("text: line 1:3: at <.Nope>: can't evaluate field Nope"), "{bad}");
    let table = serde_json::json!({"url": "https://h.example/", "text": {"jinja": "x"}});
    let bad = registry.ready("slack", table).err().unwrap().to_string();
    assert_eq!(bad, "text: unknown field `jinja`, expected `go`");
}

#[test]
fn the_built_in_mail_shows_what_fires() {
    let template = within(&[], || Template::<Html>::go(r#"{{ template "email.default.html" . }}"#)).unwrap();
    for (name, message) in messages::all() {
        let html = template.render(&Names::of(&message)).unwrap();
        insta::assert_snapshot!(format!("mail_{name}"), html);
    }
}

/// What Alertmanager's `amtool template render` prints over some data of the names that its templates define.
#[derive(serde::Deserialize)]
struct Recorded {
    data: Vec<RecordedData>,
    cases: Vec<RecordedCase>,
}

#[derive(serde::Deserialize)]
struct RecordedCase {
    text: String,
    data: usize,
    output: String,
}

type Texts = std::collections::BTreeMap<String, String>;

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordedData {
    receiver: String,
    status: String,
    alerts: Vec<RecordedAlert>,
    group_labels: Texts,
    common_labels: Texts,
    common_annotations: Texts,
    #[serde(rename = "externalURL")]
    external_url: String,
}

#[derive(serde::Deserialize)]
struct RecordedAlert {
    status: String,
    labels: Texts,
    annotations: Texts,
    #[serde(rename = "generatorURL")]
    generator_url: String,
}

fn recorded(data: &RecordedData) -> gotemplate::Value {
    let pairs =
        |texts: &Texts| kv(texts.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())));
    let status = |status: &str| if status == "firing" { "firing" } else { "resolved" };
    let alert = |alert: &RecordedAlert| Alert {
        status: status(&alert.status),
        labels: pairs(&alert.labels),
        annotations: pairs(&alert.annotations),
        starts_at: Moment::zero(),
        ends_at: Moment::zero(),
        generator_url: alert.generator_url.as_str().into(),
        fingerprint: "".into(),
    };
    let data = Data {
        status: status(&data.status),
        alerts: data.alerts.iter().map(alert).collect(),
        group_labels: pairs(&data.group_labels),
        common_labels: pairs(&data.common_labels),
        common_annotations: pairs(&data.common_annotations),
        external_url: data.external_url.as_str().into(),
        ..Data::new(&data.receiver)
    };
    data.value().unwrap()
}

#[test]
fn the_built_in_names_say_what_alertmanager_says() {
    let all: Recorded = serde_json::from_str(include_str!("amtool.json")).unwrap();
    assert!(all.cases.len() > 150);
    let set = built_in().templates;
    for case in &all.cases {
        let text = set.text(&case.text, Mode::Text).unwrap();
        let ours =
            text.render(&recorded(&all.data[case.data]), &Limits::default(), jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(ours.unwrap(), case.output, "{} over {}", case.text, case.data);
    }
}

/// It means something in a release build only:
/// `cargo test --release -p nightbell-connectors slack_message -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, for a release build"]
fn a_slack_message_about_a_hundred_alerts_is_written_in_a_millisecond() {
    const FIELDS: [&str; 9] =
        ["username", "iconemoji", "iconurl", "title", "titlelink", "pretext", "text", "fallback", "footer"];
    let mut about = messages::firing().notification;
    let alerts = std::mem::take(&mut about.alerts);
    about.alerts = (0..100).map(|n| alerts[n % alerts.len()].clone()).collect();
    let message = sdk::Message::render(about);
    let field = |name: &&str| {
        within(&[], || Template::<Plain>::go(&format!("{{{{ template \"slack.default.{name}\" . }}}}")))
    };
    let templates: Vec<_> = FIELDS.iter().map(|name| field(name).unwrap()).collect();
    let every = "{{ range .Alerts }}{{ .Labels.instance }} {{ .Annotations.summary }}\n{{ end }}";
    let every = within(&[], || Template::<Plain>::go(every)).unwrap();
    let write = || {
        let begin = std::time::Instant::now();
        let names = Names::of(&message);
        let written: usize = templates.iter().map(|it| it.render(&names).unwrap().len()).sum();
        let all = every.render(&names).unwrap().len();
        assert!(written > 100 && all > 2000);
        begin.elapsed()
    };
    let mut times: Vec<_> = (0..101).map(|_| write()).collect();
    times.sort_unstable();
    println!("figure slack {:.4}", times[50].as_secs_f64() * 1e3);
    assert!(times[50] <= std::time::Duration::from_millis(1), "{:?}", times[50]);
}
