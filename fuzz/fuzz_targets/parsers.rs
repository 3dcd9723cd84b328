//! Any bytes into every parser: no panic, and nothing accepted that would be encoded differently.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| waxwing_tests::parsers::check_all(bytes));
