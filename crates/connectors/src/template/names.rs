//! What templates may ask for.

use std::cell::OnceCell;

use minijinja::context;
use minijinja::value::{Serde, Value};
use sdk::Message;

use super::BadTemplate;
use super::go::Sample;

/// What a template may ask for, made ready for each engine when one of its templates first asks.
pub struct Names<'a> {
    message: Option<&'a Message>,
    jinja: OnceCell<Value>,
    go: OnceCell<Result<Sample, BadTemplate>>,
}

impl<'a> Names<'a> {
    /// The names that templates of messages know.
    pub fn of(message: &'a Message) -> Self {
        Names { message: Some(message), jinja: OnceCell::new(), go: OnceCell::new() }
    }

    /// As Jinja has them.
    pub fn value(&self) -> &Value {
        self.jinja.get_or_init(|| self.message.map(values_of).unwrap_or_default())
    }

    /// As Go has them.
    pub(super) fn sample(&self) -> Result<&Sample, BadTemplate> {
        let make = || {
            let message =
                self.message.ok_or_else(|| BadTemplate::Engine("it is about no message".to_owned()))?;
            Sample::new(&message.notification).map_err(BadTemplate::Engine)
        };
        self.go.get_or_init(make).as_ref().map_err(Clone::clone)
    }
}

/// Names that are about no message.
impl From<Value> for Names<'_> {
    fn from(names: Value) -> Self {
        Names { message: None, jinja: OnceCell::from(names), go: OnceCell::new() }
    }
}

fn values_of(message: &Message) -> Value {
    let notification = &message.notification;
    let more = context! {
        status => notification.status(),
        receiver => notification.receiver.as_str(),
        group_key => notification.group_key.as_str(),
        labels => Value::from(Serde(&notification.common_labels)),
        annotations => Value::from(Serde(&notification.common_annotations)),
        alerts => Value::from(Serde(&notification.alerts)),
    };
    context! { ..more, ..Value::from(Serde(message)) }
}
