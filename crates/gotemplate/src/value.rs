//! Values that templates work on: Go's, as far as templates can tell them apart.
//!
//! A value with fields or methods has a [`Type`], a plain table of both. So whoever offers data writes down a table and
//! fills [`Struct`]s, [`List`]s and [`Map`]s; there is nothing to implement.

mod env;
mod moment;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use env::Env;
pub(crate) use env::OUT_OF_STEPS;
pub use moment::{DURATION, Moment, TIME};
pub(crate) use moment::{human, parse_time};

use crate::limits::{MAX_ITEMS, MAX_VALUE_DEPTH};

/// Text that is shared rather than copied.
pub type Text = Arc<str>;

/// A value.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Nothing: a missing key, or `nil`.
    #[default]
    Nil,
    /// `bool`.
    Bool(bool),
    /// `int`.
    Int(i64),
    /// `float64`.
    Float(f64),
    /// `string`.
    Str(Text),
    /// Text that is known to be safe somewhere in HTML.
    Safe(Safe, Text),
    /// A whole number with a type of its own, such as a `time.Duration` in nanoseconds.
    Named(&'static Type, i64),
    /// A list.
    List(Arc<List>),
    /// A map with texts for keys.
    Map(Arc<Map>),
    /// A value with fields.
    Struct(Arc<Struct>),
    /// `time.Time`.
    Time(Arc<Moment>),
}

/// Where in HTML a text is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safe {
    /// Between tags.
    Html,
    /// As a URL.
    Url,
}

/// A list and the type of it.
#[derive(Debug)]
pub struct List {
    /// Its type, e.g. `[]string`.
    pub of: &'static Type,
    /// What is in it.
    pub items: Vec<Value>,
    depth: usize,
}

/// A map and the type of it.
#[derive(Debug)]
pub struct Map {
    /// Its type, e.g. `map[string]interface {}`.
    pub of: &'static Type,
    /// What is in it, in Go's order of printing.
    pub entries: BTreeMap<Text, Value>,
    /// What a missing key gives.
    pub missing: Value,
    depth: usize,
}

/// The fields of a type, with values.
#[derive(Debug)]
pub struct Struct {
    /// Its type.
    pub of: &'static Type,
    /// A value for each field of the type.
    pub values: Vec<Value>,
    depth: usize,
}

/// What a type is called and what it offers.
#[derive(Debug)]
pub struct Type {
    /// As Go prints it with `%T`, e.g. `template.KV`.
    pub name: &'static str,
    /// The fields of a struct.
    pub fields: &'static [Field],
    /// Functions whose first argument is the value itself.
    pub methods: &'static [Function],
    /// How it is printed, where it has a word in that (Go's `fmt.Stringer`).
    pub print: Option<fn(&Value) -> String>,
}

impl Type {
    /// A type without fields and methods.
    pub const fn plain(name: &'static str) -> Type {
        Type { name, fields: &[], methods: &[], print: None }
    }

    /// The method of this name.
    pub(crate) fn method(&self, name: &str) -> Option<&'static Function> {
        self.methods.iter().find(|method| method.name == name)
    }
}

/// A field of a struct.
#[derive(Debug)]
pub struct Field {
    /// Its name in templates.
    pub name: &'static str,
    /// Its name in JSON.
    pub json: &'static str,
}

/// A function that templates can call, or a method.
#[derive(Debug)]
pub struct Function {
    /// Its name in templates.
    pub name: &'static str,
    /// What it takes, without the value of a method.
    pub takes: &'static [Param],
    /// What it takes any number of, behind the others.
    pub rest: Option<Param>,
    /// What it does; a method finds its value first.
    pub call: fn(&Env<'_>, &[Value]) -> Result<Value, String>,
}

/// What an argument must be.
#[derive(Clone, Copy, Debug)]
pub enum Param {
    /// Anything, and nothing becomes nil: `interface {}`.
    Any,
    /// Anything, as built-in functions have it: `reflect.Value`.
    Reflect,
    /// `string`.
    Str,
    /// A whole number of this type.
    Int(&'static Type),
    /// `[]string`.
    Strings,
    /// `[]interface {}`.
    List,
    /// `time.Time`.
    Time,
    /// A value of a struct.
    Struct(&'static Type),
}

impl Param {
    /// As Go calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Param::Any => ANY.name,
            Param::Reflect => "reflect.Value",
            Param::Str => STRING.name,
            Param::Int(of) | Param::Struct(of) => of.name,
            Param::Strings => STRINGS.name,
            Param::List => ANYS.name,
            Param::Time => TIME.name,
        }
    }
}

macro_rules! plain_types {
    ($($(#[$doc:meta])* $name:ident = $go:literal;)*) => {$(
        $(#[$doc])*
        pub static $name: Type = Type::plain($go);
    )*};
}

plain_types! {
    /// Nothing.
    NIL = "<nil>";
    /// `bool`.
    BOOL = "bool";
    /// `int`.
    INT = "int";
    /// `float64`.
    FLOAT = "float64";
    /// `string`.
    STRING = "string";
    /// Safe between tags.
    HTML = "template.HTML";
    /// Safe as a URL.
    URL = "template.URL";
    /// Anything.
    ANY = "interface {}";
    /// A list of texts.
    STRINGS = "[]string";
    /// A list of anything.
    ANYS = "[]interface {}";
    /// A map of anything.
    ANY_MAP = "map[string]interface {}";
}

impl Value {
    /// Text.
    pub fn text(text: impl Into<Text>) -> Value {
        Value::Str(text.into())
    }

    /// A list of anything.
    ///
    /// # Errors
    /// When it is too long, or too deep.
    pub fn list(items: Vec<Value>) -> Result<Value, String> {
        Value::list_of(&ANYS, items)
    }

    /// A list of texts.
    ///
    /// # Errors
    /// When it is too long.
    pub fn strings(items: impl IntoIterator<Item = Text>) -> Result<Value, String> {
        Value::list_of(&STRINGS, items.into_iter().map(Value::Str).collect())
    }

    /// A list of this type.
    ///
    /// # Errors
    /// When it is too long, or too deep.
    pub fn list_of(of: &'static Type, items: Vec<Value>) -> Result<Value, String> {
        let depth = depth_of(&items)?;
        Ok(Value::List(Arc::new(List { of, items, depth })))
    }

    /// A map of anything; a missing key gives nothing.
    ///
    /// # Errors
    /// When it is too large, or too deep.
    pub fn map(entries: BTreeMap<Text, Value>) -> Result<Value, String> {
        Value::map_of(&ANY_MAP, Value::Nil, entries)
    }

    /// A map of this type, with what a missing key gives.
    ///
    /// # Errors
    /// When it is too large, or too deep.
    pub fn map_of(
        of: &'static Type,
        missing: Value,
        entries: BTreeMap<Text, Value>,
    ) -> Result<Value, String> {
        let depth = depth_of(entries.values())?;
        Ok(Value::Map(Arc::new(Map { of, entries, missing, depth })))
    }

    /// A value for each field of this type, in its order.
    ///
    /// # Errors
    /// When there are more or fewer, or they are too deep.
    pub fn structure(of: &'static Type, values: Vec<Value>) -> Result<Value, String> {
        if values.len() != of.fields.len() {
            return Err(format!("{} has {} fields, not {}", of.name, of.fields.len(), values.len()));
        }
        let depth = depth_of(&values)?;
        Ok(Value::Struct(Arc::new(Struct { of, values, depth })))
    }

    /// Its type.
    pub fn of(&self) -> &'static Type {
        match self {
            Value::Nil => &NIL,
            Value::Bool(_) => &BOOL,
            Value::Int(_) => &INT,
            Value::Float(_) => &FLOAT,
            Value::Str(_) => &STRING,
            Value::Safe(Safe::Html, _) => &HTML,
            Value::Safe(Safe::Url, _) => &URL,
            Value::Named(of, _) => of,
            Value::List(list) => list.of,
            Value::Map(map) => map.of,
            Value::Struct(fields) => fields.of,
            Value::Time(_) => &TIME,
        }
    }

    /// Its text, when it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) | Value::Safe(_, text) => Some(text),
            _ => None,
        }
    }

    /// Its shared text, when it is one.
    pub fn as_text(&self) -> Option<&Text> {
        match self {
            Value::Str(text) | Value::Safe(_, text) => Some(text),
            _ => None,
        }
    }

    /// Its number, when it is a whole one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) | Value::Named(_, number) => Some(*number),
            _ => None,
        }
    }

    /// What is in it, when it is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(list) => Some(&list.items),
            _ => None,
        }
    }

    /// Whether a condition takes it for true: what is not zero or empty.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(yes) => *yes,
            Value::Int(number) | Value::Named(_, number) => *number != 0,
            Value::Float(number) => *number != 0.0,
            Value::Str(text) | Value::Safe(_, text) => !text.is_empty(),
            Value::List(list) => !list.items.is_empty(),
            Value::Map(map) => !map.entries.is_empty(),
            Value::Struct(_) | Value::Time(_) => true,
        }
    }

    fn depth(&self) -> usize {
        match self {
            Value::List(list) => list.depth,
            Value::Map(map) => map.depth,
            Value::Struct(fields) => fields.depth,
            _ => 0,
        }
    }
}

impl Struct {
    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        self.values.get(self.of.fields.iter().position(|field| field.name == name)?)
    }
}

/// The depth of what holds these.
fn depth_of<'a>(items: impl IntoIterator<Item = &'a Value>) -> Result<usize, String> {
    let (mut depth, mut count) = (0, 0);
    for item in items {
        depth = depth.max(item.depth());
        count += 1;
    }
    if depth >= MAX_VALUE_DEPTH {
        return Err(format!("lists and maps lie in each other more than {MAX_VALUE_DEPTH} deep"));
    }
    if count > MAX_ITEMS {
        return Err(format!("more than {MAX_ITEMS} items in a list or map"));
    }
    Ok(depth + 1)
}
