//! Times on the wire: a fast way for the form that everybody sends, and Alertmanager's form for answers.

use model::Time;

const MICROS: i64 = 1_000_000;

/// Reads RFC 3339, such as `2026-01-31T12:00:00.123Z` or with an offset. What is not in the plain form is
/// left to the thorough parser.
pub fn parse(text: &str) -> Option<Time> {
    plain(text.as_bytes()).or_else(|| text.parse().ok())
}

/// `YYYY-MM-DDTHH:MM:SS[.f…](Z|±HH:MM)`, without leap seconds.
fn plain(text: &[u8]) -> Option<Time> {
    if text.len() < 20 {
        return None;
    }
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|(at, byte)| text[*at] != *byte) {
        return None;
    }
    let (year, month, day) = (digits(&text[..4])?, digits(&text[5..7])?, digits(&text[8..10])?);
    let (hour, minute, second) = (digits(&text[11..13])?, digits(&text[14..16])?, digits(&text[17..19])?);
    let days_in_month = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day < 1 || day > days_in_month || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (micros, zone) = fraction(&text[19..])?;
    let offset = match zone {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let minutes = digits(&[*h1, *h2])? * 60 + digits(&[*m1, *m2])?;
            if minutes >= 24 * 60 || m1 > &b'5' {
                return None;
            }
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + (minute - offset) * 60 + second;
    Some(Time(seconds * MICROS + micros))
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

/// The fraction in microseconds, what is finer cut off, and what follows it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = text.strip_prefix(b".") else { return Some((0, text)) };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 || count > 9 {
        return None;
    }
    let micros = digits(&rest[..count.min(6)])? * 10i64.pow(6 - count.min(6) as u32);
    Some((micros, &rest[count..]))
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant's algorithm).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a number of days since 1970-01-01.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// `2026-01-31T12:00:00.123Z`, as Alertmanager writes times; of a time that RFC 3339 can write.
pub fn millis(time: Time) -> String {
    let at = time.0.clamp(-62_135_596_800 * MICROS, Time::MAX.0);
    let (seconds, micros) = (at.div_euclid(MICROS), at.rem_euclid(MICROS));
    let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    let mut text = [0u8; 24];
    let parts = [
        (0, 4, year, b'-'),
        (5, 2, month, b'-'),
        (8, 2, day, b'T'),
        (11, 2, of_day / 3600, b':'),
        (14, 2, of_day / 60 % 60, b':'),
        (17, 2, of_day % 60, b'.'),
        (20, 3, micros / 1000, b'Z'),
    ];
    for (at, width, mut number, after) in parts {
        for slot in text[at..at + width].iter_mut().rev() {
            *slot = b'0' + (number % 10) as u8;
            number /= 10;
        }
        text[at + width] = after;
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_way_reads_what_the_thorough_one_reads() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2024-02-29T23:59:59.999999Z",
            "2026-11-17T10:20:30.5+02:00",
            "2026-11-17T10:20:30.123456789-11:30",
            "0001-01-01T00:00:00Z",
            "9999-12-30T00:00:00Z",
            "1900-03-01T12:00:00.000Z",
        ] {
            assert_eq!(plain(text.as_bytes()), text.parse().ok(), "{text}");
        }
        for text in [
            "",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01 00:00:00",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+99:00",
            "yesterday, at 12 or so",
        ] {
            assert_eq!(plain(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["2026-11-17T10:20:30.123Z", "0001-01-01T00:00:00.000Z", "2024-02-29T00:00:00.001Z"] {
            assert_eq!(millis(parse(text).unwrap()), text);
        }
    }
}
