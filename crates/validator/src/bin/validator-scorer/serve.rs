//! Answers the gate's requests, one after the other, until the socket closes.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::time::Instant;

use validator::scorer::memory::SharedMemory;
use validator::scorer::protocol::{
    self, Failure, LoadRequest, Loaded, Measured, Reply, Request, Rows, read_message, write_message,
};
use validator::scorer::{
    ElementType, InputPart, LatencyPlan, OutputKind, OutputSelection, SandboxReport, sandbox,
    transport,
};

use crate::measure::{FirstCall, measure};
use crate::output::{Scores, select};
use crate::torch::{self, Input, Model, TorchError};
use crate::width;

/// Element types tried for a model without parameters that refuses f32.
const OTHER_TYPES: [ElementType; 3] = [ElementType::F64, ElementType::Bf16, ElementType::F16];

/// Runs until the gate closes the socket.
///
/// # Errors
/// Those of the socket, and a first message that is not the one to load.
pub(crate) fn serve() -> io::Result<()> {
    sandbox::die_with_parent()?;
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    if !File::from(stdin.try_clone()?)
        .metadata()?
        .file_type()
        .is_socket()
    {
        return Err(io::Error::other("the standard input is no socket"));
    }
    // Plain read and write, which stay allowed when the calls on sockets are not.
    let mut socket = File::from(stdin);
    let hello = Reply::Hello {
        version: protocol::VERSION,
        runtime: format!("libtorch {}", env!("BUILT_WITH_LIBTORCH")),
    };
    write_message(&mut socket, &hello, &[])?;
    let [memory, model_file] = transport::receive_files(&socket)?;
    let (Request::Load(request), _) = read_message(&mut socket, 0)? else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the first request must load",
        ));
    };
    let memory = SharedMemory::from_file(memory);
    match Session::load(memory, File::from(model_file), &request) {
        Ok((mut session, loaded)) => {
            write_message(&mut socket, &Reply::Loaded(loaded), &[])?;
            torch::without_gradients(|| session.answer_all(&mut socket))
        }
        Err(reply) => write_message(&mut socket, &reply, &[]),
    }
}

struct Session {
    model: Model,
    memory: SharedMemory,
    threads: usize,
    selection: OutputSelection,
    /// Which columns make which argument; empty where a batch is the only one.
    inputs: Vec<InputPart>,
    first_call: Option<FirstCall>,
    /// Width that has been accepted; other widths are looked at anew.
    accepted_width: Option<usize>,
    /// What the last batch's output was.
    kind: Option<OutputKind>,
}

impl Session {
    fn load(
        memory: SharedMemory,
        mut model_file: File,
        request: &LoadRequest,
    ) -> Result<(Self, Loaded), Reply> {
        if let Some(why) = torch::device_problem(request.device) {
            return Err(Reply::NoDevice { why });
        }
        torch::warm_device(request.device)
            .map_err(|error| Reply::NoDevice { why: error.message })?;
        let sandbox = if request.sandbox {
            sandbox::restrict(
                model_file.as_fd(),
                request.memory_limit_bytes,
                request.device,
            )
        } else {
            SandboxReport::default()
        };
        torch::set_interop_threads();
        torch::set_threads(request.threads);
        let started = Instant::now();
        let model = Model::load(&mut model_file, request.device).map_err(|error| {
            if error.out_of_memory {
                Reply::Failed(Failure::OutOfMemory {
                    message: error.message,
                })
            } else {
                Reply::LoadFailed {
                    message: error.message,
                }
            }
        })?;
        let loaded = Loaded {
            element_type: model.element_type(),
            parameters: model.parameters(),
            load_ns: u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX),
            sandbox,
        };
        let session = Self {
            model,
            memory,
            threads: request.threads,
            selection: request.selection.clone(),
            inputs: Vec::new(),
            first_call: None,
            accepted_width: None,
            kind: None,
        };
        Ok((session, loaded))
    }

    fn answer_all(&mut self, socket: &mut File) -> io::Result<()> {
        loop {
            let request = match read_message::<Request>(socket, 0) {
                Ok((request, _)) => request,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            };
            let (reply, payload) = self.answer(request);
            write_message(socket, &reply, &payload)?;
        }
    }

    fn answer(&mut self, request: Request) -> (Reply, Vec<u8>) {
        let answer = match request {
            Request::Load(_) => Err(Failure::Internal {
                what: "a model is loaded already".into(),
            }),
            Request::Inputs(parts) => {
                self.inputs = parts;
                Ok((Reply::Arranged, Vec::new()))
            }
            Request::Score(rows) => self.score(rows),
            Request::Measure { rows, plan } => self.measure(rows, &plan),
        };
        answer.unwrap_or_else(|failure| (Reply::Failed(failure), Vec::new()))
    }

    fn score(&mut self, rows: Rows) -> Result<(Reply, Vec<u8>), Failure> {
        let input = self.input(rows)?;
        let started = Instant::now();
        let output = match self.model.call(&input) {
            Ok(output) => output,
            Err(error) => {
                drop(input);
                self.explain(error, rows)?;
                let input = self.input(rows)?;
                self.model.call(&input).map_err(raised)?
            }
        };
        self.model.finish();
        self.first_call.get_or_insert(FirstCall {
            nanoseconds: u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX),
            rows: rows.rows,
        });
        self.accept_width(rows.width)?;
        let Scores {
            values,
            columns,
            element_type,
            kind,
        } = select(output, &self.selection, rows.rows, self.kind)?;
        self.kind = Some(kind);
        let payload = bytes(values.iter().map(|value| value.to_le_bytes()));
        let reply = Reply::Scored {
            columns,
            element_type,
            kind,
        };
        Ok((reply, payload))
    }

    fn measure(&mut self, rows: Rows, plan: &LatencyPlan) -> Result<(Reply, Vec<u8>), Failure> {
        if plan.batch == 0 || rows.rows < plan.batch {
            return Err(Failure::Plan {
                what: format!("{} rows for calls of {} rows", rows.rows, plan.batch),
            });
        }
        drop(self.input(rows)?);
        torch::set_threads(plan.threads);
        let result = self.measure_once(rows, plan);
        torch::set_threads(self.threads);
        let (measured, samples) = match result {
            Ok(measured) => measured,
            Err(error) => {
                self.explain(error, rows)?;
                self.measure_once(rows, plan).map_err(raised)?
            }
        };
        let payload = bytes(samples.iter().map(|sample| sample.to_le_bytes()));
        Ok((Reply::Measured(measured), payload))
    }

    fn measure_once(
        &mut self,
        rows: Rows,
        plan: &LatencyPlan,
    ) -> Result<(Measured, Vec<u64>), TorchError> {
        let start = self.memory.start(rows.values());
        let input = self.model.input(start, rows, &self.inputs)?;
        measure(&self.model, &input, rows, plan, &mut self.first_call)
    }

    fn input(&mut self, rows: Rows) -> Result<Input, Failure> {
        let internal = |what: String| Failure::Internal { what };
        self.memory
            .follow(rows.bytes())
            .map_err(|error| internal(format!("shared memory: {error}")))?;
        let start = self.memory.start(rows.values());
        self.model.input(start, rows, &self.inputs).map_err(raised)
    }

    /// Finds out why a call raised: returns `Ok` when another element type cures it.
    fn explain(&mut self, error: TorchError, rows: Rows) -> Result<(), Failure> {
        if error.out_of_memory {
            return Err(raised(error));
        }
        if self.model.parameters() == 0 && is_type_mismatch(&error.message) {
            let original = self.model.element_type();
            for element_type in OTHER_TYPES {
                self.model.set_element_type(element_type);
                let input = self.input(rows)?;
                if self.model.call(&input).is_ok() {
                    return Ok(());
                }
            }
            self.model.set_element_type(original);
        }
        if !self.inputs.is_empty() {
            // Which of several inputs is too wide or too narrow only the model's words tell.
            return Err(raised(error));
        }
        match width::explain(&self.model, rows.width, &error.message) {
            Some(expected) => Err(Failure::WrongWidth {
                expected,
                message: Some(error.message),
            }),
            None => Err(raised(error)),
        }
    }

    /// Refuses a single column that the model has merely stretched to its own width.
    fn accept_width(&mut self, width: usize) -> Result<(), Failure> {
        if self.accepted_width == Some(width) || !self.inputs.is_empty() {
            return Ok(());
        }
        if width == 1
            && let Some(expected) = width::only_other(&self.model)
        {
            return Err(Failure::WrongWidth {
                expected: Some(expected),
                message: None,
            });
        }
        self.accepted_width = Some(width);
        Ok(())
    }
}

fn bytes(values: impl ExactSizeIterator<Item = [u8; 8]>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len() * 8);
    values.for_each(|value| bytes.extend_from_slice(&value));
    bytes
}

fn raised(error: TorchError) -> Failure {
    let message = error.message;
    if error.out_of_memory {
        Failure::OutOfMemory { message }
    } else {
        Failure::Raised { message }
    }
}

fn is_type_mismatch(message: &str) -> bool {
    ["same dtype", "expected scalar type", "Expected scalar type"]
        .iter()
        .any(|text| message.contains(text))
}
