//! The formats whose mistakes Helm's library names.
//!
//! Source: github.com/santhosh-tekuri/jsonschema v6.0.3 format.go. What is not here is left to the
//! crate `jsonschema`.

/// Says what is wrong with a text; `None` for a format that is not known here.
pub(super) fn problem(format: &str, text: &str) -> Option<Result<(), String>> {
    Some(match format {
        "regex" => template::regex_matches(text, "").map(|_| ()),
        "email" => email(text),
        "hostname" => hostname(text),
        "ipv4" => ipv4(text),
        "uuid" => uuid(text),
        "json-pointer" => json_pointer(text),
        "duration" => duration(text),
        "time" => time(text),
        "date" => template::check_date(text),
        "date-time" => date_time(text),
        // The crate takes longer to begin than a whole chart to render, and every schema names its
        // draft and refers to its own parts.
        "uri" if is_plain_uri(text) => Ok(()),
        "uri" if let Err(problem) = template::check_url(text) => fail(problem),
        "uri-reference" if text.bytes().all(is_plain) || is_plain_fragment(text) => Ok(()),
        _ => return None,
    })
}

/// A letter, digit or mark that RFC 3986 lets stand in any path, host or fragment.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/')
}

/// Whether a text is a fragment alone, such as `#/definitions/port`.
fn is_plain_fragment(text: &str) -> bool {
    let fragment = text.strip_prefix('#');
    fragment.is_some_and(|fragment| fragment.bytes().all(|byte| is_plain(byte) || byte == b'$'))
}

/// Whether a text is an address with a host and without anything that is seldom in one.
fn is_plain_uri(text: &str) -> bool {
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let rest = rest.map(|rest| rest.strip_suffix('#').unwrap_or(rest));
    rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.starts_with('/') && rest.bytes().all(is_plain)
    })
}

fn fail(problem: impl Into<String>) -> Result<(), String> {
    Err(problem.into())
}

fn json_pointer(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    let Some(parts) = text.strip_prefix('/') else {
        return fail("not starting with /");
    };
    for part in parts.split('/') {
        let mut characters = part.chars();
        while let Some(character) = characters.next() {
            if character == '~' && !matches!(characters.next(), Some('0' | '1')) {
                return fail("~ must be followed by 0 or 1");
            }
        }
    }
    Ok(())
}

fn duration(text: &str) -> Result<(), String> {
    let Some(rest) = text.strip_prefix('P') else {
        return fail("must start with P");
    };
    if rest.is_empty() {
        return fail("nothing after P");
    }
    if let Some(weeks) = rest.strip_suffix('W') {
        return match weeks.bytes().all(|byte| byte.is_ascii_digit()) {
            _ if weeks.is_empty() => fail("no number in week"),
            true => Ok(()),
            false => fail("invalid week"),
        };
    }
    let all_units = ["YMD", "HMS"];
    for (index, part) in rest.split('T').enumerate() {
        if index > 0 && part.is_empty() {
            return fail("no time elements");
        }
        let Some(all) = all_units.get(index) else {
            return fail("more than one T");
        };
        let (mut units, mut part) = (*all, part);
        while !part.is_empty() {
            let after = part.trim_start_matches(|c: char| c.is_ascii_digit());
            if after.len() == part.len() {
                return fail("missing number");
            }
            let Some(unit) = after.chars().next() else {
                return fail("missing unit");
            };
            match units.find(unit) {
                Some(at) => units = &units[at + 1..],
                None if all.contains(unit) => return fail(format!("unit {unit:?} out of order")),
                None => return fail(format!("invalid unit {unit:?}")),
            }
            part = &after[unit.len_utf8()..];
        }
    }
    Ok(())
}

/// Reads what Go's `strconv.Atoi` reads, in the words of a time's mistake.
fn numbers<const N: usize>(text: &str, what: &str) -> Result<[i64; N], String> {
    let mut found = [0; N];
    let mut parts = text.splitn(N, ':');
    for place in &mut found {
        let part = parts.next().ok_or_else(|| format!("missing {what}"))?;
        let number: i64 = part.parse().map_err(|_| format!("invalid {what}"))?;
        if number < 0 {
            return Err(format!("non-positive {what}"));
        }
        *place = number;
    }
    Ok(found)
}

fn time(text: &str) -> Result<(), String> {
    if text.len() < 9 {
        return fail("less than 9 characters long");
    }
    let bytes = text.as_bytes();
    if bytes[2] != b':' || bytes[5] != b':' {
        return fail("missing colon in correct place");
    }
    let (Some(clock), Some(mut rest)) = (text.get(..8), text.get(8..)) else {
        return fail("invalid hour/min/sec");
    };
    let [mut hour, mut minute, second] = numbers(clock, "hour/min/sec")?;
    if hour > 23 || minute > 59 || second > 60 {
        return fail("hour/min/sec out of range");
    }
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
        if rest.len() == fraction.len() {
            return fail("no digits in second fraction");
        }
    }
    if !rest.eq_ignore_ascii_case("z") {
        if rest.len() != 6 {
            return fail("offset must be 6 characters long");
        }
        let (sign, offset) = match (rest.strip_prefix('+'), rest.strip_prefix('-')) {
            (Some(offset), _) => (-1, offset),
            (_, Some(offset)) => (1, offset),
            _ => return fail("offset must begin with plus/minus"),
        };
        if offset.as_bytes()[2] != b':' {
            return fail("missing colon in offset in correct place");
        }
        let [hours, minutes] = numbers(offset, "hour/min in offset")?;
        if hours > 23 || minutes > 59 {
            return fail("hour/min in offset out of range");
        }
        let mut all = (hour * 60 + minute) + sign * (hours * 60 + minutes);
        if all < 0 {
            all += 24 * 60;
        }
        (hour, minute) = (all / 60, all % 60);
    }
    if second >= 60 && (hour != 23 || minute != 59) {
        return fail("invalid leap second");
    }
    Ok(())
}

fn date_time(text: &str) -> Result<(), String> {
    if text.len() < 20 {
        return fail("less than 20 characters long");
    }
    if !matches!(text.as_bytes()[10], b't' | b'T') {
        return fail("11th character must be t or T");
    }
    let (Some(date), Some(clock)) = (text.get(..10), text.get(11..)) else {
        return fail("invalid");
    };
    template::check_date(date).map_err(|problem| format!("invalid date element: {problem}"))?;
    time(clock).map_err(|problem| format!("invalid time element: {problem}"))
}

fn uuid(text: &str) -> Result<(), String> {
    let lengths = [8, 4, 4, 4, 12];
    let groups: Vec<&str> = text.split('-').collect();
    if groups.len() != lengths.len() {
        return fail("must have 5 elements");
    }
    for (index, (group, length)) in groups.iter().zip(lengths).enumerate() {
        if group.len() != length {
            let number = index + 1;
            return fail(format!("element {number} must be {length} characters long"));
        }
        if let Some(character) = group.chars().find(|c| !c.is_ascii_hexdigit()) {
            return fail(format!("non-hex character {character:?}"));
        }
    }
    Ok(())
}

fn ipv4(text: &str) -> Result<(), String> {
    let groups: Vec<&str> = text.split('.').collect();
    if groups.len() != 4 {
        return fail("expected four decimals");
    }
    for group in groups {
        if group.len() > 1 && group.starts_with('0') {
            return fail("leading zeros");
        }
        match group.parse::<i64>() {
            Ok(0..=255) => {}
            Ok(_) => return fail("decimal must be between 0 and 255"),
            Err(_) => {
                return fail(format!("strconv.Atoi: parsing {group:?}: invalid syntax"));
            }
        }
    }
    Ok(())
}

fn hostname(text: &str) -> Result<(), String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.len() > 253 {
        return fail("more than 253 characters long");
    }
    for label in text.split('.') {
        if label.is_empty() || label.len() > 63 {
            return fail("label must be 1 to 63 characters long");
        }
        if label.starts_with('-') {
            return fail("label starts with hyphen");
        }
        if label.ends_with('-') {
            return fail("label ends with hyphen");
        }
        let allowed = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
        if let Some(character) = label.chars().find(|c| !allowed(c)) {
            return fail(format!("invalid character {character:?}"));
        }
    }
    Ok(())
}

fn email(text: &str) -> Result<(), String> {
    if text.len() > 254 {
        return fail("more than 255 characters long");
    }
    let Some((local, domain)) = text.rsplit_once('@') else {
        return fail("missing @");
    };
    if local.len() > 64 {
        return fail("local part more than 64 characters long");
    }
    if local.len() > 1 && local.starts_with('"') && local.ends_with('"') {
        if local[1..local.len() - 1].contains(['\\', '"']) {
            return fail("backslash and quote are not allowed within quoted local part");
        }
    } else {
        if local.starts_with('.') {
            return fail("starts with dot");
        }
        if local.ends_with('.') {
            return fail("ends with dot");
        }
        if local.contains("..") {
            return fail("consecutive dots");
        }
        let allowed = |c: &char| c.is_ascii_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(*c);
        if let Some(character) = local.chars().find(|c| !allowed(c)) {
            return fail(format!("invalid character {character:?}"));
        }
    }
    let bracketed = domain
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match bracketed {
        Some(address) => match address.strip_prefix("IPv6:") {
            Some(address) if address.parse::<std::net::Ipv6Addr>().is_ok() => Ok(()),
            Some(_) => fail("invalid ipv6 address: invalid"),
            None => ipv4(address).map_err(|problem| format!("invalid ipv4 address: {problem}")),
        },
        None => hostname(domain).map_err(|problem| format!("invalid domain: {problem}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named_as_the_library_names_them() {
        let table = [
            ("email", "abc", Err("missing @")),
            ("email", "x@y.z", Ok(())),
            (
                "email",
                "x@-y",
                Err("invalid domain: label starts with hyphen"),
            ),
            ("ipv4", "10.0.0", Err("expected four decimals")),
            (
                "ipv4",
                "10.0.0.256",
                Err("decimal must be between 0 and 255"),
            ),
            ("hostname", "a_b", Err("invalid character '_'")),
            ("uuid", "x", Err("must have 5 elements")),
            ("json-pointer", "a", Err("not starting with /")),
            ("json-pointer", "/a~", Err("~ must be followed by 0 or 1")),
            (
                "regex",
                "(",
                Err("error parsing regexp: missing closing ): `(`"),
            ),
        ];
        for (format, text, expected) in table {
            let found = problem(format, text).unwrap();
            assert_eq!(found, expected.map_err(str::to_owned), "{format} {text}");
        }
    }

    /// What is taken here without the crate, the crate takes too.
    #[test]
    fn common_addresses_are_taken_as_the_crate_takes_them() {
        let schema = |format: &str| serde_json::json!({ "format": format });
        let mut taken = 0;
        for format in ["uri", "uri-reference"] {
            let validator = jsonschema::options()
                .should_validate_formats(true)
                .build(&schema(format))
                .unwrap();
            for text in [
                "http://json-schema.org/draft-07/schema#",
                "https://example.com/a/../b~c_d-e",
                "http:///a",
                "http://",
                "#",
                "#/$defs/port",
                "#/a b",
                "#/a#b",
                "a/b",
                "a:b",
                "//host/a",
                "",
            ] {
                if problem(format, text) == Some(Ok(())) {
                    assert!(validator.is_valid(&text.into()), "{format} {text}");
                    taken += 1;
                }
            }
        }
        assert_eq!(taken, 7);
    }
}
