//! Every command and every flag that Helm's `--help` names is taken here.

use std::collections::BTreeSet;

use anyhow::Result;
use harness::cluster::{Helm, demand};

use crate::commands::Bench;

/// What Helm has for its plugins, its own variables and the web's index of charts.
const NOT_HERE: [&str; 4] = ["env", "help", "plugin", "search hub"];

/// What the help of a command of Helm's names.
struct Help {
    commands: Vec<String>,
    flags: BTreeSet<String>,
}

fn help(bench: &Bench, command: &[&str]) -> Result<Help> {
    let output = bench.run(bench.helm.clone(), &[command, &["--help"]].concat())?;
    let mut help = Help {
        commands: Vec::new(),
        flags: BTreeSet::new(),
    };
    let mut section = "";
    for line in output.stdout.lines() {
        if !line.starts_with(' ') && line.ends_with(':') {
            section = line;
            continue;
        }
        let mut words = line.split_whitespace();
        match section {
            "Available Commands:" => help.commands.extend(words.next().map(str::to_owned)),
            // Those of every command are tried with one of them.
            "Global Flags:" if command != ["version"] => {}
            "Flags:" | "Global Flags:" => {
                let names = words.map(|word| word.trim_end_matches(','));
                let names = names.take_while(|word| word.starts_with('-'));
                help.flags.extend(names.map(str::to_owned));
            }
            _ => {}
        }
    }
    Ok(help)
}

/// Collects what is not taken of a command and those below it; returns how many flags were tried.
fn compare(bench: &Bench, command: &[&str], missing: &mut Vec<String>) -> Result<usize> {
    let name = command.join(" ");
    if NOT_HERE.contains(&name.as_str()) {
        return Ok(0);
    }
    let help = help(bench, command)?;
    let mut tried = 0;
    if help.commands.is_empty() {
        for flag in &help.flags {
            // Nothing is done: the help is asked for, or the flag lacks its value.
            let arguments = [command, &[flag, "--help"]].concat();
            let output = bench.run(bench.ours()?, &arguments)?;
            let unknown = ["unexpected argument", "unrecognized subcommand"];
            if unknown.iter().any(|words| output.stderr.contains(words)) {
                missing.push(format!("{name} {flag}"));
            }
            tried += 1;
        }
    }
    for below in &help.commands {
        tried += compare(bench, &[command, &[below]].concat(), missing)?;
    }
    Ok(tried)
}

#[test]
fn every_flag_of_every_command_of_helm_is_taken() -> Result<()> {
    for helm in Helm::ALL {
        let Some(bench) = Bench::beside(helm)? else {
            continue;
        };
        let mut missing = Vec::new();
        let tried = compare(&bench, &[], &mut missing)?;
        println!("{}: {tried} flags tried", helm.name());
        demand(missing.is_empty() && tried > 200, || {
            format!(
                "{} of {tried} flags of {} are not taken:\n{}",
                missing.len(),
                helm.name(),
                missing.join("\n")
            )
        })?;
    }
    Ok(())
}
