//! The parent's side: starts the child, talks to it, and turns its every end into an error.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ndarray::{ArrayView2, ArrayViewMut2};

use super::child::{ChildProcess, Ended};
pub use super::limits::MemoryLimit;
use super::limits::{cgroup_throttling, model_digest, peak_memory_bytes};
use super::memory::SharedMemory;
use super::protocol::{self, Failure, LoadRequest, Loaded, Measured, Reply, Request, Rows};
use super::transport::{Deadlined, send_files};
use super::{
    Device, InputPart, LatencyPlan, LatencySamples, ModelInfo, ModelInput, OutputKind,
    OutputSelection, RawScores, Scorer, ScorerError, ThrottleEvidence, UnloadableReason, archive,
    operators::{self, Denied},
};

/// Name of the scorer's binary.
const SCORER_NAME: &str = "validator-scorer";
/// Fewest warm-up calls, whatever a plan says.
const WARM_UP_CALLS_MIN: usize = 10;

/// How to start a scorer.
#[derive(Debug, Clone)]
pub struct SpawnOptions {
    /// Binary that links libtorch; see [`find_scorer`].
    pub scorer: PathBuf,
    /// TorchScript file.
    pub model: PathBuf,
    /// Threads that one call may use.
    pub threads: usize,
    /// Longest time from the start of the child to a loaded model.
    pub load_timeout: Duration,
    /// Longest time for one call of the model; a measurement may take twice this in addition to
    /// its own budgets, since neither its warm-up nor its timed calls are cut off in a call.
    pub call_timeout: Duration,
    /// Memory that the child may take.
    pub memory_limit: MemoryLimit,
    /// Which part of the output is the score.
    pub selection: OutputSelection,
    /// Operators that its code may not call; the scorer itself denies none.
    pub denied: Vec<Denied>,
    /// Where the model runs.
    pub device: Device,
    /// Whether the child gives up files, network and processes before it loads the model.
    pub sandbox: bool,
}

impl SpawnOptions {
    /// Returns options with one thread, 120 s to load, 60 s a call, automatic memory limit.
    #[must_use]
    pub fn new(scorer: impl Into<PathBuf>, model: impl Into<PathBuf>) -> Self {
        Self {
            scorer: scorer.into(),
            model: model.into(),
            threads: 1,
            load_timeout: Duration::from_secs(120),
            call_timeout: Duration::from_secs(60),
            memory_limit: MemoryLimit::Automatic,
            selection: OutputSelection::default(),
            denied: Vec::new(),
            device: Device::Cpu,
            sandbox: true,
        }
    }
}

/// Finds the scorer's binary: the given path, else beside the running executable.
///
/// # Errors
/// [`ScorerError::ScorerMissing`] with the path that was tried.
pub fn find_scorer(given: Option<&Path>) -> Result<PathBuf, ScorerError> {
    let path = given.map_or_else(
        || {
            std::env::current_exe()
                .ok()
                .and_then(|executable| Some(executable.parent()?.join(SCORER_NAME)))
                .unwrap_or_else(|| PathBuf::from(SCORER_NAME))
        },
        Path::to_path_buf,
    );
    if path.is_file() {
        Ok(path)
    } else {
        Err(ScorerError::ScorerMissing { path })
    }
}

/// A child that loads libtorch, which takes longer than most models, before its model is there.
/// Dropping it kills the child.
#[derive(Debug)]
pub struct StartedScorer {
    child: ChildProcess,
    socket: UnixStream,
    started: Instant,
}

impl StartedScorer {
    /// Starts `scorer` for calls of `threads` threads, and does not wait for it.
    ///
    /// # Errors
    /// [`ScorerError::ScorerMissing`] and [`ScorerError::Spawn`].
    pub fn start(scorer: &Path, threads: usize) -> Result<Self, ScorerError> {
        let started = Instant::now();
        let scorer = find_scorer(Some(scorer))?;
        let (socket, childs_socket) = UnixStream::pair().map_err(spawn_error("socket"))?;
        let child =
            ChildProcess::start(&scorer, childs_socket, threads).map_err(spawn_error("process"))?;
        Ok(Self {
            child,
            socket,
            started,
        })
    }
}

/// A model file whose archive may be given to a child.
struct Inspected {
    model_file: File,
    bytes: u64,
}

impl Inspected {
    fn of(options: &SpawnOptions) -> Result<Self, ScorerError> {
        let unreadable = |source| ScorerError::ModelUnreadable {
            path: options.model.clone(),
            source,
        };
        let model_file = open_model(&options.model).map_err(unreadable)?;
        let bytes = model_file.metadata().map_err(unreadable)?.len();
        archive::inspect(&model_file)
            .and_then(|()| operators::inspect(&model_file, &options.denied))
            .map_err(|reason| ScorerError::DoesNotLoad {
                path: options.model.clone(),
                reason,
            })?;
        Ok(Self { model_file, bytes })
    }
}

/// A model loaded in a child process. Dropping it kills the child.
#[derive(Debug)]
pub struct ScorerProcess {
    model: ModelInfo,
    options: SpawnOptions,
    memory_limit_bytes: Option<u64>,
    model_file: File,
    memory: SharedMemory,
    socket: UnixStream,
    child: ChildProcess,
    gone: Option<String>,
    pair_kind: Option<OutputKind>,
}

impl ScorerProcess {
    /// Starts the child and loads the model; returns once it can score.
    ///
    /// # Errors
    /// Any [`ScorerError`]; no process is left behind.
    pub fn spawn(options: SpawnOptions) -> Result<Self, ScorerError> {
        let inspected = Inspected::of(&options)?;
        let started = StartedScorer::start(&options.scorer, options.threads)?;
        Self::load_into(started, inspected, options)
    }

    /// Loads the model into a child that was started before the model was there; returns once it
    /// can score. The child has the binary and the threads that it was started with.
    ///
    /// # Errors
    /// As [`ScorerProcess::spawn`].
    pub fn spawn_into(started: StartedScorer, options: SpawnOptions) -> Result<Self, ScorerError> {
        let inspected = Inspected::of(&options)?;
        Self::load_into(started, inspected, options)
    }

    fn load_into(
        started: StartedScorer,
        inspected: Inspected,
        options: SpawnOptions,
    ) -> Result<Self, ScorerError> {
        let unreadable = |source| ScorerError::ModelUnreadable {
            path: options.model.clone(),
            source,
        };
        let Inspected { model_file, bytes } = inspected;
        let digest_file = model_file.try_clone().map_err(unreadable)?;
        let digest = std::thread::spawn(move || model_digest(&digest_file));
        let memory = SharedMemory::create().map_err(spawn_error("shared memory"))?;
        let StartedScorer {
            child,
            socket,
            started,
        } = started;
        let memory_limit_bytes = options.memory_limit.bytes();
        let mut process = Self {
            model: ModelInfo {
                path: options.model.clone(),
                sha256: String::new(),
                bytes,
                expected_width: None,
                element_type: super::ElementType::F32,
                parameters: 0,
                load: Duration::ZERO,
                spawn: Duration::ZERO,
                threads: options.threads,
                runtime: String::new(),
                sandbox: super::SandboxReport::default(),
                device: options.device,
            },
            model_file: model_file.try_clone().map_err(unreadable)?,
            options,
            memory_limit_bytes,
            memory,
            socket,
            child,
            gone: None,
            pair_kind: None,
        };
        process.greet()?;
        process.load(&model_file)?;
        process.model.sha256 = digest
            .join()
            .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
            .map_err(|source| ScorerError::ModelUnreadable {
                path: process.options.model.clone(),
                source,
            })?;
        process.model.spawn = started.elapsed();
        Ok(process)
    }

    /// Returns the child's process id.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Tells whether the child still runs and no call has broken it.
    pub fn is_alive(&mut self) -> bool {
        self.gone.is_none() && self.child.is_running()
    }

    /// Returns the most resident memory of the child so far, bytes.
    #[must_use]
    pub fn peak_memory_bytes(&self) -> Option<u64> {
        peak_memory_bytes(self.child.id())
    }

    fn greet(&mut self) -> Result<(), ScorerError> {
        let mut stream = Deadlined::new(&self.socket, self.options.load_timeout);
        match protocol::read_message::<Reply>(&mut stream, 0) {
            Ok((Reply::Hello { version, runtime }, _)) if version == protocol::VERSION => {
                self.model.runtime = runtime;
                Ok(())
            }
            Ok((Reply::Hello { version, .. }, _)) => Err(self.end(ScorerError::Protocol {
                what: format!(
                    "the scorer speaks version {version}, this program {}; build both together",
                    protocol::VERSION
                ),
            })),
            Ok(_) => Err(self.end(unexpected())),
            Err(error) if is_end(&error) => {
                let ended = self.child.reap();
                Err(self.end(ScorerError::DidNotStart {
                    status: ended.status,
                    stderr_tail: ended.stderr_tail,
                }))
            }
            Err(error) => Err(self.broken(error, "starting", self.options.load_timeout)),
        }
    }

    fn load(&mut self, model_file: &File) -> Result<(), ScorerError> {
        let timeout = self.options.load_timeout;
        let request = Request::Load(LoadRequest {
            threads: self.options.threads,
            selection: self.options.selection.clone(),
            memory_limit_bytes: self.memory_limit_bytes,
            sandbox: self.options.sandbox,
            device: self.options.device,
        });
        let files = [self.memory.file(), model_file.as_fd()];
        send_files(self.socket.as_fd(), files).map_err(spawn_error("socket"))?;
        match self.ask(&request, 0, "loading the model", timeout)? {
            (Reply::Loaded(loaded), _) => {
                self.note_loaded(loaded);
                Ok(())
            }
            (Reply::LoadFailed { message }, _) => {
                let path = self.options.model.clone();
                let reason = UnloadableReason::Runtime { message };
                Err(self.end(ScorerError::DoesNotLoad { path, reason }))
            }
            (Reply::NoDevice { why }, _) => {
                let device = self.options.device;
                Err(self.end(ScorerError::NoDevice { device, why }))
            }
            (Reply::Failed(failure), _) => {
                Err(self.failed(failure, "loading the model", Rows { rows: 0, width: 0 }))
            }
            _ => Err(self.end(unexpected())),
        }
    }

    fn note_loaded(&mut self, loaded: Loaded) {
        self.model.element_type = loaded.element_type;
        self.model.parameters = loaded.parameters;
        self.model.load = Duration::from_nanos(loaded.load_ns);
        self.model.sandbox = loaded.sandbox;
    }

    /// Puts the rows into shared memory, the one copy on their way to the model.
    fn share(&mut self, rows: ArrayView2<'_, f32>) -> Result<Rows, ScorerError> {
        let shape = Rows {
            rows: rows.nrows(),
            width: rows.ncols(),
        };
        self.memory
            .reserve(shape.bytes())
            .map_err(spawn_error("shared memory"))?;
        let target = self.memory.floats_mut(shape.values());
        match rows.as_slice() {
            Some(values) => target.copy_from_slice(values),
            None => ArrayViewMut2::from_shape(rows.dim(), target)
                .expect("the slice has as many values as the shape")
                .assign(&rows),
        }
        Ok(shape)
    }

    fn ask(
        &mut self,
        request: &Request,
        payload_bytes_max: usize,
        doing: &'static str,
        timeout: Duration,
    ) -> Result<(Reply, Vec<u8>), ScorerError> {
        if let Some(first) = &self.gone {
            return Err(ScorerError::Gone {
                first: first.clone(),
            });
        }
        let mut stream = Deadlined::new(&self.socket, timeout);
        protocol::write_message(&mut stream, request, &[])
            .and_then(|()| protocol::read_message(&mut stream, payload_bytes_max))
            .map_err(|error| self.broken(error, doing, timeout))
    }

    /// Turns a failure of the socket into what happened to the child.
    fn broken(&mut self, error: io::Error, doing: &'static str, timeout: Duration) -> ScorerError {
        let error = match error.kind() {
            io::ErrorKind::TimedOut => {
                self.child.kill();
                ScorerError::Hang { doing, timeout }
            }
            _ if is_end(&error) => {
                let ended = self.child.reap();
                self.crashed(doing, ended)
            }
            _ => ScorerError::Protocol {
                what: error.to_string(),
            },
        };
        self.end(error)
    }

    fn crashed(&self, doing: &'static str, ended: Ended) -> ScorerError {
        let out_of_memory = ["bad_alloc", "can't allocate memory", "memory allocation of"]
            .iter()
            .any(|text| ended.stderr_tail.contains(text));
        if out_of_memory {
            return ScorerError::OutOfMemory {
                doing,
                limit_bytes: self.memory_limit_bytes,
                message: ended.stderr_tail,
            };
        }
        ScorerError::Crashed {
            doing,
            signal: ended.signal,
            exit_status: ended.exit_status,
            status: ended.status,
            stderr_tail: ended.stderr_tail,
        }
    }

    /// Records that the child is of no more use, and ends it.
    fn end(&mut self, error: ScorerError) -> ScorerError {
        self.child.kill();
        self.gone.get_or_insert_with(|| error.to_string());
        error
    }

    fn failed(&mut self, failure: Failure, doing: &'static str, rows: Rows) -> ScorerError {
        match failure {
            Failure::Raised { message } => ScorerError::Raised {
                rows: rows.rows,
                width: rows.width,
                message,
            },
            Failure::WrongWidth { expected, message } => ScorerError::WrongWidth {
                given: rows.width,
                expected,
                message,
            },
            Failure::UnsupportedOutput { what } => ScorerError::UnsupportedOutput { what },
            Failure::Plan { what } => ScorerError::Plan { what },
            Failure::OutOfMemory { message } => self.end(ScorerError::OutOfMemory {
                doing,
                limit_bytes: self.memory_limit_bytes,
                message,
            }),
            Failure::Internal { what } => self.end(ScorerError::Protocol { what }),
        }
    }

    /// Refuses outputs whose meaning changes from batch to batch.
    fn check_pair(&mut self, kind: OutputKind) -> Result<(), ScorerError> {
        if !matches!(
            kind,
            OutputKind::PairOfProbabilities | OutputKind::LogitDifference
        ) {
            return Ok(());
        }
        if *self.pair_kind.get_or_insert(kind) == kind {
            return Ok(());
        }
        Err(ScorerError::UnsupportedOutput {
            what: "the two columns are probabilities in one batch and not in another; choose the column".into(),
        })
    }
}

impl Scorer for ScorerProcess {
    fn model(&self) -> &ModelInfo {
        &self.model
    }

    fn score(&mut self, batch: ArrayView2<'_, f32>) -> Result<RawScores, ScorerError> {
        const DOING: &str = "scoring a batch";
        if batch.is_empty() {
            return Err(ScorerError::Plan {
                what: format!(
                    "a batch of {} rows of width {}",
                    batch.nrows(),
                    batch.ncols()
                ),
            });
        }
        let rows = self.share(batch)?;
        // All columns of a many-class model may come back; a thousand classes are beyond any gate.
        let payload_max = rows.rows.saturating_mul(1_000 * size_of::<f64>());
        let timeout = self.options.call_timeout;
        match self.ask(&Request::Score(rows), payload_max, DOING, timeout)? {
            (
                Reply::Scored {
                    columns,
                    element_type,
                    kind,
                },
                payload,
            ) => {
                let due = rows
                    .rows
                    .checked_mul(columns)
                    .and_then(|values| values.checked_mul(size_of::<f64>()));
                if due != Some(payload.len()) {
                    return Err(self.end(unexpected()));
                }
                self.check_pair(kind)?;
                self.model.expected_width = Some(rows.width);
                let values = payload
                    .chunks_exact(size_of::<f64>())
                    .map(|bytes| f64::from_le_bytes(bytes.try_into().expect("chunks of eight")))
                    .collect();
                Ok(RawScores {
                    values,
                    columns,
                    element_type,
                    kind,
                })
            }
            (Reply::Failed(failure), _) => Err(self.failed(failure, DOING, rows)),
            _ => Err(self.end(unexpected())),
        }
    }

    fn set_inputs(&mut self, inputs: &[ModelInput]) -> Result<(), ScorerError> {
        let parts = self.parts_in_order(inputs)?;
        let timeout = self.options.call_timeout;
        match self.ask(&Request::Inputs(parts), 0, "arranging its inputs", timeout)? {
            (Reply::Arranged, _) => Ok(()),
            _ => Err(self.end(unexpected())),
        }
    }

    fn measure(
        &mut self,
        rows: ArrayView2<'_, f32>,
        plan: &LatencyPlan,
    ) -> Result<LatencySamples, ScorerError> {
        const DOING: &str = "measuring latency";
        let mut plan = plan.clone();
        plan.warm_up_calls_min = plan.warm_up_calls_min.max(WARM_UP_CALLS_MIN);
        plan.calls_max = plan.calls_max.max(plan.calls_target);
        if plan.batch == 0 || rows.nrows() < plan.batch {
            return Err(ScorerError::Plan {
                what: format!("{} rows for calls of {} rows", rows.nrows(), plan.batch),
            });
        }
        let rows = self.share(rows)?;
        let timeout = plan.warm_up_budget + plan.budget + 2 * self.options.call_timeout;
        let payload_max = plan.calls_max.saturating_mul(size_of::<u64>());
        let request = Request::Measure {
            rows,
            plan: plan.clone(),
        };
        let throttling_before = cgroup_throttling();
        match self.ask(&request, payload_max, DOING, timeout)? {
            (Reply::Measured(measured), payload)
                if payload.len() == measured.calls.saturating_mul(size_of::<u64>()) =>
            {
                let throttling = throttling_before
                    .zip(cgroup_throttling())
                    .map(|(before, after)| before.until(after));
                Ok(self.samples(&plan, &measured, &payload, throttling))
            }
            (Reply::Failed(failure), _) => Err(self.failed(failure, DOING, rows)),
            _ => Err(self.end(unexpected())),
        }
    }
}

impl ScorerProcess {
    /// Returns the inputs in the order of the arguments of the model's `forward`.
    fn parts_in_order(&self, inputs: &[ModelInput]) -> Result<Vec<InputPart>, ScorerError> {
        if inputs.is_empty() {
            return Ok(Vec::new());
        }
        let taken = archive::forward_arguments(&self.model_file);
        let by_name = inputs.iter().any(|input| input.name.is_some());
        let refuse = |what: String| Err(ScorerError::Inputs { what });
        let Some(taken) = taken else {
            return if by_name {
                refuse("its code does not tell the names of its arguments; leave the names out, in the order of `forward`".into())
            } else {
                Ok(inputs.iter().map(|input| input.part).collect())
            };
        };
        let named = |arguments: &[archive::Argument]| {
            let names: Vec<String> = arguments
                .iter()
                .map(|argument| format!("`{}`", argument.name))
                .collect();
            names.join(", ")
        };
        if !by_name {
            let needed = taken
                .iter()
                .filter(|argument| !argument.has_default)
                .count();
            if inputs.len() < needed || inputs.len() > taken.len() {
                return refuse(format!(
                    "there are {}, and `forward` takes {} ({})",
                    inputs.len(),
                    taken.len(),
                    named(&taken)
                ));
            }
            return Ok(inputs.iter().map(|input| input.part).collect());
        }
        let is_named = |input: &ModelInput, name: &str| input.name.as_deref() == Some(name);
        if let Some(unknown) = inputs
            .iter()
            .find(|input| !taken.iter().any(|argument| is_named(input, &argument.name)))
        {
            return refuse(format!(
                "`forward` has no argument `{}`; it takes {}",
                unknown.name.as_deref().unwrap_or_default(),
                named(&taken)
            ));
        }
        let mut parts = Vec::with_capacity(inputs.len());
        for (position, argument) in taken.iter().enumerate() {
            match inputs.iter().find(|input| is_named(input, &argument.name)) {
                Some(input) if parts.len() == position => parts.push(input.part),
                Some(_) => {
                    return refuse(format!(
                        "`{}` comes after an argument that is left out; name all before it",
                        argument.name
                    ));
                }
                None if argument.has_default => {}
                None => {
                    return refuse(format!(
                        "nothing is named for the argument `{}`; it takes {}",
                        argument.name,
                        named(&taken)
                    ));
                }
            }
        }
        Ok(parts)
    }

    fn samples(
        &self,
        plan: &LatencyPlan,
        measured: &Measured,
        payload: &[u8],
        throttling: Option<ThrottleEvidence>,
    ) -> LatencySamples {
        LatencySamples {
            nanoseconds: payload
                .chunks_exact(size_of::<u64>())
                .map(|bytes| u64::from_le_bytes(bytes.try_into().expect("chunks of eight")))
                .collect(),
            warm_up_calls: measured.warm_up_calls,
            warm_up_stable: measured.warm_up_stable,
            warm_up: Duration::from_nanos(measured.warm_up_ns),
            load: self.model.load,
            first_call: Duration::from_nanos(measured.first_call_ns),
            first_call_rows: measured.first_call_rows,
            elapsed: Duration::from_nanos(measured.elapsed_ns),
            budget_exhausted: measured.budget_exhausted,
            stopped_early: measured.stopped_early,
            backlog: measured.backlog,
            overhead_ns: measured.overhead_ns,
            peak_memory_bytes: self.peak_memory_bytes(),
            throttling,
            batch: plan.batch,
            threads: plan.threads,
        }
    }
}

/// Opens the model; a folder or device is an error, not something to wait on.
fn open_model(path: &Path) -> io::Result<File> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    File::open(path)
}

fn spawn_error(what: &'static str) -> impl FnOnce(io::Error) -> ScorerError {
    move |source| ScorerError::Spawn {
        what: what.to_owned(),
        source,
    }
}

fn unexpected() -> ScorerError {
    ScorerError::Protocol {
        what: "an answer that does not fit the question".into(),
    }
}

fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}
