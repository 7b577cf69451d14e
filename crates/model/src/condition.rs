//! Conditions: questions in the template language (Jinja), such as
//! `severity >= 'error' and labels.team in ['db', 'core']`.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use minijinja::{Environment, Expression, Value, context};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::labels::Labels;
use crate::limits::{MAX_CONDITION_BYTES, TEMPLATE_FUEL};
use crate::severity::Severity;
use crate::stack;

/// A condition on labels and severity, checked when made. Known names: `labels` (missing ones are
/// undefined, which is false), `severity` (a word) and `level` (1 is the worst, 5 the mildest).
#[derive(Clone)]
pub struct Condition {
    source: String,
    expression: Arc<Expression<'static, 'static>>,
}

/// Why a condition cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCondition {
    /// Over the limit.
    #[error("the condition has {0} bytes, the limit is {MAX_CONDITION_BYTES}")]
    TooLong(usize),
    /// Not in the language.
    #[error("the condition {source_text:?} cannot be read: {reason}")]
    Syntax {
        /// What was written.
        source_text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A name that means nothing here.
    #[error("the condition {source_text:?} asks for {name:?}; known are labels, severity and level")]
    UnknownName {
        /// What was written.
        source_text: String,
        /// The name.
        name: String,
    },
}

const KNOWN: [&str; 3] = ["labels", "severity", "level"];

impl Condition {
    /// Reads and checks a condition.
    ///
    /// # Errors
    /// When it is too long, not in the language, or asks for a name that is not known.
    pub fn new(source: &str) -> Result<Self, BadCondition> {
        if source.len() > MAX_CONDITION_BYTES {
            return Err(BadCondition::TooLong(source.len()));
        }
        let bad = |reason: String| BadCondition::Syntax { source_text: source.to_owned(), reason };
        let compile = || {
            let expression = ENVIRONMENT.compile_expression_owned(source.to_owned())?;
            let names = expression.undeclared_variables(false);
            Ok((expression, names))
        };
        let compiled = stack::with_room(source.len(), compile).map_err(bad)?;
        let (expression, names) = compiled.map_err(|error: minijinja::Error| bad(error.to_string()))?;
        if let Some(name) = names.into_iter().filter(|name| !KNOWN.contains(&name.as_str())).min() {
            return Err(BadCondition::UnknownName { source_text: source.to_owned(), name });
        }
        Ok(Condition { source: source.to_owned(), expression: Arc::new(expression) })
    }

    /// Whether it holds. One that cannot be worked out (out of fuel, a comparison that makes no sense)
    /// does not hold.
    pub fn holds(&self, labels: &Labels, severity: Severity) -> bool {
        let names = context! {
            labels => Value::from(labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect::<BTreeMap<_, _>>()),
            severity => severity.name(),
            level => severity.level(),
        };
        self.expression.eval(names).is_ok_and(|value| value.is_true())
    }

    /// As written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// What all conditions are compiled in.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::empty();
    minijinja_tests(&mut environment);
    environment.set_fuel(Some(TEMPLATE_FUEL));
    environment
});

/// The few filters and tests that a condition needs; the whole set would only add weight here.
fn minijinja_tests(environment: &mut Environment<'static>) {
    environment.add_filter("lower", |text: String| text.to_lowercase());
    environment.add_filter("upper", |text: String| text.to_uppercase());
    environment.add_filter("int", |text: String| text.trim().parse::<i64>().ok().map(Value::from));
    environment.add_filter("float", |text: String| text.trim().parse::<f64>().ok().map(Value::from));
    environment.add_test("defined", |value: &Value| !value.is_undefined());
    environment.add_test("startingwith", |text: String, start: String| text.starts_with(&start));
    environment.add_test("endingwith", |text: String, end: String| text.ends_with(&end));
}

/// Two are equal when they are written alike.
impl PartialEq for Condition {
    fn eq(&self, other: &Condition) -> bool {
        self.source == other.source
    }
}

impl Eq for Condition {}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Condition({:?})", self.source)
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let source = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Condition::new(&source).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(source: &str) -> bool {
        let labels: Labels = [("team", "db"), ("cpu", "91")].into_iter().collect();
        Condition::new(source).unwrap().holds(&labels, Severity::Error)
    }

    #[test]
    fn conditions_ask_about_labels_and_severity() {
        assert!(holds("labels.team in ['db', 'core']"));
        assert!(holds("level <= 2 and labels.cpu|int > 90"));
        assert!(holds("labels.missing is not defined"));
        assert!(!holds("labels.missing == 'x'"));
        assert!(!holds("labels.team|int > 1"), "what makes no sense does not hold");
    }

    #[test]
    fn a_bad_condition_says_what_is_wrong() {
        assert!(Condition::new("labels.team ==").unwrap_err().to_string().contains("cannot be read"));
        assert!(Condition::new("lables.team == 'x'").unwrap_err().to_string().contains("\"lables\""));
    }

    /// Each sign may be a level to descend; the engine limits only those of brackets.
    #[test]
    fn a_condition_as_long_as_may_be_is_read_or_refused() {
        for (start, again, end) in [
            ("level", "+1", ""),
            ("", "-", "1"),
            ("", "not ", "1"),
            ("1", ".a", ""),
            ("1", " if 1 else 1", ""),
        ] {
            let levels = (MAX_CONDITION_BYTES - start.len() - end.len()) / again.len();
            let source = format!("{start}{}{end}", again.repeat(levels));
            let _ = Condition::new(&source).map(|it| it.holds(&Labels::new(), Severity::Error));
        }
        assert!(Condition::new(&"1 ".repeat(MAX_CONDITION_BYTES)).is_err());
    }

    #[test]
    fn an_endless_condition_runs_out_of_fuel() {
        assert!(!holds(
            "range_does_not_exist is defined or 1 > 2".replace("range_does_not_exist", "labels.x").as_str()
        ));
    }
}
