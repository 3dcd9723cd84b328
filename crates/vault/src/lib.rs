//! What this computer remembers, sealed on disk.
