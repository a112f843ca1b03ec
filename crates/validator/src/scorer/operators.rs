//! A look at a model's code before anything loads it: operators that are denied.
//!
//! The sandbox holds a model that calls them; this tells whoever made it, before a row is
//! scored, and holds where the kernel lacks a protection. TorchScript prints `aten::name` as
//! `torch.name(…)` and any other `space::name` as `ops.space.name(…)`.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use zip::ZipArchive;

use super::UnloadableReason;

/// What is denied where the operator says nothing: what maps, reads or writes files, or calls
/// other machines. No model that only scores rows needs them.
pub const DENIED: &str = "aten::from_file,aten::save,rpc::*";

/// The most bytes of code that a model may have.
const CODE_BYTES_MAX: u64 = 64 << 20;

/// An operator, or with the name `*` all of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    namespace: String,
    name: String,
}

impl std::fmt::Display for Denied {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}::{}", self.namespace, self.name)
    }
}

/// Reads names such as `aten::from_file` or `rpc::*`, separated by commas; an empty text
/// denies none. Nothing for anything else.
#[must_use]
pub fn parse(text: &str) -> Option<Vec<Denied>> {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let names = text.split(',').map(str::trim);
    names
        .filter(|name| !name.is_empty())
        .map(|text| {
            let (namespace, name) = text.split_once("::")?;
            let is_name = is_word(namespace) && (name == "*" || is_word(name));
            is_name.then(|| Denied {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            })
        })
        .collect()
}

/// Refuses a model whose code calls a denied operator; leaves the position at the start.
///
/// # Errors
/// The reason, with operator and file. An archive that cannot be read is damaged.
pub fn inspect(file: &File, denied: &[Denied]) -> Result<(), UnloadableReason> {
    if denied.is_empty() {
        return Ok(());
    }
    let mut file = file;
    let verdict = ZipArchive::new(BufReader::new(file))
        .map_err(damaged)
        .and_then(|mut archive| inspect_code(&mut archive, denied));
    file.seek(SeekFrom::Start(0)).map_err(damaged)?;
    verdict
}

fn inspect_code<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    denied: &[Denied],
) -> Result<(), UnloadableReason> {
    let mut left = CODE_BYTES_MAX;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(damaged)?;
        let name = entry.name().map_err(damaged)?.into_owned();
        let is_code = name
            .split_once('/')
            .is_some_and(|(_, inner)| inner.starts_with("code/"));
        if !is_code || !name.ends_with(".py") {
            continue;
        }
        let mut code = Vec::new();
        // One byte more tells that there is more than may be.
        let mut bounded = entry.take(left + 1);
        bounded.read_to_end(&mut code).map_err(damaged)?;
        left = left
            .checked_sub(code.len() as u64)
            .ok_or_else(|| UnloadableReason::Refused {
                what: format!("its code has more than {CODE_BYTES_MAX} bytes"),
            })?;
        let code = bare(&String::from_utf8_lossy(&code));
        if let Some(found) = denied.iter().find(|denied| calls(&code, denied)) {
            return Err(UnloadableReason::Denied {
                operator: found.to_string(),
                file: name,
            });
        }
    }
    Ok(())
}

/// Takes out comments, texts and white space, which may stand between any two words.
fn bare(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut characters = code.chars();
    while let Some(character) = characters.next() {
        match character {
            '#' => {
                // To the end of the line.
                let _ = characters.by_ref().find(|&next| next == '\n');
            }
            '"' | '\'' => {
                let mut escaped = false;
                let _ = characters.by_ref().find(|&next| {
                    let ends = !escaped && (next == character || next == '\n');
                    escaped = !escaped && next == '\\';
                    ends
                });
                out.push('"');
            }
            '\\' => {}
            other if other.is_whitespace() => {}
            other => out.push(other),
        }
    }
    out
}

fn calls(code: &str, denied: &Denied) -> bool {
    let Denied { namespace, name } = denied;
    let end = if name == "*" {
        String::new()
    } else {
        format!("{name}(")
    };
    let mut forms = vec![format!("ops.{namespace}.{end}")];
    if namespace == "aten" {
        forms.push(format!("torch.{end}"));
    }
    let is_part_of_a_name = |before: &str| {
        before
            .chars()
            .next_back()
            .is_some_and(|last| last.is_alphanumeric() || last == '_' || last == '.')
    };
    forms.iter().any(|form| {
        code.match_indices(form.as_str())
            .any(|(at, _)| !is_part_of_a_name(&code[..at]))
    })
}

fn damaged(error: impl std::fmt::Display) -> UnloadableReason {
    UnloadableReason::DamagedArchive {
        detail: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denies(names: &str, code: &str) -> bool {
        let denied = parse(names).expect("names");
        let code = bare(code);
        denied.iter().any(|denied| calls(&code, denied))
    }

    #[test]
    fn calls_are_found_however_they_are_written() {
        for code in [
            "x = torch.from_file(\"/etc/passwd\", False, 16)",
            "x = torch . from_file (\"a\")",
            "x = (torch.\n  from_file(\"a\"))",
            "x = (torch.  # a comment\n  from_file(\"a\"))",
            "s = \"# no comment\"; x = torch.from_file(\"a\")",
            "s = '\\'#'; x = torch.from_file(\"a\")",
            "x = ops.aten.from_file(\"a\")",
            "y = ops.rpc.rpc_sync(\"worker\")",
        ] {
            assert!(denies(DENIED, code), "{code}");
        }
    }

    #[test]
    fn what_only_looks_alike_is_no_call() {
        for code in [
            "x = torch.relu(features)",
            "x = __torch__.save(features)",
            "x = __torch__.torch.save(features)",
            "x = \"torch.from_file(\"",
            "# torch.from_file(\nx = 1",
            "x = torch.from_file_like(features)",
        ] {
            assert!(!denies(DENIED, code), "{code}");
        }
        assert!(!denies("", "x = torch.from_file(\"a\")"));
    }

    #[test]
    fn names_are_operators_or_namespaces() {
        assert_eq!(
            parse("aten::save, rpc::*").map(|names| names.len()),
            Some(2)
        );
        for text in ["save", "aten::", "::x", "aten::a b", "aten::a::b", "*::*"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
