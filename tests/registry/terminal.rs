//! Passwords that are typed at a terminal, which `script` plays.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use harness::{binaries, skip};

use crate::home::Home;

#[test]
fn ctrl_c_at_the_password_leaves_the_terminal_as_it_was() -> Result<()> {
    if Command::new("script").arg("--version").output().is_err() {
        return skip::aloud("no `script` (util-linux), which plays the terminal");
    }
    let home = Home::new()?;
    let deployer = binaries::path("deployer")?;
    // The shell outlives the signal, and tells what became of the program and of the terminal.
    let line = format!(
        "trap : INT; {} registry login 127.0.0.1:9 -u me; echo code $?; stty -a",
        deployer.display()
    );
    let mut child = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env("HELM_CONFIG_HOME", home.path("config"))
        .env("HOME", home.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut keys = child.stdin.take().context("stdin")?;
    let mut screen = child.stdout.take().context("stdout")?;
    let (mut text, mut buffer, mut interrupted) = (String::new(), [0; 4096], false);
    loop {
        match screen.read(&mut buffer)? {
            0 => break,
            count => text.push_str(&String::from_utf8_lossy(&buffer[..count])),
        }
        // What is typed is hidden before the question is asked.
        if !interrupted && text.contains("Password:") {
            keys.write_all(b"\x03")?;
            keys.flush()?;
            interrupted = true;
        }
    }
    child.wait()?;
    ensure!(interrupted, "no password was asked for:\n{text}");
    ensure!(text.contains("code 130"), "{text}");
    let words: Vec<&str> = text.split_whitespace().collect();
    ensure!(
        words.contains(&"echo"),
        "what is typed stays hidden:\n{text}"
    );
    Ok(())
}
