//! Hostile templates: whatever they are, there is an answer, soon, and no larger than allowed.
#![allow(clippy::unwrap_used, reason = "a test")]

use gotemplate::alertmanager::{self, Data, kv};
use gotemplate::{Error, Functions, Limits, Mode, Set, Stage, Value};
use jiff::Timestamp;
use proptest::prelude::*;

fn run(template: &str, mode: Mode) -> Result<String, Error> {
    let set = Set::new(Functions::new().with(alertmanager::FUNCTIONS));
    let labels = || kv([("a".into(), "<b>".into()), ("alertname".into(), "x y".into())]);
    let data = Data { common_labels: labels(), group_labels: labels(), ..Data::new("r") };
    set.text(template, mode)?.render(&data.value().unwrap(), &Limits::default(), Timestamp::UNIX_EPOCH)
}

fn refused(template: &str) -> (Stage, String) {
    let error = run(template, Mode::Text).unwrap_err();
    (error.stage, error.text)
}

/// The limit is named in the error.
fn over_limit(template: &str, words: &str) {
    let (stage, text) = refused(template);
    assert!(text.contains(words), "{text}");
    assert!(
        stage == Stage::Limit || text.contains("limit") || text.contains("more than"),
        "{stage:?} {text}"
    );
}

#[test]
fn recursion_ends() {
    over_limit(r#"{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" }}"#, "deep");
    let two = r#"{{ define "a" }}x{{ template "b" . }}{{ end }}
        {{ define "b" }}{{ if 1 }}{{ template "a" . }}{{ end }}{{ end }}{{ template "a" }}"#;
    over_limit(two, "deep");
    let html = r#"{{ define "a" }}<p>{{ template "a" . }}{{ end }}{{ template "a" }}"#;
    assert!(run(html, Mode::Html).unwrap_err().text.contains("deep"));
}

#[test]
fn nesting_ends() {
    for (open, close) in
        [("{{ if 1 }}", "{{ end }}"), ("{{ range .Alerts }}", "{{ end }}"), ("{{ with 1 }}", "{{ end }}")]
    {
        over_limit(&format!("{}{}", open.repeat(5000), close.repeat(5000)), "more than 64 deep");
    }
    over_limit(&format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000)), "more than 64 deep");
    assert_eq!(
        run(&format!("{{{{ if 0 }}}}{}{{{{ end }}}}", "{{ else if 0 }}".repeat(5000)), Mode::Text).unwrap(),
        ""
    );
    assert!(run(&format!("{{{{ .A{} }}}}", ".b".repeat(50_000)), Mode::Text).is_err());
    let deep = "{{ $x := list }}{{ range 100 }}{{ $x = list $x }}{{ end }}{{ print $x }}";
    over_limit(deep, "more than 32 deep");
}

#[test]
fn work_and_output_end() {
    over_limit("{{ range 100000 }}{{ range 100000 }}{{ end }}{{ end }}", "too many steps");
    over_limit("{{ range 9000000 }}0123456789{{ end }}", "");
    over_limit(&format!("{{{{ range 10000 }}}}{}{{{{ end }}}}", "x".repeat(1000)), "more than 1048576 bytes");
    over_limit(
        r#"{{ $x := "0123456789" }}{{ range 64 }}{{ $x = print $x $x }}{{ end }}"#,
        "more than 1048576 bytes",
    );
    over_limit(
        r#"{{ $x := list 1 2 3 4 5 6 7 8 }}{{ range 30 }}{{ $x = list $x $x $x $x }}{{ end }}{{ print $x }}"#,
        "",
    );
    over_limit(r#"{{ printf "%99999d" 1 }}"#, "more than 10000");
    over_limit(r#"{{ printf "%.99999f" 1.5 }}"#, "more than 10000");
    over_limit(
        r#"{{ reReplaceAll "" (printf "%10000d" 1) (printf "%10000d" 1) }}"#,
        "more than 1048576 bytes",
    );
    over_limit(r#"{{ match "((a{0,1000}){0,1000}){0,1000}" "a" }}"#, "");
    over_limit(&"x".repeat(2 * 1024 * 1024), "the limit is");
    let list =
        "{{ $x := list }}{{ range 9000 }}{{ $x = append $x 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 }}{{ end }}";
    assert!(run(list, Mode::Text).is_err());
}

#[test]
fn escaping_ends() {
    let mut text = String::from(r#"{{ define "t0" }}x{{ end }}"#);
    for number in 1..60 {
        let before = number - 1;
        let used = format!(r#"{{{{ template "t{before}" }}}}"#);
        text.push_str(&format!(r#"{{{{ define "t{number}" }}}}{used}<p a="{used}">{{{{ end }}}}"#));
    }
    text.push_str(r#"{{ template "t59" }}"#);
    assert!(run(&text, Mode::Html).is_err());
    let loops = format!("<a href=\"{}x{}\">", "{{ range 1 }}".repeat(40), "{{ end }}".repeat(40));
    assert_eq!(run(&loops, Mode::Html).unwrap(), "<a href=\"x\">");
}

/// `{{ value | function argument }}`
fn action() -> impl Strategy<Value = String> {
    let value = r#"\.|\$|\.Status|\.CommonLabels|\.Alerts|1|"a"|-7|1\.5|nil|true"#;
    let function = concat!(
        r#"len|print|printf "%[-+# 0]?[0-9]?[vdsqxfTz]"|index|slice|html|js|urlquery|toJson|title|toUpper"#,
        "|join|eq|lt|and|list|dict|date|since|safeHtml"
    );
    let argument = r#" (1|"x"|\.|\.Alerts|nil|-1|\$x)"#;
    proptest::string::string_regex(&format!(
        r"\{{\{{-? ?({value})?( \| )?({function})?({argument})? ?-?\}}\}}"
    ))
    .unwrap()
}

fn template() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ a-z<>\"'/=!-]{0,8}",
        "\\PC{0,6}",
        Just("{{ if .Status }}".to_owned()),
        Just("{{ else }}".to_owned()),
        Just("{{ range $i, $x := .CommonLabels }}".to_owned()),
        Just("{{ with .GroupLabels.SortedPairs }}".to_owned()),
        Just("{{ end }}".to_owned()),
        Just("{{ break }}".to_owned()),
        Just("{{ define \"t\" }}".to_owned()),
        Just("{{ template \"t\" . }}".to_owned()),
        Just("<script>".to_owned()),
        Just("<a href=\"".to_owned()),
        Just("<style>".to_owned()),
        action(),
        "\\{\\{[a-z.$|()\"` 0-9=:,-]{0,16}\\}\\}",
    ];
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn any_text_has_an_answer(template in template()) {
        for mode in [Mode::Text, Mode::Html] {
            match run(&template, mode) {
                Ok(output) => prop_assert!(output.len() <= Limits::default().output_bytes),
                Err(error) => prop_assert!(!error.text.is_empty() && error.line > 0),
            }
        }
    }

    #[test]
    fn values_never_leave_their_place_in_html(value in "\\PC{0,20}|[<>\"'&/ =`a-z:;(){}\\\\-]{0,20}") {
        let set = Set::new(Functions::new());
        let page = "<p title=\"{{.}}\" class='{{.}}' id={{.}}>{{.}}</p><a href=\"{{.}}\">";
        let text = set.text(page, Mode::Html).unwrap();
        let html = text.render(&Value::text(value), &Limits::default(), Timestamp::UNIX_EPOCH).unwrap();
        prop_assert_eq!(html.matches('<').count(), 3);
        prop_assert_eq!(html.matches('>').count(), 3);
        prop_assert_eq!(html.matches('"').count(), 4);
        prop_assert_eq!(html.matches('\'').count(), 2);
        let href = html.rsplit("href=\"").next().unwrap().to_lowercase();
        prop_assert!(!href.starts_with("javascript:") && !href.starts_with("data:"));
    }
}

#[test]
fn what_later_releases_of_go_know() {
    for line in include_str!("golden/modern.txt").lines().filter(|line| !line.starts_with('#')) {
        let (template, output) = line.split_once(" => ").unwrap();
        assert_eq!(run(template, Mode::Text).unwrap(), output, "{template}");
    }
}

#[test]
fn local_is_the_zone_that_the_templates_were_given() {
    let functions = || Functions::new().with(alertmanager::FUNCTIONS);
    let berlin = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let at = "2026-06-01T12:00:00Z".parse().unwrap();
    let render = |set: &Set, template: &str| {
        set.text(template, Mode::Text).unwrap().render(&Value::text(""), &Limits::default(), at).unwrap()
    };
    let here = Set::new(functions()).in_zone(berlin);
    let nowhere = Set::new(functions());
    for (template, local, utc) in [
        (r#"{{ now.Local.Format "15:04 MST" }}"#, "14:00 CEST", "12:00 UTC"),
        (r#"{{ tz "Local" now | date "15:04 MST" }}"#, "14:00 CEST", "12:00 UTC"),
        (r#"{{ (now.In now.Local.Location).Format "15:04" }}"#, "14:00", "12:00"),
        (r#"{{ now.Local.UTC.Format "15:04" }}"#, "12:00", "12:00"),
        (r#"{{ tz "Asia/Tokyo" now | date "15:04" }}"#, "21:00", "21:00"),
    ] {
        assert_eq!((&*render(&here, template), &*render(&nowhere, template)), (local, utc), "{template}");
    }
}
