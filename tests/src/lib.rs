//! Flows, attacks, vectors, layers and windows.
