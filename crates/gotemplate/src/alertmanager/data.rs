//! `template.Data`: what Alertmanager's templates are about.

use super::kv;
use crate::value::Moment;
use crate::value::{Field, Function, Text, Type, Value};

/// An alert as templates see it.
#[derive(Clone, Debug)]
pub struct Alert {
    /// `firing` or `resolved`.
    pub status: &'static str,
    /// Its labels, as [`kv`] makes them.
    pub labels: Value,
    /// Its annotations, as [`kv`] makes them.
    pub annotations: Value,
    /// When it began.
    pub starts_at: Moment,
    /// When it was over; [`Moment::zero`] when that is not known.
    pub ends_at: Moment,
    /// Where it came from.
    pub generator_url: Text,
    /// Sixteen hexadecimal digits that stand for its labels.
    pub fingerprint: Text,
}

/// A notification as templates see it.
#[derive(Clone, Debug)]
pub struct Data {
    /// The receiver's name.
    pub receiver: Text,
    /// `firing` or `resolved`.
    pub status: &'static str,
    /// The alerts.
    pub alerts: Vec<Alert>,
    /// Why now, in words.
    pub notification_reason: Text,
    /// The labels that the group has in common by definition, as [`kv`] makes them.
    pub group_labels: Value,
    /// The labels that all alerts share.
    pub common_labels: Value,
    /// The annotations that all alerts share.
    pub common_annotations: Value,
    /// The labels of the route.
    pub route_labels: Value,
    /// Where the sender is reached by people.
    pub external_url: Text,
    /// How many more alerts there were than fit: Alertmanager has it beside the data, in its webhooks.
    pub truncated_alerts: u64,
}

const fn field(name: &'static str, json: &'static str) -> Field {
    Field { name, json }
}

static ALERT: Type = Type {
    name: "template.Alert",
    fields: &[
        field("Status", "status"),
        field("Labels", "labels"),
        field("Annotations", "annotations"),
        field("StartsAt", "startsAt"),
        field("EndsAt", "endsAt"),
        field("GeneratorURL", "generatorURL"),
        field("Fingerprint", "fingerprint"),
    ],
    methods: &[],
    print: None,
};

static SOME_ALERTS: Type = Type::plain("[]template.Alert");

static ALERTS: Type = Type {
    name: "template.Alerts",
    fields: &[],
    methods: &[
        Function { name: "Firing", takes: &[], rest: None, call: |_, all| with_status(&all[0], "firing") },
        Function {
            name: "Resolved",
            takes: &[],
            rest: None,
            call: |_, all| with_status(&all[0], "resolved"),
        },
    ],
    print: None,
};

macro_rules! data_fields {
    ($($more:expr)?) => {
        &[
            field("Receiver", "receiver"),
            field("Status", "status"),
            field("Alerts", "alerts"),
            field("NotificationReason", "notification_reason"),
            field("GroupLabels", "groupLabels"),
            field("CommonLabels", "commonLabels"),
            field("CommonAnnotations", "commonAnnotations"),
            field("RouteLabels", "routeLabels"),
            field("ExternalURL", "externalURL"),
            $($more,)?
        ]
    };
}

/// The data when all alerts are in them: Alertmanager's to the letter, but for a method that says so.
static DATA: Type = Type {
    name: "*template.Data",
    fields: data_fields!(),
    methods: &[Function { name: "TruncatedAlerts", takes: &[], rest: None, call: |_, _| Ok(Value::Int(0)) }],
    print: None,
};

/// The data when there were more alerts than fit.
static CUT_DATA: Type = Type {
    name: "*template.Data",
    fields: data_fields!(field("TruncatedAlerts", "truncatedAlerts")),
    methods: &[],
    print: None,
};

fn with_status(alerts: &Value, status: &str) -> Result<Value, String> {
    let has_it = |alert: &&Value| match alert {
        Value::Struct(alert) => alert.values.first().and_then(Value::as_str) == Some(status),
        _ => false,
    };
    let alerts = alerts.as_list().unwrap_or_default();
    Value::list_of(&SOME_ALERTS, alerts.iter().filter(has_it).cloned().collect())
}

impl Alert {
    fn value(self) -> Result<Value, String> {
        let values = vec![
            Value::text(self.status),
            self.labels,
            self.annotations,
            self.starts_at.value(),
            self.ends_at.value(),
            Value::Str(self.generator_url),
            Value::Str(self.fingerprint),
        ];
        Value::structure(&ALERT, values)
    }
}

impl Data {
    /// Nothing at all of this receiver, to be filled.
    pub fn new(receiver: &str) -> Self {
        Data {
            receiver: receiver.into(),
            status: "firing",
            alerts: Vec::new(),
            notification_reason: "".into(),
            group_labels: kv([]),
            common_labels: kv([]),
            common_annotations: kv([]),
            route_labels: kv([]),
            external_url: "".into(),
            truncated_alerts: 0,
        }
    }

    /// As a value of templates.
    ///
    /// # Errors
    /// When there are too many alerts.
    pub fn value(self) -> Result<Value, String> {
        let alerts = self.alerts.into_iter().map(Alert::value).collect::<Result<_, _>>()?;
        let mut values = vec![
            Value::Str(self.receiver),
            Value::text(self.status),
            Value::list_of(&ALERTS, alerts)?,
            Value::Str(self.notification_reason),
            self.group_labels,
            self.common_labels,
            self.common_annotations,
            self.route_labels,
            Value::Str(self.external_url),
        ];
        if self.truncated_alerts == 0 {
            return Value::structure(&DATA, values);
        }
        values.push(Value::Int(i64::try_from(self.truncated_alerts).unwrap_or(i64::MAX)));
        Value::structure(&CUT_DATA, values)
    }
}
