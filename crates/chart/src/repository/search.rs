//! Finding charts in the indexes of repositories.
//!
//! Source: Helm 3.22 `cmd/helm/search/search.go` and `cmd/helm/search_repo.go`.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use template::semver::{Constraint, ConstraintError, Version};

use super::index::{ChartVersion, Index};

/// Where a text stands counts: name, then repository and name, then description, then keywords.
const SEPARATOR: char = '\u{b}';
/// A match behind this many separators is none.
const SCORE_MAX: usize = 25;

/// What to look for.
#[derive(Debug)]
pub enum Term {
    /// Any chart.
    All,
    /// A text, in any case of its letters.
    Text(String),
    /// A regular expression.
    Expression(Regex),
}

/// A chart that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<'index> {
    /// `repository/chart`.
    pub name: String,
    /// Zero is the best.
    pub score: usize,
    pub chart: &'index ChartVersion,
}

/// Why nothing can be looked for.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error("an invalid version/constraint format: {0}")]
    Range(#[from] ConstraintError),
}

/// Returns what matches, best first; of each chart the newest in the range, or all with
/// `every_version`.
///
/// # Errors
/// A range that cannot be read.
pub fn search<'index>(
    indexes: &'index [(String, Index)],
    term: &Term,
    range: &str,
    every_version: bool,
) -> Result<Vec<Found<'index>>, SearchError> {
    let constraint = Constraint::parse(range)?;
    // A version that an index names twice counts once, the last of them.
    let mut charts: BTreeMap<(String, &str), (&str, &ChartVersion)> = BTreeMap::new();
    for (repository, index) in indexes {
        for (name, versions) in &index.entries {
            for chart in versions {
                let key = (
                    format!("{repository}/{name}"),
                    chart.metadata.version.as_str(),
                );
                charts.insert(key, (repository, chart));
            }
        }
    }
    let mut found: Vec<(Found<'index>, Version)> = Vec::new();
    for ((name, _), (repository, chart)) in charts {
        let Some(score) = score(term, &line(repository, chart)) else {
            continue;
        };
        match Version::parse(&chart.metadata.version) {
            Ok(version) if constraint.check(&version) => {
                found.push((Found { name, score, chart }, version));
            }
            _ => {}
        }
    }
    found.sort_by(|(one, version), (other, other_version)| {
        (one.score, &one.name)
            .cmp(&(other.score, &other.name))
            .then_with(|| other_version.compare(version))
    });
    let mut names = BTreeSet::new();
    Ok(found
        .into_iter()
        .map(|(found, _)| found)
        .filter(|found| names.insert(found.name.clone()) || every_version)
        .collect())
}

fn line(repository: &str, chart: &ChartVersion) -> String {
    let metadata = &chart.metadata;
    [
        metadata.name.clone(),
        format!("{repository}/{}", metadata.name),
        metadata.description.clone(),
        metadata.keywords.join(" "),
    ]
    .join(&SEPARATOR.to_string())
}

fn score(term: &Term, line: &str) -> Option<usize> {
    let (at, line) = match term {
        Term::All => return Some(0),
        Term::Text(text) => {
            let line = line.to_lowercase();
            (line.find(&text.to_lowercase())?, line)
        }
        Term::Expression(expression) => (expression.find(line)?.start(), line.to_owned()),
    };
    let score = line[..at].matches(SEPARATOR).count();
    (score < SCORE_MAX).then_some(score)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indexes() -> Vec<(String, Index)> {
        let text = "apiVersion: v1\nentries:\n  web:\n  - {name: web, version: 1.0.0, description: A Server}\n  - {name: web, version: 1.1.0, description: A server}\n  - {name: web, version: 2.0.0-rc.1, description: A server}\n  db:\n  - {name: db, version: 3.0.0, description: Store for web, keywords: [sql]}\n";
        vec![("mine".to_owned(), Index::parse(text, "x").unwrap().index)]
    }

    fn names(term: &Term, range: &str, all: bool) -> Vec<String> {
        search(&indexes(), term, range, all)
            .unwrap()
            .iter()
            .map(|found| format!("{} {}", found.name, found.chart.metadata.version))
            .collect()
    }

    #[test]
    fn a_name_counts_more_than_a_description() {
        let term = Term::Text("WEB".into());
        assert_eq!(
            names(&term, ">0.0.0", false),
            ["mine/web 1.1.0", "mine/db 3.0.0"]
        );
        assert_eq!(
            names(&term, ">0.0.0", true),
            ["mine/web 1.1.0", "mine/web 1.0.0", "mine/db 3.0.0"]
        );
        assert_eq!(names(&term, ">0.0.0-0", false)[0], "mine/web 2.0.0-rc.1");
        assert_eq!(
            names(&Term::All, ">0.0.0", false),
            ["mine/db 3.0.0", "mine/web 1.1.0"]
        );
        let expression = Term::Expression(Regex::new("s.l$").unwrap());
        assert_eq!(names(&expression, "^3", false), ["mine/db 3.0.0"]);
        assert!(search(&indexes(), &term, "a range", false).is_err());
    }
}
