//! Operands: names, fields, constants, and pipelines in parentheses.

use super::{Parsed, Parser, wrong};
use crate::ast::{Expr, Number, What};
use crate::lex::{Kind, Token};
use crate::value::{Text, Value};

impl<'s> Parser<'s> {
    /// An operand with the fields behind it, if there is one.
    pub(super) fn operand(&mut self) -> Parsed<Option<Expr>> {
        let Some(expr) = self.term()? else { return Ok(None) };
        let mut fields = Vec::new();
        // as in Go, a chain stands where its second name does
        let chained_at = self.peek().at;
        while self.peek().kind == Kind::Field && !self.peek().spaced {
            fields.push(Text::from(&self.next().text[1..]));
        }
        if fields.is_empty() {
            return Ok(Some(expr));
        }
        let Expr { at, what } = expr;
        let what = match what {
            What::Field(mut all) => {
                all.extend(fields);
                What::Field(all)
            }
            What::Variable { name, slot, .. } => What::Variable { name, slot, fields },
            What::Bool(_) | What::Text(..) | What::Number(_) | What::Nil | What::Dot => {
                let shown = Expr { at, what };
                return Err((at, format!("unexpected . after term {:?}", shown.to_string())));
            }
            what => What::Chain(Box::new(Expr { at, what }), fields),
        };
        Ok(Some(Expr { at: chained_at, what }))
    }

    fn term(&mut self) -> Parsed<Option<Expr>> {
        let token = self.peek();
        let what = match token.kind {
            Kind::Identifier => match self.functions.find(token.text) {
                Some(function) => What::Function(function),
                None => return wrong(token, format!("function {:?} not defined", token.text)),
            },
            Kind::Dot => What::Dot,
            Kind::Nil => What::Nil,
            Kind::Bool => What::Bool(token.text == "true"),
            Kind::Field => What::Field(vec![token.text[1..].into()]),
            Kind::Variable => {
                let slot = self.slot(token)?;
                What::Variable { name: token.text.into(), slot, fields: Vec::new() }
            }
            Kind::Number => What::Number(number(token)?),
            Kind::Char => {
                let char = character(token)?;
                let int = Some(i64::from(u32::from(char)));
                let float = Some(f64::from(u32::from(char)));
                What::Number(Number { text: token.text.into(), int, float, is_int: true })
            }
            Kind::Quoted | Kind::Raw => What::Text(token.text.into(), Value::Str(unquote(token)?)),
            Kind::LeftParen => {
                self.next();
                let pipe = self.deeper(|parser| parser.pipe("parenthesized pipeline", Kind::RightParen))?;
                return Ok(Some(Expr { at: token.at, what: What::Pipe(Box::new(pipe)) }));
            }
            _ => return Ok(None),
        };
        self.next();
        Ok(Some(Expr { at: token.at, what }))
    }

    /// The place of a variable.
    pub(super) fn slot(&self, token: Token<'_>) -> Parsed<usize> {
        match self.variables.iter().rposition(|name| **name == *token.text) {
            Some(slot) => Ok(slot),
            None => wrong(token, format!("undefined variable {:?}", token.text)),
        }
    }
}

/// The text that a quoted or raw one stands for.
pub(super) fn unquote(token: Token<'_>) -> Parsed<Text> {
    let inside = &token.text[1..token.text.len() - 1];
    if token.kind == Kind::Raw {
        return Ok(inside.replace('\r', "").into());
    }
    let mut bytes = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while !rest.is_empty() {
        let Some(unit) = unescape(&mut rest, '"') else { return wrong(token, "invalid syntax") };
        match unit {
            Unit::Char(char) => bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            Unit::Byte(byte) => bytes.push(byte),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into())
}

fn character(token: Token<'_>) -> Parsed<char> {
    let malformed = || wrong(token, format!("malformed character constant: {}", token.text));
    let mut rest = &token.text[1..token.text.len() - 1];
    match (unescape(&mut rest, '\''), rest) {
        (Some(Unit::Char(char)), "") => Ok(char),
        (Some(Unit::Byte(byte)), "") => Ok(char::from(byte)),
        _ => malformed(),
    }
}

/// What a character or an escape stands for.
enum Unit {
    Char(char),
    Byte(u8),
}

/// Takes one character or escape off a text.
fn unescape(rest: &mut &str, quote: char) -> Option<Unit> {
    let mut chars = rest.chars();
    let first = chars.next()?;
    if first != '\\' {
        *rest = chars.as_str();
        return (first != quote).then_some(Unit::Char(first));
    }
    let letter = chars.next()?;
    let simple = match letter {
        'a' => Some('\x07'),
        'b' => Some('\x08'),
        'f' => Some('\x0c'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\x0b'),
        '\\' => Some('\\'),
        letter if letter == quote => Some(quote),
        _ => None,
    };
    if let Some(char) = simple {
        *rest = chars.as_str();
        return Some(Unit::Char(char));
    }
    let text = *rest;
    let (from, length, radix) = match letter {
        'x' => (2, 2, 16),
        'u' => (2, 4, 16),
        'U' => (2, 8, 16),
        '0'..='7' => (1, 3, 8),
        _ => return None,
    };
    let digits = text.get(from..from + length)?;
    if !digits.chars().all(|char| char.is_digit(radix)) {
        return None;
    }
    let number = u32::from_str_radix(digits, radix).ok()?;
    *rest = &text[from + length..];
    match letter {
        'u' | 'U' => char::from_u32(number).map(Unit::Char),
        _ => u8::try_from(number).ok().map(Unit::Byte),
    }
}

fn number(token: Token<'_>) -> Parsed<Number> {
    let bad = || wrong(token, format!("bad number syntax: {:?}", token.text));
    let text = token.text;
    let plain = text.replace('_', "");
    let unsigned = plain.trim_start_matches(['+', '-']);
    let lower = unsigned.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        _ if lower.len() > 1 && lower.starts_with('0') && lower.bytes().all(|it| it.is_ascii_digit()) => {
            (8, &lower[1..])
        }
        _ => (10, lower.as_str()),
    };
    let negative = text.starts_with('-');
    let whole = u128::from_str_radix(digits, radix).ok();
    if let Some(whole) = whole {
        let signed = i128::try_from(whole).ok().map(|it| if negative { -it } else { it });
        let int = signed.and_then(|it| i64::try_from(it).ok());
        if int.is_none() {
            return wrong(token, format!("integer overflow: {text:?}"));
        }
        // integers below 2^63 lose no more as floats than Go's own do
        let float = int.map(|it| it as f64);
        return Ok(Number { text: text.into(), int, float, is_int: true });
    }
    if radix == 8 && !lower.starts_with("0o") || radix == 2 {
        return bad();
    }
    let float = match radix {
        16 => hexadecimal_float(digits).map(|it| if negative { -it } else { it }),
        _ if !lower.bytes().any(|byte| byte.is_ascii_digit()) => None,
        _ => plain.parse::<f64>().ok(),
    };
    let Some(float) = float.filter(|it| it.is_finite()) else { return bad() };
    // 1e3 is a whole number, too, where one is asked for
    let int = (float.fract() == 0.0 && float.abs() < 9e18).then_some(float as i64);
    Ok(Number { text: text.into(), int, float: Some(float), is_int: false })
}

/// `1.8p1` is three.
fn hexadecimal_float(digits: &str) -> Option<f64> {
    let (mantissa, exponent) = digits.split_once('p')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0f64;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let exponent: i32 = exponent.parse().ok()?;
    let shift = i32::try_from(fraction.len()).ok()?.checked_mul(4)?;
    Some(value * 2f64.powi(exponent.checked_sub(shift)?))
}
