//! Random text and numbers, all from the operating system's generator.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Context, Function, Returned,
    Type::{Int, Str},
    arguments::{int, string},
};
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("randAlphaNum", &[Int], |context, arguments| {
        text(context, arguments, ALPHANUMERIC)
    }),
    Function::new("randAlpha", &[Int], |context, arguments| {
        text(context, arguments, &ALPHANUMERIC[10..])
    }),
    Function::new("randNumeric", &[Int], |context, arguments| {
        text(context, arguments, &ALPHANUMERIC[..10])
    }),
    Function::new("randAscii", &[Int], ascii),
    Function::new("randBytes", &[Int], bytes),
    Function::new("randInt", &[Int, Int], integer),
    Function::new("shuffle", &[Str], shuffle),
    Function::new("uuidv4", &[], uuid),
];

const ALPHANUMERIC: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Fills a buffer from the operating system.
pub(super) fn fill(buffer: &mut [u8]) -> Result<(), String> {
    getrandom::fill(buffer)
        .map_err(|error| format!("no random numbers from the operating system: {error}"))
}

/// A number below `end`, each equally likely.
fn below(end: u64) -> Result<u64, String> {
    // Numbers of the last, incomplete round of `end` would make some more likely.
    let fair = u64::MAX - u64::MAX % end;
    loop {
        let mut buffer = [0; 8];
        fill(&mut buffer)?;
        let number = u64::from_le_bytes(buffer);
        if number < fair {
            return Ok(number % end);
        }
    }
}

fn text(context: &Context<'_>, arguments: &[Value], alphabet: &[u8]) -> Returned {
    let count = usize::try_from(int(arguments, 0)).unwrap_or(0);
    context.charge(count)?;
    let mut out = String::with_capacity(count);
    let fair = 256 - 256 % alphabet.len();
    let mut buffer = [0; 256];
    while out.len() < count {
        fill(&mut buffer)?;
        let picked = buffer
            .iter()
            .map(|byte| usize::from(*byte))
            .filter(|number| *number < fair);
        let missing = count - out.len();
        out.extend(
            picked
                .take(missing)
                .map(|number| char::from(alphabet[number % alphabet.len()])),
        );
    }
    Ok(Value::string(out))
}

/// The printable characters of ASCII, space among them.
fn ascii(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let alphabet: Vec<u8> = (b' '..=b'~').collect();
    text(context, arguments, &alphabet)
}

fn bytes(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let Ok(count) = usize::try_from(int(arguments, 0)) else {
        return Err("runtime error: makeslice: len out of range".to_owned());
    };
    context.charge(count.saturating_mul(2))?;
    let mut buffer = vec![0; count];
    fill(&mut buffer)?;
    Ok(Value::string(STANDARD.encode(buffer)))
}

fn integer(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let (least, most) = (int(arguments, 0), int(arguments, 1));
    match u64::try_from(most.wrapping_sub(least)) {
        Ok(range) if range > 0 => Ok(Value::Int(least.wrapping_add(below(range)? as i64))),
        _ => Err("invalid argument to Intn".to_owned()),
    }
}

fn shuffle(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let mut characters: Vec<char> = string(arguments, 0).chars().collect();
    context.charge(characters.len())?;
    for index in (1..characters.len()).rev() {
        let other = below(index as u64 + 1)? as usize;
        characters.swap(index, other);
    }
    Ok(Value::string(characters.into_iter().collect::<String>()))
}

fn uuid(_context: &mut Context<'_>, _arguments: &[Value]) -> Returned {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex(&bytes);
    Ok(Value::string(format!(
        "{}-{}-{}-{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..]
    )))
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(content: &[u8]) -> String {
    content.iter().map(|byte| format!("{byte:02x}")).collect()
}
