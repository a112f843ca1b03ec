//! Random values as YAML in flow style.

use crate::random::Random;

pub(crate) const KEYS: &[&str] = &["a", "b", "c", "enabled", "global", "image"];

/// A mapping; `extra` are more keys to choose from.
pub(crate) fn map(random: &mut Random, depth: usize, extra: &[&str]) -> String {
    let mut entries: Vec<(String, String)> = Vec::new();
    for _ in 0..=random.below(5) {
        let key = if !extra.is_empty() && random.chance(40) {
            random.pick(extra)
        } else {
            random.pick(KEYS)
        };
        if entries.iter().any(|(known, _)| known == key) {
            continue;
        }
        let value = match key {
            "global" | "tags" | "exports" if depth > 0 && random.chance(92) => {
                map(random, depth - 1, extra)
            }
            _ if depth > 0 && extra.contains(&key) && random.chance(85) => {
                map(random, depth - 1, extra)
            }
            _ => value(random, depth, extra),
        };
        entries.push((key.to_owned(), value));
    }
    let entries: Vec<String> = entries
        .iter()
        .map(|(key, value)| format!("{key}: {value}"))
        .collect();
    format!("{{{}}}", entries.join(", "))
}

fn value(random: &mut Random, depth: usize, extra: &[&str]) -> String {
    if depth > 0 && random.chance(45) {
        return map(random, depth - 1, extra);
    }
    if random.chance(10) {
        let (first, second) = (scalar(random), scalar(random));
        return format!("[{first}, {second}]");
    }
    scalar(random)
}

pub(crate) fn scalar(random: &mut Random) -> String {
    random
        .pick(&[
            "null",
            "true",
            "false",
            "1",
            "0",
            "-3",
            "1.5",
            "1e6",
            "text",
            "\"1\"",
            "''",
            "~",
            "null",
            "{}",
            "[]",
            "100000000",
            "0.00001",
            "1234567890123456789",
            "yes",
            "0x1f",
        ])
        .to_owned()
}
