//! Stretching a passphrase into key material: Argon2id (RFC 9106) with bounds.
//!
//! The vault file can be attacked offline, so the parameters have a floor; it can also be written by
//! somebody else, so they have a ceiling that is checked before any memory is taken. Too little
//! memory is its own error and never looks like a wrong passphrase.
//! Carries out docs/protocol.md section 6, "Parameters" and `prk`.

use core::fmt;
use core::time::Duration;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use rayon::iter::{IndexedParallelIterator as _, ParallelIterator as _};
use rayon::iter::{IntoParallelIterator as _, IntoParallelRefMutIterator as _};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::{Zeroize as _, Zeroizing};

/// Length of the salt in bytes.
pub const SALT_LEN: usize = 32;

/// The time that a new vault is calibrated toward.
pub const CALIBRATION_TARGET: Duration = Duration::from_secs(1);

const MAX_M_KIB: u32 = 1 << 20;
const MAX_T: u32 = 16;
const MAX_P: u32 = 16;
/// The step of calibration, and the smallest memory: 64 MiB.
const STEP_KIB: u32 = 64 << 10;

/// Why a passphrase was not stretched. Safe to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KdfError {
    /// Parameters outside the bounds; nothing was allocated.
    #[error("passphrase parameters are outside the accepted bounds")]
    OutOfBounds,
    /// The memory that the parameters ask for is not there. Not a wrong passphrase.
    #[error("not enough memory: {needed_mib} MiB are needed")]
    NotEnoughMemory {
        /// What is needed, in MiB.
        needed_mib: u32,
    },
}

/// Argon2id parameters inside the accepted bounds: 64 MiB ≤ m ≤ 1 GiB, 3 ≤ t ≤ 16, 1 ≤ p ≤ 16.
/// The floor is the second recommended option of RFC 9106 section 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KdfParams {
    m_kib: u32,
    t: u32,
    p: u32,
}

impl KdfParams {
    /// The weakest that a vault may be made with: 64 MiB, t 3, p 4.
    pub const FLOOR: Self = Self {
        m_kib: STEP_KIB,
        t: 3,
        p: 4,
    };

    /// What calibration starts from: 256 MiB, t 3, p 4.
    pub const DEFAULT: Self = Self {
        m_kib: 256 << 10,
        t: 3,
        p: 4,
    };

    /// Parameters as given, when they are inside the bounds: memory in KiB, passes, lanes.
    ///
    /// # Errors
    /// [`KdfError::OutOfBounds`].
    pub fn new(m_kib: u32, t: u32, p: u32) -> Result<Self, KdfError> {
        let inside = (Self::FLOOR.m_kib..=MAX_M_KIB).contains(&m_kib)
            && (Self::FLOOR.t..=MAX_T).contains(&t)
            && (1..=MAX_P).contains(&p);
        if inside {
            Ok(Self { m_kib, t, p })
        } else {
            Err(KdfError::OutOfBounds)
        }
    }

    /// Memory in KiB.
    pub fn m_kib(self) -> u32 {
        self.m_kib
    }

    /// Passes over the memory.
    pub fn t(self) -> u32 {
        self.t
    }

    /// Lanes.
    pub fn p(self) -> u32 {
        self.p
    }

    /// These parameters, or those of `other` when a guess costs more with them: more memory times
    /// passes.
    #[must_use]
    pub fn or_costlier(self, other: Self) -> Self {
        let cost = |params: Self| u64::from(params.m_kib) * u64::from(params.t);
        if cost(other) > cost(self) {
            other
        } else {
            self
        }
    }

    /// Finds parameters that take about [`CALIBRATION_TARGET`] on this machine, memory first: it
    /// measures one stretch of the default and scales. Never below the floor, never above 1 GiB.
    /// `clock` returns a monotonic time.
    ///
    /// # Errors
    /// [`KdfError::NotEnoughMemory`] when not even the floor fits.
    pub fn calibrate(mut clock: impl FnMut() -> Duration) -> Result<Self, KdfError> {
        let salt = [0; SALT_LEN];
        let probe = Passphrase::new("calibration");
        let mut start = Self::DEFAULT;
        let took = loop {
            let before = clock();
            match stretch(&probe, &salt, start) {
                Ok(_) => break clock().saturating_sub(before),
                Err(error) if start.m_kib <= Self::FLOOR.m_kib => return Err(error),
                Err(_) => start.m_kib /= 2,
            }
        };
        // A machine that could not give the default must not be asked for more than it gave.
        let ceiling = if start == Self::DEFAULT {
            MAX_M_KIB
        } else {
            start.m_kib
        };
        Ok(start.scaled(took, ceiling))
    }

    /// These parameters, which took `took`, scaled toward the target: memory up to `ceiling` KiB in
    /// steps of 64 MiB, then passes.
    fn scaled(self, took: Duration, ceiling: u32) -> Self {
        let took = took.as_millis().max(1);
        let target = CALIBRATION_TARGET.as_millis();
        let wanted = u128::from(self.m_kib) * target / took;
        let rounded = wanted / u128::from(STEP_KIB) * u128::from(STEP_KIB);
        let m_kib = u32::try_from(rounded)
            .unwrap_or(u32::MAX)
            .clamp(Self::FLOOR.m_kib, ceiling);
        let passes = wanted * u128::from(self.t) / u128::from(m_kib);
        let t = u32::try_from(passes)
            .unwrap_or(u32::MAX)
            .clamp(Self::FLOOR.t, MAX_T);
        Self {
            m_kib,
            t,
            p: self.p,
        }
    }
}

/// A passphrase, NFC-normalised so that it opens the vault on every system whichever way its
/// keyboard composes accents. Never printed, copied or serialised; zeroized on drop.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Normalises what was typed (Unicode Standard Annex 15, form C).
    pub fn new(typed: &str) -> Self {
        // NFC grows a text to at most three times its bytes; room ahead means no stray copies.
        let mut text = Zeroizing::new(String::with_capacity(typed.len() * 3));
        text.extend(typed.nfc());
        Self(text)
    }

    /// Nothing was typed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The normalised text, for estimating its strength.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// What Argon2id made of a passphrase. Only the vault header reads it.
pub struct Stretched(pub(crate) Zeroizing<[u8; 32]>);

/// `argon2id(NFC(passphrase), salt, m, t, p, 32)`, version 0x13 (RFC 9106 section 3.1). Slow on
/// purpose: call it from a thread that may block.
///
/// # Errors
/// [`KdfError::NotEnoughMemory`].
pub fn stretch(
    passphrase: &Passphrase,
    salt: &[u8; SALT_LEN],
    params: KdfParams,
) -> Result<Stretched, KdfError> {
    let inner = Params::new(params.m_kib, params.t, params.p, Some(32))
        .map_err(|_| KdfError::OutOfBounds)?;
    let no_memory = || KdfError::NotEnoughMemory {
        needed_mib: params.m_kib.div_ceil(1024),
    };
    let count = inner.block_count();
    let mut memory: Vec<Block> = Vec::new();
    memory.try_reserve_exact(count).map_err(|_| no_memory())?;
    // The system gives memory at its first touch, which all cores do together.
    (0..count)
        .into_par_iter()
        .map(|_| Block::new())
        .collect_into_vec(&mut memory);
    let mut out = Zeroizing::new([0; 32]);
    let result = Argon2::new(Algorithm::Argon2id, Version::V0x13, inner)
        .hash_password_into_with_memory(
            passphrase.0.as_bytes(),
            salt,
            out.as_mut_slice(),
            &mut memory,
        );
    // The memory matrix is derived from the passphrase alone and would let it be guessed cheaply.
    memory.par_iter_mut().for_each(Block::zeroize);
    result.map_err(|_| KdfError::OutOfBounds)?;
    Ok(Stretched(out))
}

#[cfg(test)]
#[path = "kdf_tests.rs"]
mod tests;
