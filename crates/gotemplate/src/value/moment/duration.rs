//! `time.Duration`: nanoseconds, with its methods and its way of writing.

use super::{NANO, methods};
use crate::float::general;
use crate::value::{Function, Param, Type, Value};

/// `time.Duration`, in nanoseconds.
pub static DURATION: Type = Type { name: "time.Duration", fields: &[], methods: METHODS, print: Some(print) };

const HOUR: i64 = 3600 * NANO;
const MINUTE: i64 = 60 * NANO;
static ONE_SPAN: &[Param] = &[Param::Int(&DURATION)];

fn nanos(value: &Value) -> i64 {
    value.as_int().unwrap_or_default()
}

fn float(nanos: i64, unit: i64) -> Result<Value, String> {
    // in two parts, so that large ones keep their fraction
    Ok(Value::Float((nanos / unit) as f64 + (nanos % unit) as f64 / unit as f64))
}

fn span(nanos: i64) -> Result<Value, String> {
    Ok(Value::Named(&DURATION, nanos))
}

methods! { METHODS:
    "Abs", &[], |_, all| span(nanos(&all[0]).saturating_abs());
    "Hours", &[], |_, all| float(nanos(&all[0]), HOUR);
    "Microseconds", &[], |_, all| Ok(Value::Int(nanos(&all[0]) / 1000));
    "Milliseconds", &[], |_, all| Ok(Value::Int(nanos(&all[0]) / 1_000_000));
    "Minutes", &[], |_, all| float(nanos(&all[0]), MINUTE);
    "Nanoseconds", &[], |_, all| Ok(Value::Int(nanos(&all[0])));
    "Round", ONE_SPAN, |_, all| span(round(nanos(&all[0]), nanos(&all[1])));
    "Seconds", &[], |_, all| float(nanos(&all[0]), NANO);
    "String", &[], |_, all| Ok(Value::text(print(&all[0])));
    "Truncate", ONE_SPAN, |_, all| span(match nanos(&all[1]) {
        step if step <= 0 => nanos(&all[0]),
        step => nanos(&all[0]) - nanos(&all[0]) % step,
    });
}

/// To the nearest multiple, halves away from zero.
fn round(nanos: i64, step: i64) -> i64 {
    if step <= 0 {
        return nanos;
    }
    let over = nanos % step;
    let down = nanos - over;
    match over.unsigned_abs() * 2 < step.unsigned_abs() {
        true => down,
        false => down.saturating_add(if nanos < 0 { -step } else { step }),
    }
}

/// `1h2m3.5s`, `250ms`, `0s`.
fn print(value: &Value) -> String {
    let nanos = nanos(value);
    let sign = if nanos < 0 { "-" } else { "" };
    let size = nanos.unsigned_abs();
    let fraction = |number: u64, unit: u64, name: &str| {
        let digits = unit.ilog10() as usize;
        let (whole, part) = (number / unit, number % unit);
        let part = format!("{part:0digits$}");
        match part.trim_end_matches('0') {
            "" => format!("{whole}{name}"),
            part => format!("{whole}.{part}{name}"),
        }
    };
    let text = match size {
        0 => "0s".to_owned(),
        1..1000 => format!("{size}ns"),
        1000..1_000_000 => fraction(size, 1000, "µs"),
        1_000_000..1_000_000_000 => fraction(size, 1_000_000, "ms"),
        _ => {
            let (minutes, rest) = (size / 60_000_000_000, size % 60_000_000_000);
            let seconds = fraction(rest, 1_000_000_000, "s");
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    };
    format!("{sign}{text}")
}

/// Seconds as people say them: `1d 2h 3m 4s`, `1.235s`, `12.3ms`; Prometheus' `humanizeDuration`.
pub(crate) fn human(seconds: f64) -> String {
    if !seconds.is_finite() {
        let sign = if seconds > 0.0 { "+" } else { "-" };
        return if seconds.is_nan() { "NaN".to_owned() } else { format!("{sign}Inf") };
    }
    let (sign, size) = if seconds < 0.0 { ("-", -seconds) } else { ("", seconds) };
    if size == 0.0 {
        return "0s".to_owned();
    }
    if size >= 60.0 {
        let whole = size as i64;
        let (days, hours, minutes, rest) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
        return match (days, hours, minutes) {
            (0, 0, _) => format!("{sign}{minutes}m {rest}s"),
            (0, ..) => format!("{sign}{hours}h {minutes}m {rest}s"),
            _ => format!("{sign}{days}d {hours}h {minutes}m {rest}s"),
        };
    }
    let mut size = size;
    let mut unit = "";
    if size < 1.0 {
        for prefix in ["m", "u", "n", "p", "f", "a", "z", "y"] {
            if size >= 1.0 {
                break;
            }
            unit = prefix;
            size *= 1000.0;
        }
    }
    format!("{sign}{}{unit}s", general(size, Some(4), 21))
}
