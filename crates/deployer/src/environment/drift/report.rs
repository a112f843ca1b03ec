//! The comparison as a whole, and the matrix of components and environments.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::between::between;
use super::component::component;
use super::difference::{Difference, Shown, View};
use super::state::{Desired, EnvironmentState, ReleaseState};
use super::within::{files_against_record, live_against_record};
use crate::environment::file::AllowedPart;
use crate::environment::glob::{FieldGlob, split};
use crate::plan::RandomParts;

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    /// When it was looked at.
    pub at: DateTime<Utc>,
    /// The environments, in order of promotion.
    pub environments: Vec<EnvironmentRow>,
    /// Component by environment.
    pub components: Vec<Component>,
    /// What drifted.
    pub differences: Vec<Difference>,
    /// What differs and may.
    pub allowed: Vec<Difference>,
    /// What the chart makes anew at each rendering: random, or of the moment.
    pub random: Vec<Difference>,
}

/// An environment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EnvironmentRow {
    /// Its name.
    pub name: String,
    /// The cluster or folder, in words.
    pub target: String,
    /// The namespace.
    pub namespace: String,
    /// Why it could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreachable: Option<String>,
    /// What stands in the way of comparing, and what is half done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// A row of the matrix.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Component {
    /// The release.
    pub release: String,
    /// The component; absent for the release as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// A cell for each environment, in their order.
    pub cells: Vec<Cell>,
}

/// A component in an environment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// The environment.
    pub environment: String,
    /// The worst that was found.
    pub state: CellState,
    /// Fields and objects that differ between live objects and record.
    pub edited: usize,
    /// Fields and objects that differ between files and record.
    pub behind: usize,
    /// Fields and objects that differ from the other environments.
    pub differing: usize,
}

/// How a component stands, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellState {
    /// The environment could not be asked.
    Unreachable,
    /// Other environments have it, or the files do, and it is not there.
    Missing,
    /// Live objects are not as recorded.
    Edited,
    /// The files say something else than what is deployed.
    Behind,
    /// It is not as in the other environments.
    Differs,
    /// Nothing drifted.
    Same,
    /// It is not there, and not meant to be.
    Absent,
}

impl Drift {
    /// Tells whether something drifted, or could not be looked at.
    pub fn is_drift(&self) -> bool {
        let stopped = |row: &EnvironmentRow| row.unreachable.is_some() || !row.problems.is_empty();
        !self.differences.is_empty() || self.environments.iter().any(stopped)
    }

    /// Returns what keeps a release from being promoted out of an environment.
    pub fn of<'a>(
        &'a self,
        release: &'a str,
        environment: &'a str,
    ) -> impl Iterator<Item = &'a Difference> {
        self.differences.iter().filter(move |difference| {
            difference.release == release && difference.environment.as_deref() == Some(environment)
        })
    }
}

/// Compares everything that was gathered; `at` is now.
pub fn compare(
    environments: &[EnvironmentState],
    allowed: &AllowedPart,
    at: DateTime<Utc>,
) -> Drift {
    let mut found = Vec::new();
    for environment in environments {
        for release in environment.releases.iter().flatten() {
            live_against_record(environment, release, &mut found);
            files_against_record(environment, release, &mut found);
        }
    }
    found.extend(between(environments));
    let globs = |texts: &[String]| -> Vec<FieldGlob> {
        let parsed = texts.iter().filter_map(|text| FieldGlob::parse(text).ok());
        parsed.collect()
    };
    let (between, live) = (globs(&allowed.between_environments), globs(&allowed.live));
    for difference in &mut found {
        difference.allowed_by = match difference.comparison {
            View::BetweenEnvironments => allowing(&between, difference),
            View::LiveAgainstRecord => allowing(&live, difference),
            View::FilesAgainstRecord => None,
        };
    }
    let (random, found): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|difference| is_random(environments, difference));
    let (allowed, differences): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|difference| difference.allowed_by.is_some());
    Drift {
        at,
        environments: environments.iter().map(row).collect(),
        components: matrix(environments, &differences),
        differences,
        allowed,
        random,
    }
}

/// Whether a difference is nothing but another rendering, in its environment or in any of those
/// that are compared.
fn is_random(environments: &[EnvironmentState], difference: &Difference) -> bool {
    let of_place = |environment: &&EnvironmentState| {
        let own = difference.environment.as_ref();
        own.is_none_or(|own| *own == environment.name)
    };
    environments
        .iter()
        .filter(of_place)
        .flat_map(|environment| environment.releases.iter().flatten())
        .any(|release| {
            release.name == difference.release && is_made_anew(&release.random, difference)
        })
}

fn is_made_anew(random: &RandomParts, difference: &Difference) -> bool {
    let (Some(kind), Some(name)) = (&difference.kind, &difference.name) else {
        return false;
    };
    if difference.comparison == View::LiveAgainstRecord {
        return false;
    }
    let Some(field) = &difference.field else {
        return random.has_name(kind, name);
    };
    // A field that one side has not is more than another value.
    let mut shown = difference.values.iter().map(|(_, shown)| shown);
    shown.all(|shown| *shown != Shown::Absent) && random.has_field(kind, name, field)
}

/// Returns the glob that allows a difference. A whole component is allowed by its name:
/// `component/exporter:**`.
fn allowing(globs: &[FieldGlob], difference: &Difference) -> Option<String> {
    let component = difference.component.as_deref().unwrap_or_default();
    let kind = difference.kind.as_deref().unwrap_or("component");
    let name = difference.name.as_deref().unwrap_or(component);
    let path = split(difference.field.as_deref().unwrap_or_default()).ok()?;
    let glob = globs.iter().find(|glob| glob.fits(kind, name, &path))?;
    Some(glob.as_str().to_owned())
}

fn row(environment: &EnvironmentState) -> EnvironmentRow {
    let mut problems = Vec::new();
    for release in environment.releases.iter().flatten() {
        if let Desired::Broken(problem) = &release.desired {
            problems.push(format!(
                "release {}: the files cannot be rendered: {problem}",
                release.name
            ));
        }
        if let Some((revision, status)) = release.last.filter(|(_, status)| status.is_pending()) {
            problems.push(format!(
                "release {}: revision {revision} is {status}",
                release.name
            ));
        }
    }
    EnvironmentRow {
        name: environment.name.clone(),
        target: environment.target.clone(),
        namespace: environment.namespace.to_string(),
        unreachable: environment.releases.as_ref().err().cloned(),
        problems,
    }
}

fn matrix(environments: &[EnvironmentState], differences: &[Difference]) -> Vec<Component> {
    let mut rows: BTreeSet<(&str, Option<String>)> = BTreeSet::new();
    for release in environments
        .iter()
        .flat_map(|environment| environment.releases.iter().flatten())
    {
        let desired = match &release.desired {
            Desired::Objects(objects) => objects.as_slice(),
            _ => &[],
        };
        let objects = desired.iter().chain(&release.record);
        rows.extend(objects.map(|object| (release.name.as_str(), component(object))));
        if release.record.is_empty() && desired.is_empty() {
            rows.insert((&release.name, None));
        }
    }
    rows.into_iter()
        .map(|(release, component)| Component {
            release: release.to_owned(),
            cells: environments
                .iter()
                .map(|environment| cell(environment, release, component.as_deref(), differences))
                .collect(),
            component,
        })
        .collect()
}

fn cell(
    environment: &EnvironmentState,
    release: &str,
    wanted: Option<&str>,
    differences: &[Difference],
) -> Cell {
    let of_cell = |difference: &&Difference| {
        difference.release == release
            && (difference.component.as_deref() == wanted || is_whole(difference))
            && difference.concerns().contains(&environment.name.as_str())
    };
    let mine: Vec<&Difference> = differences.iter().filter(of_cell).collect();
    let count = |view: View| {
        mine.iter()
            .filter(|difference| difference.comparison == view)
            .count()
    };
    let (edited, behind) = (
        count(View::LiveAgainstRecord),
        count(View::FilesAgainstRecord),
    );
    let differing = count(View::BetweenEnvironments);
    let is_missing = mine.iter().any(|difference| {
        let lacks = |label: &str| {
            difference
                .values
                .iter()
                .any(|(side, value)| side == label && *value == Shown::Absent)
        };
        difference.kind.is_none() && (lacks(&environment.name) || lacks("record"))
    });
    let state = match environment
        .releases
        .as_ref()
        .ok()
        .map(|releases| find(releases, release))
    {
        None => CellState::Unreachable,
        Some(_) if is_missing => CellState::Missing,
        Some(found) if !found.is_some_and(|found| has(found, wanted)) => CellState::Absent,
        Some(_) if edited > 0 => CellState::Edited,
        Some(_) if behind > 0 => CellState::Behind,
        Some(_) if differing > 0 => CellState::Differs,
        Some(_) => CellState::Same,
    };
    Cell {
        environment: environment.name.clone(),
        state,
        edited,
        behind,
        differing,
    }
}

fn find<'a>(releases: &'a [ReleaseState], name: &str) -> Option<&'a ReleaseState> {
    releases.iter().find(|release| release.name == name)
}

/// Whether it is about a whole release.
fn is_whole(difference: &Difference) -> bool {
    difference.component.is_none() && difference.kind.is_none()
}

fn has(release: &ReleaseState, wanted: Option<&str>) -> bool {
    release
        .record
        .iter()
        .any(|object| component(object).as_deref() == wanted)
}
