//! Ranges of versions.

use std::{cmp::Ordering, fmt, sync::LazyLock};

use regex_lite::Regex;

use super::version::{Version, compare_prerelease};
use crate::quote::quoted;

const CONSTRAINT_BYTES_MAX: usize = 512;
const GROUPS_MAX: usize = 32;

const VERSION: &str = r"v?([0-9|x|X|\*]+)(\.[0-9|x|X|\*]+)?(\.[0-9|x|X|\*]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?";
const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";
const SPACE: &str = r"[\t\n\f\r ]";

fn pattern(text: String) -> Regex {
    Regex::new(&text).expect("the pattern is fixed")
}

static RANGE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(format!(
        "{SPACE}*({VERSION}){SPACE}+-{SPACE}+({VERSION}){SPACE}*"
    ))
});
static FIND: LazyLock<Regex> =
    LazyLock::new(|| pattern(format!("({OPERATORS}){SPACE}*({VERSION})")));
static ONE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(format!(
        "^{SPACE}*({OPERATORS}){SPACE}*({VERSION}){SPACE}*$"
    ))
});
static VALID: LazyLock<Regex> = LazyLock::new(|| {
    pattern(format!(
        "^({SPACE}*({OPERATORS}){SPACE}*({VERSION}){SPACE}*)((?:{SPACE}+|,{SPACE}*)({OPERATORS}){SPACE}*({VERSION}){SPACE}*)*$"
    ))
});

/// Why a text is no range; the wording is the library's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintError {
    #[error("improper constraint: {}", quoted(.0))]
    Improper(String),
    #[error("constraint parser error")]
    Version,
    #[error("constraint string is too long (max {CONSTRAINT_BYTES_MAX} bytes)")]
    TooLong,
    #[error("too many constraint groups (max {GROUPS_MAX})")]
    TooManyGroups,
}

/// A range: groups parted by `||`, of which one must match whole.
#[derive(Clone, Debug)]
pub struct Constraint {
    groups: Vec<Group>,
    /// Whether prereleases match though the range names none.
    pub include_prerelease: bool,
}

#[derive(Clone, Debug)]
struct Group {
    rules: Vec<Rule>,
    has_prerelease: bool,
}

/// One operator with its version, of which parts may be open (`1.x`).
#[derive(Clone, Debug)]
struct Rule {
    operator: String,
    text: String,
    version: Version,
    open: bool,
    minor_open: bool,
    patch_open: bool,
}

impl Constraint {
    /// Reads a range such as `>=1.2, <2 || ~3.1`.
    ///
    /// # Errors
    /// [`ConstraintError`] with the library's wording.
    pub fn parse(text: &str) -> Result<Self, ConstraintError> {
        if text.len() > CONSTRAINT_BYTES_MAX {
            return Err(ConstraintError::TooLong);
        }
        let text = without_hyphens(text);
        let parts: Vec<&str> = text.split("||").collect();
        if parts.len() > GROUPS_MAX {
            return Err(ConstraintError::TooManyGroups);
        }
        let groups = parts
            .into_iter()
            .map(Group::parse)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            groups,
            include_prerelease: false,
        })
    }

    /// Whether the version lies in the range.
    #[must_use]
    pub fn check(&self, version: &Version) -> bool {
        self.groups.iter().any(|group| {
            let prerelease = self.include_prerelease || group.has_prerelease;
            group
                .rules
                .iter()
                .all(|rule| rule.check(version, prerelease))
        })
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, group) in self.groups.iter().enumerate() {
            if index > 0 {
                formatter.write_str(" || ")?;
            }
            for (index, rule) in group.rules.iter().enumerate() {
                let space = if index > 0 { " " } else { "" };
                write!(formatter, "{space}{}{}", rule.operator, rule.text)?;
            }
        }
        Ok(())
    }
}

/// `1 - 2` means `>= 1, <= 2`.
fn without_hyphens(text: &str) -> String {
    let mut out = text.to_owned();
    for captures in RANGE.captures_iter(text) {
        let part = |index: usize| captures.get(index).map_or("", |part| part.as_str());
        out = out.replacen(part(0), &format!(">= {}, <= {} ", part(1), part(11)), 1);
    }
    out
}

impl Group {
    fn parse(text: &str) -> Result<Self, ConstraintError> {
        if !VALID.is_match(text) {
            return Err(ConstraintError::Improper(text.to_owned()));
        }
        let mut rules = FIND
            .find_iter(text)
            .map(|found| Rule::parse(found.as_str()))
            .collect::<Result<Vec<_>, _>>()?;
        if rules.is_empty() {
            rules.push(Rule::parse(text)?);
        }
        let has_prerelease = rules.iter().any(|rule| !rule.version.prerelease.is_empty());
        Ok(Self {
            rules,
            has_prerelease,
        })
    }
}

fn is_open(part: &str) -> bool {
    matches!(part.trim_start_matches('.'), "" | "x" | "X" | "*")
}

impl Rule {
    fn parse(text: &str) -> Result<Self, ConstraintError> {
        let captures = ONE
            .captures(text)
            .ok_or_else(|| ConstraintError::Improper(text.to_owned()))?;
        let part = |index: usize| captures.get(index).map_or("", |part| part.as_str());
        let (major, minor, patch, prerelease) = (part(3), part(4), part(5), part(6));
        let (version, minor_open, patch_open) = if is_open(major) {
            (format!("0.0.0{prerelease}"), false, false)
        } else if is_open(minor) {
            (format!("{major}.0.0{prerelease}"), true, false)
        } else if is_open(patch) {
            (format!("{major}{minor}.0{prerelease}"), false, true)
        } else {
            (part(2).to_owned(), false, false)
        };
        Ok(Self {
            operator: part(1).to_owned(),
            text: part(2).to_owned(),
            version: Version::parse(&version).map_err(|_| ConstraintError::Version)?,
            open: is_open(major) || is_open(minor) || is_open(patch),
            minor_open,
            patch_open,
        })
    }

    fn check(&self, version: &Version, prerelease: bool) -> bool {
        if !version.prerelease.is_empty() && !prerelease {
            return false;
        }
        let order = version.compare(&self.version);
        match self.operator.as_str() {
            "" | "=" if self.open => self.tilde(version),
            "" | "=" => order == Ordering::Equal,
            "!=" => self.differs(version),
            ">" => self.is_below(version),
            "<" => order == Ordering::Less,
            ">=" | "=>" => order != Ordering::Less,
            "<=" | "=<" => self.is_at_least(version),
            "~" | "~>" => self.tilde(version),
            _ => self.caret(version),
        }
    }

    fn differs(&self, version: &Version) -> bool {
        let own = &self.version;
        if self.open {
            if own.major != version.major || own.minor != version.minor && !self.minor_open {
                return true;
            }
            if self.minor_open {
                return false;
            }
            if own.patch != version.patch && !self.patch_open {
                return true;
            }
            if self.patch_open {
                return compare_prerelease(&version.prerelease, &own.prerelease) != Ordering::Equal;
            }
        }
        version.compare(own) != Ordering::Equal
    }

    /// `>`: an open part is passed only by the next number of the part before it.
    fn is_below(&self, version: &Version) -> bool {
        if !self.open {
            return version.compare(&self.version) == Ordering::Greater;
        }
        match version.major.cmp(&self.version.major) {
            Ordering::Greater => true,
            Ordering::Less => false,
            Ordering::Equal if self.minor_open => false,
            Ordering::Equal if self.patch_open => version.minor > self.version.minor,
            Ordering::Equal => version.compare(&self.version) == Ordering::Greater,
        }
    }

    /// `<=`: an open part is reached by all its numbers.
    fn is_at_least(&self, version: &Version) -> bool {
        if !self.open {
            return version.compare(&self.version) != Ordering::Greater;
        }
        match version.major.cmp(&self.version.major) {
            Ordering::Greater => false,
            Ordering::Equal => version.minor <= self.version.minor || self.minor_open,
            Ordering::Less => true,
        }
    }

    fn tilde(&self, version: &Version) -> bool {
        let own = &self.version;
        if version.compare(own) == Ordering::Less {
            return false;
        }
        if (own.major, own.minor, own.patch) == (0, 0, 0) && !self.minor_open && !self.patch_open {
            return true;
        }
        version.major == own.major && (version.minor == own.minor || self.minor_open)
    }

    fn caret(&self, version: &Version) -> bool {
        let own = &self.version;
        if version.compare(own) == Ordering::Less {
            return false;
        }
        if own.major > 0 || self.minor_open {
            return version.major == own.major;
        }
        if version.major > 0 {
            return false;
        }
        if own.minor > 0 || self.patch_open {
            return version.minor == own.minor;
        }
        version.minor == 0 && own.patch == version.patch
    }
}

#[cfg(test)]
mod tests {
    use super::{Constraint, Version};

    #[test]
    fn ranges_match_as_in_helm() {
        let cases = [
            (">=1.19-0", "v1.33.0", true),
            (">=1.19-0 <1.22-0", "1.21.3-gke.1", true),
            (">=1.19", "1.21.3-gke.1", false),
            ("^1.2", "1.9.0", true),
            ("^0.2.3", "0.3.0", false),
            ("~1.2", "1.2.9", true),
            ("1.x", "1.9.9", true),
            ("1 - 3", "3.5.0", true),
            ("!=1.2.3", "1.2.3", false),
            (">1.2", "1.2.5", false),
            ("<=1.2", "1.2.5", true),
            ("=>1.0 || <0.1", "0.0.9", true),
        ];
        for (range, version, expected) in cases {
            let version = Version::parse(version).unwrap();
            assert_eq!(
                Constraint::parse(range).unwrap().check(&version),
                expected,
                "{range} {version}"
            );
        }
    }
}
