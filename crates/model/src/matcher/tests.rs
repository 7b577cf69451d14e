use std::collections::BTreeSet;

use proptest::prelude::*;

use super::pattern::{from_go, literals};
use super::*;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().copied().collect()
}

fn new(name: &str, op: Op, value: &str) -> Matcher {
    Matcher::new(name, op, value).unwrap()
}

#[test]
fn a_missing_label_is_the_empty_text() {
    let alert = labels(&[("severity", "critical")]);
    for (text, yes) in [
        ("severity=critical", true),
        ("severity=crit", false),
        ("severity!=critical", false),
        ("severity!=warning", true),
        ("severity=~crit", false),
        ("severity=~crit.*", true),
        ("severity!~crit", true),
        ("team=", true),
        ("team!=", false),
        ("team!=db", true),
        ("team=~\"|db\"", true),
        ("team=~.+", false),
        ("team!~.+", true),
    ] {
        assert_eq!(parse(text).unwrap().matches(&alert), yes, "{text}");
    }
    let both: Matchers = parse_list("severity=critical,team=db").unwrap().into_iter().collect();
    assert!(!both.matches(&alert) && both.matches(&labels(&[("severity", "critical"), ("team", "db")])));
    assert!(Matchers::default().matches(&alert));
}

#[test]
fn lists_read_as_alertmanager_reads_them() {
    use Op::{Equal, NotEqual, NotRegex, Regex};
    type Want = &'static [(&'static str, Op, &'static str)];
    let cases: [(&str, Want); 34] = [
        ("", &[]),
        ("{}", &[]),
        ("{foo=bar}", &[("foo", Equal, "bar")]),
        ("foo=bar,", &[("foo", Equal, "bar")]),
        (" { foo = \"bar\" , dings != bums , } ", &[("foo", Equal, "bar"), ("dings", NotEqual, "bums")]),
        ("foo=~[a-z]+,b!~\"5..\"", &[("foo", Regex, "[a-z]+"), ("b", NotRegex, "5..")]),
        ("job=", &[("job", Equal, "")]),
        ("{foo=", &[("foo", Equal, "")]),
        ("{a=,b=x}", &[("a", Equal, ""), ("b", Equal, "x")]),
        ("a=\"b,c\",d=\"e\\\"f,g\"", &[("a", Equal, "b,c"), ("d", Equal, "e\"f,g")]),
        // only the classic parser reads these
        ("foo=bar}", &[("foo", Equal, "bar")]),
        ("{foo=bar", &[("foo", Equal, "bar")]),
        ("{foo=bar}}", &[("foo", Equal, "bar}")]),
        ("{foo=}b", &[("foo", Equal, "}b")]),
        ("{foo='}", &[("foo", Equal, "'")]),
        ("foo=a b", &[("foo", Equal, "a b")]),
        ("foo==~!b", &[("foo", Equal, "=~!b")]),
        ("foo=~~~", &[("foo", Regex, "~~")]),
        ("foo=b\\n,c=\\\"", &[("foo", Equal, "b\n"), ("c", Equal, "\"")]),
        ("foo=b\\,bar=c\\\\", &[("foo", Equal, "b\\"), ("bar", Equal, "c\\")]),
        ("foo=~\\d+\\.", &[("foo", Regex, "\\d+\\.")]),
        ("a:b=c\u{a0}d", &[("a:b", Equal, "c\u{a0}d")]),
        // both read these, and the classic parser has the last word
        ("foo=\"a\\tb\"", &[("foo", Equal, "a\\tb")]),
        ("foo=\"\\xf0\\x9f\\x99\\x82\"", &[("foo", Equal, "\\xf0\\x9f\\x99\\x82")]),
        ("foo=~\"\\d\"", &[("foo", Regex, "\\d")]),
        // only the UTF-8 parser reads these
        ("{\"foo\"=\"bar\"}", &[("foo", Equal, "bar")]),
        ("foo🙂=🙂", &[("foo🙂", Equal, "🙂")]),
        ("name-with.dots=x", &[("name-with.dots", Equal, "x")]),
        ("0=x", &[("0", Equal, "x")]),
        ("\"a b\" =~ \"\\\\d\\t\"", &[("a b", Regex, "\\d\t")]),
        ("\"a\\\"\"!=\"\\xf0\\x9f\\x99\\x82\\u00e9\"", &[("a\"", NotEqual, "🙂é")]),
        ("\"\\U0001f642\"!=\"\\101\\a\\b\\f\\n\\r\\v\\\\\"", &[("🙂", NotEqual, "A\x07\x08\x0c\n\r\x0b\\")]),
        ("\u{2003}foo\u{2003}=\u{2003}bar", &[("foo", Equal, "bar")]),
        (" {foo=bar} ", &[("foo", Equal, "bar")]),
    ];
    for (text, want) in cases {
        let want: Vec<Matcher> = want.iter().map(|(name, op, value)| new(name, *op, value)).collect();
        assert_eq!(parse_list(text), Ok(want), "{text}");
    }
}

#[test]
fn one_matcher_is_read_without_braces() {
    assert_eq!(parse("foo=a,b").unwrap(), new("foo", Op::Equal, "a,b"));
    assert_eq!(parse("foo=bar,").unwrap(), new("foo", Op::Equal, "bar,"));
    assert_eq!(parse("foo-x=bar,").unwrap(), new("foo-x", Op::Equal, "bar"));
    for (text, error) in [
        ("", "found 0 matchers, expected exactly one"),
        ("é=a,b=c", "found 2 matchers"),
        ("{a=b}", "at character 1 of the matchers: found a brace"),
        ("a=é}", "at character 4 "),
    ] {
        let have = parse(text).unwrap_err().to_string();
        assert!(have.contains(error), "{text}: {have}");
    }
}

#[test]
fn errors_say_what_where_and_what_would_be_right() {
    for (text, error) in [
        (",", "at character 1 of the matchers: found \",\", expected a label name"),
        ("foo", "at character 4 of the matchers: found the end, expected an operator: =, !=, =~ or !~"),
        ("a-b=c,d=", "at character 9 of the matchers: found the end, expected a value"),
        ("é={", "at character 3 of the matchers: found \"{\", expected a value"),
        ("foo!bar", "at character 4 of the matchers: found \"!bar\", expected an operator"),
        ("é=\"b", "at character 5 of the matchers: found the end, expected closing quotes"),
        ("job=value\"", "at character 10 of the matchers: found \"\\\"\", expected a comma, or the end"),
        ("é=b\\w", "at character 4 of the matchers: found \"\\\\w\", expected a comma"),
        ("é=\"b\\w\"", "at character 5 of the matchers: found \"\\\\w\\\"\", expected an escape"),
        ("é=\"\\400\"", "at character 4 "),
        ("é=\"\\ud800\"", "at character 4 "),
        ("é=\"\\x+1\"", "at character 4 "),
        ("é=\"\\'\"", "at character 4 "),
        (
            "é=\"x\\xf0\\x9f\"",
            "at character 3 of the matchers: found \"\\\"x\\\\xf0\\\\x9f\\\"\", expected escapes",
        ),
        ("é=\"a\nb\"", "expected \\n for a line feed"),
        ("{é=a", "at character 5 of the matchers: found the end, expected a closing brace }"),
        ("é=a}", "at character 4 of the matchers: found \"}\", expected no closing brace"),
        ("{é=a}b", "at character 6 of the matchers: found \"b\", expected nothing more"),
        ("a=b,é=", "at character 7 of the matchers: found the end, expected a value"),
        ("\"\"=a", "a matcher with value \"a\" has no label name"),
        (
            "foo=~\"a[b\"",
            "\"a[b\", matched against label \"foo\", is not a usable regular expression: unclosed",
        ),
        ("foo=~\"(((\\\\pL{99}){99}){99})\"", "compiled it takes more than 4194304 bytes"),
    ] {
        let have = parse_list(text).unwrap_err().to_string();
        assert!(have.contains(error), "{text}: {have}");
    }
    assert!(!parse_list("a=~\"a[b\"").unwrap_err().to_string().contains('\n'));
}

#[test]
fn limits_hold() {
    let long = |bytes| "x".repeat(bytes);
    assert!(Matcher::new(long(1024), Op::Equal, long(65_536)).is_ok());
    assert!(matches!(Matcher::new(long(1025), Op::Equal, ""), Err(BadMatcher::TooLong { what: "name", .. })));
    assert!(matches!(
        Matcher::new("x", Op::Equal, long(65_537)),
        Err(BadMatcher::TooLong { what: "value", .. })
    ));
    let error = Matcher::new("x", Op::Regex, long(16_385)).unwrap_err().to_string();
    assert_eq!(
        error,
        "the regular expression of the matcher of label \"x\" has 16385 bytes, the most is 16384"
    );
    let many = |n| vec!["a=b"; n].join(",");
    assert_eq!(parse_list(&many(256)).unwrap().len(), 256);
    assert_eq!(parse_list(&many(257)), Err(BadMatcher::TooMany));
    assert_eq!(parse_list(&format!("é=a,{}", many(256))), Err(BadMatcher::TooMany));
    let json = serde_json::to_string(&[many(200), many(200)]).unwrap();
    assert!(serde_json::from_str::<Matchers>(&json).is_err());
}

#[test]
fn they_are_written_so_that_both_parsers_read_them() {
    for (matcher, text) in [
        (new("foo", Op::NotRegex, "bar"), "foo!~\"bar\""),
        (
            new("a:b", Op::Equal, "back\\slash \"quoted\"\nline\ttab\\"),
            r#"a:b="back\\slash \"quoted\"\nline	tab\\""#,
        ),
        (new("foo bar", Op::NotEqual, "🙂"), "\"foo bar\"!=\"🙂\""),
        (new("a\"\\", Op::Equal, ""), r#""a\"\\"="""#),
        (new("1st", Op::Equal, "x"), "\"1st\"=\"x\""),
    ] {
        assert_eq!(matcher.to_string(), text);
        assert_eq!(parse(text).unwrap(), matcher);
        assert_eq!(serde_json::to_value(&matcher).unwrap(), text);
        assert_eq!(serde_json::from_value::<Matcher>(text.into()).unwrap(), matcher);
    }
    let all: Matchers = [Matcher::equal("a", "b"), new("c", Op::NotEqual, "d")].into_iter().collect();
    assert_eq!(all.to_string(), r#"{a="b",c!="d"}"#);
    assert_eq!(serde_json::to_string(&all).unwrap(), r#"["a=\"b\"","c!=\"d\""]"#);
    assert_eq!(serde_json::from_str::<Matchers>(r#"["{a=b,c!=d}"]"#).unwrap(), all);
    assert!(serde_json::from_str::<Matchers>(r#""a=b""#).is_err());
    assert!(serde_json::from_str::<Matcher>(r#""a""#).is_err());
}

#[test]
fn flags_and_symbols_name_the_same_four() {
    for op in [Op::Equal, Op::NotEqual, Op::Regex, Op::NotRegex] {
        assert_eq!(Op::from_flags(op.is_regex(), op.is_equal()), op);
        assert_eq!(parse(&format!("a{}b", op.symbol())).unwrap().op, op);
    }
}

#[test]
fn literals_need_no_regular_expressions() {
    for (text, want) in [
        ("", Some(vec![""])),
        ("db-1", Some(vec!["db-1"])),
        ("a|b||c", Some(vec!["a", "b", "", "c"])),
        ("10\\.0\\.0\\.1|\\|", Some(vec!["10.0.0.1", "|"])),
        ("a.c", None),
        ("\\d", None),
        ("a\\", None),
        ("(a|b)", None),
    ] {
        assert_eq!(literals(text), want.map(|all| all.into_iter().map(str::to_owned).collect()), "{text}");
    }
}

#[test]
fn regular_expressions_mean_what_they_mean_to_go() {
    let go = |pattern: &str, value: &str| new("x", Op::Regex, pattern).matches_value(value);
    for (pattern, yes, no) in [
        // the whole value, and no line feeds for a dot
        ("foo.bar", "foo-bar", "foo\nbar"),
        ("(?s)foo.bar", "foo\nbar", "foo\nbarx"),
        ("(?i)db|web", "DB", "dbx"),
        ("(?P<a>x)(?:y)", "xy", "x"),
        // classes are ASCII
        ("\\d+", "12", "١٢"),
        ("\\w+", "a_1", "é"),
        ("[\\s]", " ", "\u{a0}"),
        ("\\D", "١", "1"),
        ("[^\\W\\d]", "a", "1"),
        ("[\\Da]", "é", "1"),
        (".*\\bfoo\\b.*", "éfoo", "afoo"),
        ("é\\Bé", "éé", "é"),
        // brackets do not nest and have no operators
        ("[[]", "[", "]"),
        ("[]a]", "]", "b"),
        ("[^]a]", "b", "]"),
        ("[a&&b]", "&", "c"),
        ("[a~~b]", "~", "c"),
        ("[+--]", ",", "."),
        ("[--/]", ".", "a"),
        ("[a\\-z]", "-", "b"),
        ("[\\d-z]", "-", "y"),
        ("[a-]", "-", "b"),
        ("[[:alpha:]-]", "-", "1"),
        ("[[:^alpha:][:digit:]]", "-", "a"),
        ("[[:]", ":", "a"),
        ("[\\x41-\\x{43}]", "B", "D"),
        ("[<>-]", ">", "="),
        ("[\\<]", "<", "\\"),
        ("[\\p{Greek}\\pL]", "α", "1"),
        // braces that count nothing are braces
        ("a{2}", "aa", "a{2}"),
        ("a{1,}b{2,3}", "aabb", "b"),
        ("a{", "a{", "a"),
        ("{a}", "{a}", "a"),
        ("a{,2}", "a{,2}", "a"),
        ("a{01}", "a{01}", "a"),
        ("\\x{41}\\p{Lu}", "AB", "Ab"),
        // escapes
        ("\\Qa.b*\\E+", "a.b**", "aab"),
        ("\\Qa[", "a[", "a"),
        ("\\<a\\>.*", "<a>", "a"),
        ("\\_\\-\\ .", "_- x", "_-x"),
        ("\\a\\f\\t\\n\\r\\v.", "\x07\x0c\t\n\r\x0b.", ""),
    ] {
        assert!(go(pattern, yes) && !go(pattern, no), "{pattern} as {}", from_go(pattern));
    }
    for pattern in ["a[", "(", "*", "\\", "[\\", "[a-\\d]", "\\1", "[b-a]", "a)", "\\x{", "\\p{Nowhere}"] {
        assert!(Matcher::new("x", Op::Regex, pattern).is_err(), "{pattern}");
    }
}

/// A regular expression as a tree, and what it matches by trying everything: the model for the properties.
#[derive(Clone, Debug)]
enum Tree {
    Char(char),
    Any,
    Either(Box<Tree>, Box<Tree>),
    Then(Box<Tree>, Box<Tree>),
    Often(Box<Tree>),
}

impl Tree {
    fn text(&self) -> String {
        match self {
            Tree::Char(char) if char.is_ascii_punctuation() => format!("\\{char}"),
            Tree::Char(char) => char.to_string(),
            Tree::Any => ".".to_owned(),
            Tree::Either(a, b) => format!("{}|{}", a.text(), b.text()),
            Tree::Then(a, b) => format!("(?:{})({})", a.text(), b.text()),
            Tree::Often(a) => format!("(?:{})*", a.text()),
        }
    }

    /// Where a match that starts at one of these places may end.
    fn ends(&self, value: &[char], starts: BTreeSet<usize>) -> BTreeSet<usize> {
        let one = |good: &dyn Fn(char) -> bool| {
            starts
                .iter()
                .filter(|at| value.get(**at).is_some_and(|char| good(*char)))
                .map(|at| at + 1)
                .collect()
        };
        match self {
            Tree::Char(wanted) => one(&|char| char == *wanted),
            Tree::Any => one(&|char| char != '\n'),
            Tree::Either(a, b) => &a.ends(value, starts.clone()) | &b.ends(value, starts),
            Tree::Then(a, b) => b.ends(value, a.ends(value, starts)),
            Tree::Often(a) => {
                let more = &a.ends(value, starts.clone()) | &starts;
                if more == starts { more } else { self.ends(value, more) }
            }
        }
    }

    fn matches(&self, value: &str) -> bool {
        let value: Vec<char> = value.chars().collect();
        self.ends(&value, BTreeSet::from([0])).contains(&value.len())
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let char = prop::sample::select(vec!['a', 'b', '.', '|', '\n', 'é']).prop_map(Tree::Char);
    let leaf = prop_oneof![4 => char, 1 => Just(Tree::Any)];
    leaf.prop_recursive(4, 12, 2, |inner| {
        let pair = (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        prop_oneof![
            pair.clone().prop_map(|(a, b)| Tree::Either(a, b)),
            pair.prop_map(|(a, b)| Tree::Then(a, b)),
            inner.prop_map(|a| Tree::Often(Box::new(a))),
        ]
    })
}

fn op() -> impl Strategy<Value = Op> {
    prop::sample::select(vec![Op::Equal, Op::NotEqual, Op::Regex, Op::NotRegex])
}

fn any_matcher() -> impl Strategy<Value = Matcher> {
    let text = || prop_oneof!["[ab:{},=~!\"'\\\\\\n\\t é🙂]{0,8}", any::<String>()];
    (text(), op(), text())
        .prop_filter_map("a matcher", |(name, op, value)| Matcher::new(name, op, value).ok())
}

proptest! {
    #[test]
    fn what_is_written_is_read(all in prop::collection::vec(any_matcher(), 0..4)) {
        for matcher in &all {
            prop_assert_eq!(&parse(&matcher.to_string()).unwrap(), matcher);
        }
        let all = Matchers(all);
        prop_assert_eq!(&parse_list(&all.to_string()).unwrap(), &all.0);
        let json = serde_json::to_value(&all).unwrap();
        prop_assert_eq!(serde_json::from_value::<Matchers>(json).unwrap(), all);
    }

    #[test]
    fn equality_is_equality(
        labels in prop::collection::btree_map("[ab]", "[xy]{0,2}", 0..3),
        name in "[abc]", op in op(), value in "[xy]{0,2}",
    ) {
        let have = labels.get(&name).map_or("", String::as_str);
        let want = (have == value) == op.is_equal();
        let labels: Labels = labels.clone().into_iter().collect();
        prop_assert_eq!(new(&name, op, &value).matches(&labels), want);
    }

    #[test]
    fn regular_expressions_match_as_the_model(
        tree in tree(), value in "[ab.|\\né]{0,6}", like in any::<bool>(),
    ) {
        let matcher = new("x", Op::from_flags(true, like), &tree.text());
        prop_assert_eq!(matcher.matches(&labels(&[("x", &value)])), tree.matches(&value) == like);
    }

    #[test]
    fn alternations_of_literals_match_as_regular_expressions(
        text in "[ab|.é-]{0,8}", value in "[ab.é-]{0,3}",
    ) {
        let text = text.replace('.', "\\.");
        let engine = regex::Regex::new(&format!("^(?:{text})$")).unwrap();
        prop_assert!(literals(&text).is_some());
        prop_assert_eq!(new("x", Op::Regex, &text).matches_value(&value), engine.is_match(&value));
    }

    #[test]
    fn nothing_that_anybody_writes_panics(
        text in prop_oneof![any::<String>(), "[{}a=~!,\"\\\\n\\[\\]:^xp8Q é-]{0,16}"],
    ) {
        let _ = (parse(&text), parse_list(&text), Matcher::new("x", Op::Regex, &*text));
    }
}
