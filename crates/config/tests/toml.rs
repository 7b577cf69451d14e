//! `nightbell.toml`: what is taken, what is said about the rest, the environment, secrets and the schema.

mod kinds;

use std::path::Path;

use nightbell_config::{Config, ConfigError, EXAMPLE, Format, Level, ShowAs, Source, load_text, schema};
use serde_json::Value;

const MINIMAL: &str = "[route]\nreceiver = \"ops\"\n[[receivers.ops.inbox]]\n";

fn read_in(folder: &Path, text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let source = Source { name: "nightbell.toml", text, directory: folder, format: Format::Toml };
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load_text(source, environment, &kinds::registry()).map_err(|error| match error {
        ConfigError::Invalid(invalid) => invalid.to_string(),
        other => other.to_string(),
    })
}

fn read(text: &str) -> Result<Config, String> {
    read_in(Path::new("/etc/nightbell"), text, &[])
}

fn with(environment: &[(&str, &str)]) -> Result<Config, String> {
    read_in(Path::new("/etc/nightbell"), MINIMAL, environment)
}

#[test]
fn the_example_is_good_and_names_every_key() {
    let config = read(EXAMPLE).unwrap();
    assert_eq!(config.warnings, []);
    assert_eq!(config.rules.root.children.len(), 3);
    assert_eq!(config.rules.check(), Ok(()));
    let schema = schema(&kinds::registry());
    let sections = ["server", "database", "outbound", "limits", "incidents", "self_watch", "log", "route"];
    for section in sections.map(|name| &schema["properties"][name]) {
        let properties = section["properties"].as_object();
        let defined = || schema["$defs"]["RouteEntry"]["properties"].as_object();
        for key in properties.or_else(defined).unwrap().keys() {
            assert!(EXAMPLE.contains(key.as_str()), "{key} is not in the example");
        }
    }
}

#[test]
fn flapping_has_a_policy_for_all_and_one_for_each_route() {
    use model::flap::OnFlapping::{Hold, Notify, Summarise};
    let quiet = read(MINIMAL).unwrap().rules;
    assert_eq!((quiet.flapping.times, quiet.on_flapping(&quiet.root)), (0, Notify), "off without a word");
    let text = format!(
        "[incidents.flapping]\ntimes = 3\npolicy = \"hold\"\n{}{}",
        MINIMAL.replace("[[", "[[route.routes]]\non_flapping = \"summarise\"\n[[route.routes.routes]]\n[["),
        "[[route.routes]]\nmatchers = ['a=b']\n"
    );
    let rules = read(&text).unwrap().rules;
    let child = &rules.root.children[0];
    let policies = [&rules.root, child, &child.children[0], &rules.root.children[1]];
    assert_eq!(policies.map(|route| rules.on_flapping(route)), [Hold, Summarise, Summarise, Hold]);
    for (line, says) in
        [("times = 1001", "is more than 1000"), ("policy = \"loud\"", "notify"), ("within = \"0s\"", "zero")]
    {
        let text = format!("{MINIMAL}[incidents.flapping]\n{line}\n");
        let problem = read(&text).unwrap_err();
        assert!(problem.contains("incidents.flapping") && problem.contains(says), "{problem}");
    }
}

#[test]
fn the_guide_names_every_key() {
    let guide = include_str!("../../../docs/configuration.md");
    let schema = schema(&kinds::registry());
    let mut keys = Vec::new();
    collect(&schema["properties"], &mut keys);
    collect(&schema["$defs"]["RouteEntry"]["properties"], &mut keys);
    // a key in a table, or a section in a heading
    let is_named =
        |key: &String| ["`KEY`", "[KEY]", "[KEY."].iter().any(|it| guide.contains(&it.replace("KEY", key)));
    let missing: Vec<_> = keys.iter().filter(|key| !is_named(key)).collect();
    assert!(missing.is_empty(), "not in docs/configuration.md: {missing:?}");
}

/// Keys of our own sections; those of kinds have a reference of their own.
fn collect(properties: &Value, keys: &mut Vec<String>) {
    for (name, schema) in properties.as_object().into_iter().flatten() {
        keys.push(name.clone());
        if name == "defaults" {
            continue;
        }
        collect(&schema["properties"], keys);
        collect(&schema["items"]["properties"], keys);
    }
}

#[test]
fn little_is_enough() {
    let config = read(MINIMAL).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8440");
    assert_eq!(config.database.data_dir, Path::new("/etc/nightbell/data"));
    assert!(!config.outbound.allow_private && config.server.allow_anonymous_loopback);
    let place = &config.rules.receivers["ops"].destinations[0];
    assert_eq!((place.id.as_str(), place.kind.as_str()), ("ops/inbox/0", "inbox"));
}

#[test]
fn prefixes_follow_the_external_url() {
    let prefix = |text: &str| read(&format!("{MINIMAL}\n[server]\n{text}")).unwrap().server.prefix();
    assert_eq!(prefix(""), "");
    assert_eq!(prefix("external_url = 'https://x.example/bell/'"), "/bell");
    assert_eq!(prefix("external_url = 'https://x.example/bell/'\nroute_prefix = '/'"), "");
    assert_eq!(prefix("route_prefix = '/bell/'"), "/bell");
}

/// Texts, and what is said about them. One golden file, since they are read side by side.
const WRONG: &[&str] = &[
    "",
    "[route",
    "[route]\nreceiver = \"ops",
    "[route]\nreceiver = 'ops'",
    "[rout]\nreceiver = 'ops'",
    "[route]\nreciever = 'ops'",
    "route = 'ops'",
    "[server]\nlisten = 'here'\nmax_body_bytes = -1\nrequest_timeout = '0s'\nport = 80\n[route]\n\
     receiver = 'x'",
    "[server]\nexternal_url = 'bell.example.org'\nroute_prefix = 'bell'",
    "[database]\nurl = 'mysql://u:hush-hush@h/d'",
    "[database]\nurl = 'postgres://u:hush-hush@h/d'\ndata_dir = 'x'",
    "[database.retention]\nage = '90'",
    "[outbound]\nallow = ['10.0.0.0/33', 'x']",
    "[log]\nlevel = 'loud'\nformat = 'xml'",
    "[route]\nreceiver = 'ops'\ngroup_by = 'alertname'",
    "[route]\nreceiver = 'ops'\ngroup_by = ['...', 'a']\n[[receivers.ops.inbox]]",
    "[route]\nreceiver = 'ops'\ngroup_by = ['a', 'a', '']\ngroup_interval = '0s'\n[[receivers.ops.inbox]]",
    "[route]\nreceiver = 'ops'\nmatchers = ['a=b']\ncontinue = true\ncondition = 'true'\n[receivers.ops]",
    "[route]\nreceiver = 'ops'\n[[route.routes]]\nmatchers = ['a']\ncondition = 'lables.a'\n[receivers.ops]",
    "[route]\nreceiver = 'ops'\n[[route.routes]]\nmute_time_intervals = ['nihgts']\n\
     [receivers.ops]\n[time_intervals.nights]\ntimes = [{ start_time = '22:00', end_time = '06:00' }]",
    "[route]\nreceiver = 'opps'\n[[receivers.ops.slak]]",
    "[route]\nreceiver = 'ops'\n[receivers.ops.inbox]",
    "[route]\nreceiver = 'ops'\n[[receivers.ops.inbox]]\nurl = 'x'",
    "[route]\nreceiver = 'ops'\n[[receivers.ops.webhook]]\nsend_resolvd = true\nurl = 'x:hush-hush'",
    "[route]\nreceiver = 'ops'\n[[receivers.ops.webhook]]\nconcurrency = 0\nper_second = nan\ntimeout = '0s'",
    "[route]\nreceiver = 'ops'\n[[receivers.ops.email]]\nhost = 'h'\nfrom = 'x@y'\n\
     to = ['a@b', 'c']\ntls = 'yes'",
    "[route]\nreceiver = 'ops'\n[[receivers.ops.email]]\nhost = 'h'\nfrom = 'x@y'\nto = ['a@b', 'c']",
    "[route]\nreceiver = 'ops'\n[[receivers.ops.webhook]]\nurl = { env = 'NOT_SET' }\npasswrd = 'hush-hush'",
    "[route]\nreceiver = 'ops'\n[[receivers.ops.webhook]]\nurl = { path = 'x' }\nbearer_token = 5\n\
     password = ''",
    "database = 'postgres://u:hush-hush@h/d'\n[route]\nreceiver = 'ops'\n[[receivers.ops.webhook]]\n\
     url = 'http://x/'\nheaders = 'X-Key: hush-hush'\n[[receivers.ops.webhook]]\nurl = 'http://x/'\n\
     old_signing_secrets = 'hush-hush'",
    "[route]\nreceiver = 'ops'\n[receivers.ops]\n[[inhibit]]\nsource = ['a']\ntarget = 'b'\nequals = ['c']",
    "[route]\nreceiver = 'ops'\n[receivers.ops]\n[[inhibit]]\nsource = ['a=b']",
    "[route]\nreceiver = 'ops'\n[receivers.ops]\n[time_intervals.x]\nweekday = ['monday']\n\
     months = ['smarch']",
    "[route]\nreceiver = 'ops'\n[receivers.ops]\n[[time_intervals.x]]\n[[time_intervals.x]]\nyears = [0]",
    "[route]\nreceiver = 'ops'\n[receivers.ops]\n[integrations.a]\nkind = 'webhok'\n\
     [integrations.b]\nevery = '1d'",
    "[route]\nreceiver = 'ops'\n[receivers.ops]\n[integrations.a]\nkind = 'heartbeat'\nevery = '1'\n\
     evry = 'x'",
    "[route]\nreceiver = 'ops'\n[receivers.ops]\n[integrations.'a/b']\nkind = 'heartbeat'\nevery = '1d'",
];

#[test]
fn what_is_wrong_is_told_with_place_and_reason() {
    let told = WRONG.iter().map(|text| {
        let problems = read(text).unwrap_err();
        assert!(!problems.contains("hush-hush"), "{problems}");
        format!("{}\n---> {}\n", text.replace('\n', " ⏎ "), problems.replace('\n', "\n     "))
    });
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"));
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let config = read(&format!("{MINIMAL}\n[receivers.nobody]\n[time_intervals.never]")).unwrap();
    let told: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "nightbell.toml:5:12: warning: receivers.nobody: no route tells this receiver",
            "nightbell.toml:6:17: warning: time_intervals.never: no route refers to this time interval",
        ]
    );
    assert!(config.warnings.iter().all(|problem| problem.level == Level::Warning));
}

#[test]
fn siblings_with_the_same_matchers_have_paths_of_their_own() {
    let one = "[[route.routes]]\nmatchers = ['b=2', 'a=1']\n";
    let config = read(&format!("[receivers.ops]\n[route]\nreceiver = 'ops'\n{one}{one}{one}")).unwrap();
    let paths: Vec<_> = config.rules.root.nodes().iter().map(|route| route.path.clone()).collect();
    let child = r#"{}/{a="1",b="2"}"#;
    assert_eq!(paths, ["{}", child, &format!("{child}#2"), &format!("{child}#3")]);
}

#[test]
fn routes_inherit_what_they_do_not_set() {
    let config = read(EXAMPLE).unwrap();
    let shown = serde_json::to_value(&config.rules.root.children[1].children[0]).unwrap();
    assert_eq!(shown["timing"]["group_wait"], "10s");
    assert_eq!(shown["timing"]["group_interval"], "5m");
    assert_eq!(shown["timing"]["repeat_interval"], "30m");
    assert_eq!(shown["group_by"]["labels"][0], "alertname");
    assert_eq!(shown["path"], r#"{}/{team="db"}/{}{if level <= 2 and labels.env != 'test'}"#);
}

#[test]
fn the_environment_overrides_the_file() {
    let config = with(&[
        ("NIGHTBELL_SERVER__LISTEN", "[::]:80"),
        ("NIGHTBELL_SERVER__MAX_BODY_BYTES", "1_000"),
        ("NIGHTBELL_LOG__LEVEL", "debug"),
        ("NIGHTBELL_DATABASE__RETENTION__AGE", "7d"),
        ("NIGHTBELL_OUTBOUND__ALLOW", "['10.0.0.0/8']"),
        ("NIGHTBELL_ROUTE__GROUP_BY", "all"),
        ("NIGHTBELL_RECEIVERS__OPS__WEBHOOK", "[{ url = 'http://x/' }]"),
        ("NIGHTBELL_INTEGRATIONS__BACKUP__KIND", "heartbeat"),
        ("NIGHTBELL_INTEGRATIONS__BACKUP__EVERY", "1d"),
        // a secret that is somewhere else
        ("NIGHTBELL_DATABASE__URL", "{ env = 'NIGHTBELL_PG' }"),
        ("NIGHTBELL_PG", "postgres://h/d"),
        // of others
        ("NIGHTBELL_SERVER", "http://x"),
        ("NIGHTBELL_TOKEN", "x"),
        ("NIGHTBELL_LOG", "debug"),
        ("NIGHTBELL_CONFIG", "x"),
        ("NIGHTBELL_TEST_POSTGRES", "x"),
        // of Kubernetes, when the service is called nightbell
        ("NIGHTBELL_SERVICE_HOST", "10.0.0.1"),
        ("NIGHTBELL_SERVICE_PORT_HTTP", "8440"),
        ("NIGHTBELL_PORT", "tcp://10.0.0.1:8440"),
        ("NIGHTBELL_PORT_8440_TCP_ADDR", "10.0.0.1"),
        ("PATH", "/bin"),
    ]);
    let config = config.unwrap();
    assert_eq!(config.server.listen.to_string(), "[::]:80");
    assert_eq!(config.server.max_body_bytes, 1000);
    assert_eq!(config.database.url.as_ref().map(sdk::Secret::expose), Some("postgres://h/d"));
    assert_eq!(config.log.level, "debug");
    assert_eq!(config.outbound.allow.len(), 1);
    assert_eq!(config.rules.receivers["ops"].destinations.len(), 2);
    assert!(config.integrations.contains_key("backup"));
    let shown: Value = serde_json::from_str(&config.show(ShowAs::Json)).unwrap();
    assert_eq!(shown["origins"]["server.listen"], "NIGHTBELL_SERVER__LISTEN");
    assert_eq!(shown["configuration"]["database"]["retention"]["age"], "7d");
}

#[test]
fn lists_are_reached_by_number_and_names_by_their_letters() {
    let text = "[route]\nreceiver = 'On-Call'\n[[receivers.On-Call.webhook]]\nurl = 'http://x/'\n";
    let set = |name: &str, value: &str| read_in(Path::new(""), text, &[(name, value)]);
    let config = set("NIGHTBELL_RECEIVERS__ON_CALL__WEBHOOK__0__URL", "http://y/12").unwrap();
    assert_eq!(config.rules.receivers["On-Call"].destinations[0].settings["url"], "http://y/12");
    // a secret is a text, whatever it looks like
    let config = set("NIGHTBELL_RECEIVERS__ON_CALL__WEBHOOK__0__BEARER_TOKEN", "12345").unwrap();
    assert_eq!(config.rules.receivers["On-Call"].destinations[0].settings["bearer_token"], "12345");
}

#[test]
fn unknown_variables_are_errors_that_name_the_nearest() {
    let told: Vec<_> = [
        ("NIGHTBELL_SERVER__LISTN", "x"),
        ("NIGHTBELL_SEVER__LISTEN", "x"),
        ("NIGHTBELL_SERVER__LISTEN__HOST", "x"),
        ("NIGHTBELL_LISTEN", "x"),
        ("NIGHTBELL_SERVERR", "x"),
        ("NIGHTBELL_SERVER__LISTEN", "x"),
        ("NIGHTBELL_SERVER__MAX_BODY_BYTES", "many"),
        ("NIGHTBELL_RECEIVERS__OPS__WEBHOOK__0__URL", "hush-hush"),
        ("NIGHTBELL_RECEIVERS__OPS__INBOX__7__TIMEOUT", "1s"),
        ("NIGHTBELL_DATABASE__URL", "hush-hush"),
        ("NIGHTBELL_ROUTE__", "x"),
        ("NIGHTBELL___", "x"),
    ]
    .iter()
    .map(|variable| with(&[*variable]).unwrap_err())
    .collect();
    let told = told.join("\n");
    assert!(!told.contains("hush-hush"), "{told}");
    insta::assert_snapshot!(told);
}

#[test]
fn secrets_come_from_variables_and_files_and_are_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), " \thush-file \r\n\n").unwrap();
    std::fs::write(folder.path().join("empty"), " \n").unwrap();
    let text = "[route]\nreceiver = 'ops'\n[[receivers.ops.webhook]]\nurl = { env = 'NIGHTBELL_HOOK' }\n\
                bearer_token = { file = 'token' }\nheaders = { X-Key = 'hush-text' }\n";
    let environment = [("NIGHTBELL_HOOK", "http://u:hush-env@x/")];
    let config = read_in(folder.path(), text, &environment).unwrap();
    let settings = &config.rules.receivers["ops"].destinations[0].settings;
    assert_eq!(settings["url"], "http://u:hush-env@x/");
    assert_eq!(settings["bearer_token"], "hush-file");
    let shown = config.show(ShowAs::Toml) + &config.show(ShowAs::Json) + &format!("{config:?}");
    assert!(!shown.contains("hush"), "{shown}");
    assert!(shown.contains("X-Key = \"<secret>\"") && shown.contains("bearer_token = { file = \"token\" }"));
    for (reference, reason) in [
        ("{ file = 'empty' }", "empty is empty"),
        ("{ file = 'missing' }", "cannot read"),
        ("{ env = 'MISSING' }", "the environment variable MISSING is not set or empty"),
        ("{ env = 'A', file = 'B' }", "a secret is a text"),
        ("['x']", "a secret is a text"),
    ] {
        let text = format!("[route]\nreceiver = 'ops'\n[[receivers.ops.webhook]]\nurl = {reference}\n");
        let problems = read_in(folder.path(), &text, &[]).unwrap_err();
        assert!(problems.starts_with("nightbell.toml:4:") && problems.contains(reason), "{problems}");
        assert_eq!(problems.lines().count(), 1, "{problems}");
    }
}

#[cfg(unix)]
#[test]
fn a_secret_that_everybody_may_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    std::fs::write(&file, "postgres://u:hush@h/d").unwrap();
    let text = format!("{MINIMAL}[database]\nurl = {{ file = 'url' }}\n");
    let warnings = |mode: u32| {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        read_in(folder.path(), &text, &[]).unwrap().warnings.len()
    };
    assert_eq!((warnings(0o600), warnings(0o644)), (0, 1));
}

#[test]
fn what_is_shown_loads_again_and_means_the_same() {
    let config = read(EXAMPLE).unwrap();
    let shown = config.show(ShowAs::Toml);
    insta::assert_snapshot!(shown);
    let again = read(&shown.replace("<secret>", "https://x.example/")).unwrap();
    let json = |config: &Config| serde_json::to_value(&config.rules).unwrap();
    assert_eq!(json(&again), json(&config));
    assert_eq!(again.server, config.server);
    assert_eq!(again.database, config.database);
}

#[test]
fn the_schema_holds_all_kinds() {
    let schema = schema(&kinds::registry());
    let place = &schema["properties"]["receivers"]["additionalProperties"]["properties"]["webhook"]["items"];
    assert_eq!(place["required"], serde_json::json!(["url"]));
    let webhook = schema.pointer(place["$ref"].as_str().unwrap().trim_start_matches('#')).unwrap();
    assert!(webhook["properties"]["give_up_after"]["description"].is_string());
    assert_eq!(webhook["properties"]["url"]["anyOf"][1]["required"][0], "env");
    assert_eq!(webhook["additionalProperties"], false);
    let kinds = schema["properties"]["integrations"]["additionalProperties"]["oneOf"].as_array().unwrap();
    assert!(kinds.iter().any(|kind| kind["properties"]["kind"]["const"] == "heartbeat"));
    insta::assert_json_snapshot!(schema);
}

#[test]
fn no_number_of_warnings_hides_an_error() {
    let unused: String = (0..300).map(|n| format!("[receivers.r{n}]\n")).collect();
    let problems =
        read(&format!("{unused}[route]\nreceiver = 'r0'\n[[inhibit]]\nsource = ['a=b']")).unwrap_err();
    assert!(problems.contains("missing field `target`"), "{problems}");
}
