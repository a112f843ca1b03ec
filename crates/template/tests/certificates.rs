//! Certificates and keys, read back by another implementation where there is one.

#![expect(
    clippy::print_stdout,
    reason = "a test says what it compared or skipped"
)]

use std::{collections::BTreeMap, io::Write as _, process::Command};

use template::{Options, Templates, Value};

fn execute(text: &str) -> String {
    let mut templates = Templates::new(Options::default());
    templates.parse("t", text).expect("it parses");
    templates
        .execute("t", &Value::map(BTreeMap::new()))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Runs `openssl` on files with the given texts; `None` where it is absent.
fn openssl(arguments: &[&str], files: &[(&str, &str)]) -> Option<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        let mut file = std::fs::File::create(folder.path().join(name)).expect("a writable folder");
        file.write_all(text.as_bytes()).expect("a writable file");
    }
    let Ok(output) = Command::new("openssl")
        .args(arguments)
        .current_dir(folder.path())
        .output()
    else {
        println!("NOT RUN: there is no openssl");
        return None;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(text)
}

#[test]
fn an_authority_signs_a_certificate_that_verifies() {
    let output = execute(
        "{{$ca := genCA \"my-ca\" 365}}{{$c := genSignedCert \"svc\" (list \"10.0.0.1\" \"::1\") (list \"a.b\" \"c\") 30 $ca}}\
         {{$ca.Cert}}=={{$c.Cert}}=={{$c.Key}}",
    );
    let certificates: Vec<String> = output
        .split("-----BEGIN ")
        .skip(1)
        .map(|part| format!("-----BEGIN {}", part.trim_end_matches('=')))
        .collect();
    let files = [
        ("ca.pem", certificates[0].as_str()),
        ("c.pem", &certificates[1]),
        ("k.pem", &certificates[2]),
    ];
    let Some(verified) = openssl(&["verify", "-CAfile", "ca.pem", "c.pem"], &files) else {
        return;
    };
    assert!(verified.contains("OK"), "{verified}");
    let shown = openssl(&["x509", "-in", "c.pem", "-noout", "-text"], &files).unwrap_or_default();
    for part in [
        "CN",
        "svc",
        "DNS:a.b, DNS:c, IP Address:10.0.0.1",
        "TLS Web Client Authentication",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    openssl(&["rsa", "-in", "k.pem", "-check", "-noout"], &files);
}

#[test]
fn keys_of_every_kind_are_read_back() {
    for (kind, label) in [("ecdsa", "EC PRIVATE KEY"), ("ed25519", "PRIVATE KEY")] {
        let output = execute(&format!(
            "{{{{$k := genPrivateKey \"{kind}\"}}}}{{{{$k}}}}{{{{(genCAWithKey \"x\" 1 $k).Cert}}}}"
        ));
        assert!(
            output.starts_with(&format!("-----BEGIN {label}-----")),
            "{output}"
        );
        let (key, certificate) = output
            .split_once("-----BEGIN CERTIFICATE")
            .expect("a certificate");
        let certificate = format!("-----BEGIN CERTIFICATE{certificate}");
        let files = [("k.pem", key), ("c.pem", certificate.as_str())];
        let Some(verified) = openssl(&["verify", "-CAfile", "c.pem", "c.pem"], &files) else {
            return;
        };
        assert!(verified.contains("OK"), "{verified}");
        openssl(&["pkey", "-in", "k.pem", "-noout"], &files);
    }
    let custom = execute(
        "{{$ca := genCA \"x\" 1}}{{$b := buildCustomCert ($ca.Cert | b64enc) ($ca.Key | b64enc)}}{{eq $b.Cert $ca.Cert}}",
    );
    assert_eq!(custom, "true");
}
