//! Signed charts: what we sign Helm 3 verifies, what Helm signs we verify, and nothing else counts.

use std::path::{Path, PathBuf};

use anyhow::Result;
use harness::cluster::{Helm, demand};
use harness::command::{Output, Program};
use harness::{binaries, skip, workspace};
use tempfile::TempDir;

fn key(name: &str) -> String {
    let path = workspace::root().join("tests/keys").join(name);
    path.display().to_string()
}

/// A folder with a signed chart.
struct Signed {
    folder: TempDir,
}

impl Signed {
    fn by(program: Program, flags: &[&str]) -> Result<(Self, Output)> {
        let folder = tempfile::tempdir()?;
        let secring = key("secring.gpg");
        let output = program
            .arg("package")
            .arg(workspace::test_chart("config-only"))
            .args(["--sign", "--keyring", secring.as_str()])
            .args(flags)
            .folder(folder.path())
            .run()?;
        Ok((Self { folder }, output))
    }

    fn archive(&self) -> Result<PathBuf> {
        let mut entries = std::fs::read_dir(self.folder.path())?.flatten();
        let is_archive = |path: &Path| path.extension().is_some_and(|extension| extension == "tgz");
        entries
            .find_map(|entry| Some(entry.path()).filter(|path| is_archive(path)))
            .ok_or_else(|| anyhow::anyhow!("nothing was packaged"))
    }

    fn verify(&self, program: Program, keyring: &str) -> Result<Output> {
        program
            .arg("verify")
            .arg(self.archive()?)
            .args(["--keyring", key(keyring).as_str()])
            .run()
    }
}

fn ours() -> Result<Program> {
    Ok(Program::new(binaries::path("deployer")?))
}

#[test]
fn both_helms_and_we_verify_what_the_others_sign() -> Result<()> {
    let passphrase = tempfile::NamedTempFile::new()?;
    std::fs::write(passphrase.path(), "correct horse\n")?;
    let file = passphrase.path().display().to_string();
    let keys: [(&str, &str, &[&str]); 3] = [
        ("Chart Signer", "pubring.gpg", &[]),
        (
            "locked@example.com",
            "pubring.gpg",
            &["--passphrase-file", file.as_str()],
        ),
        ("Other Signer <other@example.com>", "other.gpg", &[]),
    ];
    for (name, keyring, flags) in keys {
        let flags = [&["--key", name], flags].concat();
        let (signed, output) = Signed::by(ours()?, &flags)?;
        demand(output.code() == Some(0), || output.describe())?;
        let verified = signed.verify(ours()?, keyring)?;
        demand(verified.code() == Some(0), || verified.describe())?;
        for helm in Helm::ALL {
            let Some(program) = helm.program() else {
                skip::aloud(&format!("E2E_BIN has no `{}`", helm.name()))?;
                continue;
            };
            let theirs = signed.verify(program.clone(), keyring)?;
            demand(theirs.code() == Some(0), || theirs.describe())?;
            demand(theirs.stdout == verified.stdout, || {
                format!("{}\nis not\n{}", verified.describe(), theirs.describe())
            })?;
            let (signed, output) = Signed::by(program, &flags)?;
            demand(output.code() == Some(0), || output.describe())?;
            let verified = signed.verify(ours()?, keyring)?;
            demand(verified.code() == Some(0), || verified.describe())?;
        }
    }
    Ok(())
}

#[test]
fn a_signature_that_does_not_hold_is_told_apart() -> Result<()> {
    let (signed, output) = Signed::by(ours()?, &["--key", "Chart Signer"])?;
    demand(output.code() == Some(0), || output.describe())?;
    let archive = signed.archive()?;
    let good = std::fs::read(&archive)?;
    let provenance = archive.with_extension("tgz.prov");
    let text = std::fs::read_to_string(&provenance)?;
    let refused = |part: &str| -> Result<()> {
        let output = signed.verify(ours()?, "pubring.gpg")?;
        output.is_orderly()?.says(&[part])?;
        demand(output.code() != Some(0), || output.describe())
    };

    signed.verify(ours()?, "pubring.asc")?.says(&[])?;
    let unknown = signed.verify(ours()?, "other.gpg")?;
    unknown.is_orderly()?.says(&["unknown entity"])?;
    demand(unknown.code() == Some(1), || unknown.describe())?;

    std::fs::write(&archive, [good.as_slice(), b"x"].concat())?;
    refused("sha256 sum does not match")?;
    std::fs::write(&archive, &good)?;
    std::fs::write(
        &provenance,
        text.replace("name: config-only", "name: other-chart"),
    )?;
    refused("invalid signature")?;
    std::fs::write(&provenance, "no signature\n")?;
    refused("signature block not found")?;
    std::fs::remove_file(&provenance)?;
    refused("could not load provenance file")?;

    std::fs::write(archive.with_file_name("renamed.tgz.prov"), &text)?;
    std::fs::rename(&archive, archive.with_file_name("renamed.tgz"))?;
    refused("provenance does not contain a SHA for a file named")?;
    Ok(())
}

#[test]
fn keys_that_cannot_sign_are_refused_and_nothing_is_written() -> Result<()> {
    let wrong = tempfile::NamedTempFile::new()?;
    std::fs::write(wrong.path(), "wrong\n")?;
    let wrong = wrong.path().display().to_string();
    let cases: [(&[&str], &str); 5] = [
        (&[], "--key is required"),
        (&["--key", "Nobody"], "private key not found"),
        (&["--key", "Signer"], "more than one key"),
        (&["--key", "Locked"], "passphrase"),
        (
            &["--key", "Locked", "--passphrase-file", wrong.as_str()],
            "passphrase is wrong",
        ),
    ];
    for (flags, part) in cases {
        let (signed, output) = Signed::by(ours()?, flags)?;
        output.is_orderly()?.says(&[part])?;
        demand(output.code() == Some(2), || output.describe())?;
        demand(signed.archive().is_err(), || {
            "an archive was written".to_owned()
        })?;
    }
    Ok(())
}

#[test]
fn a_chart_that_has_to_be_verified_is_used_only_then() -> Result<()> {
    let (signed, _) = Signed::by(ours()?, &["--key", "Chart Signer"])?;
    let template = |keyring: &str| {
        ours()?
            .args(["template", "demo"])
            .arg(signed.archive()?)
            .args(["--verify", "--keyring", key(keyring).as_str()])
            .run()
    };
    let good = template("pubring.gpg")?;
    demand(good.code() == Some(0), || good.describe())?;
    let bad = template("other.gpg")?;
    bad.is_orderly()?.says(&["unknown entity"])?;
    demand(bad.code() != Some(0) && bad.stdout.is_empty(), || {
        bad.describe()
    })
}
