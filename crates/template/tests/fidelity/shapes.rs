//! Random results, and those of the clock, are judged by their shape, and by Helm's reading of them.

use std::collections::BTreeMap;

use template::{Compat, Options, Templates, Value};

use crate::oracle::{Oracle, Request};

fn here(text: &str) -> String {
    let mut templates = Templates::new(Options::default());
    templates.parse("t", text).expect("it parses");
    templates
        .execute("t", &Value::map(BTreeMap::new()))
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn random_texts_have_their_length_and_alphabet() {
    type Fits = fn(char) -> bool;
    let alphabets: [(&str, Fits); 4] = [
        ("randAlpha", |next| next.is_ascii_alphabetic()),
        ("randNumeric", |next| next.is_ascii_digit()),
        ("randAlphaNum", |next| next.is_ascii_alphanumeric()),
        ("randAscii", |next| matches!(next, ' '..='~')),
    ];
    for (name, fits) in alphabets {
        let text = here(&format!("{{{{ {name} 500 }}}}"));
        assert!(
            text.chars().count() == 500 && text.chars().all(fits),
            "{name}: {text}"
        );
        assert_ne!(text, here(&format!("{{{{ {name} 500 }}}}")), "{name}");
    }
    assert_eq!(here("{{ randBytes 31 | b64dec | len }}"), "31");
    for _ in 0..50 {
        let number: i64 = here("{{ randInt -3 4 }}").parse().expect("a number");
        assert!((-3..4).contains(&number), "{number}");
    }
    let uuid = here("{{ uuidv4 }}");
    let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12], "{uuid}");
    assert!(
        uuid.as_bytes()[14] == b'4' && b"89ab".contains(&uuid.as_bytes()[19]),
        "{uuid}"
    );
    let mut shuffled: Vec<char> = here("{{ shuffle \"abcdefghij\" }}").chars().collect();
    shuffled.sort_unstable();
    assert_eq!(shuffled.into_iter().collect::<String>(), "abcdefghij");
}

#[test]
fn passwords_verify() {
    let hashed = here("{{ bcrypt \"secret\" }}");
    assert!(
        bcrypt::verify("secret", &hashed).expect("a hash"),
        "{hashed}"
    );
    let line = here("{{ htpasswd \"user\" \"secret\" }}");
    let hashed = line.strip_prefix("user:").expect("the user comes first");
    assert!(bcrypt::verify("secret", hashed).expect("a hash"), "{line}");
}

#[test]
fn helm_decrypts_what_is_encrypted_here() {
    let Some(oracle) = Oracle::find(Compat::Helm3) else {
        return;
    };
    let texts = [
        "",
        "a",
        "sixteen bytes xx",
        "日本語 and more than one block of text",
    ];
    let requests: Vec<Request> = texts
        .iter()
        .map(|text| {
            let sealed = here(&format!("{{{{ encryptAES \"key\" {text:?} }}}}"));
            Request::new(
                format!("{{{{ decryptAES \"key\" {sealed:?} }}}}"),
                &Value::Nil,
            )
        })
        .collect();
    let opened = oracle.ask_anew(&requests);
    for (text, opened) in texts.iter().zip(opened) {
        assert_eq!(opened, Ok(text.as_bytes().to_vec()));
    }
}
