//! `--post-renderer`: a program through which the rendered manifests are passed.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use thiserror::Error;

use super::arguments::RenderArgs;

/// A program that reads manifests on stdin and writes them on stdout.
#[derive(Debug, Clone)]
pub(crate) struct PostRenderer {
    program: PathBuf,
    arguments: Vec<String>,
}

/// Why the post-renderer gave no manifests.
#[derive(Debug, Error)]
pub(crate) enum PostRenderError {
    /// It did not run.
    #[error("post-renderer `{program}` cannot be run")]
    Run {
        program: String,
        #[source]
        source: std::io::Error,
    },
    /// It ended badly.
    #[error("post-renderer `{program}` failed ({status}): {stderr}")]
    Failed {
        program: String,
        status: String,
        stderr: String,
    },
    /// It wrote nothing.
    #[error("post-renderer `{program}` produced empty output")]
    Empty { program: String },
    /// It wrote something else than text.
    #[error("post-renderer `{program}` wrote bytes that are not UTF-8")]
    NotText { program: String },
}

impl PostRenderer {
    pub(crate) fn from_flags(arguments: &RenderArgs) -> Option<Self> {
        Some(Self {
            program: arguments.post_renderer.clone()?,
            arguments: arguments.post_renderer_args.clone(),
        })
    }

    /// Passes manifests through the program.
    pub(crate) fn run(&self, manifests: &str) -> Result<String, PostRenderError> {
        let program = self.program.display().to_string();
        let failed = |source| PostRenderError::Run {
            program: program.clone(),
            source,
        };
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let input = child.stdin.take();
        let text = manifests.to_owned();
        // Written from a thread of its own: a program that writes before it has read everything
        // would otherwise block both sides.
        let writer = std::thread::spawn(move || {
            if let Some(mut input) = input {
                // A program that does not read to the end is judged by its exit status.
                let _ = input.write_all(text.as_bytes());
            }
        });
        let output = child.wait_with_output().map_err(failed)?;
        drop(writer.join());
        if !output.status.success() {
            return Err(PostRenderError::Failed {
                program,
                status: output.status.to_string(),
                stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            });
        }
        if output.stdout.trim_ascii().is_empty() {
            return Err(PostRenderError::Empty { program });
        }
        String::from_utf8(output.stdout).map_err(|_| PostRenderError::NotText { program })
    }
}
