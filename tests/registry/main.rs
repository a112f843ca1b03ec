//! Chart repositories and registries: real servers on loopback, Helm 3 and 4 as the peers that
//! have to find what we leave behind, and servers that fail.

mod dependencies;
mod faults;
mod home;
mod login;
mod oci;
mod repositories;
mod terminal;
mod tokens;
