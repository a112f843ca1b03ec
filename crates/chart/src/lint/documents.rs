//! The documents of a rendered template, cut and read as Kubernetes' decoder does it.
//!
//! Source: k8s.io/apimachinery v0.37 pkg/util/yaml/decoder.go.

use template::yaml::{self, Data, YamlError};

use crate::metadata::Fields;

/// What the rules look at in an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
}

impl Head {
    fn from_data(data: &Data) -> Result<Self, YamlError> {
        let fields = Fields::of(data, "K8sYamlStruct", "rules.K8sYamlStruct")?;
        let mut head = Self::default();
        fields.text("apiVersion", &mut head.api_version)?;
        fields.text("Kind", &mut head.kind)?;
        if let Some(metadata) = fields.get("Metadata") {
            if !matches!(metadata, Data::Map(_)) {
                return Err(fields.wrong("Metadata", metadata, "rules.k8sYamlMetadata"));
            }
            let inner = Fields::of(
                metadata,
                "k8sYamlMetadata.Metadata",
                "rules.k8sYamlMetadata",
            )?;
            let mut namespace = String::new();
            inner.text("Namespace", &mut namespace)?;
            inner.text("Name", &mut head.name)?;
        }
        Ok(head)
    }
}

/// Reads documents one by one; what cannot be read ends the iteration.
pub(super) struct Documents<'text> {
    json: Option<
        serde_json::StreamDeserializer<'text, serde_json::de::StrRead<'text>, serde_json::Value>,
    >,
    text: &'text str,
    lines: std::str::SplitInclusive<'text, char>,
    json_count: usize,
    /// Why the text is no JSON; it counts where it is no YAML either.
    json_problem: Option<String>,
    has_ended: bool,
}

impl<'text> Documents<'text> {
    pub(super) fn of(text: &'text str) -> Self {
        let is_json = text.trim_start().starts_with('{');
        Self {
            json: is_json.then(|| serde_json::Deserializer::from_str(text).into_iter()),
            text,
            lines: text.split_inclusive('\n'),
            json_count: 0,
            json_problem: None,
            has_ended: false,
        }
    }

    /// Returns the next document of a stream of JSON; none once it turns out to be YAML.
    fn next_json(&mut self) -> Option<Option<Result<Option<Head>, String>>> {
        let stream = self.json.as_mut()?;
        let start = stream.byte_offset();
        match stream.next() {
            None => {
                self.has_ended = true;
                Some(None)
            }
            Some(Ok(json)) => {
                self.json_count += 1;
                let data = Data::from_value(&yaml::from_json(&json));
                let head = Head::from_data(&data).map_err(|error| error.message().to_owned());
                Some(Some(head.map(Some)))
            }
            Some(Err(error)) if self.json_count > 1 => {
                self.has_ended = true;
                Some(Some(Err(error.to_string())))
            }
            Some(Err(error)) => {
                self.json_problem = Some(json_problem(self.text, start, &error));
                // Not JSON after all: the rest of this line is what the first object left behind.
                self.json = None;
                let rest = &self.text[start..];
                let blank = rest.len() - rest.trim_start().len();
                let skipped = rest[..blank].find('\n').map_or(blank, |at| at + 1);
                self.lines = rest[skipped..].split_inclusive('\n');
                None
            }
        }
    }

    /// Returns the text up to the next separator; none at the end.
    fn next_chunk(&mut self) -> Option<Result<String, String>> {
        let mut chunk = String::new();
        for line in self.lines.by_ref() {
            let line = line.strip_suffix('\n').unwrap_or(line);
            let line = line.strip_suffix('\r').unwrap_or(line);
            if let Some(after) = line.strip_prefix("---") {
                let after = after.trim();
                if !after.is_empty() && !after.starts_with('#') {
                    return Some(Err(format!("invalid Yaml document separator: {after}")));
                }
                if !chunk.is_empty() {
                    return Some(Ok(chunk));
                }
            }
            chunk.push_str(line);
            chunk.push('\n');
        }
        (!chunk.is_empty()).then_some(Ok(chunk))
    }

    fn next_yaml(&mut self) -> Option<Result<Option<Head>, String>> {
        let chunk = match self.next_chunk()? {
            Ok(chunk) => chunk,
            Err(problem) => return Some(Err(problem)),
        };
        let head = yaml::parse_data(&chunk).and_then(|data| match data {
            Data::Null => Ok(None),
            data => Head::from_data(&data).map(Some),
        });
        let problem = self.json_problem.take();
        Some(head.map_err(|error| problem.unwrap_or_else(|| error.to_string())))
    }
}

/// The text of Kubernetes' decoder, with the place of the byte that is wrong.
fn json_problem(text: &str, start: usize, error: &serde_json::Error) -> String {
    let lines = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1));
    let offset = lines.map(str::len).sum::<usize>() + error.column();
    let go = template::json_error(&text[start..]);
    let problem = go.unwrap_or_else(|| error.to_string());
    if problem == "unexpected end of JSON input" {
        return "unexpected EOF".to_owned();
    }
    format!("json: offset {offset}: {problem}")
}

impl Iterator for Documents<'_> {
    type Item = Result<Option<Head>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let next = match self.next_json() {
            Some(next) => next,
            None => self.next_yaml(),
        };
        self.has_ended |= !matches!(next, Some(Ok(_)));
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<Result<Option<String>, String>> {
        Documents::of(text)
            .map(|document| document.map(|head| head.map(|head| head.name)))
            .collect()
    }

    fn named(name: &str) -> Result<Option<String>, String> {
        Ok(Some(name.to_owned()))
    }

    #[test]
    fn documents_are_cut_at_their_separators() {
        assert_eq!(
            names("# comment\n---\nmetadata:\n  name: a\n--- # next\nmetadata: {name: b}\n"),
            [Ok(None), named("a"), named("b")]
        );
        assert_eq!(
            names("a: 1\n----\n"),
            [Err("invalid Yaml document separator: -".to_owned())]
        );
    }

    #[test]
    fn json_is_read_as_a_stream_and_flow_mappings_as_yaml() {
        assert_eq!(
            names(r#"{"metadata":{"name":"a"}} {"metadata":{"name":"b"}}"#),
            [named("a"), named("b")]
        );
        assert_eq!(names("{metadata: {name: a}}\n"), [named("a")]);
        assert_eq!(
            names("{\"metadata\":{\"name\":\"a\"}}\n---\nmetadata:\n  name: b\n"),
            [named("a"), named("b")]
        );
    }

    #[test]
    fn a_field_of_the_wrong_kind_is_an_error() {
        assert_eq!(
            names("metadata: text\n"),
            [Err("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go struct field K8sYamlStruct.Metadata of type rules.k8sYamlMetadata".to_owned())]
        );
    }
}
