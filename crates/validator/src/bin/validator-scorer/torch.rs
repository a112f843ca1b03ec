//! The one file that speaks to libtorch. Only fallible calls of `tch` are used, but for the
//! thread counts, which have no fallible form.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

use tch::jit::{CModule, IValue};
use tch::{Device, Kind, TchError, Tensor};
use validator::scorer::protocol::Rows;
use validator::scorer::{Device as WhereToRun, ElementType, InputPart};

/// Longest error text handed on, characters.
const MESSAGE_CHARACTERS_MAX: usize = 2_000;

/// A loaded TorchScript module.
pub(crate) struct Model {
    module: CModule,
    device: Device,
    element_type: ElementType,
    parameters: u64,
    weight_widths: Vec<usize>,
    /// Whether the output is a plain tensor; learned on the first call, it saves a detour.
    returns_tensor: std::cell::Cell<bool>,
}

/// Rows as the model takes them: one tensor for each argument of `forward`.
pub(crate) struct Input(Vec<Tensor>);

/// What `forward` returned.
pub(crate) enum Output {
    Tensor(Matrix),
    Several(Vec<Output>),
    Named(Vec<(String, Output)>),
    Other(String),
}

/// A tensor among the outputs.
pub(crate) struct Matrix(Tensor);

/// What libtorch said, without its C++ frames.
#[derive(Debug, Clone)]
pub(crate) struct TorchError {
    pub(crate) message: String,
    pub(crate) out_of_memory: bool,
}

impl From<TchError> for TorchError {
    fn from(error: TchError) -> Self {
        let text = match error {
            TchError::Torch(text) => text,
            other => other.to_string(),
        };
        let out_of_memory = ["can't allocate memory", "bad_alloc", "not enough memory"]
            .iter()
            .any(|sign| text.contains(sign));
        let text = text
            .split("\nException raised from ")
            .next()
            .unwrap_or_default()
            .trim();
        let text = match text.char_indices().nth(MESSAGE_CHARACTERS_MAX) {
            Some((end, _)) => &text[..end],
            None => text,
        };
        Self {
            message: text.to_owned(),
            out_of_memory,
        }
    }
}

/// Sets how many threads one call may use.
pub(crate) fn set_threads(threads: usize) {
    tch::set_num_threads(i32::try_from(threads.max(1)).unwrap_or(i32::MAX));
}

/// Sets the pool between operators to one thread; must come once, before any work.
pub(crate) fn set_interop_threads() {
    tch::set_num_interop_threads(1);
}

/// Runs `work` without recording gradients.
pub(crate) fn without_gradients<T>(work: impl FnOnce() -> T) -> T {
    tch::no_grad(work)
}

/// Why a device cannot be used, where it cannot.
pub(crate) fn device_problem(device: WhereToRun) -> Option<String> {
    let WhereToRun::Cuda(number) = device else {
        return None;
    };
    if !tch::Cuda::is_available() {
        return Some(
            "this validator-scorer is linked with a libtorch without CUDA, or the machine has no NVIDIA GPU with a working driver".into(),
        );
    }
    let count = tch::Cuda::device_count();
    (i64::from(number) >= count).then(|| format!("the machine has {count} GPUs, counted from 0"))
}

/// Makes the driver set up all that it needs files, sockets and threads for, before they are
/// taken away.
pub(crate) fn warm_device(device: WhereToRun) -> Result<(), TorchError> {
    if let Device::Cuda(number) = device_of(device) {
        let side = [8, 8];
        let ones = Tensor::f_ones(side, (Kind::Float, Device::Cuda(number)))?;
        // A product loads the library that most models need first.
        drop(ones.f_matmul(&ones)?.f_to_device(Device::Cpu)?);
        tch::Cuda::synchronize(number as i64);
    }
    Ok(())
}

fn device_of(device: WhereToRun) -> Device {
    match device {
        WhereToRun::Cpu => Device::Cpu,
        WhereToRun::Cuda(number) => Device::Cuda(number as usize),
    }
}

impl Model {
    /// Loads the module from an open file onto the device, in evaluation mode.
    pub(crate) fn load(file: &mut File, device: WhereToRun) -> Result<Self, TorchError> {
        let device = device_of(device);
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let mut module = if Path::new(&path).exists() {
            CModule::load_on_device(&path, device)?
        } else {
            CModule::load_data_on_device(file, device)?
        };
        // A frozen module has no training flag; it is in evaluation mode for good.
        drop(module.f_set_eval());
        let parameters = module.named_parameters()?;
        let element_type = parameters
            .iter()
            .find_map(|(_, tensor)| element_type(tensor.f_kind().ok()?))
            .unwrap_or(ElementType::F32);
        let weight_widths = parameters
            .iter()
            .filter(|(_, tensor)| tensor.dim() == 2)
            .filter_map(|(_, tensor)| usize::try_from(*tensor.size().get(1)?).ok())
            .collect();
        let parameters = parameters
            .iter()
            .map(|(_, tensor)| tensor.numel() as u64)
            .sum();
        Ok(Self {
            module,
            device,
            element_type,
            parameters,
            weight_widths,
            returns_tensor: std::cell::Cell::new(true),
        })
    }

    pub(crate) fn element_type(&self) -> ElementType {
        self.element_type
    }

    pub(crate) fn set_element_type(&mut self, element_type: ElementType) {
        self.element_type = element_type;
    }

    pub(crate) fn parameters(&self) -> u64 {
        self.parameters
    }

    /// Returns the input widths of all two-dimensional weights, in the order of declaration.
    pub(crate) fn weight_widths(&self) -> &[usize] {
        &self.weight_widths
    }

    /// Wraps shared rows as they lie; copies only to cast to the model's element type, to move
    /// them to a GPU, or to take `parts` of the columns apart.
    ///
    /// `start` must stay valid, and unwritten by others, until the input is dropped.
    pub(crate) fn input(
        &self,
        start: *const u8,
        rows: Rows,
        parts: &[InputPart],
    ) -> Result<Input, TorchError> {
        let size = [rows.rows as i64, rows.width as i64];
        #[expect(unsafe_code, reason = "the tensor wraps shared memory without a copy")]
        // SAFETY: the caller has mapped `rows` at `start`, page-aligned, and keeps the mapping
        // and the parent silent while the tensor lives.
        let tensor = unsafe { Tensor::f_from_blob(start, &size, &[], Kind::Float, Device::Cpu)? };
        if parts.is_empty() {
            return self.cast(tensor).map(|tensor| Input(vec![tensor]));
        }
        let tensors = parts.iter().map(|part| {
            let (first, width) = (part.first as i64, part.width as i64);
            let columns = tensor.f_narrow(1, first, width)?.f_contiguous()?;
            let columns = if part.whole_numbers {
                columns.f_to_kind(Kind::Int64)?.f_to_device(self.device)?
            } else {
                self.cast(columns)?
            };
            if part.flat {
                return Ok(columns.f_squeeze_dim(1)?);
            }
            Ok(columns)
        });
        tensors.collect::<Result<_, TorchError>>().map(Input)
    }

    /// Returns zeros of the given shape, to ask the model whether it takes them.
    pub(crate) fn zeros(&self, rows: Rows) -> Result<Input, TorchError> {
        let size = [rows.rows as i64, rows.width as i64];
        let zeros = self.cast(Tensor::f_zeros(size, (Kind::Float, Device::Cpu))?)?;
        Ok(Input(vec![zeros]))
    }

    fn cast(&self, tensor: Tensor) -> Result<Tensor, TorchError> {
        let tensor = if self.element_type == ElementType::F32 {
            tensor
        } else {
            tensor.f_to_kind(kind(self.element_type))?
        };
        if self.device == Device::Cpu {
            return Ok(tensor);
        }
        Ok(tensor.f_to_device(self.device)?)
    }

    /// Waits until the device has done all that it was given; nothing on the processor, whose
    /// calls return when they are done.
    pub(crate) fn finish(&self) {
        if let Device::Cuda(number) = self.device {
            tch::Cuda::synchronize(number as i64);
        }
    }

    /// Calls `forward` once. On a GPU the call may return before the work is done.
    pub(crate) fn call(&self, input: &Input) -> Result<Output, TorchError> {
        if self.returns_tensor.get() {
            match self.module.forward_ts(&input.0) {
                Ok(tensor) => return Ok(Output::Tensor(Matrix(tensor))),
                Err(TchError::Torch(text)) if !text.contains("did not return a tensor") => {
                    return Err(TchError::Torch(text).into());
                }
                // Not a tensor: take the general way, now and for all later calls.
                Err(_) => self.returns_tensor.set(false),
            }
        }
        let arguments: Vec<IValue> = input
            .0
            .iter()
            .map(|tensor| IValue::Tensor(tensor.shallow_clone()))
            .collect();
        Ok(Output::from(self.module.forward_is(&arguments)?))
    }
}

impl Input {
    /// Returns a view of some of the rows.
    pub(crate) fn rows(&self, first: usize, count: usize) -> Result<Self, TorchError> {
        let tensors = self
            .0
            .iter()
            .map(|tensor| Ok(tensor.f_narrow(0, first as i64, count as i64)?));
        tensors.collect::<Result<_, TorchError>>().map(Self)
    }
}

impl From<IValue> for Output {
    fn from(value: IValue) -> Self {
        match value {
            IValue::Tensor(tensor) => Self::Tensor(Matrix(tensor)),
            IValue::Tuple(items) | IValue::GenericList(items) => {
                Self::Several(items.into_iter().map(Self::from).collect())
            }
            IValue::TensorList(items) => Self::Several(
                items
                    .into_iter()
                    .map(|tensor| Self::Tensor(Matrix(tensor)))
                    .collect(),
            ),
            IValue::GenericDict(entries) => Self::Named(
                entries
                    .into_iter()
                    .map(|(key, value)| (key_text(key), Self::from(value)))
                    .collect(),
            ),
            IValue::None => Self::Other("None".into()),
            IValue::Double(_) | IValue::Int(_) | IValue::Bool(_) => {
                Self::Other("a single number for the whole batch".into())
            }
            IValue::String(_) | IValue::StringList(_) => Self::Other("text".into()),
            IValue::DoubleList(_) | IValue::IntList(_) | IValue::BoolList(_) => {
                Self::Other("a list of numbers; return a tensor".into())
            }
            IValue::Object(_) => Self::Other("an object".into()),
            _ => Self::Other("neither tensor, tuple, list nor dictionary".into()),
        }
    }
}

fn key_text(key: IValue) -> String {
    match key {
        IValue::String(text) => text,
        IValue::Int(number) => number.to_string(),
        _ => "?".into(),
    }
}

impl Matrix {
    /// Returns the shape.
    pub(crate) fn size(&self) -> Vec<i64> {
        self.0.size()
    }

    /// Returns the element type, or its name where scores cannot have it.
    pub(crate) fn element_type(&self) -> Result<ElementType, String> {
        let kind = self.0.f_kind().map_err(|error| error.to_string())?;
        element_type(kind).ok_or_else(|| format!("{kind:?}").to_lowercase())
    }

    /// Returns all values, row-major, widened to f64 without loss.
    pub(crate) fn values(&self) -> Result<Vec<f64>, TorchError> {
        let wide = self.0.f_to_device(Device::Cpu)?;
        let wide = wide.f_to_kind(Kind::Double)?.f_contiguous()?;
        let mut values = vec![0_f64; wide.numel()];
        let count = values.len();
        wide.f_copy_data(&mut values, count)?;
        Ok(values)
    }
}

fn element_type(kind: Kind) -> Option<ElementType> {
    match kind {
        Kind::Half => Some(ElementType::F16),
        Kind::BFloat16 => Some(ElementType::Bf16),
        Kind::Float => Some(ElementType::F32),
        Kind::Double => Some(ElementType::F64),
        _ => None,
    }
}

fn kind(element_type: ElementType) -> Kind {
    match element_type {
        ElementType::F16 => Kind::Half,
        ElementType::Bf16 => Kind::BFloat16,
        ElementType::F32 => Kind::Float,
        ElementType::F64 => Kind::Double,
    }
}
