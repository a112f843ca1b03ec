//! Archives of charts: damaged ones, bombs, links, paths that leave the chart.

use std::io::Write;

use chart::{
    File,
    load::{CHART_BYTES_MAX, FILE_BYTES_MAX, FILES_MAX, from_files, read_archive},
    package::{PackageOptions, package},
};
use flate2::{Compression, write::GzEncoder};

use crate::input::text;

pub(crate) const WORDS: &[&str] = &[
    "file c/Chart.yaml ",
    "file c/templates/a.yaml ",
    "file c/values.yaml ",
    "file c/../../etc/passwd ",
    "file /etc/passwd ",
    "file c\\..\\x ",
    "file c/charts/d/Chart.yaml ",
    "file c/charts/d.tgz ",
    "link c/x ../../etc/passwd",
    "hard c/x c/Chart.yaml",
    "dir c/",
    "pax path c/../../x",
    "pax size 99999999999",
    "long c/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ",
    "size 18446744073709551615",
    "zeros 1000000",
    "sparse c/s ",
    "name: c\\nversion: 1.0.0\\napiVersion: v2\\n",
    "raw ",
    "\n",
];

/// Loads an archive: it is refused, or every name stays inside and every size within its bound; what
/// was loaded is packaged and loaded again as the same chart.
///
/// An input is either the bytes of an archive or, when it starts with `#`, lines that describe one.
pub(crate) fn load(bytes: &[u8]) {
    let archive = match bytes.strip_prefix(b"#") {
        Some(description) => compressed(&described(&text(description))),
        None => bytes.to_vec(),
    };
    let Ok(files) = read_archive(archive.as_slice()) else {
        return;
    };
    check_bounds(&files);
    let Ok(chart) = from_files(files) else {
        return;
    };
    let Ok(packaged) = package(&chart, &PackageOptions::default()) else {
        return;
    };
    let again = match read_archive(packaged.bytes.as_slice()).and_then(from_files) {
        Ok(again) => again,
        Err(error) => panic!("our own package cannot be loaded: {error}"),
    };
    assert_eq!(again.metadata, chart.metadata);
    assert_eq!(again.values, chart.values);
    assert_eq!(sorted(&again.templates), sorted(&chart.templates));
}

fn sorted(files: &[File]) -> Vec<&File> {
    let mut files: Vec<&File> = files.iter().collect();
    files.sort_by(|left, right| (&left.name, &left.data).cmp(&(&right.name, &right.data)));
    files
}

fn check_bounds(files: &[File]) {
    assert!(files.len() <= FILES_MAX, "too many files");
    let mut sum = 0;
    for file in files {
        let size = file.data.len() as u64;
        assert!(size <= FILE_BYTES_MAX, "{:?} is too large", file.name);
        sum += size;
        let leaves = file.name.starts_with('/') || file.name.split('/').any(|part| part == "..");
        assert!(
            !leaves && !file.name.is_empty(),
            "{:?} leaves the chart",
            file.name
        );
    }
    assert!(sum <= CHART_BYTES_MAX, "the chart is too large");
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("a vector takes every write")
}

/// Builds the archive that the lines describe; headers carry right checksums, all else is as told.
fn described(text: &str) -> Vec<u8> {
    let mut archive = Vec::new();
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (name, content) = rest.split_once(' ').unwrap_or((rest, ""));
        let content = content.replace("\\n", "\n");
        match word {
            "file" => entry(&mut archive, b'0', name, "", content.as_bytes(), None),
            "link" => entry(&mut archive, b'2', name, &content, b"", None),
            "hard" => entry(&mut archive, b'1', name, &content, b"", None),
            "dir" => entry(&mut archive, b'5', name, "", b"", None),
            "sparse" => entry(&mut archive, b'S', name, "", content.as_bytes(), None),
            "long" => entry(
                &mut archive,
                b'L',
                "././@LongLink",
                "",
                name.as_bytes(),
                None,
            ),
            "size" => entry(
                &mut archive,
                b'0',
                "c/size",
                "",
                content.as_bytes(),
                name.parse().ok(),
            ),
            "pax" => {
                let record = format!(" {name}={content}\n");
                let record = format!("{}{record}", record.len() + 2);
                entry(
                    &mut archive,
                    b'x',
                    "PaxHeaders/x",
                    "",
                    record.as_bytes(),
                    None,
                );
            }
            "zeros" => {
                let count = name.parse::<usize>().unwrap_or(0).min(8 << 20);
                entry(&mut archive, b'0', "c/zeros", "", &vec![0; count], None);
            }
            "raw" => archive.extend_from_slice(rest.as_bytes()),
            _ => {}
        }
    }
    archive.extend_from_slice(&[0; 1024]);
    archive
}

/// Appends one header and its content; `size` is what the header claims, when it lies.
fn entry(
    archive: &mut Vec<u8>,
    kind: u8,
    name: &str,
    link: &str,
    content: &[u8],
    size: Option<u64>,
) {
    let mut header = tar::Header::new_gnu();
    let fields = header.as_old_mut();
    copy(&mut fields.name, name.as_bytes());
    copy(&mut fields.linkname, link.as_bytes());
    fields.linkflag = [kind];
    header.set_mode(0o644);
    header.set_size(size.unwrap_or(content.len() as u64));
    header.set_cksum();
    archive.extend_from_slice(header.as_bytes());
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(512), 0);
}

fn copy(field: &mut [u8], bytes: &[u8]) {
    let length = bytes.len().min(field.len());
    field[..length].copy_from_slice(&bytes[..length]);
}
