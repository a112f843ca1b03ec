//! From template text to a tree: lexer, parser and the nodes, with the texts of Go's parse errors.

mod lexer;
pub(crate) mod node;
mod number;
mod parser;

pub(crate) use parser::{ParseLimits, parse};
