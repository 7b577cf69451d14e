//! Numbers: whole ones in any base, and floats in Go's shapes.

use super::Style;
use crate::float::{general, spread};

/// A whole number by a verb.
pub(super) fn integer(number: i64, style: Style) -> Option<String> {
    let size = number.unsigned_abs();
    let (prefix, mut digits) = match style.verb {
        'v' | 'd' => ("", size.to_string()),
        'b' => ("0b", format!("{size:b}")),
        'o' => ("0", format!("{size:o}")),
        'O' => ("0o", format!("{size:o}")),
        'x' => ("0x", format!("{size:x}")),
        'X' => ("0X", format!("{size:X}")),
        _ => return None,
    };
    if let Some(precision) = style.precision {
        if precision == 0 && number == 0 {
            // Go writes nothing but the width
            return Some(String::new());
        }
        digits = format!("{digits:0>precision$}");
    }
    let sign = sign(number < 0, style);
    let prefix = if style.sharp || style.verb == 'O' { prefix } else { "" };
    if let (Some(width), true, None, false) = (style.width, style.zero, style.precision, style.minus) {
        let room = width.saturating_sub(sign.len());
        digits = format!("{digits:0>room$}");
    }
    Some(format!("{sign}{prefix}{digits}"))
}

fn sign(negative: bool, style: Style) -> &'static str {
    match (negative, style.plus, style.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    }
}

/// From which exponent on a float that is written as short as can be has one.
const SHORTEST_LARGE: i32 = 6;

/// A float by a verb.
pub(super) fn float(number: f64, style: Style) -> Option<String> {
    let size = number.abs();
    let text = match style.verb {
        _ if number.is_nan() => "NaN".to_owned(),
        _ if number.is_infinite() => "Inf".to_owned(),
        'v' | 'g' | 'G' => general(size, style.precision, SHORTEST_LARGE),
        'f' | 'F' => format!("{size:.*}", style.precision.unwrap_or(6)),
        'e' | 'E' => exponent(size, style.precision.unwrap_or(6)),
        _ => return None,
    };
    let text = if matches!(style.verb, 'E' | 'G') { text.to_uppercase() } else { text };
    // infinity always has its sign
    let plus = style.plus || (number.is_infinite() && number > 0.0);
    let sign = sign(number.is_sign_negative() && !number.is_nan(), Style { plus, ..style });
    let finite = number.is_finite();
    if let (Some(width), true, true, false) = (style.width, style.zero, finite, style.minus) {
        let room = width.saturating_sub(sign.len());
        return Some(format!("{sign}{text:0>room$}"));
    }
    Some(format!("{sign}{text}"))
}

/// `1.5e+06`: two digits of exponent at least.
fn exponent(size: f64, precision: usize) -> String {
    let text = format!("{size:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    spread(mantissa, exponent.parse().unwrap_or_default())
}
