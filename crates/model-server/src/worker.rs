//! One thread that owns the scorer: takes rows from the queue, joins what waits into one call,
//! and starts the scorer again when the model has ended it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use ndarray::{Array2, Axis, concatenate, s};
use tokio::sync::{oneshot, watch};
use validator::scorer::{OutputKind, Scorer, ScorerError, ScorerProcess, SpawnOptions};

use crate::config::Configuration;
use crate::error::{RequestError, WorkerError};
use crate::metrics::Metrics;

/// Requests that may wait; further ones are refused at once.
const QUEUE_MAX: usize = 256;
/// How often an idle scorer is looked after.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// First and longest wait before a scorer is started again.
const RESTART_WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Scores of the rows of one request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scores {
    pub(crate) values: Vec<f64>,
    pub(crate) kind: OutputKind,
}

/// How the worker stands.
#[derive(Debug, Clone)]
pub(crate) enum State {
    Loading,
    Ready(Loaded),
    /// The scorer has ended; it is being started again.
    Restarting(String),
    /// The model has never loaded; the server gives up.
    Failed(Arc<ScorerError>),
}

/// The model that is served.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) sha256: String,
    pub(crate) width: Option<usize>,
    pub(crate) runtime: String,
    pub(crate) peak_memory_bytes: Option<u64>,
}

struct Job {
    rows: Array2<f32>,
    answer: oneshot::Sender<Result<Scores, RequestError>>,
}

/// The worker as the routes see it.
#[derive(Debug)]
pub(crate) struct Worker {
    queue: SyncSender<Job>,
    state: watch::Receiver<State>,
}

impl Worker {
    /// Starts the thread, which loads the model once `model` says where it lies.
    pub(crate) fn start(
        configuration: &Configuration,
        model: Receiver<PathBuf>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (queue, jobs) = sync_channel(QUEUE_MAX);
        let (state_sender, state) = watch::channel(State::Loading);
        let mut options = SpawnOptions::new(&configuration.scorer, PathBuf::new());
        options.threads = configuration.model_threads;
        options.call_timeout = configuration.call_timeout;
        let mut thread = Thread {
            options,
            batch_size: configuration.batch_size,
            state: state_sender,
            metrics,
            jobs,
            held: None,
        };
        std::thread::spawn(move || {
            // Nobody will say where it lies when the server has given up fetching it.
            if let Ok(path) = model.recv() {
                thread.options.model = path;
                thread.run();
            }
        });
        Self { queue, state }
    }

    /// Returns how the worker stands.
    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Returns once the first load has failed or the thread has died; never otherwise.
    pub(crate) async fn failed(&self) -> WorkerError {
        let mut state = self.state.clone();
        loop {
            if let State::Failed(error) = &*state.borrow_and_update() {
                return WorkerError::Load(Arc::clone(error));
            }
            if state.changed().await.is_err() {
                return WorkerError::Ended;
            }
        }
    }

    /// Scores rows, shape `[rows, width]`.
    ///
    /// # Errors
    /// Any [`RequestError`]; a full queue is refused, not waited for.
    pub(crate) async fn score(&self, rows: Array2<f32>) -> Result<Scores, RequestError> {
        match self.state() {
            State::Ready(_) => {}
            State::Loading => return Err(RequestError::NotReady("it is being loaded".into())),
            State::Restarting(reason) => return Err(RequestError::NotReady(reason)),
            State::Failed(error) => return Err(RequestError::NotReady(error.to_string())),
        }
        let (answer, answered) = oneshot::channel();
        self.queue
            .try_send(Job { rows, answer })
            .map_err(|error| match error {
                TrySendError::Full(_) => RequestError::Overloaded,
                TrySendError::Disconnected(_) => RequestError::Stopping,
            })?;
        answered.await.unwrap_or(Err(RequestError::Stopping))
    }
}

struct Thread {
    options: SpawnOptions,
    batch_size: usize,
    state: watch::Sender<State>,
    metrics: Arc<Metrics>,
    jobs: Receiver<Job>,
    /// A job that was taken from the queue and did not fit the call.
    held: Option<Job>,
}

impl Thread {
    fn run(&mut self) {
        let mut wait = RESTART_WAITS.0;
        let mut has_loaded = false;
        while !self.state.is_closed() {
            self.metrics.scorer_starts.fetch_add(1, Ordering::Relaxed);
            let error = match self.load() {
                Ok(mut scorer) => {
                    has_loaded = true;
                    let started = Instant::now();
                    let Some(error) = self.serve(&mut scorer) else {
                        return;
                    };
                    if started.elapsed() > RESTART_WAITS.1 {
                        wait = RESTART_WAITS.0;
                    }
                    error
                }
                Err(error) => error,
            };
            self.metrics.scorer_failures.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "the scorer has ended");
            if !has_loaded {
                self.state.send_replace(State::Failed(Arc::new(error)));
                return;
            }
            self.state
                .send_replace(State::Restarting(error.to_string()));
            self.refuse_until(Instant::now() + wait, &error);
            wait = (wait * 2).min(RESTART_WAITS.1);
        }
    }

    fn load(&self) -> Result<ScorerProcess, ScorerError> {
        let mut scorer = ScorerProcess::spawn(self.options.clone())?;
        let width = warm_up(&mut scorer);
        if !scorer.is_alive() {
            // What ended it comes out of the next call.
            scorer.score(Array2::zeros((1, 1)).view())?;
        }
        let model = scorer.model();
        let loaded = Loaded {
            sha256: model.sha256.clone(),
            width,
            runtime: model.runtime.clone(),
            peak_memory_bytes: scorer.peak_memory_bytes(),
        };
        tracing::info!(sha256 = loaded.sha256, width, load = ?model.load, "model loaded");
        for missing in model.sandbox.missing() {
            tracing::warn!(
                protection = missing,
                "the kernel lacks a protection of the sandbox"
            );
        }
        self.state.send_replace(State::Ready(loaded));
        Ok(scorer)
    }

    /// Serves until the scorer ends (with its error) or the server does.
    fn serve(&mut self, scorer: &mut ScorerProcess) -> Option<ScorerError> {
        loop {
            let first = match self
                .held
                .take()
                .map_or_else(|| self.jobs.recv_timeout(LOOK_INTERVAL), Ok)
            {
                Ok(job) => job,
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    if !scorer.is_alive() {
                        return scorer.score(Array2::zeros((1, 1)).view()).err();
                    }
                    continue;
                }
            };
            let jobs = self.join_waiting(first);
            if let Err(error) = self.answer(scorer, jobs) {
                return Some(error);
            }
        }
    }

    /// Takes what waits in the queue, as long as it has the same width and fits one call.
    fn join_waiting(&mut self, first: Job) -> Vec<Job> {
        let width = first.rows.ncols();
        let mut rows = first.rows.nrows();
        let mut jobs = vec![first];
        while let Ok(job) = self.jobs.try_recv() {
            if job.rows.ncols() != width || rows + job.rows.nrows() > self.batch_size {
                self.held = Some(job);
                break;
            }
            rows += job.rows.nrows();
            jobs.push(job);
        }
        jobs
    }

    /// Answers the jobs; `Err` when the scorer is gone.
    fn answer(&self, scorer: &mut ScorerProcess, jobs: Vec<Job>) -> Result<(), ScorerError> {
        if jobs.len() > 1 {
            let views: Vec<_> = jobs.iter().map(|job| job.rows.view()).collect();
            let joined = concatenate(Axis(0), &views).expect("all jobs have one width");
            if let Ok(scores) = self.call(scorer, &joined) {
                let mut values = scores.values.into_iter();
                for job in jobs {
                    let values = values.by_ref().take(job.rows.nrows()).collect();
                    // A caller that has gone away takes no answer.
                    drop(job.answer.send(Ok(Scores {
                        values,
                        kind: scores.kind,
                    })));
                }
                return Ok(());
            }
        }
        // Alone, or one of them spoils the others: each for itself.
        let mut gone = None;
        for job in jobs {
            let result = self.call(scorer, &job.rows);
            let answer = result
                .as_ref()
                .map(Clone::clone)
                .map_err(RequestError::from);
            drop(job.answer.send(answer));
            if let Err(error) = result
                && !scorer.is_alive()
            {
                gone.get_or_insert(error);
            }
        }
        gone.map_or(Ok(()), Err)
    }

    fn call(&self, scorer: &mut ScorerProcess, rows: &Array2<f32>) -> Result<Scores, ScorerError> {
        let mut values = Vec::with_capacity(rows.nrows());
        let mut kind = OutputKind::Single;
        for start in (0..rows.nrows()).step_by(self.batch_size) {
            let end = rows.nrows().min(start + self.batch_size);
            let started = Instant::now();
            let scores = scorer.score(rows.slice(s![start..end, ..]))?;
            self.metrics.call.record(started.elapsed());
            kind = scores.kind;
            values.extend(scores.values);
        }
        self.metrics
            .rows
            .fetch_add(rows.nrows() as u64, Ordering::Relaxed);
        Ok(Scores { values, kind })
    }

    /// Answers requests that come while there is no scorer.
    fn refuse_until(&mut self, deadline: Instant, error: &ScorerError) {
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            let next = self
                .held
                .take()
                .map_or_else(|| self.jobs.recv_timeout(rest), Ok);
            let Ok(job) = next else { return };
            drop(
                job.answer
                    .send(Err(RequestError::NotReady(error.to_string()))),
            );
        }
    }
}

/// Finds the model's width and makes its first, slow calls, so that no request pays for them.
fn warm_up(scorer: &mut ScorerProcess) -> Option<usize> {
    const CALLS: usize = 10;
    // One column fits hardly any model; the answer names the width that does.
    let width = match scorer.score(Array2::zeros((1, 1)).view()) {
        Ok(_) => 1,
        Err(ScorerError::WrongWidth { expected, .. }) => expected?,
        Err(_) => return None,
    };
    for _ in 0..CALLS {
        scorer.score(Array2::zeros((1, width)).view()).ok()?;
    }
    Some(width)
}
