//! Layouts: a time is written as one certain moment would be, the second of January 2006, 15:04:05.

use std::fmt::Write;

use jiff::Zoned;

use super::{MONTHS, WEEKDAYS};

/// What the start of a layout stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Month,
    ShortMonth,
    MonthNumber,
    MonthTwoDigits,
    Weekday,
    ShortWeekday,
    Day,
    DaySpaced,
    DayTwoDigits,
    YearDaySpaced,
    YearDayThreeDigits,
    Hour,
    Hour12,
    Hour12TwoDigits,
    Minute,
    MinuteTwoDigits,
    Second,
    SecondTwoDigits,
    Year,
    YearTwoDigits,
    Noon,
    NoonSmall,
    Zone,
    /// An offset: whether UTC is `Z`, whether there are colons, and how many numbers it has.
    Offset {
        z: bool,
        colons: bool,
        numbers: u8,
    },
    /// A fraction of so many digits behind this mark; and whether zeros at its end are left out.
    Fraction {
        mark: char,
        digits: usize,
        trims: bool,
    },
}

/// What stands for what, the longer before what it begins with.
const PARTS: &[(&str, Part)] = &[
    ("January", Part::Month),
    ("Jan", Part::ShortMonth),
    ("Monday", Part::Weekday),
    ("Mon", Part::ShortWeekday),
    ("MST", Part::Zone),
    ("002", Part::YearDayThreeDigits),
    ("01", Part::MonthTwoDigits),
    ("02", Part::DayTwoDigits),
    ("03", Part::Hour12TwoDigits),
    ("04", Part::MinuteTwoDigits),
    ("05", Part::SecondTwoDigits),
    ("06", Part::YearTwoDigits),
    ("15", Part::Hour),
    ("1", Part::MonthNumber),
    ("2006", Part::Year),
    ("2", Part::Day),
    ("__2", Part::YearDaySpaced),
    ("_2", Part::DaySpaced),
    ("3", Part::Hour12),
    ("4", Part::Minute),
    ("5", Part::Second),
    ("PM", Part::Noon),
    ("pm", Part::NoonSmall),
    ("-07:00:00", Part::Offset { z: false, colons: true, numbers: 3 }),
    ("-070000", Part::Offset { z: false, colons: false, numbers: 3 }),
    ("-07:00", Part::Offset { z: false, colons: true, numbers: 2 }),
    ("-0700", Part::Offset { z: false, colons: false, numbers: 2 }),
    ("-07", Part::Offset { z: false, colons: false, numbers: 1 }),
    ("Z07:00:00", Part::Offset { z: true, colons: true, numbers: 3 }),
    ("Z070000", Part::Offset { z: true, colons: false, numbers: 3 }),
    ("Z07:00", Part::Offset { z: true, colons: true, numbers: 2 }),
    ("Z0700", Part::Offset { z: true, colons: false, numbers: 2 }),
    ("Z07", Part::Offset { z: true, colons: false, numbers: 1 }),
];

/// The part that a layout starts with, and its bytes.
pub(super) fn part(layout: &str) -> Option<(Part, usize)> {
    if let Some(mark) = layout.chars().next().filter(|char| matches!(char, '.' | ',')) {
        let digits = &layout[1..];
        let zeros = digits.bytes().take_while(|byte| *byte == b'0').count();
        let nines = digits.bytes().take_while(|byte| *byte == b'9').count();
        let count = zeros.max(nines);
        let ends = !digits[count..].starts_with(|char: char| char.is_ascii_digit());
        return (count > 0 && ends)
            .then_some((Part::Fraction { mark, digits: count, trims: nines > 0 }, count + 1));
    }
    // a year behind a low line is no day
    if layout.starts_with("_2006") {
        return None;
    }
    let (text, part) = PARTS.iter().find(|(text, _)| layout.starts_with(text))?;
    // a month or day that only begins like its short form is none
    let short = matches!(part, Part::ShortMonth | Part::ShortWeekday);
    if short && layout[text.len()..].starts_with(|char: char| char.is_ascii_lowercase()) {
        return None;
    }
    Some((*part, text.len()))
}

/// Writes a time.
pub(super) fn format(time: &Zoned, layout: &str) -> String {
    let mut out = String::with_capacity(layout.len() + 16);
    let mut rest = layout;
    while let Some(char) = rest.chars().next() {
        match part(rest) {
            Some((part, bytes)) => {
                // writing to a text cannot fail
                let _ = write(&mut out, time, part);
                rest = &rest[bytes..];
            }
            None => {
                out.push(char);
                rest = &rest[char.len_utf8()..];
            }
        }
    }
    out
}

fn write(out: &mut String, time: &Zoned, part: Part) -> std::fmt::Result {
    let month = MONTHS[usize::try_from(time.month() - 1).unwrap_or_default() % 12];
    let weekday = WEEKDAYS[usize::try_from(time.weekday().to_sunday_zero_offset()).unwrap_or_default() % 7];
    let (year, hour12) = (time.year(), (time.hour() + 11) % 12 + 1);
    match part {
        Part::Month => out.write_str(month),
        Part::ShortMonth => out.write_str(&month[..3]),
        Part::MonthNumber => write!(out, "{}", time.month()),
        Part::MonthTwoDigits => write!(out, "{:02}", time.month()),
        Part::Weekday => out.write_str(weekday),
        Part::ShortWeekday => out.write_str(&weekday[..3]),
        Part::Day => write!(out, "{}", time.day()),
        Part::DaySpaced => write!(out, "{:2}", time.day()),
        Part::DayTwoDigits => write!(out, "{:02}", time.day()),
        Part::YearDaySpaced => write!(out, "{:3}", time.day_of_year()),
        Part::YearDayThreeDigits => write!(out, "{:03}", time.day_of_year()),
        Part::Hour => write!(out, "{:02}", time.hour()),
        Part::Hour12 => write!(out, "{hour12}"),
        Part::Hour12TwoDigits => write!(out, "{hour12:02}"),
        Part::Minute => write!(out, "{}", time.minute()),
        Part::MinuteTwoDigits => write!(out, "{:02}", time.minute()),
        Part::Second => write!(out, "{}", time.second()),
        Part::SecondTwoDigits => write!(out, "{:02}", time.second()),
        Part::Year => write!(out, "{}{:04}", if year < 0 { "-" } else { "" }, year.unsigned_abs()),
        Part::YearTwoDigits => write!(out, "{:02}", year.rem_euclid(100)),
        Part::Noon => out.write_str(if time.hour() < 12 { "AM" } else { "PM" }),
        Part::NoonSmall => out.write_str(if time.hour() < 12 { "am" } else { "pm" }),
        Part::Zone => zone(out, time),
        Part::Offset { z, colons, numbers } => offset(out, time, z, colons, numbers),
        Part::Fraction { mark, digits, trims } => {
            let nanos = format!("{:09}", time.subsec_nanosecond());
            let nanos = &nanos[..digits.min(9)];
            match trims {
                true if nanos.trim_end_matches('0').is_empty() => Ok(()),
                true => write!(out, "{mark}{}", nanos.trim_end_matches('0')),
                false => write!(out, "{mark}{nanos:0<digits$}"),
            }
        }
    }
}

/// `CET`, or `-03`, as the place has it; an offset without a place is shown as one.
fn zone(out: &mut String, time: &Zoned) -> std::fmt::Result {
    match time.time_zone().iana_name() {
        Some(_) => out.write_str(time.time_zone().to_offset_info(time.timestamp()).abbreviation()),
        None => offset(out, time, false, false, 2),
    }
}

fn offset(out: &mut String, time: &Zoned, z: bool, colons: bool, numbers: u8) -> std::fmt::Result {
    let seconds = time.offset().seconds();
    if z && seconds == 0 {
        return out.write_char('Z');
    }
    let size = seconds.unsigned_abs();
    let colon = if colons { ":" } else { "" };
    write!(out, "{}{:02}", if seconds < 0 { '-' } else { '+' }, size / 3600)?;
    if numbers > 1 {
        write!(out, "{colon}{:02}", size / 60 % 60)?;
    }
    if numbers > 2 {
        write!(out, "{colon}{:02}", size % 60)?;
    }
    Ok(())
}
