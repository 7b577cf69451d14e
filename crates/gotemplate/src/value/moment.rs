//! `time.Time`: a point in time seen from some place, with its methods.

mod duration;
mod layout;
mod read;

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};

pub use duration::DURATION;
pub(crate) use duration::human;
pub(crate) use read::parse_time;

use super::{Env, Field, Function, INT, Param, Type, Value};

/// A point in time as people in some place see it.
#[derive(Clone, Debug)]
pub struct Moment(Zoned);

/// What Go calls the time zone of the machine.
const LOCAL: &str = "Local";
/// Go's own zero: the first of January of the year 1.
const ZERO_SECOND: i64 = -62_135_596_800;

impl Moment {
    /// In UTC.
    pub fn utc(at: Timestamp) -> Self {
        Moment(at.to_zoned(TimeZone::UTC))
    }

    /// In some place.
    pub fn zoned(zoned: Zoned) -> Self {
        Moment(zoned)
    }

    /// When it is.
    pub fn timestamp(&self) -> Timestamp {
        self.0.timestamp()
    }

    /// Go's zero time, which stands for no time at all.
    pub fn zero() -> Self {
        Moment::utc(Timestamp::from_second(ZERO_SECOND).unwrap_or(Timestamp::MIN))
    }

    /// As a value of templates.
    pub fn value(self) -> Value {
        Value::Time(self.into())
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.0.timestamp().as_second() == ZERO_SECOND && self.0.timestamp().subsec_nanosecond() == 0
    }

    /// Written as a layout of Go's says: `2006-01-02 15:04:05 MST`.
    pub(crate) fn format(&self, layout: &str) -> String {
        layout::format(&self.0, layout)
    }

    /// The same moment as people elsewhere see it.
    pub(crate) fn within(&self, place: &str, local: &TimeZone) -> Result<Moment, String> {
        let zone = match place {
            "" | "UTC" => TimeZone::UTC,
            LOCAL => local.clone(),
            name => TimeZone::get(name).map_err(|_| format!("unknown time zone {name}"))?,
        };
        Ok(Moment(self.0.with_time_zone(zone)))
    }

    /// What `json.Marshal` makes of it.
    pub(crate) fn rfc3339(&self) -> String {
        self.format("2006-01-02T15:04:05.999999999Z07:00")
    }

    fn nanos(&self) -> i128 {
        self.0.timestamp().as_nanosecond()
    }

    /// Nanoseconds from one to the other; as many as there is room for.
    pub(crate) fn minus(&self, other: Timestamp) -> i64 {
        let nanos = self.nanos() - other.as_nanosecond();
        i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
    }

    fn plus(&self, nanos: i64) -> Result<Moment, String> {
        let sum = self.0.checked_add(SignedDuration::from_nanos(nanos));
        sum.map(Moment).map_err(|_| "no such time".to_owned())
    }
}

impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        self.0.timestamp() == other.0.timestamp() && self.0.offset() == other.0.offset()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

macro_rules! methods {
    ($list:ident: $($name:literal, $takes:expr, $call:expr;)*) => {
        static $list: &[Function] =
            &[$(Function { name: $name, takes: $takes, rest: None, call: $call }),*];
    };
}
use methods;

/// The time that a method is called on, or is given.
fn time(value: &Value) -> Result<&Moment, String> {
    match value {
        Value::Time(moment) => Ok(moment),
        other => Err(format!("not a time but {}", other.of().name)),
    }
}

fn int(number: impl Into<i64>) -> Result<Value, String> {
    Ok(Value::Int(number.into()))
}

const NANO: i64 = 1_000_000_000;
static ONE_TIME: &[Param] = &[Param::Time];
static ONE_SPAN: &[Param] = &[Param::Int(&DURATION)];

methods! { METHODS:
    "Add", ONE_SPAN, |_, all| Ok(time(&all[0])?.plus(all[1].as_int().unwrap_or(0))?.value());
    "AddDate", &[Param::Int(&INT), Param::Int(&INT), Param::Int(&INT)], add_date;
    "After", ONE_TIME, |_, all| Ok(Value::Bool(time(&all[0])?.nanos() > time(&all[1])?.nanos()));
    "Before", ONE_TIME, |_, all| Ok(Value::Bool(time(&all[0])?.nanos() < time(&all[1])?.nanos()));
    "Compare", ONE_TIME, |_, all| int(time(&all[0])?.nanos().cmp(&time(&all[1])?.nanos()) as i64);
    "Day", &[], |_, all| int(time(&all[0])?.0.day());
    "Equal", ONE_TIME, |_, all| Ok(Value::Bool(time(&all[0])?.nanos() == time(&all[1])?.nanos()));
    "Format", &[Param::Str], |env, all| env.made(time(&all[0])?.format(all[1].as_str().unwrap_or_default()));
    "Hour", &[], |_, all| int(time(&all[0])?.0.hour());
    "In", &[Param::Struct(&LOCATION)], within;
    "IsZero", &[], |_, all| Ok(Value::Bool(time(&all[0])?.is_zero()));
    "Local", &[], |env, all| Ok(time(&all[0])?.within(LOCAL, env.local)?.value());
    "Location", &[], location;
    "Minute", &[], |_, all| int(time(&all[0])?.0.minute());
    "Month", &[], |_, all| Ok(Value::Named(&MONTH, time(&all[0])?.0.month().into()));
    "Nanosecond", &[], |_, all| int(time(&all[0])?.0.subsec_nanosecond());
    "Round", ONE_SPAN, |_, all| to_multiple(all, true);
    "Second", &[], |_, all| int(time(&all[0])?.0.second());
    "String", &[], |_, all| Ok(Value::text(time(&all[0])?.to_string()));
    "Sub", ONE_TIME, |_, all| Ok(Value::Named(&DURATION, time(&all[0])?.minus(time(&all[1])?.timestamp())));
    "Truncate", ONE_SPAN, |_, all| to_multiple(all, false);
    "UTC", &[], |env, all| Ok(time(&all[0])?.within("UTC", env.local)?.value());
    "Unix", &[], |_, all| int(unix(time(&all[0])?, NANO));
    "UnixMicro", &[], |_, all| int(unix(time(&all[0])?, 1000));
    "UnixMilli", &[], |_, all| int(unix(time(&all[0])?, 1_000_000));
    "UnixNano", &[], |_, all| int(unix(time(&all[0])?, 1));
    "Weekday", &[], |_, all| {
        let day = time(&all[0])?.0.weekday().to_sunday_zero_offset();
        Ok(Value::Named(&WEEKDAY, day.into()))
    };
    "Year", &[], |_, all| int(time(&all[0])?.0.year());
    "YearDay", &[], |_, all| int(time(&all[0])?.0.day_of_year());
}

/// `time.Time`.
pub static TIME: Type = Type { name: "time.Time", fields: &[], methods: METHODS, print: None };

/// Units of so many nanoseconds since 1970, rounded down.
fn unix(moment: &Moment, unit: i64) -> i64 {
    i64::try_from(moment.nanos().div_euclid(i128::from(unit))).unwrap_or(i64::MAX)
}

fn add_date(_: &Env<'_>, all: &[Value]) -> Result<Value, String> {
    let [years, months, days] = [1, 2, 3].map(|at| all[at].as_int().unwrap_or(0));
    let too_far = |_| "no such time".to_owned();
    let span = || {
        let span = jiff::Span::new().try_years(years)?.try_months(months)?;
        Ok::<_, jiff::Error>((span, jiff::Span::new().try_days(days)?))
    };
    let (months, days) = span().map_err(too_far)?;
    let zoned = &time(&all[0])?.0;
    // Go counts the days that a month is too short for into the next one
    let first = zoned.with().day(1).build().and_then(|it| it.checked_add(months)).map_err(too_far)?;
    let rest = (i64::from(zoned.day()) - 1).days();
    let moved = first.checked_add(rest).and_then(|it| it.checked_add(days)).map_err(too_far)?;
    Ok(Moment(moved).value())
}

/// Down to, or to the nearest, multiple of a span since Go's zero time.
fn to_multiple(all: &[Value], nearest: bool) -> Result<Value, String> {
    let moment = time(&all[0])?;
    let step = i128::from(all[1].as_int().unwrap_or(0));
    if step <= 0 {
        return Ok(all[0].clone());
    }
    let since = moment.nanos() - i128::from(ZERO_SECOND) * i128::from(NANO);
    let over = since.rem_euclid(step);
    let up = nearest && over * 2 >= step;
    let change = if up { step - over } else { -over };
    Ok(moment.plus(i64::try_from(change).unwrap_or(0))?.value())
}

static PLACE_FIELDS: &[Field] = &[Field { name: "name", json: "-" }];

methods! { PLACE_METHODS:
    "String", &[], |_, all| Ok(Value::text(place(&all[0])));
}

/// `*time.Location`.
static LOCATION: Type =
    Type { name: "*time.Location", fields: PLACE_FIELDS, methods: PLACE_METHODS, print: Some(place) };

fn place(value: &Value) -> String {
    match value {
        Value::Struct(location) => {
            location.values.first().and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        _ => String::new(),
    }
}

fn location(env: &Env<'_>, all: &[Value]) -> Result<Value, String> {
    let zone = time(&all[0])?.0.time_zone();
    // a copy of a file with a time zone does not say of which place it is
    let nameless = if zone == env.local { LOCAL } else { "UTC" };
    Value::structure(&LOCATION, vec![Value::text(zone.iana_name().unwrap_or(nameless))])
}

fn within(env: &Env<'_>, all: &[Value]) -> Result<Value, String> {
    Ok(time(&all[0])?.within(&place(&all[1]), env.local)?.value())
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

fn month(value: &Value) -> String {
    let at = value.as_int().unwrap_or(1) - 1;
    usize::try_from(at).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or("January").to_owned()
}

fn weekday(value: &Value) -> String {
    let at = value.as_int().unwrap_or(0);
    usize::try_from(at).ok().and_then(|at| WEEKDAYS.get(at)).copied().unwrap_or("Sunday").to_owned()
}

methods! { MONTH_METHODS:
    "String", &[], |_, all| Ok(Value::text(month(&all[0])));
}
methods! { WEEKDAY_METHODS:
    "String", &[], |_, all| Ok(Value::text(weekday(&all[0])));
}

/// `time.Month`.
static MONTH: Type = Type { name: "time.Month", fields: &[], methods: MONTH_METHODS, print: Some(month) };
/// `time.Weekday`.
static WEEKDAY: Type =
    Type { name: "time.Weekday", fields: &[], methods: WEEKDAY_METHODS, print: Some(weekday) };
