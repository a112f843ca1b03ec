//! Reading YAML and writing it again.

use template::yaml::{self, Data};

use crate::input::text;

pub(crate) const WORDS: &[&str] = &[
    "---\n",
    "...\n",
    "- ",
    ": ",
    "? ",
    "|-\n  ",
    ">+\n  ",
    "|2\n",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "!!binary ",
    "!!int ",
    "!<tag:yaml.org,2002:float> ",
    "%YAML 1.1\n",
    "%TAG ! tag:x,2000:\n",
    "\"\\u2028\"",
    "\"\\x85\"",
    "''",
    "{a: 1, b: [c]}",
    "[",
    "]",
    "{",
    "}",
    "yes",
    "off",
    "~",
    "null",
    "0o17",
    "017",
    "0x1F",
    "0b11",
    "1_000",
    "1:30",
    ".inf",
    "-.Inf",
    ".nan",
    "1e3",
    "+.5",
    "18446744073709551615",
    "9007199254740993",
    "-0",
    "2001-12-14t21:59:43.10-05:00",
    "# comment\n",
    "\t",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "\r\n",
    " #",
    "\n  ",
];

/// What is read is written so that it is read as the same value; a second writing gives the same text.
pub(crate) fn round_trip(bytes: &[u8]) {
    let text = text(bytes);
    let _ = yaml::parse_documents(&text);
    let Ok(value) = yaml::parse(&text) else {
        return;
    };
    let Ok(written) = yaml::try_emit(&value) else {
        return;
    };
    // Helm writes these breaks as blanks between quotes: the value that is read is another one.
    let shown = format!("{:?}", Data::from_value(&value));
    if ["\\u{85}", "\\u{2028}", "\\u{2029}"]
        .iter()
        .any(|mark| shown.contains(mark))
    {
        return;
    }
    let again = match yaml::parse(&written) {
        Ok(again) => again,
        Err(error) => panic!("what was written cannot be read: {error}\n{written}"),
    };
    assert_eq!(
        Data::from_value(&again),
        Data::from_value(&value),
        "read otherwise than written:\n{written}"
    );
    assert_eq!(yaml::emit(&again), written, "written twice, differently");
    let pretty = yaml::emit_pretty(&value);
    assert!(!pretty.is_empty(), "`toYamlPretty` wrote nothing");
}
