//! Messages between parent and child, and their framing on the socket.
//!
//! A frame is a header of twelve bytes (length of the JSON as u32, length of the payload as u64,
//! both little-endian), the JSON, and the payload: raw outputs as f64 or call times as u64,
//! little-endian. Both binaries are built and shipped together; the version guards against a
//! scorer left over from another build.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{
    Device, ElementType, InputPart, LatencyPlan, OutputKind, OutputSelection, SandboxReport,
};

/// Changes with every change of the messages.
pub const VERSION: u32 = 2;
/// Longest JSON part, bytes.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
const HEADER_BYTES: usize = 12;

/// What the parent asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Comes first, with two files attached: shared memory, model.
    Load(LoadRequest),
    /// Run the model once on the rows in shared memory.
    Score(Rows),
    /// Time calls on the rows in shared memory.
    Measure { rows: Rows, plan: LatencyPlan },
    /// Hand these columns of all later rows over as one argument each, in this order.
    Inputs(Vec<InputPart>),
}

/// How to load the model and what to allow it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoadRequest {
    pub threads: usize,
    pub selection: OutputSelection,
    pub memory_limit_bytes: Option<u64>,
    pub sandbox: bool,
    pub device: Device,
}

/// Rows at the start of shared memory: `rows * width` f32, row-major.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Rows {
    pub rows: usize,
    pub width: usize,
}

impl Rows {
    /// Returns the number of values.
    #[must_use]
    pub fn values(self) -> usize {
        self.rows.saturating_mul(self.width)
    }

    /// Returns the number of bytes.
    #[must_use]
    pub fn bytes(self) -> usize {
        self.values().saturating_mul(size_of::<f32>())
    }
}

/// What the child answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Sent unasked, as soon as the child runs.
    Hello {
        version: u32,
        runtime: String,
    },
    Loaded(Loaded),
    LoadFailed {
        message: String,
    },
    /// The device is not there; nothing was loaded.
    NoDevice {
        why: String,
    },
    /// The inputs are understood.
    Arranged,
    /// The payload holds `rows * columns` f64.
    Scored {
        columns: usize,
        element_type: ElementType,
        kind: OutputKind,
    },
    /// The payload holds one u64 for each timed call.
    Measured(Measured),
    Failed(Failure),
}

/// What is known of the model once it is loaded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Loaded {
    pub element_type: ElementType,
    pub parameters: u64,
    pub load_ns: u64,
    pub sandbox: SandboxReport,
}

/// A measurement, the call times apart.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    pub calls: usize,
    pub warm_up_calls: usize,
    pub warm_up_stable: bool,
    pub warm_up_ns: u64,
    pub first_call_ns: u64,
    pub first_call_rows: usize,
    pub elapsed_ns: u64,
    pub budget_exhausted: bool,
    pub stopped_early: bool,
    pub backlog: usize,
    pub overhead_ns: f64,
}

/// Why a batch could not be scored; the child lives on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    Raised {
        message: String,
    },
    WrongWidth {
        expected: Option<usize>,
        message: Option<String>,
    },
    UnsupportedOutput {
        what: String,
    },
    OutOfMemory {
        message: String,
    },
    Plan {
        what: String,
    },
    Internal {
        what: String,
    },
}

/// Encodes header and JSON of one message that is followed by `payload_bytes`.
///
/// # Errors
/// `InvalidData` when the message is too long or cannot be written as JSON.
pub fn encode<M: Serialize>(message: &M, payload_bytes: usize) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(message).map_err(invalid)?;
    if json.len() > MESSAGE_BYTES_MAX {
        return Err(invalid("message too long"));
    }
    let json_bytes = u32::try_from(json.len()).map_err(invalid)?;
    let mut frame = Vec::with_capacity(HEADER_BYTES + json.len() + payload_bytes);
    frame.extend_from_slice(&json_bytes.to_le_bytes());
    frame.extend_from_slice(&(payload_bytes as u64).to_le_bytes());
    frame.extend_from_slice(&json);
    Ok(frame)
}

/// Writes one message and its payload.
///
/// # Errors
/// Those of `writer` and of [`encode`].
pub fn write_message<M: Serialize>(
    writer: &mut impl Write,
    message: &M,
    payload: &[u8],
) -> io::Result<()> {
    let mut frame = encode(message, payload.len())?;
    frame.extend_from_slice(payload);
    writer.write_all(&frame)
}

/// Reads one message and its payload, at most `payload_bytes_max`.
///
/// # Errors
/// Those of `reader`; `InvalidData` for a frame that is too long or no message.
pub fn read_message<M: DeserializeOwned>(
    reader: &mut impl Read,
    payload_bytes_max: usize,
) -> io::Result<(M, Vec<u8>)> {
    let mut header = [0_u8; HEADER_BYTES];
    reader.read_exact(&mut header)?;
    let (json_bytes, payload_bytes) = header.split_at(4);
    let json_bytes = u32::from_le_bytes(json_bytes.try_into().map_err(invalid)?) as usize;
    let payload_bytes = u64::from_le_bytes(payload_bytes.try_into().map_err(invalid)?);
    if json_bytes > MESSAGE_BYTES_MAX {
        return Err(invalid(format!("a message of {json_bytes} bytes")));
    }
    if payload_bytes > payload_bytes_max as u64 {
        return Err(invalid(format!(
            "a payload of {payload_bytes} bytes where at most {payload_bytes_max} were due"
        )));
    }
    let mut json = vec![0_u8; json_bytes];
    reader.read_exact(&mut json)?;
    let message = serde_json::from_slice(&json).map_err(invalid)?;
    let mut payload = vec![0_u8; usize::try_from(payload_bytes).map_err(invalid)?];
    reader.read_exact(&mut payload)?;
    Ok((message, payload))
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_and_its_payload_come_back() {
        let mut wire = Vec::new();
        let rows = Rows { rows: 7, width: 3 };
        write_message(&mut wire, &Request::Score(rows), &[1, 2, 3]).unwrap();
        let (message, payload) = read_message::<Request>(&mut wire.as_slice(), 3).unwrap();
        assert!(matches!(
            message,
            Request::Score(Rows { rows: 7, width: 3 })
        ));
        assert_eq!(payload, [1, 2, 3]);
    }

    #[test]
    fn a_payload_beyond_what_is_due_is_refused_before_memory_is_taken() {
        let mut wire = Vec::new();
        wire.extend_from_slice(&2_u32.to_le_bytes());
        wire.extend_from_slice(&u64::MAX.to_le_bytes());
        wire.extend_from_slice(b"{}");
        let error = read_message::<Request>(&mut wire.as_slice(), 16).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_cut_frame_is_an_end_of_file() {
        let mut wire = Vec::new();
        write_message(&mut wire, &Request::Score(Rows { rows: 1, width: 1 }), &[]).unwrap();
        wire.pop();
        let error = read_message::<Request>(&mut wire.as_slice(), 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
