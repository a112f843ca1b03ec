//! libFuzzer's entry: runs the target that `FUZZ_TARGET` names. Built by `cargo xtask fuzz`.

#![no_main]

use std::sync::LazyLock;

static TARGET: LazyLock<&fuzz::Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").expect("`cargo xtask fuzz` sets FUZZ_TARGET");
    fuzz::target(&name).expect("`cargo xtask fuzz` names a target that exists")
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
