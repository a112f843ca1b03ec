//! Charts in gzip-compressed tar archives.

use std::{
    io::{Read, Seek},
    path::Path,
};

use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};

use super::{CHART_BYTES_MAX, FILE_BYTES_MAX, FILES_MAX, LoadError, from_files};
use crate::model::{Chart, File};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) fn read_file(path: &Path) -> Result<Vec<File>, LoadError> {
    let read_error = |source| LoadError::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = std::fs::File::open(path).map_err(read_error)?;
    // As in Helm the blanks of a short file count as its content.
    let mut head = [0; 512];
    let mut length = 0;
    while length < head.len() {
        match file.read(&mut head[length..]).map_err(read_error)? {
            0 => break,
            count => length += count,
        }
    }
    if !head.starts_with(b"\x1f\x8b\x08") {
        let name = path.display();
        let is_yaml = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        return Err(LoadError::Refused(if is_yaml {
            format!("file '{name}' seems to be a YAML file, but expected a gzipped archive")
        } else {
            let found = content_type(&head);
            format!("file '{name}' does not appear to be a gzipped archive; got '{found}'")
        }));
    }
    file.rewind().map_err(read_error)?;
    read_archive(file)
}

/// Names what a file is that is no archive, for the types that are taken for one by mistake.
///
/// Source: Go net/http/sniff.go (`DetectContentType`), after <https://mimesniff.spec.whatwg.org>.
fn content_type(head: &[u8]) -> &'static str {
    const SIGNATURES: [(&[u8], &str); 9] = [
        (b"%PDF-", "application/pdf"),
        (b"PK\x03\x04", "application/zip"),
        (b"Rar!\x1a\x07\x00", "application/x-rar-compressed"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"\x00asm", "application/wasm"),
        (b"\xef\xbb\xbf", "text/plain; charset=utf-8"),
        (b"\xfe\xff", "text/plain; charset=utf-16be"),
        (b"\xff\xfe", "text/plain; charset=utf-16le"),
    ];
    let known = SIGNATURES
        .iter()
        .find(|(signature, _)| head.starts_with(signature));
    if let Some((_, name)) = known {
        return name;
    }
    let text = head.trim_ascii_start();
    if text.starts_with(b"<?xml") {
        return "text/xml; charset=utf-8";
    }
    let is_html = [&b"<!DOCTYPE HTML"[..], b"<HTML", b"<HEAD", b"<BODY"]
        .iter()
        .any(|tag| {
            let start = text.get(..tag.len()).unwrap_or_default();
            let end = text.get(tag.len());
            start.eq_ignore_ascii_case(tag) && matches!(end, Some(b' ' | b'>'))
        });
    if is_html {
        return "text/html; charset=utf-8";
    }
    let is_binary = |byte: &u8| matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f);
    match head.iter().any(is_binary) {
        true => "application/octet-stream",
        false => "text/plain; charset=utf-8",
    }
}

/// Loads a chart from the bytes of a `.tgz`.
///
/// # Errors
/// As [`super::load`].
pub fn load_archive(reader: impl Read) -> Result<Chart, LoadError> {
    from_files(read_archive(reader)?)
}

/// Reads the files of a `.tgz`, their names without the first folder.
///
/// # Errors
/// An archive that is damaged, too large, or holds a path outside of the chart.
pub fn read_archive(reader: impl Read) -> Result<Vec<File>, LoadError> {
    let damaged = |error: std::io::Error| LoadError::refused(format!("damaged archive: {error}"));
    // One byte above the bound tells a chart that is too large from one that just fits; the
    // headers of the archive count too, so the bound has room for them.
    let bounded = MultiGzDecoder::new(reader).take(CHART_BYTES_MAX + 64 * 1024 * 1024);
    let mut archive = Archive::new(bounded);
    let mut files = Vec::new();
    let mut remaining = CHART_BYTES_MAX;
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind == EntryType::XGlobalHeader || kind == EntryType::XHeader {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        // Go tells a folder by the slash at the end of its name, too.
        if path.ends_with('/') {
            continue;
        }
        let name = inner_name(&path)?;
        let size = entry.size();
        if size > remaining || files.len() >= FILES_MAX {
            return Err(too_large());
        }
        if size > FILE_BYTES_MAX {
            return Err(LoadError::refused(format!(
                "decompressed chart file {path:?} is larger than the maximum file size {FILE_BYTES_MAX}"
            )));
        }
        let mut data = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        (&mut entry)
            .take(remaining)
            .read_to_end(&mut data)
            .map_err(damaged)?;
        remaining -= data.len() as u64;
        if (data.len() as u64) < size || remaining == 0 {
            return Err(too_large());
        }
        let data = data.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&data);
        files.push(File {
            name,
            data: data.into(),
        });
    }
    if files.is_empty() {
        return Err(LoadError::refused("no files in chart archive"));
    }
    Ok(files)
}

fn too_large() -> LoadError {
    LoadError::refused(format!(
        "decompressed chart is larger than the maximum file size {CHART_BYTES_MAX}"
    ))
}

/// Returns the name of an entry below the archive's first folder, or refuses it.
pub(crate) fn inner_name(path: &str) -> Result<String, LoadError> {
    let delimiter = if path.contains('\\') { '\\' } else { '/' };
    let (first, rest) = path.split_once(delimiter).unwrap_or((path, ""));
    let rest = rest.replace(delimiter, "/");
    if rest.starts_with('/') {
        return Err(LoadError::refused(
            "chart illegally contains absolute paths",
        ));
    }
    let name = clean(&rest);
    if name.is_empty() {
        return Err(LoadError::refused(format!(
            "chart illegally contains content outside the base directory: {path:?}"
        )));
    }
    if name.starts_with("..") {
        return Err(LoadError::refused(
            "chart illegally references parent directory",
        ));
    }
    let bytes = name.as_bytes();
    if bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1..3] == *b":/" {
        return Err(LoadError::refused("chart contains illegally named files"));
    }
    if first == "Chart.yaml" {
        return Err(LoadError::refused("chart yaml not in base directory"));
    }
    Ok(name)
}

/// Resolves `.` and `..` in a relative path; what leads outside keeps its leading `..`.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, data) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(data.len() as u64);
            header.set_mode(0o644);
            // Names that the builder itself would refuse are written as raw bytes.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, *data).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn what_is_no_archive_is_named_as_go_names_it() {
        let table: [(&[u8], &str); 5] = [
            (b"just text\n", "text/plain; charset=utf-8"),
            (b"short\0\0", "application/octet-stream"),
            (b" <!doctype html><p>", "text/html; charset=utf-8"),
            (b"PK\x03\x04rest", "application/zip"),
            (b"<?xml version='1.0'?>", "text/xml; charset=utf-8"),
        ];
        for (head, expected) in table {
            assert_eq!(content_type(head), expected);
        }
    }

    #[test]
    fn an_archive_becomes_a_chart_with_its_subcharts() {
        let child = archive(&[("child/Chart.yaml", b"name: child\nversion: 1.0.0\n")]);
        let bytes = archive(&[
            (
                "demo/Chart.yaml",
                b"apiVersion: v2\nname: demo\nversion: 1.2.3\nappVersion: 1.10\n",
            ),
            ("demo/values.yaml", b"\xef\xbb\xbfa: 1\n"),
            ("demo/templates/x.yaml", b"x"),
            ("demo/charts/child-1.0.0.tgz", &child),
            ("demo/charts/_hidden/Chart.yaml", b"bad"),
            ("demo/README.md", b"hi"),
        ]);
        let chart = load_archive(bytes.as_slice()).unwrap();
        assert_eq!(chart.name(), "demo");
        assert_eq!(chart.metadata.app_version, "1.1");
        assert_eq!(chart.dependencies[0].metadata.api_version, "v1");
        assert_eq!(chart.templates[0].name, "templates/x.yaml");
        let json = chart.to_release_json();
        assert_eq!(json["values"]["a"], 1);
        assert_eq!(json["files"][0]["data"], "aGk=");
        assert_eq!(json["schema"], serde_json::Value::Null);
    }

    #[test]
    fn paths_outside_of_the_chart_are_refused() {
        let table = [
            (
                "demo/../../etc/passwd",
                "chart illegally references parent directory",
            ),
            (
                "demo//etc/passwd",
                "chart illegally contains absolute paths",
            ),
            (
                "demo",
                "chart illegally contains content outside the base directory: \"demo\"",
            ),
            ("demo/c:/windows", "chart contains illegally named files"),
            ("demo\\..\\x", "chart illegally references parent directory"),
        ];
        for (name, expected) in table {
            let error = load_archive(archive(&[(name, b"x")]).as_slice()).unwrap_err();
            assert_eq!(error.to_string(), expected, "{name}");
        }
    }

    #[test]
    fn damaged_and_empty_archives_are_errors() {
        assert!(load_archive(&b"\x1f\x8b\x08garbage"[..]).is_err());
        assert!(load_archive(archive(&[]).as_slice()).is_err());
    }

    #[test]
    fn a_file_above_the_bound_is_refused() {
        let large = vec![b' '; usize::try_from(FILE_BYTES_MAX).unwrap() + 1];
        let error = load_archive(archive(&[("demo/values.yaml", &large)]).as_slice()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("larger than the maximum file size")
        );
    }
}
