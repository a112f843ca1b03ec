//! Since when environments differ, by their records.

use chrono::{DateTime, Utc};

/// What one environment had, from when on, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Course<T> {
    pub(super) steps: Vec<(DateTime<Utc>, T)>,
    /// Whether the first step is the first revision; older ones may have been pruned.
    pub(super) is_whole: bool,
}

/// Since when, and whether that is only what the kept records tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Since {
    pub(super) at: DateTime<Utc>,
    /// They may have differed before, in revisions that were pruned.
    pub(super) or_longer: bool,
    /// The course that changed then.
    pub(super) changed: usize,
}

/// Returns since when courses have differed without a break; none when they agree now, or fewer
/// than two have begun.
pub(super) fn differing_since<T: PartialEq>(courses: &[Course<T>]) -> Option<Since> {
    let mut moments: Vec<(DateTime<Utc>, usize)> = Vec::new();
    for (index, course) in courses.iter().enumerate() {
        moments.extend(course.steps.iter().map(|(at, _)| (*at, index)));
    }
    moments.sort();
    let mut since = None;
    for (at, changed) in moments.into_iter().rev() {
        if !differ(courses, at) {
            break;
        }
        since = Some(Since {
            at,
            or_longer: false,
            changed,
        });
    }
    let mut since = since?;
    // Nothing is known of the time before a pruned course begins.
    let begins = |course: &Course<T>| course.steps.first().map(|(at, _)| *at);
    since.or_longer = courses
        .iter()
        .any(|course| !course.is_whole && begins(course) == Some(since.at));
    Some(since)
}

/// Tells whether the courses that had begun at a moment did not all have the same.
fn differ<T: PartialEq>(courses: &[Course<T>], at: DateTime<Utc>) -> bool {
    let mut had = courses.iter().filter_map(|course| {
        let step = course.steps.iter().rev().find(|(from, _)| *from <= at);
        step.map(|(_, value)| value)
    });
    match had.next() {
        Some(first) => had.any(|other| other != first),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(day * 86_400, 0).expect("a moment")
    }

    fn course(steps: &[(i64, &'static str)]) -> Course<&'static str> {
        Course {
            steps: steps.iter().map(|(at, value)| (day(*at), *value)).collect(),
            is_whole: true,
        }
    }

    #[test]
    fn the_age_counts_from_the_change_that_ended_the_last_agreement() {
        let staging = course(&[(1, "v1"), (5, "v2"), (9, "v3")]);
        let prod = course(&[(2, "v1"), (7, "v2")]);
        let since = differing_since(&[staging.clone(), prod]).expect("they differ");
        // They agreed on days 7 to 9.
        assert_eq!(
            (since.at, since.changed, since.or_longer),
            (day(9), 0, false)
        );
        // Never caught up: since the first that staging went ahead.
        let behind = course(&[(2, "v1"), (8, "v1")]);
        let since = differing_since(&[staging.clone(), behind]).expect("they differ");
        assert_eq!(since.at, day(5));
        let same = course(&[(10, "v3")]);
        assert_eq!(differing_since(&[staging, same]), None);
    }

    #[test]
    fn pruned_records_tell_only_a_least_age() {
        let mut staging = course(&[(5, "v2")]);
        staging.is_whole = false;
        let prod = course(&[(1, "v1")]);
        let since = differing_since(&[staging, prod]).expect("they differ");
        assert_eq!((since.at, since.or_longer), (day(5), true));
    }
}
