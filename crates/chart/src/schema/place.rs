//! Where something stands, in a schema and in the values: chains that are spelled out only where an
//! error shows them. Most of the time of a validation went into these texts.

use std::rc::Rc;

use super::document::encode;

/// A place in a schema document.
#[derive(Debug, Clone)]
pub(super) enum Location<'schema> {
    /// As it stands in an address: empty for the whole, else where a reference leads.
    At(Rc<str>),
    Below(Rc<Step<'schema>>),
}

/// A keyword, and what is below it.
#[derive(Debug)]
pub(super) struct Step<'schema> {
    above: Location<'schema>,
    keyword: &'static str,
    key: Key<'schema>,
}

/// What a keyword's value is entered by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Key<'schema> {
    None,
    Name(&'schema str),
    Index(usize),
}

impl<'schema> Location<'schema> {
    pub(super) fn top() -> Self {
        Self::At(Rc::from(""))
    }

    pub(super) fn below(&self, keyword: &'static str, key: Key<'schema>) -> Self {
        Self::Below(Rc::new(Step {
            above: self.clone(),
            keyword,
            key,
        }))
    }

    /// The JSON pointer, as it stands in an address.
    pub(super) fn text(&self) -> String {
        let step = match self {
            Self::At(text) => return text.to_string(),
            Self::Below(step) => step,
        };
        let mut text = format!("{}/{}", step.above.text(), step.keyword);
        match step.key {
            Key::None => {}
            Key::Name(name) => {
                let name = name.replace('~', "~0").replace('/', "~1");
                text.push('/');
                text.push_str(&encode(&name));
            }
            Key::Index(index) => text.push_str(&format!("/{index}")),
        }
        text
    }
}

/// A place in the values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'visit> {
    above: Option<(&'visit Self, &'visit str)>,
}

impl<'visit> Place<'visit> {
    pub(super) const TOP: Self = Self { above: None };

    pub(super) fn below(&'visit self, part: &'visit str) -> Self {
        Self {
            above: Some((self, part)),
        }
    }

    pub(super) fn parts(&self) -> Vec<String> {
        let mut parts = Vec::new();
        let mut place = self;
        while let Some((above, part)) = place.above {
            parts.push(part.to_owned());
            place = above;
        }
        parts.reverse();
        parts
    }
}
