//! `template.KV`, labels and annotations: a map of texts with methods, and the lists that these give.

use crate::value::Env;
use crate::value::{Field, Function, Map, Param, Text, Type, Value};

/// The label that comes first in every list.
const ALERT_NAME: &str = "alertname";

static KV: Type = Type { name: "template.KV", fields: &[], methods: KV_METHODS, print: Some(print_kv) };

static KV_METHODS: &[Function] = &[
    Function { name: "Names", takes: &[], rest: None, call: |_, all| strings(&pairs(&all[0]), 0) },
    Function { name: "Remove", takes: &[Param::Strings], rest: None, call: remove },
    Function {
        name: "SortedPairs",
        takes: &[],
        rest: None,
        call: |_, all| Value::list_of(&PAIRS, pairs(&all[0])),
    },
    Function { name: "String", takes: &[], rest: None, call: |env, all| env.made(print_kv(&all[0])) },
    Function { name: "Values", takes: &[], rest: None, call: |_, all| strings(&pairs(&all[0]), 1) },
];

static PAIR: Type = Type {
    name: "template.Pair",
    fields: &[Field { name: "Name", json: "Name" }, Field { name: "Value", json: "Value" }],
    methods: &[],
    print: None,
};

static PAIRS: Type =
    Type { name: "template.Pairs", fields: &[], methods: PAIRS_METHODS, print: Some(print_pairs) };

static PAIRS_METHODS: &[Function] = &[
    Function { name: "Names", takes: &[], rest: None, call: |_, all| strings(items(&all[0]), 0) },
    Function { name: "String", takes: &[], rest: None, call: |env, all| env.made(print_pairs(&all[0])) },
    Function { name: "Values", takes: &[], rest: None, call: |_, all| strings(items(&all[0]), 1) },
];

static STRINGS: Type = Type { name: "template.Strings", fields: &[], methods: STRINGS_METHODS, print: None };

static STRINGS_METHODS: &[Function] = &[Function {
    name: "Join",
    takes: &[Param::Str],
    rest: None,
    call: |env, all| join(env, &all[1], &all[0]),
}];

/// Labels or annotations as templates have them; a missing one is an empty text.
pub fn kv(pairs: impl IntoIterator<Item = (Text, Text)>) -> Value {
    let entries = pairs.into_iter().map(|(name, value)| (name, Value::Str(value))).collect();
    // texts alone are not too deep, and nobody has so many labels
    Value::map_of(&KV, Value::text(""), entries).unwrap_or_default()
}

/// The texts of a list with this between them.
pub(super) fn join(env: &Env<'_>, between: &Value, list: &Value) -> Result<Value, String> {
    let between = between.as_str().unwrap_or_default();
    let texts = || items(list).iter().filter_map(Value::as_str);
    let bytes = texts().map(str::len).sum::<usize>() + between.len().saturating_mul(items(list).len());
    env.spend_bytes(bytes)?;
    if bytes > crate::limits::MAX_VALUE_BYTES {
        return Err(format!("limit: it makes a text of {bytes} bytes"));
    }
    env.made(texts().collect::<Vec<_>>().join(between))
}

fn map(value: &Value) -> Option<&Map> {
    match value {
        Value::Map(map) => Some(map),
        _ => None,
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_list().unwrap_or_default()
}

/// Names and values, the alert's name first.
fn pairs(value: &Value) -> Vec<Value> {
    let Some(map) = map(value) else { return Vec::new() };
    let first = map.entries.iter().filter(|(name, _)| &***name == ALERT_NAME);
    let others = map.entries.iter().filter(|(name, _)| &***name != ALERT_NAME);
    let pair = |(name, value): (&Text, &Value)| {
        Value::structure(&PAIR, vec![Value::Str(name.clone()), value.clone()]).unwrap_or_default()
    };
    first.chain(others).map(pair).collect()
}

/// One of the fields of all pairs.
fn strings(pairs: &[Value], field: usize) -> Result<Value, String> {
    let one = |pair: &Value| match pair {
        Value::Struct(pair) => pair.values.get(field).cloned(),
        _ => None,
    };
    Value::list_of(&STRINGS, pairs.iter().filter_map(one).collect())
}

fn remove(env: &Env<'_>, all: &[Value]) -> Result<Value, String> {
    let Some(map) = map(&all[0]) else { return Ok(Value::Nil) };
    let names: std::collections::HashSet<&str> = items(&all[1]).iter().filter_map(Value::as_str).collect();
    env.spend((map.entries.len() + names.len()) as u64)?;
    let kept = map.entries.iter().filter(|(name, _)| !names.contains(&***name));
    Value::map_of(&KV, Value::text(""), kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

fn print_kv(value: &Value) -> String {
    print_all(&pairs(value))
}

fn print_pairs(value: &Value) -> String {
    print_all(items(value))
}

/// `alertname=DiskFull, severity=critical`
fn print_all(pairs: &[Value]) -> String {
    let mut out = String::new();
    for pair in pairs {
        if let Value::Struct(pair) = pair
            && let [name, value] = pair.values.as_slice()
        {
            out.push_str(if out.is_empty() { "" } else { ", " });
            out.push_str(name.as_str().unwrap_or_default());
            out.push('=');
            out.push_str(value.as_str().unwrap_or_default());
        }
    }
    out
}
