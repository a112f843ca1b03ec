use super::*;
use crate::release::HookEvent;

fn object(kind: &str, name: &str) -> ObjectId {
    ObjectId {
        api_version: "v1".to_owned(),
        kind: kind.to_owned(),
        namespace: Some("fraud".to_owned()),
        name: name.to_owned(),
    }
}

fn not_ready(name: &str, message: &str) -> ProgressEvent {
    ProgressEvent::Readiness {
        object: object("Deployment", name),
        ready: false,
        message: message.to_owned(),
    }
}

fn wait_of(objects: usize) -> ProgressEvent {
    ProgressEvent::Stage {
        text: "waiting".to_owned(),
        work: Work::Wait {
            objects,
            timeout: Duration::from_secs(180),
        },
    }
}

/// Draws as a terminal without colour shows it.
fn seen(live: &Live, now: Instant, columns: usize, rows: usize) -> String {
    let lines = live.draw(now, columns, rows);
    assert!(lines.len() <= rows, "{} of {rows} rows", lines.len());
    let lines = lines.iter().map(|line| line.write(columns, false));
    lines.collect::<Vec<_>>().join("\n")
}

fn left(lines: &[Line]) -> Vec<String> {
    lines.iter().map(|line| line.write(200, false)).collect()
}

#[test]
fn a_wait_shows_what_is_waited_for_why_and_how_long_at_every_width() {
    let begun = Instant::now();
    let mut live = Live::default();
    live.take(&wait_of(4), begun);
    live.take(
        &not_ready("fraud-model", "1 of 2 pods available; pod `fraud-model-6d9f7c8b5-x2lqp`: pulling image `registry.example.com/ml/model-server:v2.1.0`"),
        begun,
    );
    live.take(&not_ready("web", "0 of 1 pods available"), begun);
    let now = begun + Duration::from_secs(12);
    assert_eq!(
        seen(&live, now, 120, 12),
        "    Deployment `fraud-model`:
      1 of 2 pods available; pod `fraud-model-6d9f7c8b5-x2lqp`: pulling image
      `registry.example.com/ml/model-server:v2.1.0`
    Deployment `web`: 0 of 1 pods available
    12 s of 3 min; 2 of 4 ready"
    );
    assert_eq!(
        seen(&live, now, 80, 12),
        "    Deployment `fraud-model`:
      1 of 2 pods available; pod `fraud-model-6d9f7c8b5-x2lqp`: pulling image
      `registry.example.com/ml/model-server:v2.1.0`
    Deployment `web`: 0 of 1 pods available
    12 s of 3 min; 2 of 4 ready"
    );
    assert_eq!(
        seen(&live, now, 60, 12),
        "    Deployment `fraud-model`:
      1 of 2 pods available; pod
      `fraud-model-6d9f7c8b5-x2lqp`: pulling image
      `registry.example.com/ml/model-server:v2.1.0`
    Deployment `web`: 0 of 1 pods available
    12 s of 3 min; 2 of 4 ready"
    );
}

#[test]
fn a_low_terminal_shows_as_many_objects_as_fit_and_counts_the_others() {
    let begun = Instant::now();
    let mut live = Live::default();
    live.take(&wait_of(9), begun);
    for index in 0..9 {
        live.take(
            &not_ready(&format!("web-{index}"), "0 of 1 pods available"),
            begun,
        );
    }
    let ready = ProgressEvent::Readiness {
        object: object("Deployment", "web-0"),
        ready: true,
        message: String::new(),
    };
    live.take(&ready, begun);
    assert_eq!(
        seen(&live, begun, 60, 4),
        "    Deployment `web-1`: 0 of 1 pods available
    Deployment `web-2`: 0 of 1 pods available
    … and 6 more
    0 s of 3 min; 1 of 9 ready"
    );
}

#[test]
fn changes_are_counted_while_they_are_made_and_named_afterwards() {
    let begun = Instant::now();
    let mut live = Live::default();
    live.take(
        &ProgressEvent::Stage {
            text: "applying".to_owned(),
            work: Work::Changes { objects: 4 },
        },
        begun,
    );
    let applied = |name: &str, change| ProgressEvent::Applied {
        object: object("ConfigMap", name),
        change,
    };
    live.take(&applied("same", AppliedChange::Unchanged), begun);
    live.take(&applied("new", AppliedChange::Created), begun);
    live.take(
        &ProgressEvent::Sent {
            object: object("Service", "web"),
        },
        begun,
    );
    assert_eq!(
        seen(&live, begun + Duration::from_millis(400), 60, 12),
        "    Service `web` in namespace `fraud`
    2 of 4: 1 created, 1 unchanged; 0.4 s"
    );
    live.take(
        &ProgressEvent::Sent {
            object: object("Secret", "key"),
        },
        begun,
    );
    assert_eq!(
        seen(&live, begun, 60, 12),
        "    2 under way: Secret, Service
    2 of 4: 1 created, 1 unchanged; 0.0 s"
    );
    live.take(
        &ProgressEvent::Deleted {
            object: object("Service", "web"),
        },
        begun,
    );
    assert_eq!(
        left(&live.take(&wait_of(1), begun + Duration::from_secs(2))),
        [
            "    ConfigMap `new` in namespace `fraud` created",
            "    Service `web` in namespace `fraud` deleted",
            "    1 created, 1 deleted, 1 unchanged in 2.0 s",
        ]
    );
}

#[test]
fn many_changes_leave_few_lines_behind() {
    let begun = Instant::now();
    let mut live = Live::default();
    live.take(
        &ProgressEvent::Stage {
            text: "applying".to_owned(),
            work: Work::Changes { objects: 1000 },
        },
        begun,
    );
    for index in 0..1000 {
        let object = object("ConfigMap", &format!("map-{index}"));
        let change = AppliedChange::Created;
        live.take(&ProgressEvent::Applied { object, change }, begun);
    }
    let lines = left(&live.end(begun));
    assert_eq!(lines.len(), CHANGES_NAMED + 2);
    assert_eq!(
        lines[CHANGES_NAMED..],
        ["    … and 980 more", "    1000 created in 0.0 s"]
    );
}

#[test]
fn a_hook_shows_what_holds_it_up_and_then_that_it_runs() {
    let begun = Instant::now();
    let mut live = Live::default();
    let started = ProgressEvent::HookStarted {
        event: HookEvent::PreUpgrade,
        hook: "validate".to_owned(),
        kind: "Job".to_owned(),
        timeout: Duration::from_secs(90),
    };
    live.take(&started, begun);
    let state = |message: &str| ProgressEvent::HookState {
        hook: "validate".to_owned(),
        message: message.to_owned(),
        is_trouble: false,
    };
    live.take(
        &state("pod `validate-x2lqp`: pulling image `validator:1`"),
        begun,
    );
    assert_eq!(
        seen(&live, begun + Duration::from_secs(3), 80, 12),
        "    pod `validate-x2lqp`: pulling image `validator:1`\n    3 s of 90 s"
    );
    live.take(&state(""), begun);
    assert_eq!(
        seen(&live, begun + Duration::from_secs(95), 80, 12),
        "    running\n    95 s of 90 s"
    );
    assert!(live.end(begun).is_empty());
    assert!(!live.is_active());
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let begun = Instant::now();
    let mut live = Live::default();
    live.take(&wait_of(1), begun);
    let long = "x".repeat(400);
    live.take(&not_ready(&long, &format!("{long} {long}")), begun);
    for columns in [20, 60, 80, 120] {
        for line in live.draw(begun, columns, 12) {
            let text = line.write(columns, false);
            assert!(text.chars().count() <= columns, "{columns}: {text}");
        }
    }
}
