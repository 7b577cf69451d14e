//! `printf`: verbs, flags, widths, and what Go writes when they do not fit.

use super::{Style, Writer, number, quote};
use crate::limits::MAX_WIDTH;
use crate::value::Env;
use crate::value::Value;

/// The first argument is the format.
pub(crate) fn sprintf(all: &[Value], env: &Env<'_>) -> Result<String, String> {
    let (format, rest) = all.split_first().ok_or("a format is needed")?;
    let mut printer = Printer {
        out: Writer { out: String::new(), env: Some(env) },
        rest: format.as_str().unwrap_or_default(),
        all: rest,
        next: 0,
        reordered: false,
    };
    printer.run()?;
    Ok(printer.out.out)
}

struct Printer<'a> {
    out: Writer<'a>,
    /// What is left of the format.
    rest: &'a str,
    all: &'a [Value],
    next: usize,
    /// Whether `%[1]d` chose an argument, so that the others need not be used.
    reordered: bool,
}

impl<'a> Printer<'a> {
    fn run(&mut self) -> Result<(), String> {
        while let Some(at) = self.rest.find('%') {
            self.out.push(&self.rest[..at])?;
            self.rest = &self.rest[at + 1..];
            self.verb()?;
        }
        self.out.push(self.rest)?;
        if self.next < self.all.len() && !self.reordered {
            self.out.push("%!(EXTRA ")?;
            for (index, value) in self.all[self.next..].iter().enumerate() {
                if index > 0 {
                    self.out.push(", ")?;
                }
                match value {
                    Value::Nil => self.out.push("<nil>")?,
                    other => {
                        self.out.push(other.of().name)?;
                        self.out.push("=")?;
                        self::value(&mut self.out, other, Style::PLAIN)?;
                    }
                }
            }
            self.out.push(")")?;
        }
        Ok(())
    }

    fn take(&mut self) -> Option<char> {
        let char = self.rest.chars().next()?;
        self.rest = &self.rest[char.len_utf8()..];
        Some(char)
    }

    fn flags(&mut self, style: &mut Style) {
        while let Some(flag) = self.rest.chars().next() {
            match flag {
                '#' => style.sharp = true,
                '0' => style.zero = true,
                '+' => style.plus = true,
                '-' => style.minus = true,
                ' ' => style.space = true,
                _ => return,
            }
            self.rest = &self.rest[1..];
        }
    }

    fn verb(&mut self) -> Result<(), String> {
        let mut style = Style::PLAIN;
        self.flags(&mut style);
        let mut good = self.choice();
        style.width = self.size(&mut style.minus, "%!(BADWIDTH)")?;
        if self.rest.starts_with('.') {
            self.rest = &self.rest[1..];
            good &= self.choice();
            let mut negative = false;
            let precision = self.size(&mut negative, "%!(BADPREC)")?;
            style.precision = if negative { None } else { Some(precision.unwrap_or(0)) };
        }
        good &= self.choice();
        let Some(verb) = self.take() else { return self.out.push("%!(NOVERB)") };
        style.verb = verb;
        if verb == 'v' {
            style.names = std::mem::take(&mut style.plus);
        }
        if verb == '%' {
            return self.out.push("%");
        }
        if !good {
            return self.out.push(&format!("%!{verb}(BADINDEX)"));
        }
        let all = self.all;
        match all.get(self.next) {
            None => self.out.push(&format!("%!{verb}(MISSING)")),
            Some(argument) => {
                self.next += 1;
                value(&mut self.out, argument, style)
            }
        }
    }

    /// `[3]` chooses the next argument; false when there is no such.
    fn choice(&mut self) -> bool {
        let Some(inside) = self.rest.strip_prefix('[') else { return true };
        self.reordered = true;
        let Some((number, rest)) = inside.split_once(']') else {
            self.rest = inside;
            return false;
        };
        self.rest = rest;
        match number.parse::<usize>() {
            Ok(number) if (1..=self.all.len()).contains(&number) => {
                self.next = number - 1;
                true
            }
            _ => false,
        }
    }

    /// A width or a precision: digits, or `*` for an argument.
    fn size(&mut self, negative: &mut bool, bad: &str) -> Result<Option<usize>, String> {
        if let Some(rest) = self.rest.strip_prefix('*') {
            self.rest = rest;
            let argument = self.all.get(self.next).and_then(Value::as_int);
            self.next = (self.next + 1).min(self.all.len());
            *negative |= argument.is_some_and(|it| it < 0);
            let size = argument.and_then(|it| usize::try_from(it.unsigned_abs()).ok());
            return match size.filter(|size| *size <= MAX_WIDTH) {
                Some(size) => Ok(Some(size)),
                None => self.out.push(bad).map(|()| None),
            };
        }
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Ok(None);
        }
        let (number, rest) = self.rest.split_at(digits);
        match number.parse().ok().filter(|size| *size <= MAX_WIDTH) {
            Some(size) => {
                self.rest = rest;
                Ok(Some(size))
            }
            None => Err(format!("limit: a width or precision of more than {MAX_WIDTH}")),
        }
    }
}

/// Writes one value.
pub(super) fn value(out: &mut Writer<'_>, value: &Value, style: Style) -> Result<(), String> {
    out.step()?;
    match style.verb {
        'T' => return padded(out, value.of().name, style),
        'p' => return bad(out, value, style),
        _ => {}
    }
    let printed = |value: &Value| value.of().print.map(|print| print(value));
    if matches!(style.verb, 'v' | 's' | 'x' | 'X' | 'q')
        && !style.sharp
        && let Some(text) = printed(value)
    {
        return string(out, &text, style);
    }
    match value {
        Value::Nil if style.verb == 'v' => padded(out, "<nil>", style),
        Value::Nil => out.push(&format!("%!{}(<nil>)", style.verb)),
        Value::Bool(yes) if matches!(style.verb, 't' | 'v') => {
            padded(out, if *yes { "true" } else { "false" }, style)
        }
        Value::Bool(_) => bad(out, value, style),
        Value::Int(number) | Value::Named(_, number) => integer(out, value, *number, style),
        Value::Float(number) => match number::float(*number, style) {
            Some(text) => padded(out, &text, Style { zero: false, ..style }),
            None => bad(out, value, style),
        },
        Value::Str(text) | Value::Safe(_, text) => match style.verb {
            'v' | 's' | 'q' | 'x' | 'X' => string(out, text, style),
            _ => bad(out, value, style),
        },
        Value::Time(moment) => match style.verb {
            'v' | 's' | 'q' => string(out, &moment.to_string(), style),
            _ => bad(out, value, style),
        },
        Value::List(_) | Value::Map(_) | Value::Struct(_) => holder(out, value, style),
    }
}

/// What holds others: each of them with the same verb.
fn holder(out: &mut Writer<'_>, of: &Value, style: Style) -> Result<(), String> {
    match of {
        Value::List(list) => {
            out.push("[")?;
            for (index, item) in list.items.iter().enumerate() {
                out.push(if index > 0 { " " } else { "" })?;
                held(out, item, style)?;
            }
            out.push("]")
        }
        Value::Map(map) => {
            out.push("map[")?;
            for (index, (key, item)) in map.entries.iter().enumerate() {
                out.push(if index > 0 { " " } else { "" })?;
                value(out, &Value::Str(key.clone()), style)?;
                out.push(":")?;
                held(out, item, style)?;
            }
            out.push("]")
        }
        Value::Struct(fields) => {
            let pointer = if fields.of.name.starts_with('*') { "&" } else { "" };
            out.push(pointer)?;
            out.push("{")?;
            for (index, (field, item)) in fields.of.fields.iter().zip(&fields.values).enumerate() {
                out.push(if index > 0 { " " } else { "" })?;
                if style.names {
                    out.push(field.name)?;
                    out.push(":")?;
                }
                value(out, item, style)?;
            }
            out.push("}")
        }
        _ => Ok(()),
    }
}

/// A value within another; nothing is nil whatever the verb.
fn held(out: &mut Writer<'_>, item: &Value, style: Style) -> Result<(), String> {
    match item {
        Value::Nil => out.push("<nil>"),
        item => value(out, item, style),
    }
}

fn integer(out: &mut Writer<'_>, value: &Value, number: i64, style: Style) -> Result<(), String> {
    let character = u32::try_from(number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
    match style.verb {
        'c' => padded(out, character.encode_utf8(&mut [0; 4]), style),
        'q' => padded(out, &quote::quoted_char(character, style.plus), style),
        'U' if style.sharp => padded(out, &format!("U+{number:04X} '{character}'"), style),
        'U' => padded(out, &format!("U+{number:04X}"), style),
        _ => match number::integer(number, style) {
            Some(text) => padded(out, &text, Style { zero: false, ..style }),
            None => bad(out, value, style),
        },
    }
}

fn string(out: &mut Writer<'_>, text: &str, style: Style) -> Result<(), String> {
    let cut = style.precision.and_then(|most| text.char_indices().nth(most));
    match style.verb {
        'x' | 'X' => {
            let text = &text.as_bytes()[..style.precision.map_or(text.len(), |most| most.min(text.len()))];
            let mut hex = String::with_capacity(text.len() * 2);
            for (index, byte) in text.iter().enumerate() {
                hex.push_str(if style.space && index > 0 { " " } else { "" });
                let prefixed = style.sharp && (index == 0 || style.space);
                hex.push_str(if prefixed { "0x" } else { "" });
                hex.push_str(&format!("{byte:02x}"));
            }
            let hex = if style.verb == 'X' { hex.to_uppercase() } else { hex };
            padded(out, &hex, style)
        }
        verb => {
            let text = cut.map_or(text, |(at, _)| &text[..at]);
            match verb {
                'q' if style.sharp
                    && !text.contains('`')
                    && text.chars().all(|it| it == '\t' || !it.is_control()) =>
                {
                    padded(out, &format!("`{text}`"), style)
                }
                'q' => padded(out, &quote::quoted(text, style.plus), style),
                'v' if style.sharp => padded(out, &quote::quoted(text, false), style),
                _ => padded(out, text, style),
            }
        }
    }
}

/// Writes a text with as much space around it as its width wants.
fn padded(out: &mut Writer<'_>, text: &str, style: Style) -> Result<(), String> {
    let room = style.width.unwrap_or(0).saturating_sub(text.chars().count());
    let fill = if style.zero && !style.minus { "0" } else { " " }.repeat(room);
    match style.minus {
        true => {
            out.push(text)?;
            out.push(&fill)
        }
        false => {
            out.push(&fill)?;
            out.push(text)
        }
    }
}

/// A verb that means nothing for this value.
fn bad(out: &mut Writer<'_>, of: &Value, style: Style) -> Result<(), String> {
    out.push(&format!("%!{}({}=", style.verb, of.of().name))?;
    value(out, of, Style::PLAIN)?;
    out.push(")")
}
