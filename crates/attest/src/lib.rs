//! Signed verdicts: what a gate found, as an in-toto statement in a DSSE envelope.
//!
//! Report -> [`Statement`] -> [`sign`] -> [`Envelope`] -> [`verify`] -> [`Verified`] ->
//! [`Demands::judge`]. The validator signs, validator and deployer verify. Everything is a plain
//! function of its arguments but [`KeyPlace`], which reads keys from files, variables and
//! programs. No clock, no network, no printing; a private key is never shown, `Debug` included.

mod age;
mod demands;
mod dsse;
mod key;
mod pack;
mod place;
mod program;
mod statement;

pub use age::{AgeError, parse_age};
pub use demands::{Condition, Demands, Required};
pub use dsse::{
    ENVELOPE_BYTES_MAX, Envelope, EnvelopeError, PAYLOAD_TYPE, SignError, Signature, Verified,
    VerifyError, pae, sign, verify,
};
pub use key::{KeyError, PrivateKey, PublicKey};
pub use pack::{PackError, pack, unpack};
pub use place::{KeyPlace, PlaceError, Signer};
pub use statement::{
    PREDICATE_SCHEMA_VERSION, PREDICATE_TYPE, Predicate, STATEMENT_TYPE, Statement, StatementError,
    Subject, Versions,
};
