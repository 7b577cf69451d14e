use super::*;
use serde_json::json;

fn provides(json: Value) -> Provides {
    serde_json::from_value(json).unwrap()
}

#[test]
fn what_is_wrong_is_told_with_where_it_is() {
    let bad = provides(json!({
        "destinations": [{"kind": "Foo"}, {"kind": "a", "batch": 0}, {"kind": "a", "settings": {"type": "string"}}],
        "subscriptions": [{"name": "s", "topics": ["incident.*", "weather"], "sources": ["alertmanager"]}],
        "routes": [{"path": "up/../down", "methods": ["get"]}, {"path": "/item/<id>", "methods": ["POST", "GET"]},
            {"path": "/item/<name>", "auth": "none"}],
    }));
    let told = bad.check().join("\n");
    let wanted = [
        "destinations[0].kind: \"Foo\" must be",
        "destinations[1].batch: must be within",
        "destinations[2].settings: must be a JSON Schema",
        "there is no topic \"weather\"; known are event.accepted",
        "subscriptions[0].sources: is for the topic event.accepted only",
        "routes[0].path: \"up/../down\"",
        "routes[0].methods: \"get\" is none of",
        "routes: \"GET /item/<>\" is there twice",
        "destinations: \"a\" is there twice",
    ];
    for words in wanted {
        assert!(told.contains(words), "{words} not in\n{told}");
    }
}

#[test]
fn manifest_and_plugin_may_complete_but_not_contradict_each_other() {
    let schema = json!({"type": "object", "properties": {"room": {"type": "string"}}});
    let manifest = provides(json!({"destinations": [{"kind": "foo", "title": "Foo", "settings": schema}]}));
    let told = provides(json!({"destinations": [{"kind": "foo", "batch": 8}, {"kind": "bar"}],
        "routes": [{"path": "/x"}]}));
    let both = manifest.and(&told).unwrap();
    assert_eq!((both.routes.len(), both.destinations.len()), (1, 2));
    let foo = &both.destinations[0];
    assert_eq!((foo.title.as_str(), foo.batch, foo.settings.is_some()), ("Foo", Some(8), true));
    for (other, place) in [
        (json!({"kind": "foo", "title": "Bar"}), "destinations.foo.title"),
        (json!({"kind": "foo", "settings": {"type": "object"}}), "destinations.foo.settings"),
    ] {
        let why = manifest.and(&provides(json!({"destinations": [other]}))).unwrap_err();
        assert!(why.starts_with(place), "{why}");
    }
}

#[test]
fn what_is_said_of_one_method_of_a_path_is_not_said_of_another() {
    let told = provides(json!({"routes": [{"path": "/x", "methods": ["GET"], "auth": "none"},
        {"path": "/x", "methods": ["PUT"]}, {"path": "/x", "methods": ["POST"]}]}));
    for manifest in [
        json!({}),
        json!({"routes": [{"path": "/x", "auth": "none"}, {"path": "/x", "methods": ["POST", "PUT"]}]}),
        json!({"routes": [{"path": "/x", "methods": ["POST"]}, {"path": "/x", "methods": ["PUT"]}]}),
    ] {
        let both = provides(manifest.clone()).and(&told).unwrap();
        assert_eq!(both.check(), [""; 0]);
        let of = |method: &str| {
            let all = both.routes.iter().filter(|it| it.taken().any(|it| it == method));
            all.map(|it| it.auth).collect::<Vec<_>>()
        };
        assert_eq!(both.routes.len(), 2, "{manifest}");
        assert_eq!([of("GET"), of("POST"), of("PUT")], [[Access::None], [Access::Token], [Access::Token]]);
    }
    let manifest = provides(json!({"routes": [{"path": "/x", "methods": ["GET"]}]}));
    let why = manifest.and(&told).unwrap_err();
    assert!(why.starts_with("routes./x for token.methods"), "{why}");
    let told = provides(json!({"routes": [{"path": "/x", "auth": "none"}]}));
    assert_eq!(manifest.and(&told).unwrap().check(), ["routes: \"GET /x\" is there twice"]);
}

#[test]
fn a_topic_may_end_in_a_star() {
    assert!(covers("incident.*", "incident.opened") && covers("*", "request.served"));
    assert!(!covers("incident.*", "delivery.finished") && !covers("incident", "incident.opened"));
}
