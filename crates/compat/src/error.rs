//! Why something could not be read, opened or sealed.

/// An error. None of them says anything about a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A wrong passphrase or key, or changed data: which of them cannot be told.
    #[error("This passphrase or key does not open it, or it is damaged.")]
    Closed,
    /// It opened, and is not what its hash names.
    #[error("It was changed on its way: it is not what its hash names.")]
    Hash,
    /// It opened, and is no text or file of the key service.
    #[error("What was opened is no text or file of the key service.")]
    Form,
    /// The packed file's name leads out of a folder.
    #[error("The name of the file leads out of its folder.")]
    FileName,
    /// More than [`MAX_OPENED`](crate::MAX_OPENED).
    #[error("It is larger than the 100 MiB that the key service carries.")]
    TooLarge,
    /// Not an RSA key as the key service writes them.
    #[error("This is no RSA key of the key service.")]
    Key,
    /// A key with fewer bits than today's attacks ask for.
    #[error("This key has {0} bits. It is too small to be safe: at least 2048 are needed.")]
    SmallKey(usize),
    /// A key larger than what is supported, or of a size that is not made.
    #[error("A key of {0} bits is not supported.")]
    KeySize(usize),
    /// The system gave no randomness or no memory.
    #[error("The computer gave no randomness or no memory for it.")]
    System,
}

impl From<aws_lc_rs::error::Unspecified> for Error {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::System
    }
}
