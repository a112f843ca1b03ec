//! A look at the model file before anything loads it: what it is, by its archive entries.
//!
//! libtorch calls a `.pt2`, a bare state_dict and a damaged file alike "corrupted"; here each gets
//! its name. Reads the central directory alone, never a tensor.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use zip::ZipArchive;

use super::UnloadableReason;

/// Entries above this number are refused; real models have one for each tensor.
const ENTRIES_MAX: usize = 200_000;
/// Unpacked bytes for each packed byte above which an archive is a bomb; TorchScript stores its
/// tensors unpacked and only its code is compressed.
const RATIO_MAX: u64 = 200;
/// Archives that unpack to less than this are no bomb at any ratio.
const RATIO_BYTES_MIN: u64 = 64 << 20;
/// Longest prefix read to tell what a file is.
const MAGIC_BYTES: u64 = 128;

/// Checks that `file` is an archive that can be TorchScript; leaves the position at its start.
///
/// # Errors
/// The reason why it cannot be loaded. I/O errors count as damage.
pub fn inspect(file: &File) -> Result<(), UnloadableReason> {
    let mut file = file;
    let mut magic = Vec::new();
    file.seek(SeekFrom::Start(0)).map_err(damaged)?;
    file.take(MAGIC_BYTES)
        .read_to_end(&mut magic)
        .map_err(damaged)?;
    if magic.is_empty() {
        return Err(UnloadableReason::Empty);
    }
    if !magic.starts_with(b"PK\x03\x04") {
        return Err(not_an_archive(&magic));
    }
    let verdict = ZipArchive::new(BufReader::new(file))
        .map_err(damaged)
        .and_then(|mut archive| inspect_entries(&mut archive));
    file.seek(SeekFrom::Start(0)).map_err(damaged)?;
    verdict
}

fn inspect_entries<R: Read + Seek>(archive: &mut ZipArchive<R>) -> Result<(), UnloadableReason> {
    if archive.len() > ENTRIES_MAX {
        return Err(UnloadableReason::Refused {
            what: format!("{} entries, more than {ENTRIES_MAX}", archive.len()),
        });
    }
    let mut found = Found::default();
    let (mut packed, mut unpacked) = (0_u64, 0_u64);
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(damaged)?;
        let name = entry.name().map_err(damaged)?;
        if leaves_its_folder(&name) {
            return Err(UnloadableReason::Refused {
                what: format!("entry `{}` points outside the archive", name.escape_debug()),
            });
        }
        packed = packed.saturating_add(entry.compressed_size());
        unpacked = unpacked.saturating_add(entry.size());
        found.note(&name);
    }
    if unpacked > RATIO_BYTES_MIN && unpacked / packed.max(1) > RATIO_MAX {
        return Err(UnloadableReason::Refused {
            what: format!("it would unpack to {unpacked} bytes from {packed} (a zip bomb)"),
        });
    }
    found.verdict()
}

/// An argument of a model's `forward`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Whether a call may leave it out.
    pub has_default: bool,
}

/// Longest start of the pickle that is read for the model's class.
const PICKLE_BYTES: u64 = 4096;
/// Longest file of code that is read for `forward`.
const CODE_BYTES: u64 = 16 << 20;

/// Reads the arguments of `forward`, without `self`, out of the model's code; `None` where it
/// does not tell. Leaves the position at the start.
///
/// The pickle begins with the model's class, `c__torch__.module` and its name on two lines; the
/// code of that module is the file `code/__torch__/module.py`.
#[must_use]
pub fn forward_arguments(file: &File) -> Option<Vec<Argument>> {
    let mut file = file;
    let found = ZipArchive::new(BufReader::new(file))
        .ok()
        .and_then(|mut archive| {
            let pickle = read_inner(&mut archive, "data.pkl", PICKLE_BYTES)?;
            let (module, class) = first_class(&pickle)?;
            let path = format!("code/{}.py", module.replace('.', "/"));
            let code = read_inner(&mut archive, &path, CODE_BYTES)?;
            arguments_of(&String::from_utf8_lossy(&code), &class)
        });
    file.seek(SeekFrom::Start(0)).ok()?;
    found
}

/// Reads at most `bytes_max` of the entry with this path below the archive's one folder.
fn read_inner<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    path: &str,
    bytes_max: u64,
) -> Option<Vec<u8>> {
    let index = (0..archive.len()).find(|&index| {
        archive
            .by_index_raw(index)
            .ok()
            .and_then(|entry| Some(entry.name().ok()?.split_once('/')?.1 == path))
            .unwrap_or(false)
    })?;
    let mut content = Vec::new();
    let entry = archive.by_index(index).ok()?;
    entry.take(bytes_max).read_to_end(&mut content).ok()?;
    Some(content)
}

/// Reads module and name of the class that a pickle's first opcode names.
fn first_class(pickle: &[u8]) -> Option<(String, String)> {
    let text = pickle.strip_prefix(b"\x80\x02c")?;
    let mut lines = text.split(|&byte| byte == b'\n');
    let module = String::from_utf8(lines.next()?.to_vec()).ok()?;
    let class = String::from_utf8(lines.next()?.to_vec()).ok()?;
    Some((module, class))
}

/// Reads the arguments of `forward` of a class out of TorchScript's own print of it.
fn arguments_of(code: &str, class: &str) -> Option<Vec<Argument>> {
    let from = code.find(&format!("class {class}(Module):"))?;
    let class = &code[from..];
    let class = &class[..class[1..]
        .find("\nclass ")
        .map_or(class.len(), |end| end + 1)];
    let (_, signature) = class.split_once("def forward(")?;
    let (mut depth, mut arguments, mut current) = (0_usize, Vec::new(), String::new());
    for character in signature.chars() {
        match character {
            ')' if depth == 0 => {
                arguments.push(current);
                let read = arguments.iter().skip(1).map(|text| {
                    let (name, rest) = text.trim().split_once(':')?;
                    Some(Argument {
                        name: name.trim().to_owned(),
                        has_default: rest.contains('='),
                    })
                });
                return read.collect();
            }
            ',' if depth == 0 => arguments.push(std::mem::take(&mut current)),
            other => {
                depth += usize::from(matches!(other, '(' | '['));
                depth -= usize::from(matches!(other, ')' | ']') && depth > 0);
                current.push(other);
            }
        }
    }
    None
}

/// Telling entries, each below the one folder that the archive has.
#[derive(Default)]
struct Found {
    pickle: bool,
    code: bool,
    constants: bool,
    exported_program: bool,
}

impl Found {
    fn note(&mut self, name: &str) {
        let inner = name.split_once('/').map_or(name, |(_, inner)| inner);
        self.pickle |= inner == "data.pkl";
        self.constants |= inner == "constants.pkl";
        self.code |= inner.starts_with("code/");
        self.exported_program |= matches!(
            inner,
            "archive_format" | "models/model.json" | "serialized_exported_program.json"
        ) || name == "serialized_exported_program.json"
            || inner.starts_with("data/aotinductor/");
    }

    fn verdict(&self) -> Result<(), UnloadableReason> {
        match (self.pickle, self.code || self.constants) {
            _ if self.exported_program => Err(UnloadableReason::ExportedProgram),
            (true, true) => Ok(()),
            (true, false) => Err(UnloadableReason::StateDict),
            (false, _) => Err(UnloadableReason::NotTorchScript {
                missing: "`data.pkl`".into(),
            }),
        }
    }
}

fn leaves_its_folder(name: &str) -> bool {
    name.starts_with(['/', '\\']) || name.split(['/', '\\']).any(|part| part == "..")
}

fn not_an_archive(magic: &[u8]) -> UnloadableReason {
    let looks_like = if magic.starts_with(b"version https://git-lfs") {
        Some("a Git LFS pointer: run `git lfs pull`")
    } else if magic.starts_with(b"\x80\x02") || magic.starts_with(b"\x80\x04") {
        return UnloadableReason::StateDict;
    } else if magic.starts_with(b"\x89HDF") {
        Some("an HDF5 file, such as Keras writes")
    } else if magic.starts_with(b"PAR1") {
        Some("a Parquet file")
    } else if magic.starts_with(b"\x1f\x8b") {
        Some("gzip")
    } else if magic.starts_with(b"<?xml") || magic.starts_with(b"<Error") {
        Some("an XML answer of an object store")
    } else if magic.get(8..9) == Some(b"{") {
        Some("a safetensors file")
    } else if magic.windows(7).any(|part| part == b"pytorch") {
        Some("an ONNX file")
    } else {
        None
    };
    UnloadableReason::NotAnArchive {
        looks_like: looks_like.map(ToOwned::to_owned),
    }
}

fn damaged(error: impl std::fmt::Display) -> UnloadableReason {
    UnloadableReason::DamagedArchive {
        detail: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn archive(entries: &[(&str, &[u8])]) -> File {
        let mut writer = ZipWriter::new(tempfile::tempfile().unwrap());
        for (name, content) in entries {
            let options =
                SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
            writer.start_file(*name, options).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap()
    }

    fn plain(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn torchscript_passes() {
        let file = archive(&[
            ("m/data.pkl", b"x"),
            ("m/code/__torch__.py", b"y"),
            ("m/constants.pkl", b"z"),
        ]);
        assert_eq!(inspect(&file), Ok(()));
    }

    #[test]
    fn each_other_kind_of_file_is_named() {
        assert_eq!(inspect(&plain(b"")), Err(UnloadableReason::Empty));
        let state = archive(&[("archive/data.pkl", b"x"), ("archive/data/0", b"y")]);
        assert_eq!(inspect(&state), Err(UnloadableReason::StateDict));
        assert_eq!(
            inspect(&plain(b"\x80\x02ctorch")),
            Err(UnloadableReason::StateDict)
        );
        let exported = archive(&[("m/archive_format", b"pt2"), ("m/models/model.json", b"{}")]);
        assert_eq!(inspect(&exported), Err(UnloadableReason::ExportedProgram));
        let other = archive(&[("word/document.xml", b"x")]);
        assert!(matches!(
            inspect(&other),
            Err(UnloadableReason::NotTorchScript { .. })
        ));
        let pointer = plain(b"version https://git-lfs.github.com/spec/v1\n");
        let Err(UnloadableReason::NotAnArchive {
            looks_like: Some(text),
        }) = inspect(&pointer)
        else {
            panic!("a pointer is not an archive")
        };
        assert!(text.contains("git lfs pull"));
    }

    #[test]
    fn the_arguments_of_forward_are_read_out_of_the_models_own_code() {
        let code = "class Inner(Module):\n  def forward(self: __torch__.models.Inner,\n    x: Tensor) -> Tensor:\n    return x\n\
            class Two(Module):\n  __parameters__ = []\n  def helper(self: __torch__.models.Two,\n    y: int) -> int:\n    return y\n  \
            def forward(self: __torch__.models.Two,\n    amounts: Tensor,\n    pairs: List[Tuple[int, int]],\n    mask: Optional[Tensor]=None) -> Tensor:\n    return amounts\n\
            class Last(Module):\n  def forward(self: __torch__.models.Last) -> int:\n    return 1\n";
        let file = archive(&[
            (
                "m/data.pkl",
                b"\x80\x02c__torch__.models\nTwo\nq\x00)\x81}.",
            ),
            ("m/code/__torch__/models.py", code.as_bytes()),
            ("m/constants.pkl", b"z"),
        ]);
        let found = forward_arguments(&file).expect("arguments");
        let found: Vec<(&str, bool)> = found
            .iter()
            .map(|argument| (argument.name.as_str(), argument.has_default))
            .collect();
        assert_eq!(
            found,
            [("amounts", false), ("pairs", false), ("mask", true)]
        );
        assert_eq!(arguments_of(code, "Last"), Some(Vec::new()));
        assert_eq!(arguments_of(code, "Absent"), None);
        let other = archive(&[("m/data.pkl", b"noise"), ("m/constants.pkl", b"z")]);
        assert_eq!(forward_arguments(&other), None);
    }

    #[test]
    fn a_truncated_archive_is_damaged() {
        let mut whole = Vec::new();
        let mut file = archive(&[("m/data.pkl", &[7; 4000]), ("m/constants.pkl", b"z")]);
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut whole).unwrap();
        for length in [4, 30, whole.len() / 2, whole.len() - 1] {
            let cut = plain(&whole[..length]);
            assert!(
                matches!(inspect(&cut), Err(UnloadableReason::DamagedArchive { .. })),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn an_archive_that_points_outside_or_explodes_is_refused() {
        let outside = archive(&[
            ("m/data.pkl", b"x"),
            ("m/../../etc/passwd", b"y"),
            ("m/constants.pkl", b"z"),
        ]);
        assert!(matches!(
            inspect(&outside),
            Err(UnloadableReason::Refused { .. })
        ));
        let zeros = vec![0_u8; 65 << 20];
        let bomb = archive(&[("m/data.pkl", &zeros), ("m/constants.pkl", b"z")]);
        assert!(matches!(
            inspect(&bomb),
            Err(UnloadableReason::Refused { .. })
        ));
    }
}
