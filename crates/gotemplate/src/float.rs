//! Floats in Go's shapes.

/// A mantissa with an exponent of two digits at least.
pub(crate) fn spread(mantissa: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

/// The shortest of a float that is not negative, or so many digits of it; with an exponent when it is very small, or
/// large: from this exponent on, or when it has more digits than asked for.
pub(crate) fn general(size: f64, precision: Option<usize>, large: i32) -> String {
    let text = match precision {
        None => format!("{size:e}"),
        Some(precision) => format!("{size:.*e}", precision.max(1) - 1),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let mantissa = match mantissa.contains('.') {
        true => mantissa.trim_end_matches('0').trim_end_matches('.'),
        false => mantissa,
    };
    let digits = mantissa.len() - usize::from(mantissa.contains('.'));
    let large = match precision {
        // so many digits need no exponent, nor do whole numbers that have more
        Some(precision) => {
            let precision = i32::try_from(precision.max(1)).unwrap_or(i32::MAX);
            let digits = i32::try_from(digits).unwrap_or(i32::MAX);
            if precision > digits && digits > exponent { digits } else { precision }
        }
        None => large,
    };
    if exponent < -4 || exponent >= large {
        return spread(mantissa, exponent);
    }
    let digits: String = mantissa.chars().filter(|char| *char != '.').collect();
    match usize::try_from(exponent) {
        Err(_) => format!("0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1)),
        Ok(whole) if whole + 1 >= digits.len() => format!("{digits:0<width$}", width = whole + 1),
        Ok(whole) => format!("{}.{}", &digits[..=whole], &digits[whole + 1..]),
    }
}
