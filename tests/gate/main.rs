//! The validator's binary on the real data set: from local files and from an S3 server that checks
//! signatures, with every kind of bad input.

mod bad_data;
mod bad_models;
mod bad_settings;
mod data_kinds;
mod nulls;
mod run;
mod shards;
mod store;
mod store_faults;
mod verdicts;
