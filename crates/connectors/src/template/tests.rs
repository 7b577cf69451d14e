use super::*;
use crate::messages;
use proptest::prelude::*;

fn mapped(source: &str) -> Result<String, String> {
    let template = Template::<Mapping>::new(source).map_err(|error| format!("bad: {error}"))?;
    let item: Value =
        serde_json::from_str(r#"{"a":{"b":1},"n":null,"t":true,"l":[1,"x"],"s":"<&>"}"#).unwrap();
    template.render(&context! { item, index => 0 }.into()).map_err(|error| error.to_string())
}

fn rendered<L: Language>(source: &str) -> String {
    Template::<L>::new(source).unwrap().render(&Names::of(&messages::firing())).unwrap()
}

#[test]
fn values_are_written_as_a_receiver_reads_them() {
    assert_eq!(
        mapped("{{ item.a }} {{ item.n }} {{ item.t }} {{ item.l }} {{ item.s }}").unwrap(),
        r#"{"b":1}  true [1,"x"] <&>"#
    );
    assert_eq!(mapped("{{ item.s | json }}{{ 'abcdef' | truncate(3) }}").unwrap(), r#""<&>"ab…"#);
    assert_eq!(
        mapped("{{ '2026-01-31T12:00:00.5+01:00' | utc }}, {{ 'x' | utc }}").unwrap(),
        "2026-01-31 11:00:00 UTC, x"
    );
    assert_eq!(
        mapped("{{ 'a b&c' | urlencode }}{{ 'abcdef' | truncate(length=7) | upper }}").unwrap(),
        "a+b%26cABCDEF"
    );
}

#[test]
fn what_is_missing_is_named_unless_there_is_a_default() {
    assert_eq!(mapped("{{ item.q }}").unwrap_err(), "`item.q` is undefined");
    assert_eq!(mapped("\n{{ item.a.b.c }}").unwrap_err(), "`item.a.b.c` is undefined in line 2");
    assert_eq!(mapped("{{ item.q | default('x') }}").unwrap(), "x");
}

#[test]
fn what_can_never_work_is_found_before_it_runs() {
    assert_eq!(
        mapped("{{ itm.q }}").unwrap_err(),
        r#"bad: there is no "itm" here; known are body, item, index"#
    );
    assert_eq!(mapped("{{ item.q | uper }}").unwrap_err(), "bad: filter uper is unknown");
    assert!(mapped("{{ item.q").unwrap_err().starts_with("bad: unexpected end of input"));
    assert!(mapped(&"x".repeat(MAX_TEMPLATE_BYTES + 1)).unwrap_err().contains("the limit is 65536"));
    assert!(mapped("{{ debug() }}").is_err());
    // the engine takes any expression for the name, and then panics over it
    assert_eq!(mapped("{% import 'x' as 1 + 1 %}").unwrap_err(), "bad: the engine fails on it");
}

#[test]
fn time_and_room_are_bounded() {
    let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
    assert_eq!(mapped(endless).unwrap_err(), "engine ran out of fuel");
    let large = "{% for a in range(9999) %}0123456789{% endfor %}";
    assert_eq!(mapped(large).unwrap_err(), "it writes more than 65536 bytes");
}

/// Each sign may be a level to descend; the engine limits only those of brackets.
#[test]
fn a_template_as_long_as_may_be_is_read_or_refused() {
    for (start, again, end) in [
        ("{{ 1", "+1", " }}"),
        ("{{ ", "-", "1 }}"),
        ("{{ body", ".a", " }}"),
        ("{{ body", "()", " }}"),
        ("{{ body", "|upper", " }}"),
        ("{% if 1 %}", "{% elif 1 %}", "{% endif %}"),
    ] {
        let levels = (MAX_TEMPLATE_BYTES - start.len() - end.len()) / again.len();
        let source = format!("{start}{}{end}", again.repeat(levels));
        let _ = Template::<Plain>::new(&source).map(|it| it.render(&Names::of(&messages::firing())));
    }
    let source = format!("body{}", "[0]".repeat(MAX_TEMPLATE_BYTES / 3 - 2));
    assert!(Expression::<Mapping>::new(&source).is_ok());
}

#[test]
fn values_cannot_break_out_of_their_language() {
    assert_eq!(rendered::<Plain>("{{ labels.note }}"), "<b>&\"quoted\"</b>");
    assert_eq!(
        rendered::<Html>("<i>{{ labels.note }}"),
        "<i>&lt;b&gt;&amp;&quot;quoted&quot;&lt;&#x2f;b&gt;"
    );
    assert_eq!(rendered::<Slack>("<i>{{ labels.note }}"), "<i>&lt;b&gt;&amp;\"quoted\"&lt;/b&gt;");
    assert_eq!(rendered::<Plain>("{{ status }} {{ labels.no.such }}{{ alerts[0].state }}"), "firing open");
}

#[test]
fn every_name_of_the_language_is_there() {
    let message = messages::firing();
    let names = Names::of(&message);
    for name in MESSAGE_NAMES {
        assert!(!names.value().get_attr(name).unwrap().is_undefined(), "{name}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_template_or_not_but_never_a_panic(
        source in ".{0,60}|(\\{\\{[a-z|.\"() ]{0,20}\\}\\}){0,3}",
    ) {
        if let Ok(template) = Template::<Plain>::new(&source) {
            let _ = template.render(&Names::of(&messages::firing()));
        }
    }

    #[test]
    fn cutting_keeps_to_the_limit(text in ".{0,40}", most in 0usize..50) {
        let short = cut(&text, most);
        prop_assert!(short.chars().count() <= most);
        prop_assert!(text.chars().count() > most || short == text);
    }
}
