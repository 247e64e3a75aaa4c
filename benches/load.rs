//! The load benchmark.
fn main() {}
