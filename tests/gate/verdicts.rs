//! Pass and fail, on committed models and local files.

use anyhow::Result;
use harness::cluster::demand;

use crate::run::Gate;

#[test]
fn the_champion_passes_on_the_four_variables_alone() -> Result<()> {
    let finished = Gate::of("champion")?
        .env("MINIMUM_AUC", "0.85")
        .env("MAXIMUM_P99_LATENCY_MS", "200")
        .expect(0)?;
    let brief = finished.brief()?;
    demand(brief["kind"] == "validator/verdict", || format!("{brief}"))?;
    demand(brief["outcome"] == "pass", || format!("{brief}"))?;
    demand(finished.check("auc")?["minimum"] == 0.85, || {
        format!("{brief}")
    })?;
    demand(
        finished.check("latency_ms_p99")?["maximum"] == 200.0,
        || format!("{brief}"),
    )?;
    demand(finished.value("auc")? >= 0.85, || format!("{brief}"))?;
    let text = format!("{}{}", finished.output.stdout, finished.output.stderr);
    for part in ["PASS", "AUC", "p99"] {
        demand(text.contains(part), || {
            format!(
                "the output does not show `{part}`\n{}",
                finished.output.describe()
            )
        })?;
    }
    Ok(())
}

#[test]
fn the_termination_message_fits_and_the_report_repeats_it() -> Result<()> {
    let finished = Gate::of("champion")?.env("MINIMUM_AUC", "0.85").expect(0)?;
    let brief = finished.brief()?;
    demand(brief.to_string().len() <= 4096, || format!("{brief}"))?;
    demand(
        brief["model"]["sha256"]
            .as_str()
            .is_some_and(|digest| digest.len() == 64),
        || format!("{brief}"),
    )?;
    let rows = brief["dataset"]["rows"].as_u64().unwrap_or_default();
    let positives = brief["dataset"]["positives"].as_u64().unwrap_or_default();
    let negatives = brief["dataset"]["negatives"].as_u64().unwrap_or_default();
    demand(rows > 0 && rows == positives + negatives, || {
        format!("{brief}")
    })?;
    let report = finished
        .report
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let digest = brief["model"]["sha256"].as_str().unwrap_or("no digest");
    demand(
        report.contains(digest) && report.contains("schema_version"),
        || format!("the report does not name the model: {report}"),
    )
}

#[test]
fn the_better_model_ranks_better_than_the_champion() -> Result<()> {
    let champion = Gate::of("champion")?.env("MINIMUM_AUC", "0.5").expect(0)?;
    let better = Gate::of("better")?.env("MINIMUM_AUC", "0.5").expect(0)?;
    let (champion, better) = (champion.value("auc")?, better.value("auc")?);
    demand(better > champion, || {
        format!("better {better}, champion {champion}")
    })
}

#[test]
fn the_degraded_model_fails_on_auc() -> Result<()> {
    let finished = Gate::of("degraded")?.env("MINIMUM_AUC", "0.85").expect(1)?;
    let brief = finished.brief()?;
    demand(brief["outcome"] == "fail", || format!("{brief}"))?;
    demand(finished.check("auc")?["outcome"] == "fail", || {
        format!("{brief}")
    })?;
    demand(finished.value("auc")? < 0.85, || format!("{brief}"))?;
    demand(
        brief["reasons"].to_string().to_lowercase().contains("auc"),
        || format!("{brief}"),
    )
}

#[test]
fn the_slow_model_fails_on_p99_alone() -> Result<()> {
    let finished = Gate::of("slow")?
        .env("MINIMUM_AUC", "0.85")
        .env("MAXIMUM_P99_LATENCY_MS", "5")
        .env("VALIDATOR_TIME_BUDGET", "10")
        .expect(1)?;
    let brief = finished.brief()?;
    demand(finished.check("auc")?["outcome"] == "pass", || {
        format!("{brief}")
    })?;
    demand(
        finished.check("latency_ms_p99")?["outcome"] == "fail",
        || format!("{brief}"),
    )?;
    demand(finished.value("latency_ms_p99")? > 5.0, || {
        format!("{brief}")
    })?;
    demand(brief["reasons"].to_string().contains("p99"), || {
        format!("{brief}")
    })
}

#[test]
fn the_defaults_hold_when_the_thresholds_are_unset() -> Result<()> {
    let finished = Gate::of("champion")?.run()?;
    let brief = finished.brief()?;
    demand(finished.check("auc")?["minimum"] == 0.90, || {
        format!("{brief}")
    })?;
    demand(
        finished.check("latency_ms_p99")?["maximum"] == 200.0,
        || format!("{brief}"),
    )
}

#[test]
fn flags_win_over_variables() -> Result<()> {
    let degraded = harness::datasets::model("degraded")?;
    let finished = Gate::of("champion")?
        .env("MINIMUM_AUC", "0.85")
        .with(|program| program.arg("--model").arg(degraded))
        .expect(1)?;
    let brief = finished.brief()?;
    demand(
        brief["model"]["uri"].to_string().contains("degraded"),
        || format!("{brief}"),
    )
}
