//! Starts Waxwing.
fn main() {}
