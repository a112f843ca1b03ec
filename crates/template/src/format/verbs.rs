//! Go's `Sprintf`: verbs, flags, width, precision and argument indexes.

use super::{plain, plain_text, syntax};
use crate::{bytes, quote, strconv::format_float, value::Value};

/// Widths and precisions above this are taken as absent, as in Go.
const WIDTH_MAX: usize = 1_000_000;

#[derive(Clone, Copy, Default)]
struct Flags {
    sharp: bool,
    zero: bool,
    plus: bool,
    minus: bool,
    space: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Formats `arguments` by `format` as Go does, mistakes included: `%!d(string=x)`.
pub(crate) fn sprintf(format: &str, arguments: &[Value]) -> String {
    let mut printer = Printer {
        format: format.as_bytes(),
        arguments,
        out: String::with_capacity(format.len() + 16),
        position: 0,
        argument: 0,
        reordered: false,
        good_index: true,
        after_index: false,
    };
    printer.run(format);
    printer.out
}

struct Printer<'a> {
    format: &'a [u8],
    arguments: &'a [Value],
    out: String,
    position: usize,
    argument: usize,
    reordered: bool,
    good_index: bool,
    after_index: bool,
}

impl Printer<'_> {
    fn run(&mut self, format: &str) {
        while self.position < self.format.len() {
            let start = self.position;
            let text_end = self.format[start..].iter().position(|byte| *byte == b'%');
            let end = text_end.map_or(self.format.len(), |offset| start + offset);
            self.out.push_str(&format[start..end]);
            if text_end.is_none() {
                break;
            }
            self.position = end + 1;
            self.good_index = true;
            self.after_index = false;
            let flags = self.flags();
            let Some(verb) = format
                .get(self.position..)
                .and_then(|rest| rest.chars().next())
            else {
                self.out.push_str("%!(NOVERB)");
                break;
            };
            self.position += verb.len_utf8();
            self.verb(verb, flags);
        }
        if !self.reordered && self.argument < self.arguments.len() {
            self.extra();
        }
    }

    fn peek(&self) -> Option<u8> {
        self.format.get(self.position).copied()
    }

    fn flags(&mut self) -> Flags {
        let mut flags = Flags::default();
        while let Some(byte) = self.peek() {
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => break,
            }
            self.position += 1;
        }
        self.index();
        if self.peek() == Some(b'*') {
            self.position += 1;
            match self.number_argument() {
                Some(width) => {
                    flags.width = usize::try_from(width.unsigned_abs()).ok();
                    if width < 0 {
                        flags.minus = true;
                        flags.zero = false;
                    }
                }
                None => self.out.push_str("%!(BADWIDTH)"),
            }
            self.after_index = false;
        } else {
            flags.width = self.number();
            if self.after_index && flags.width.is_some() {
                self.good_index = false;
            }
        }
        if self.peek() == Some(b'.') && self.position + 1 < self.format.len() {
            self.position += 1;
            self.precision(&mut flags);
        }
        if !self.after_index {
            self.index();
        }
        flags
    }

    fn precision(&mut self, flags: &mut Flags) {
        if self.after_index {
            self.good_index = false;
        }
        self.index();
        if self.peek() == Some(b'*') {
            self.position += 1;
            match self.number_argument() {
                Some(precision) => flags.precision = usize::try_from(precision).ok(),
                None => self.out.push_str("%!(BADPREC)"),
            }
            self.after_index = false;
        } else {
            flags.precision = Some(self.number().unwrap_or(0));
        }
    }

    fn number(&mut self) -> Option<usize> {
        let mut number = None;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            if number.is_some_and(|value| value > WIDTH_MAX) {
                self.position = self.format.len();
                return None;
            }
            number = Some(number.unwrap_or(0) * 10 + usize::from(digit - b'0'));
            self.position += 1;
        }
        number
    }

    /// Takes an explicit argument index such as `[3]`.
    fn index(&mut self) {
        if self.peek() != Some(b'[') {
            self.after_index = false;
            return;
        }
        self.reordered = true;
        let rest = &self.format[self.position..];
        let Some(length) = rest.iter().position(|byte| *byte == b']') else {
            self.good_index = false;
            self.position += 1;
            return;
        };
        let digits = std::str::from_utf8(&rest[1..length]).unwrap_or_default();
        self.position += length + 1;
        match digits.parse::<usize>() {
            Ok(index) if (1..=self.arguments.len()).contains(&index) => {
                self.argument = index - 1;
                self.after_index = true;
            }
            parsed => {
                self.good_index = false;
                self.after_index = parsed.is_ok();
            }
        }
    }

    fn number_argument(&mut self) -> Option<i64> {
        let argument = self.arguments.get(self.argument)?;
        self.argument += 1;
        let number = match argument {
            Value::Int(number) | Value::Int64(number) => *number,
            Value::Uint(number) => i64::try_from(*number).ok()?,
            _ => return None,
        };
        (number.unsigned_abs() <= WIDTH_MAX as u64).then_some(number)
    }

    fn verb(&mut self, verb: char, flags: Flags) {
        if verb == '%' {
            self.out.push('%');
        } else if !self.good_index {
            self.out.push_str("%!");
            self.out.push(verb);
            self.out.push_str("(BADINDEX)");
        } else if let Some(argument) = self.arguments.get(self.argument) {
            self.argument += 1;
            print_argument(&mut self.out, argument, verb, flags);
        } else {
            self.out.push_str("%!");
            self.out.push(verb);
            self.out.push_str("(MISSING)");
        }
    }

    fn extra(&mut self) {
        self.out.push_str("%!(EXTRA ");
        for (index, argument) in self.arguments[self.argument..].iter().enumerate() {
            if index > 0 {
                self.out.push_str(", ");
            }
            if !argument.is_nil() {
                self.out.push_str(argument.type_name());
                self.out.push('=');
            }
            plain(&mut self.out, argument);
        }
        self.out.push(')');
    }
}

fn print_argument(out: &mut String, value: &Value, verb: char, flags: Flags) {
    match verb {
        'T' => return pad(out, value.type_name(), flags),
        'v' if flags.sharp => {
            let mut text = String::new();
            syntax(&mut text, value, 0);
            return pad(out, &text, flags);
        }
        'v' if value.is_nil() => return pad(out, "<nil>", flags),
        'w' => return bad_verb(out, value, verb, flags),
        _ => {}
    }
    print_verb(out, value, verb, flags);
}

/// Prints a value or, for a composite one, each of its elements with the verb.
fn print_verb(out: &mut String, value: &Value, verb: char, flags: Flags) {
    match value {
        Value::Nil => bad_verb(out, value, verb, flags),
        Value::Bool(truth) => match verb {
            't' | 'v' => pad(out, if *truth { "true" } else { "false" }, flags),
            _ => bad_verb(out, value, verb, flags),
        },
        Value::Int(number) | Value::Int64(number) => {
            integer(out, value, number.unsigned_abs(), *number < 0, verb, flags);
        }
        Value::Uint(number) => integer(out, value, *number, false, verb, flags),
        Value::Float(number) => float(out, value, *number, verb, flags),
        Value::Str(text) => string(out, value, text, verb, flags),
        Value::Bytes(content) if matches!(verb, 's' | 'x' | 'X' | 'q') => {
            string(out, value, &bytes::text(content), verb, flags);
        }
        Value::Object(object)
            if object.text().is_some() && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q') =>
        {
            string(out, value, &object.text().unwrap_or_default(), verb, flags);
        }
        _ => crate::stack::grown(|| composite(out, value, verb, flags)),
    }
}

fn composite(out: &mut String, value: &Value, verb: char, flags: Flags) {
    // `%v` without width is what `plain` prints, bounded in depth.
    if matches!(verb, 'v' | 's')
        && flags.width.is_none()
        && flags.precision.is_none()
        && verb == 'v'
    {
        return plain(out, value);
    }
    if let Some(map) = value.as_map() {
        out.push_str("map[");
        for (index, (key, element)) in map.borrow().iter().enumerate() {
            if index > 0 {
                out.push(' ');
            }
            print_verb(out, &Value::Str(key.clone()), verb, flags);
            out.push(':');
            element_verb(out, element, verb, flags);
        }
        out.push(']');
    } else if let Some(list) = value.as_list() {
        out.push('[');
        for (index, element) in list.borrow().iter().enumerate() {
            if index > 0 {
                out.push(' ');
            }
            element_verb(out, element, verb, flags);
        }
        out.push(']');
    } else {
        out.push_str(&plain_text(value));
    }
}

fn element_verb(out: &mut String, element: &Value, verb: char, flags: Flags) {
    if element.is_nil() {
        out.push_str("<nil>");
    } else {
        print_verb(out, element, verb, flags);
    }
}

fn bad_verb(out: &mut String, value: &Value, verb: char, flags: Flags) {
    out.push_str("%!");
    out.push(verb);
    out.push('(');
    if value.is_nil() {
        out.push_str("<nil>");
    } else {
        out.push_str(value.type_name());
        out.push('=');
        print_verb(out, value, 'v', flags);
    }
    out.push(')');
}

/// Go's `%b` of a float: the mantissa as a whole number and the exponent of two.
fn binary(number: f64) -> String {
    let bits = number.to_bits();
    let (exponent, fraction) = ((bits >> 52) & 0x7ff, bits & ((1 << 52) - 1));
    let (mantissa, exponent) = match exponent {
        0 => (fraction, -1074),
        exponent => (fraction | 1 << 52, exponent as i64 - 1075),
    };
    let sign = if number.is_sign_negative() { "-" } else { "" };
    format!("{sign}{mantissa}p{exponent:+}")
}

/// Go's `%x` of a float: a hexadecimal mantissa and the exponent of two.
fn hexadecimal_float(number: f64, upper: bool) -> String {
    let bits = number.to_bits();
    let (exponent, fraction) = ((bits >> 52) & 0x7ff, bits & ((1 << 52) - 1));
    let (lead, fraction, exponent) = match (exponent, fraction) {
        (0, 0) => (0, 0, 0),
        // A number below the smallest normal one is shifted until it leads with 1.
        (0, fraction) => {
            let shift = fraction.leading_zeros() - 11;
            let shifted = (fraction << shift) & ((1 << 52) - 1);
            (1, shifted, -1022 - i64::from(shift))
        }
        (exponent, fraction) => (1, fraction, exponent as i64 - 1023),
    };
    let digits = format!("{fraction:013x}");
    let digits = digits.trim_end_matches('0');
    let point = if digits.is_empty() { "" } else { "." };
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let exponent_sign = if exponent < 0 { '-' } else { '+' };
    let text = format!(
        "{sign}0x{lead}{point}{digits}p{exponent_sign}{:02}",
        exponent.abs()
    );
    if upper { text.to_uppercase() } else { text }
}

/// What `#` adds to a float: the point, and zeros up to the precision.
fn with_point(number: &str, verb: char, precision: Option<usize>) -> String {
    let (mantissa, exponent) = match number.find(['e', 'E']) {
        Some(position) => number.split_at(position),
        None => (number, ""),
    };
    let mut missing = match verb {
        'v' | 'g' | 'G' => precision.unwrap_or(6),
        _ => 0,
    };
    let digits = mantissa.trim_start_matches(['-', '+']);
    let significant = digits
        .chars()
        .skip_while(|next| matches!(next, '0' | '.'))
        .filter(char::is_ascii_digit);
    missing = missing.saturating_sub(significant.count());
    let mut text = mantissa.to_owned();
    if !digits.contains('.') {
        if digits == "0" {
            missing = missing.saturating_sub(1);
        }
        text.push('.');
    }
    text.extend(std::iter::repeat_n('0', missing));
    text + exponent
}

fn pad(out: &mut String, text: &str, flags: Flags) {
    let length = text.chars().count();
    let missing = flags.width.unwrap_or(0).saturating_sub(length);
    if missing == 0 {
        out.push_str(text);
    } else if flags.minus {
        out.push_str(text);
        out.extend(std::iter::repeat_n(' ', missing));
    } else {
        out.extend(std::iter::repeat_n(
            if flags.zero { '0' } else { ' ' },
            missing,
        ));
        out.push_str(text);
    }
}

fn integer(
    out: &mut String,
    value: &Value,
    magnitude: u64,
    negative: bool,
    verb: char,
    flags: Flags,
) {
    let rune = || {
        let code = if negative {
            None
        } else {
            u32::try_from(magnitude).ok()
        };
        code.and_then(char::from_u32)
            .unwrap_or(char::REPLACEMENT_CHARACTER)
    };
    let digits = match verb {
        'v' | 'd' => magnitude.to_string(),
        'b' => format!("{magnitude:b}"),
        'o' | 'O' => format!("{magnitude:o}"),
        'x' => format!("{magnitude:x}"),
        'X' => format!("{magnitude:X}"),
        'c' => return pad(out, &rune().to_string(), flags),
        'q' => return pad(out, &quote::quoted_rune(rune(), flags.plus), flags),
        'U' => {
            let mut text = format!("U+{magnitude:04X}");
            if flags.sharp
                && magnitude <= u64::from(u32::from(char::MAX))
                && quote::is_printable(rune())
            {
                text.push_str(&format!(" '{}'", rune()));
            }
            return pad(
                out,
                &text,
                Flags {
                    zero: false,
                    ..flags
                },
            );
        }
        _ => return bad_verb(out, value, verb, flags),
    };
    if flags.precision == Some(0) && magnitude == 0 {
        return pad(
            out,
            "",
            Flags {
                zero: false,
                ..flags
            },
        );
    }
    let has_sign = negative || flags.plus || flags.space;
    let places = match (flags.precision, flags.width) {
        (Some(precision), _) => precision,
        (None, Some(width)) if flags.zero && !flags.minus => {
            width.saturating_sub(usize::from(has_sign))
        }
        _ => 0,
    };
    let mut text = String::new();
    text.push_str(match (negative, flags.plus, flags.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    });
    let zeros = places.saturating_sub(digits.len());
    text.push_str(match (verb, flags.sharp) {
        ('O', _) => "0o",
        ('b', true) => "0b",
        ('o', true) if zeros == 0 && !digits.starts_with('0') => "0",
        ('x', true) => "0x",
        ('X', true) => "0X",
        _ => "",
    });
    text.extend(std::iter::repeat_n('0', zeros));
    text.push_str(&digits);
    pad(
        out,
        &text,
        Flags {
            zero: false,
            ..flags
        },
    );
}

fn float(out: &mut String, value: &Value, number: f64, verb: char, flags: Flags) {
    let mut text = match verb {
        'v' | 'g' => format_float(number, 'g', flags.precision),
        'G' => format_float(number, 'G', flags.precision),
        'f' | 'F' => format_float(number, 'f', Some(flags.precision.unwrap_or(6))),
        'e' | 'E' => format_float(number, verb, Some(flags.precision.unwrap_or(6))),
        'x' | 'X' if number.is_finite() && flags.precision.is_none() => {
            hexadecimal_float(number, verb == 'X')
        }
        'x' | 'X' if !number.is_finite() => format_float(number, 'g', None),
        'b' if number.is_finite() => binary(number),
        'b' => format_float(number, 'g', None),
        _ => return bad_verb(out, value, verb, flags),
    };
    if flags.sharp && number.is_finite() && !matches!(verb, 'b' | 'x' | 'X') {
        text = with_point(&text, verb, flags.precision);
    }
    if !text.starts_with(['-', '+']) {
        text.insert(0, if flags.space && !flags.plus { ' ' } else { '+' });
    }
    if number.is_nan() || number.is_infinite() {
        let body = if number.is_nan() && !flags.plus && !flags.space {
            &text[1..]
        } else {
            &text
        };
        let body = if text == "+Inf" && !flags.plus {
            "+Inf"
        } else {
            body
        };
        return pad(
            out,
            body,
            Flags {
                zero: false,
                ..flags
            },
        );
    }
    let shown = if flags.plus || !text.starts_with('+') {
        text.as_str()
    } else {
        &text[1..]
    };
    let signed = !shown.starts_with(|first: char| first.is_ascii_digit());
    match flags.width {
        Some(width) if flags.zero && !flags.minus && signed && width > shown.len() => {
            out.push_str(&shown[..1]);
            out.extend(std::iter::repeat_n('0', width - shown.len()));
            out.push_str(&shown[1..]);
        }
        _ => pad(out, shown, flags),
    }
}

fn string(out: &mut String, value: &Value, text: &str, verb: char, flags: Flags) {
    let cut = || match flags.precision {
        Some(precision) => text
            .char_indices()
            .nth(precision)
            .map_or(text, |(end, _)| &text[..end]),
        None => text,
    };
    match verb {
        'v' | 's' => pad(out, cut(), flags),
        'q' => {
            let text = cut();
            if flags.sharp && quote::can_backquote(text) {
                pad(out, &format!("`{text}`"), flags);
            } else if flags.plus {
                pad(out, &quote::quoted_ascii(text), flags);
            } else {
                pad(out, &quote::quoted(text), flags);
            }
        }
        'x' | 'X' => pad(out, &hexadecimal(&bytes::of(text), verb, flags), flags),
        _ => bad_verb(out, value, verb, flags),
    }
}

fn hexadecimal(content: &[u8], verb: char, flags: Flags) -> String {
    let length = flags
        .precision
        .map_or(content.len(), |precision| precision.min(content.len()));
    let prefix = match (flags.sharp, verb) {
        (true, 'x') => "0x",
        (true, _) => "0X",
        _ => "",
    };
    let mut text = String::new();
    for (index, byte) in content[..length].iter().enumerate() {
        if index > 0 && flags.space {
            text.push(' ');
        }
        if index == 0 || flags.space {
            text.push_str(prefix);
        }
        text.push_str(&if verb == 'x' {
            format!("{byte:02x}")
        } else {
            format!("{byte:02X}")
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::sprintf;
    use crate::value::Value;

    #[test]
    fn formats_as_go_does() {
        let text = |text: &str| Value::string(text);
        let cases: [(&str, Vec<Value>, &str); 16] = [
            ("%s-%d", vec![text("a"), Value::Int(3)], "a-3"),
            ("%d", vec![text("x")], "%!d(string=x)"),
            ("%s", vec![Value::Int(3)], "%!s(int=3)"),
            ("%d", vec![Value::Float(3.0)], "%!d(float64=3)"),
            ("%s", vec![], "%!s(MISSING)"),
            ("a", vec![Value::Int(1)], "a%!(EXTRA int=1)"),
            (
                "%5d|%-5d|%05d|%x|%#x",
                vec![1, 2, 3, 255, 255]
                    .into_iter()
                    .map(Value::Int)
                    .collect(),
                "    1|2    |00003|ff|0xff",
            ),
            ("%q %v", vec![text("a\"b"), Value::Nil], "\"a\\\"b\" <nil>"),
            ("%s", vec![Value::Nil], "%!s(<nil>)"),
            (
                "%6.2f|%e",
                vec![Value::Float(3.24159), Value::Float(1e10)],
                "  3.24|1.000000e+10",
            ),
            ("%[2]s %[1]s", vec![text("a"), text("b")], "b a"),
            ("%*d", vec![Value::Int(4), Value::Int(7)], "   7"),
            (
                "%.2s|%t|%%",
                vec![text("abc"), Value::Bool(true)],
                "ab|true|%",
            ),
            (
                "%v",
                vec![Value::list(vec![Value::Int(1), text("b"), Value::Nil])],
                "[1 b <nil>]",
            ),
            (
                "%s",
                vec![Value::list(vec![Value::Int(1), text("b")])],
                "[%!s(int=1) b]",
            ),
            ("%T %", vec![Value::Float(1.0)], "float64 %!(NOVERB)"),
        ];
        for (format, arguments, expected) in cases {
            assert_eq!(sprintf(format, &arguments), expected, "{format}");
        }
    }
}
