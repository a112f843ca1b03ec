//! Signatures against the standards' own vectors, and what is refused.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use attest::{
    Demands, Envelope, KeyError, KeyPlace, PAYLOAD_TYPE, PlaceError, PrivateKey, PublicKey,
    Signature, Statement, StatementError, VerifyError, pack, pae, sign, unpack, verify,
};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use verdict::report::{GateSummary, Report};

fn key_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/keys")
        .join(name)
}

fn pem(name: &str) -> String {
    std::fs::read_to_string(key_file(name)).expect("a committed key")
}

fn public(name: &str) -> PublicKey {
    PublicKey::from_pem(&pem(name)).expect("a key")
}

fn p256(hexadecimal: &str) -> PrivateKey {
    let bytes = hex::decode(hexadecimal).expect("hexadecimal");
    PrivateKey::P256(p256::ecdsa::SigningKey::from_slice(&bytes).expect("a scalar"))
}

/// A report of the published version, with what later versions added.
fn report() -> Report {
    let text = include_str!("../../verdict/tests/fixtures/report-v1.json");
    let mut report: Report = serde_json::from_str(text).expect("version 1 reads");
    report.brief.gate = Some(GateSummary {
        digest: format!("sha256:{}", "9".repeat(64)),
    });
    report.brief.dataset.manifest_digest = Some(format!("sha256:{}", "8".repeat(64)));
    report
}

fn statement() -> Statement {
    Statement::of_report(&report()).expect("a statement")
}

fn signed_by(name: &str) -> Envelope {
    let signer = KeyPlace::File(key_file(name)).signer().expect("a key");
    sign(&statement(), &signer).expect("signed")
}

#[test]
fn the_specifications_example_of_an_envelope_is_reproduced() {
    // protocol.md of DSSE v1.0.2, "Test Vectors".
    let key = p256("d73ec437fd6346e3619c5ebfdfff0f6916804955ad32ac9ac492b0ede1f6ffb7");
    let message = pae("http://example.com/HelloWorld", b"hello world");
    assert_eq!(
        message,
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    );
    let published = BASE64_STANDARD
        .decode("A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==")
        .expect("base64");
    assert!(key.public().verifies(&message, &published));
    let own = p256::ecdsa::Signature::from_der(&key.sign(&message)).expect("DER");
    assert_eq!(own.to_vec(), published);
}

#[test]
fn the_encoding_counts_bytes_and_keeps_any_payload() {
    assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
    let payload = [0xff, 0x00, b' ', 0xc3];
    assert_eq!(
        pae("ü", &payload),
        [b"DSSEv1 2 \xc3\xbc 4 ".as_slice(), &payload].concat()
    );
}

#[test]
fn ed25519_signs_as_rfc_8032_publishes() {
    // Section 7.1, tests 1 to 3: secret, public, message, signature.
    for (secret, public, message, signature) in [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ] {
        let bytes = |text: &str| hex::decode(text).expect("hexadecimal");
        let secret: [u8; 32] = bytes(secret).try_into().expect("32 bytes");
        let key = ed25519_dalek::SigningKey::from_bytes(&secret);
        assert_eq!(key.verifying_key().as_bytes().as_slice(), bytes(public));
        let key = PrivateKey::Ed25519(key);
        let (message, signature) = (bytes(message), bytes(signature));
        assert_eq!(key.sign(&message), signature);
        assert!(key.public().verifies(&message, &signature));
        assert!(!key.public().verifies(b"other", &signature));
    }
}

#[test]
fn ecdsa_signs_as_rfc_6979_publishes() {
    // Appendix A.2.5, SHA-256: message, r and s.
    let key = p256("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
    for (message, published) in [
        (
            "sample",
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
        ),
        (
            "test",
            "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
        ),
    ] {
        let own = p256::ecdsa::Signature::from_der(&key.sign(message.as_bytes())).expect("DER");
        assert_eq!(hex::encode(own.to_vec()), published);
        let fixed = hex::decode(published).expect("hexadecimal");
        assert!(key.public().verifies(message.as_bytes(), &fixed));
    }
}

#[test]
fn keys_and_signatures_of_openssl_are_understood() {
    // `openssl pkeyutl -sign -rawin` and `openssl dgst -sha256 -sign` over `hello`; ids by
    // `openssl pkey -pubin -outform DER | sha256sum`.
    for (name, id, signature) in [
        (
            "ed25519.pub",
            "d25cb125a05331fa99b89a5477d517b92b46ddcbc1837de2ae96a367935798db",
            "c8MVTcqIGtzqukwsAugjTTkTSv/fwXTJDCe2tXBsiBwUr5x6TC3l2CIwuTR5+pbbB0+RwDYeLWBbrSzoQ6bhCA==",
        ),
        (
            "p256.pub",
            "60e9a8134b58e597cdec0477df62ba9b0ad7275887f14c7d9c104c223846a027",
            "MEUCIQDu/nEORYulPgGiJY9ZqtH1Ku2dpEsI7AjbiEdy4+AJdwIgVZ5CDHHutoflBcfsmuFqipL97orNRLUjBfc1uF1ut4w=",
        ),
    ] {
        let key = public(name);
        assert_eq!(key.id(), id);
        let signature = BASE64_STANDARD.decode(signature).expect("base64");
        assert!(key.verifies(b"hello", &signature), "{name}");
        assert!(!key.verifies(b"hellp", &signature), "{name}");
    }
    for name in ["p256.pem", "p256-sec1.pem"] {
        let key = PrivateKey::from_pem(&pem(name)).expect(name);
        assert_eq!(key.public(), public("p256.pub"), "{name}");
    }
    let key = PrivateKey::from_pem(&pem("ed25519.pem")).expect("a key");
    assert_eq!(key.public(), public("ed25519.pub"));
}

#[test]
fn keys_that_will_not_do_are_refused_without_a_word_of_them() {
    let private = |name: &str| PrivateKey::from_pem(&pem(name)).err();
    assert_eq!(private("encrypted.pem"), Some(KeyError::Encrypted));
    assert_eq!(
        private("p384.pem"),
        Some(KeyError::Algorithm {
            algorithm: "1.3.132.0.34".into()
        })
    );
    assert!(matches!(
        private("ed25519.pub"),
        Some(KeyError::OtherKind { .. })
    ));
    assert!(matches!(
        PublicKey::from_pem(&pem("rsa.pub")),
        Err(KeyError::Algorithm { .. })
    ));
    let confused = PublicKey::from_pem(&pem("ed25519.pem")).expect_err("a private key");
    assert!(confused.hint().is_some_and(|hint| hint.contains("-pubout")));
    for text in [
        "",
        "secret",
        "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----",
    ] {
        let error = PrivateKey::from_pem(text).expect_err("no key");
        assert!(!format!("{error:?}{error}").contains("secret"), "{error:?}");
        assert!(
            !format!("{error:?}{error}").contains("c2VjcmV0"),
            "{error:?}"
        );
    }
    let key = PrivateKey::from_pem(&pem("ed25519.pem")).expect("a key");
    let PrivateKey::Ed25519(inner) = &key else {
        panic!("an Ed25519 key")
    };
    let debug = format!("{key:?}");
    assert!(!debug.contains(&hex::encode(inner.to_bytes())), "{debug}");
    assert_eq!(debug, format!("PrivateKey({})", key.public().id()));
}

#[test]
fn a_signed_verdict_is_verified_by_its_own_key_alone() {
    for (private, name) in [("ed25519.pem", "ed25519.pub"), ("p256.pem", "p256.pub")] {
        let envelope = signed_by(private);
        assert_eq!(envelope.payload_type, PAYLOAD_TYPE);
        let read = Envelope::parse(&envelope.to_json()).expect("reads");
        assert_eq!(read, envelope);
        let verified = verify(&read, &[public(name)]).expect("verified");
        assert_eq!(verified.statement, statement());
        assert_eq!(verified.key_id, public(name).id());
        let both = [public("ed25519.pub"), public("p256.pub")];
        assert!(verify(&read, &both).is_ok());
        let other = both.into_iter().filter(|key| *key != public(name));
        let other: Vec<PublicKey> = other.collect();
        assert!(matches!(
            verify(&read, &other),
            Err(VerifyError::UnknownKey { .. })
        ));
        assert!(matches!(
            verify(&read, &[]),
            Err(VerifyError::UnknownKey { .. })
        ));
    }
}

#[test]
fn the_statement_names_model_data_gate_numbers_versions_and_times() {
    let value: serde_json::Value = serde_json::from_str(&statement().to_json()).expect("JSON");
    let report = report();
    assert_eq!(value["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(value["predicateType"], "urn:validator:verdict:v1");
    assert_eq!(
        value["subject"][0]["digest"]["sha256"].as_str(),
        report.brief.model.sha256.as_deref()
    );
    let predicate = &value["predicate"];
    assert_eq!(
        predicate["dataset"]["digest"].as_str(),
        report.brief.dataset.digest.as_deref()
    );
    assert_eq!(
        predicate["gate"]["digest"],
        format!("sha256:{}", "9".repeat(64))
    );
    assert_eq!(
        predicate["checks"][0]["value"].as_f64(),
        report.brief.checks[0].value
    );
    assert_eq!(
        predicate["versions"]["validator"],
        report.brief.validator_version
    );
    assert!(predicate["started_at"].as_str() < predicate["finished_at"].as_str());
}

#[test]
fn what_is_changed_reused_or_no_verdict_is_refused() {
    let keys = [public("ed25519.pub")];
    let good = signed_by("ed25519.pem");
    let text = String::from_utf8(good.payload_bytes().expect("base64")).expect("text");
    let changed = Envelope {
        payload: BASE64_STANDARD.encode(text.replace("\"pass\"", "\"fail\"")),
        ..good.clone()
    };
    assert!(matches!(
        verify(&changed, &keys),
        Err(VerifyError::Changed { .. })
    ));
    // The type is signed, too.
    let other_type = Envelope {
        payload_type: "text/plain".into(),
        ..good.clone()
    };
    assert!(matches!(
        verify(&other_type, &keys),
        Err(VerifyError::PayloadType { .. })
    ));
    let unsigned = Envelope {
        signatures: Vec::new(),
        ..good.clone()
    };
    assert!(matches!(
        verify(&unsigned, &keys),
        Err(VerifyError::Unsigned)
    ));
    // A good signature of something else.
    let PrivateKey::Ed25519(key) = PrivateKey::from_pem(&pem("ed25519.pem")).expect("a key") else {
        panic!("an Ed25519 key")
    };
    for payload in [
        "{}".to_owned(),
        text.replace("urn:validator:verdict:v1", "urn:other"),
        text.replace(
            "\"predicate\":{\"schema_version\":1",
            "\"predicate\":{\"schema_version\":2",
        ),
    ] {
        let message = pae(PAYLOAD_TYPE, payload.as_bytes());
        let signature = PrivateKey::Ed25519(key.clone()).sign(&message);
        let envelope = Envelope {
            payload_type: PAYLOAD_TYPE.into(),
            payload: BASE64_STANDARD.encode(&payload),
            signatures: vec![Signature {
                keyid: String::new(),
                sig: BASE64_STANDARD.encode(signature),
            }],
        };
        assert!(
            matches!(verify(&envelope, &keys), Err(VerifyError::Statement(_))),
            "{payload}"
        );
    }
    let mut report = report();
    report.brief.gate = None;
    assert!(matches!(
        Statement::of_report(&report),
        Err(StatementError::Missing { .. })
    ));
    report.brief.outcome = verdict::report::Outcome::Error;
    assert!(matches!(
        Statement::of_report(&report),
        Err(StatementError::NoVerdict)
    ));
}

#[test]
fn a_signature_among_others_and_in_either_base64_counts() {
    let mut envelope = signed_by("p256.pem");
    let signature = BASE64_STANDARD
        .decode(&envelope.signatures[0].sig)
        .expect("base64");
    envelope.signatures[0].sig = BASE64_URL_SAFE_NO_PAD.encode(signature);
    let payload = envelope.payload_bytes().expect("base64");
    envelope.payload = BASE64_URL_SAFE_NO_PAD.encode(payload);
    envelope.signatures.insert(
        0,
        Signature {
            keyid: public("p256.pub").id(),
            sig: "!".into(),
        },
    );
    assert!(verify(&envelope, &[public("p256.pub")]).is_ok());
}

#[test]
fn demands_are_judged_one_by_one() {
    let statement = statement();
    let finished = statement.predicate.finished_at;
    let met = |demands: &Demands, now: DateTime<Utc>| {
        let conditions = demands.judge(&statement, now);
        let unmet = conditions.iter().filter(|condition| !condition.met);
        unmet.map(|condition| condition.name).collect::<Vec<_>>()
    };
    let all = Demands {
        model_sha256: statement.model_sha256().map(str::to_uppercase),
        dataset_digest: statement.predicate.dataset.digest.clone(),
        gate_digest: Some(statement.predicate.gate.digest.clone()),
        max_age: Some(Duration::from_secs(3600)),
        ..Demands::default()
    };
    assert_eq!(all.judge(&statement, finished).len(), 5);
    assert_eq!(met(&all, finished), Vec::<&str>::new());
    assert_eq!(met(&all, finished + TimeDelta::hours(2)), ["age"]);
    assert_eq!(met(&all, finished - TimeDelta::hours(2)), ["age"]);
    let manifest = Demands {
        dataset_digest: statement.predicate.dataset.manifest_digest.clone(),
        ..Demands::default()
    };
    assert_eq!(met(&manifest, finished), Vec::<&str>::new());
    let other = Demands {
        model_sha256: Some("00".into()),
        dataset_digest: Some("sha256:00".into()),
        gate_digest: Some("sha256:00".into()),
        ..Demands::default()
    };
    assert_eq!(met(&other, finished), ["model", "dataset", "gate"]);
    let mut failed = statement.clone();
    failed.predicate.outcome = verdict::report::Outcome::Fail;
    let conditions = Demands::default().judge(&failed, finished);
    assert!(!conditions[0].met, "{conditions:?}");
}

#[test]
fn a_packed_envelope_is_the_same_and_smaller() {
    let envelope = signed_by("ed25519.pem");
    let packed = pack(&envelope).expect("packed");
    let unpacked = unpack(&packed).expect("unpacked");
    assert!(
        packed.len() < envelope.to_json().len() * 2 / 3,
        "{}",
        packed.len()
    );
    assert!(verify(&unpacked, &[public("ed25519.pub")]).is_ok());
    assert_eq!(unpacked, envelope);
    for text in ["", "AAAA", "!"] {
        assert!(unpack(text).is_err(), "{text}");
    }
}

#[test]
fn places_are_read_and_never_show_a_key() {
    let parse = |text: &str| KeyPlace::parse(text).expect(text);
    assert_eq!(parse("file:/a b"), KeyPlace::File("/a b".into()));
    assert_eq!(
        parse("keys/gate.pub"),
        KeyPlace::File("keys/gate.pub".into())
    );
    assert_eq!(parse("env:KEY"), KeyPlace::Variable("KEY".into()));
    assert_eq!(
        parse("exec:kms --key 1"),
        KeyPlace::Program(["kms", "--key", "1"].map(String::from).to_vec())
    );
    for text in ["", "file:", "env:", "exec: "] {
        assert!(
            matches!(KeyPlace::parse(text), Err(PlaceError::Nowhere { .. })),
            "{text}"
        );
    }
    let itself = KeyPlace::parse(&pem("ed25519.pem")).expect_err("a key, not its place");
    assert!(!itself.to_string().contains("MC4C"), "{itself}");
    assert!(parse("env:NOT_SET_ANYWHERE").signer().is_err());
    assert!(parse("file:/does/not/exist").public_key().is_err());
}

/// A program in front of a key, as one in front of a key store would be.
fn keeper(folder: &std::path::Path, sign: &str) -> KeyPlace {
    let path = folder.join("keeper");
    let (private, public) = (key_file("p256.pem"), key_file("p256.pub"));
    let script = format!(
        "#!/bin/sh\ncase \"$1\" in\npublic-key) cat {};;\nsign) {};;\nesac\n",
        public.display(),
        sign.replace("KEY", &private.display().to_string())
    );
    std::fs::write(&path, script).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("changed");
    KeyPlace::Program(vec![path.display().to_string()])
}

#[test]
fn a_program_that_keeps_the_key_signs() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = keeper(folder.path(), "openssl dgst -sha256 -sign KEY | base64");
    let envelope = sign(&statement(), &place.signer().expect("a key")).expect("signed");
    assert!(verify(&envelope, &[place.public_key().expect("a key")]).is_ok());
}

#[test]
fn a_program_that_fails_or_signs_something_else_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    for (sign_by, part) in [
        (
            "cat >/dev/null; echo no permission >&2; exit 3",
            "no permission",
        ),
        ("cat >/dev/null; echo '!!'", "no base64"),
        ("cat >/dev/null; echo AAAA", "not one of its public key"),
    ] {
        let signer = keeper(folder.path(), sign_by).signer().expect("a key");
        let error = sign(&statement(), &signer).expect_err("refused");
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        assert!(text.contains(part), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_an_envelope_or_an_error(text in ".{0,400}") {
        let _ = Envelope::parse(&text).map(|envelope| verify(&envelope, &[public("p256.pub")]));
        let _ = unpack(&text);
        let _ = PublicKey::from_pem(&text);
        let _ = PrivateKey::from_pem(&text);
        let _ = Statement::parse(text.as_bytes());
    }

    #[test]
    fn a_flipped_bit_of_payload_or_signature_is_noticed(position in 0_usize..4096, bit in 0_u8..8) {
        let good = signed_by("ed25519.pem");
        let mut payload = good.payload_bytes().expect("base64");
        let mut signature = BASE64_STANDARD.decode(&good.signatures[0].sig).expect("base64");
        let place = position % (payload.len() + signature.len());
        match payload.get_mut(place) {
            Some(byte) => *byte ^= 1_u8 << bit,
            None => signature[place - payload.len()] ^= 1_u8 << bit,
        }
        let envelope = Envelope {
            payload: BASE64_STANDARD.encode(payload),
            signatures: vec![Signature {
                keyid: String::new(),
                sig: BASE64_STANDARD.encode(signature),
            }],
            ..good
        };
        prop_assert!(verify(&envelope, &[public("ed25519.pub")]).is_err());
    }
}
