//! Model files that cannot be judged: exit code 4, and the reason.

use std::path::Path;

use anyhow::Result;
use harness::datasets;

use crate::run::Gate;

fn judged(bytes: &[u8], parts: &[&str]) -> Result<()> {
    let gate = Gate::of("champion")?;
    let file = gate.scratch().join("suspect.pt");
    std::fs::write(&file, bytes)?;
    gate.model(&file).refuses(4, parts)?;
    Ok(())
}

#[test]
fn a_model_that_is_no_archive_is_refused() -> Result<()> {
    judged(b"this is no TorchScript archive", &["suspect.pt"])?;
    judged(b"", &["suspect.pt"])
}

#[test]
fn a_truncated_model_is_refused() -> Result<()> {
    let bytes = std::fs::read(datasets::model("champion")?)?;
    judged(&bytes[..bytes.len() / 2], &["suspect.pt"])?;
    judged(&bytes[..bytes.len() - 10], &["suspect.pt"])
}

#[test]
fn a_model_with_flipped_bytes_never_takes_the_gate_down() -> Result<()> {
    let bytes = std::fs::read(datasets::model("champion")?)?;
    let step = bytes.len() / 8;
    for position in (1..8).map(|part| part * step) {
        let mut flipped = bytes.clone();
        for byte in &mut flipped[position..position + 4] {
            *byte ^= 0xa5;
        }
        let gate = Gate::of("champion")?.env("MINIMUM_AUC", "0.5");
        let file = gate.scratch().join("flipped.pt");
        std::fs::write(&file, &flipped)?;
        // A weight may change unseen; whatever happens, it ends in order and with a verdict.
        gate.model(&file).run()?.brief()?;
    }
    Ok(())
}

#[test]
fn a_missing_model_is_named() -> Result<()> {
    Gate::of("champion")?
        .model(Path::new("/no/such/model.pt"))
        .refuses(2, &["/no/such/model.pt"])?;
    Ok(())
}

/// Judges one of the committed hostile models.
fn hostile(name: &str, parts: &[&str]) -> Result<()> {
    let file = harness::workspace::root()
        .join("datasets/hostile/models")
        .join(name);
    Gate::of("champion")?
        .env("MINIMUM_AUC", "0.5")
        .model(&file)
        .refuses(4, parts)?;
    Ok(())
}

#[test]
fn a_model_that_raises_is_refused_with_its_message() -> Result<()> {
    hostile("raises.pt", &["negative amounts are not supported"])
}

#[test]
fn a_model_that_answers_nan_is_refused() -> Result<()> {
    hostile("nan.pt", &["NaN"])
}

#[test]
fn a_model_that_crashes_its_process_is_a_verdict_of_the_gate() -> Result<()> {
    hostile("crash.pt", &["model"])
}

#[test]
fn what_is_no_torchscript_is_called_by_its_name() -> Result<()> {
    hostile("state_dict.pt", &["state"])?;
    hostile("exported.pt2", &["torch.export"])?;
    hostile("corrupt.pt", &["corrupt.pt"])?;
    hostile("bad_pickle.pt", &["bad_pickle.pt"])?;
    hostile("pointer.pt", &["pointer.pt"])
}
