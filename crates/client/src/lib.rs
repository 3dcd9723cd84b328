//! Everything a person can do, without a window.
