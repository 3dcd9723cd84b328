//! Signing retry statements (docs/protocol.md section 3, "Unknown kid"); the shape and the check
//! are in [`waxwing_wire::retry`].

use waxwing_wire::retry::RetryBody;

use crate::keys::DeviceKey;

/// Signs that this device cannot open an envelope. Returns the statement as it travels.
pub fn sign_retry(key: &DeviceKey, body: &RetryBody) -> Vec<u8> {
    key.sign_retry(body.encode()).encode()
}
