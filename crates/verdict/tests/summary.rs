//! Runs: any sharding merges to the one-machine result, and damage never goes unseen.

use proptest::prelude::*;
use verdict::auc::auc;
use verdict::metric::{Binning, Groups, Metric, OutputKind, evaluate_all};
use verdict::rows::{Row, RowAccumulator, Rows, entries as entries_of};
use verdict::score::{RankedScores, ScoreAccumulator, ScoreSlice};
use verdict::summary::shards::{ShardError, check_shards};
use verdict::summary::stream::{evaluate_stream, scan};
use verdict::summary::{
    Entry, KeyWidth, RunError, RunHeader, RunReader, RunTotals, RunWriter, merge,
};

const METRICS: [Metric; 8] = [
    Metric::Auc,
    Metric::AveragePrecision,
    Metric::KolmogorovSmirnov,
    Metric::F1 { at: 0.5 },
    Metric::RecallAtPrecision { precision: 0.7 },
    Metric::LogLoss,
    Metric::Brier,
    Metric::CalibrationError {
        bins: 15,
        binning: Binning::EqualMass,
    },
];

fn header(width: KeyWidth, weighted: bool) -> RunHeader {
    RunHeader {
        width,
        weighted,
        identity: [7; 32],
        shard: 0,
        shards: 1,
    }
}

fn ranked(rows: &[(f64, bool)]) -> RankedScores {
    let (scores, labels): (Vec<f64>, Vec<bool>) = rows.iter().copied().unzip();
    let mut gathered = ScoreAccumulator::new();
    gathered
        .extend(ScoreSlice::Double(&scores), &labels)
        .expect("no NaN");
    gathered.finish()
}

fn entries(scores: &RankedScores) -> Vec<Entry> {
    let mut entries = Vec::new();
    scores.for_each_tie_group(|group| {
        entries.extend(Entry::new(group.score, group.positives, group.negatives));
    });
    entries
}

fn encode(entries: &[Entry], header: RunHeader) -> Result<Vec<u8>, RunError> {
    let mut writer = RunWriter::new(Vec::new(), header)?;
    for entry in entries {
        writer.push(entry)?;
    }
    Ok(writer.finish()?.0)
}

fn decode(bytes: &[u8]) -> Result<Vec<Entry>, RunError> {
    RunReader::new(bytes)?.collect()
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-6i32..6).prop_map(f64::from),
        (-30.0f32..30.0).prop_map(f64::from),
        -1e300f64..1e300,
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(-0.0),
        Just(5e-324),
    ]
}

proptest! {
    #[test]
    fn any_sharding_merges_to_the_bits_of_one_machine(
        rows in prop::collection::vec((score(), any::<bool>(), 0usize..5), 2..120),
    ) {
        prop_assume!(rows.iter().any(|row| row.1) && rows.iter().any(|row| !row.1));
        let all: Vec<_> = rows.iter().map(|row| (row.0, row.1)).collect();
        let whole = ranked(&all);
        let shards: Vec<Vec<u8>> = (0..5).map(|shard| {
            let mine: Vec<_> = rows.iter().filter(|row| row.2 == shard).map(|row| (row.0, row.1)).collect();
            encode(&entries(&ranked(&mine)), header(KeyWidth::Double, false)).expect("encodes")
        }).collect();
        let open = || merge(shards.iter().map(|bytes| RunReader::new(bytes.as_slice()).expect("a run")));
        let merged: Vec<Entry> = open().collect::<Result<_, _>>().expect("reads");
        prop_assert_eq!(&merged, &entries(&whole));
        let mut writer = RunWriter::new(Vec::new(), header(KeyWidth::Double, false)).expect("writes");
        writer.push_scores(&whole).expect("ascending");
        let written = writer.finish().expect("writes").0;
        prop_assert_eq!(&decode(&written).expect("reads"), &merged);
        let expected = evaluate_all(&METRICS, &whole, OutputKind::Logits);
        let totals = scan(open()).expect("reads");
        prop_assert_eq!(totals.totals, whole.totals());
        let streamed = evaluate_stream(open(), &totals, &METRICS, OutputKind::Logits).expect("reads");
        prop_assert_eq!(&streamed.values, &expected);
        prop_assert_eq!(streamed.area, auc(&whole));
    }

    #[test]
    fn weighted_shards_merge_to_the_bits_of_one_machine(
        rows in prop::collection::vec((-4i32..4, any::<bool>(), 1u32..5, 0usize..3), 2..80),
    ) {
        prop_assume!(rows.iter().any(|row| row.1) && rows.iter().any(|row| !row.1));
        let entry = |row: &(i32, bool, u32, usize)| {
            let weight = f64::from(row.2) / 3.0;
            Entry::weighted(f64::from(row.0), weight, u64::from(row.1), u64::from(!row.1)).expect("valid")
        };
        let shards = (0..3).map(|shard| {
            let runs = rows.iter().filter(|row| row.3 == shard)
                .map(|row| std::iter::once(Ok::<_, RunError>(entry(row))));
            let entries: Vec<_> = merge(runs).collect::<Result<_, _>>().expect("in memory");
            let bytes = encode(&entries, header(KeyWidth::Single, true)).expect("encodes");
            decode(&bytes).expect("reads").into_iter().map(Ok::<_, RunError>)
        });
        let merged: Vec<Entry> = merge(shards).collect::<Result<_, _>>().expect("reads");
        let mut gathered = RowAccumulator::default();
        gathered.extend(rows.iter().map(|row| Row {
            scores: [f64::from(row.0)],
            positive: row.1,
            weight: f64::from(row.2) / 3.0,
            cluster: None,
        }));
        let whole = gathered.finish();
        prop_assert_eq!(&merged, &entries_of(whole.iter()).collect::<Vec<_>>());
        let open = || merged.iter().copied().map(Ok::<_, RunError>);
        let totals = scan(open()).expect("reads");
        prop_assert_eq!(totals.totals, whole.totals());
        let streamed = evaluate_stream(open(), &totals, &METRICS, OutputKind::Logits).expect("reads");
        prop_assert_eq!(streamed.values, evaluate_all(&METRICS, &whole, OutputKind::Logits));
    }

    #[test]
    fn a_run_that_was_changed_or_cut_is_refused(
        scores in prop::collection::btree_map(-1000i32..1000, (0u64..4, 1u64..4), 1..200),
        flip in any::<prop::sample::Index>(),
        bit in 0u8..8,
        cut in any::<prop::sample::Index>(),
    ) {
        let entries: Vec<_> = scores.iter()
            .filter_map(|(&score, &(p, n))| Entry::new(f64::from(score), p, n))
            .collect();
        let bytes = encode(&entries, header(KeyWidth::Single, false)).expect("encodes");
        prop_assert_eq!(&decode(&bytes).expect("reads"), &entries);
        let mut changed = bytes.clone();
        changed[flip.index(bytes.len())] ^= 1 << bit;
        prop_assert!(decode(&changed).is_err());
        let short = &bytes[..cut.index(bytes.len())];
        prop_assert!(decode(short).is_err());
        let mut long = bytes;
        long.push(0);
        prop_assert!(decode(&long).is_err());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300), whole: bool) {
        if whole {
            let mut start = encode(&[], header(KeyWidth::Double, true)).expect("encodes");
            start.truncate(54);
            start.append(&mut bytes);
            bytes = start;
        }
        let _ = decode(&bytes);
    }
}

/// Rows that could have weights and happen to weigh 1 each are counts, and a merge of their
/// shards takes them for counts too.
#[test]
fn weights_of_one_give_the_exact_area_of_counts() {
    let rows = [(-4.0, false), (-4.0, true), (0.0, false), (0.0, false)];
    let mut gathered = RowAccumulator::default();
    gathered.extend(rows.map(|(score, positive)| Row {
        scores: [score],
        positive,
        weight: 1.0,
        cluster: None,
    }));
    let areas = evaluate_all(&[Metric::Auc], &gathered.finish(), OutputKind::Logits);
    assert_eq!(areas, [auc(&ranked(&rows)).map(|area| area.value)]);
}

#[test]
fn what_cannot_be_written_is_refused() {
    let entry = |score: f64| Entry::new(score, 1, 1).expect("a number");
    let mut writer = RunWriter::new(Vec::new(), header(KeyWidth::Single, false)).expect("writes");
    writer.push(&entry(1.0)).expect("first");
    assert!(matches!(writer.push(&entry(1.0)), Err(RunError::Order)));
    assert!(matches!(writer.push(&entry(0.5)), Err(RunError::Order)));
    assert!(matches!(
        writer.push(&entry(2.1)),
        Err(RunError::Width { score: 2.1 })
    ));
    let heavy = Entry::weighted(3.0, 2.0, 1, 0).expect("a weight");
    assert!(matches!(writer.push(&heavy), Err(RunError::Weighted)));
    assert_eq!(Entry::new(f64::NAN, 1, 1), None);
    assert_eq!(Entry::weighted(1.0, -1.0, 1, 1), None);
    let (_, totals) = writer.finish().expect("writes");
    let expected = RunTotals {
        entries: 1,
        positives: 1,
        negatives: 1,
    };
    assert_eq!(totals, expected);
}

#[test]
fn other_files_and_newer_versions_are_told_apart() {
    assert!(matches!(decode(b"PAR1 and more"), Err(RunError::NotARun)));
    assert!(matches!(decode(b""), Err(RunError::NotARun)));
    let mut bytes = encode(&[], header(KeyWidth::Single, false)).expect("encodes");
    bytes[6] = 2;
    assert!(matches!(
        decode(&bytes),
        Err(RunError::NewerVersion { found: 2 })
    ));
}

/// Kept from the first published version: reading it must go on to work.
#[test]
fn the_first_published_version_still_reads() {
    let published = include_bytes!("fixtures/run-v1.bin");
    let entries = decode(published).expect("version 1 reads");
    let expected: Vec<_> = [
        Entry::weighted(f64::NEG_INFINITY, 1.0, 0, 1),
        Entry::weighted(-1.5, 0.25, 1, 0),
        Entry::weighted(-1.5, 2.0, 3, 40),
        Entry::weighted(0.1, 1.0, 1_000_000, 5_000_000_000),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert_eq!(entries, expected);
    let written = encode(&expected, header(KeyWidth::Double, true)).expect("encodes");
    assert_eq!(written, published);
}

#[test]
fn a_million_rows_take_four_megabytes() {
    let mut state = 1u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    };
    let mut wide = ScoreAccumulator::new();
    let scores: Vec<f32> = (0..1_000_000).map(|_| next() as f32 / 1000.0).collect();
    let labels: Vec<bool> = (0..1_000_000).map(|_| next() % 10 == 0).collect();
    wide.extend(ScoreSlice::Single(&scores), &labels)
        .expect("no NaN");
    let mut writer = RunWriter::new(Vec::new(), header(KeyWidth::Single, false)).expect("writes");
    writer.push_scores(&wide.finish()).expect("ascending");
    let (bytes, _) = writer.finish().expect("writes");
    assert!(bytes.len() < 4_500_000, "{}", bytes.len());
}

#[test]
fn shards_that_are_missing_repeated_or_foreign_are_refused() {
    let shard = |shard, shards, identity| RunHeader {
        shard,
        shards,
        identity: [identity; 32],
        ..header(KeyWidth::Single, false)
    };
    let whole = [shard(2, 3, 1), shard(0, 3, 1), shard(1, 3, 1)];
    assert_eq!(check_shards(&whole), Ok(()));
    assert_eq!(check_shards(&[]), Err(ShardError::None));
    assert_eq!(
        check_shards(&whole[..2]),
        Err(ShardError::Missing {
            shard: 1,
            shards: 3
        })
    );
    assert_eq!(
        check_shards(&whole[1..]),
        Err(ShardError::Missing {
            shard: 2,
            shards: 3
        })
    );
    assert_eq!(
        check_shards(&[shard(0, 2, 1), shard(0, 2, 1)]),
        Err(ShardError::Repeated { shard: 0 })
    );
    assert_eq!(
        check_shards(&[shard(0, 2, 1), shard(1, 2, 9)]),
        Err(ShardError::Mixed {
            first: 0,
            second: 1
        })
    );
    assert!(matches!(
        check_shards(&[shard(0, 2, 1), shard(1, 3, 1)]),
        Err(ShardError::Number { .. })
    ));
    assert!(matches!(
        check_shards(&[shard(2, 2, 1)]),
        Err(ShardError::Index { .. })
    ));
}
