//! The pipelines of the documentation say what the validator takes.

use super::arguments::parse;

/// Returns the words of each line that runs the validator, without redirections.
fn commands(text: &str) -> Vec<Vec<String>> {
    let whole = text.replace("\\\n", " ");
    let lines = whole
        .lines()
        .map(|line| line.trim().trim_start_matches("- "));
    let lines = lines.map(|line| line.trim_start_matches("run: "));
    lines
        .filter(|line| line.starts_with("validator "))
        .map(|line| shlex::split(line).unwrap_or_else(|| panic!("no shell words: {line}")))
        .collect()
}

#[test]
fn every_command_line_of_the_pipelines_is_one_that_the_validator_takes() {
    for name in ["github-actions.yaml", "gitlab-ci.yaml"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../docs/guides/ci")
            .join(name);
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let found = commands(&text);
        assert_eq!(found.len(), 2, "{found:?}");
        for words in found {
            if let Err(error) = parse(words.iter().map(Into::into)) {
                panic!("{name}: {words:?}: {error}");
            }
        }
    }
    let wrong = commands("validator --no-such-flag");
    assert!(parse(wrong[0].iter().map(Into::into)).is_err());
}
