//! Keys that cannot be mixed up, and the few things one may do with them.
