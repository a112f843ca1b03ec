//! What a person at a terminal sees: a block that is drawn anew, and what stays of it.

use std::process::Command;

use anyhow::Result;
use harness::cluster::demand;
use harness::command::Program;
use serde_json::json;

use crate::room::{self, Room, SERVE, SUCCEED, config_map, hook};

/// The lines of a terminal, as far as our block moves in them.
#[derive(Debug)]
struct Screen {
    lines: Vec<String>,
    row: usize,
    column: usize,
    /// The widest line that was ever written.
    widest: usize,
    /// How often the cursor went up to draw anew.
    redrawn: usize,
}

impl Screen {
    /// Plays what a program wrote to its terminal.
    ///
    /// # Errors
    /// Names a control sequence that is not used on purpose.
    fn play(output: &str) -> Result<Self> {
        let mut screen = Self {
            lines: vec![String::new()],
            row: 0,
            column: 0,
            widest: 0,
            redrawn: 0,
        };
        let mut characters = output.chars();
        while let Some(character) = characters.next() {
            match character {
                '\n' => {
                    screen.row += 1;
                    if screen.row == screen.lines.len() {
                        screen.lines.push(String::new());
                    }
                }
                '\r' => screen.column = 0,
                '\u{1b}' => {
                    let sequence: String = characters.by_ref().take(1).collect();
                    demand(sequence == "[", || format!("escape {sequence:?}"))?;
                    let mut parameters = String::new();
                    let end = loop {
                        match characters.next() {
                            Some(digit) if digit.is_ascii_digit() || digit == ';' => {
                                parameters.push(digit);
                            }
                            other => break other,
                        }
                    };
                    screen.obey(&parameters, end)?;
                }
                character => {
                    let row = screen.row;
                    let mut line: Vec<char> = screen.lines[row].chars().collect();
                    line.resize(line.len().max(screen.column), ' ');
                    line.truncate(screen.column);
                    line.push(character);
                    screen.column += 1;
                    screen.widest = screen.widest.max(screen.column);
                    screen.lines[row] = line.into_iter().collect();
                }
            }
        }
        Ok(screen)
    }

    fn obey(&mut self, parameters: &str, end: Option<char>) -> Result<()> {
        match end {
            // Colour.
            Some('m') => {}
            Some('A') => {
                let up: usize = parameters.parse()?;
                demand(up <= self.row, || "above the first line".to_owned())?;
                self.row -= up;
                self.redrawn += 1;
            }
            Some('J') => {
                self.lines.truncate(self.row + 1);
                let rest = self.lines[self.row].chars().take(self.column).collect();
                self.lines[self.row] = rest;
            }
            other => demand(false, || format!("sequence {parameters:?} {other:?}"))?,
        }
        Ok(())
    }

    fn text(&self) -> String {
        self.lines.join("\n")
    }
}

/// Runs the deployer in a pseudo-terminal of a size.
fn in_terminal(room: &Room, program: &Program, columns: u16) -> Result<(Screen, String)> {
    let line = program.command_line();
    let quoted: Vec<String> = line.split(' ').map(|word| format!("'{word}'")).collect();
    let output = Program::new("script")
        .args(["--quiet", "--return", "--command"])
        .arg(format!(
            "stty cols {columns} rows 24; exec {}",
            quoted.join(" ")
        ))
        .arg("/dev/null")
        .env("TERM", "xterm-256color")
        .env("KUBECONFIG", room.namespace.cluster().kubeconfig())
        .env("HELM_NAMESPACE", room.namespace.name())
        .without("NO_COLOR")
        .run()?;
    Ok((Screen::play(&output.stdout)?, output.stdout))
}

#[test]
fn e2e_a_terminal_shows_a_block_that_is_drawn_anew_and_leaves_the_result() -> Result<()> {
    demand(
        Command::new("script").arg("--version").output().is_ok(),
        || "`script` of util-linux is not installed".to_owned(),
    )?;
    let Some(room) = room::open("terminal")? else {
        return Ok(());
    };
    let mut web = room.deployment("web", &SERVE);
    web["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] =
        json!({"tcpSocket": {"port": 6379}, "initialDelaySeconds": 2, "periodSeconds": 1});
    web["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "API_TOKEN", "value": "hunter2-before"}]);
    let objects = [
        config_map("first", "1"),
        web,
        hook(room.job("check", &SUCCEED), "pre-install"),
    ];
    let install = room
        .deploy("install", "web", &objects)?
        .args(["--wait", "--timeout=2m"]);
    let (screen, raw) = in_terminal(&room, &install, 60)?;
    let text = screen.text();
    for part in [
        "==> pre-install hook: Job `check`",
        "hook `check` succeeded",
        "2 created in",
        "==> waiting for 2 objects to be ready",
        "Deployment `web` ready after",
        "STATUS: deployed",
    ] {
        demand(text.contains(part), || format!("no `{part}`:\n{text}"))?;
    }
    demand(screen.redrawn > 5, || {
        format!("{} times:\n{text}", screen.redrawn)
    })?;
    demand(raw.contains("of 2 min"), || format!("no clock:\n{raw}"))?;
    demand(raw.contains("0 of 1 pods available"), || {
        format!("no reason:\n{raw}")
    })?;
    // The clock is gone with the block.
    demand(!text.contains("of 2 min"), || text.clone())?;

    let mut web = room.deployment("web", &SERVE);
    web["spec"]["template"]["spec"]["containers"][0]["image"] = json!(room.missing_image());
    web["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "API_TOKEN", "value": "hunter2-after"}]);
    let failing = [web];
    let plan = room.deploy("plan", "web", &failing)?;
    let (screen, raw) = in_terminal(&room, &plan, 60)?;
    let text = screen.text();
    // The heading has the long name of the test's namespace.
    let steps = text.lines().filter(|line| line.starts_with(' '));
    let width = steps.map(|line| line.chars().count()).max();
    demand(width.is_some_and(|width| width <= 60), || text.clone())?;
    demand(text.contains("\n               changed (masked)"), || {
        text.clone()
    })?;
    demand(!raw.contains("hunter2"), || "a secret is shown".to_owned())?;
    let upgrade = room
        .deploy("upgrade", "web", &failing)?
        .args(["--atomic", "--timeout=2m"]);
    let (screen, _) = in_terminal(&room, &upgrade, 80)?;
    let text = screen.text();
    let (_, explained) = text.split_once("error: ").unwrap_or_default();
    demand(explained.lines().count() <= 24, || text.clone())?;
    for part in [
        "caused by: ",
        "ErrImagePull",
        "no-such-image",
        "state: everything is as in revision 1 again",
        "hint: ",
    ] {
        demand(explained.contains(part), || format!("no `{part}`:\n{text}"))?;
    }
    let width = explained.lines().map(|line| line.chars().count()).max();
    demand(width <= Some(80), || text.clone())
}
