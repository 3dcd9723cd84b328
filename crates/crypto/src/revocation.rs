//! Signing revocations (docs/protocol.md section 2); the shape and the check are in
//! [`waxwing_wire::revocation`].

use waxwing_wire::ids::AccountId;
use waxwing_wire::revocation::RevocationBody;

use crate::keys::AccountKey;

/// Signs that this key must not be believed any more. Returns the statement as it travels. `at`: Unix
/// seconds.
pub fn sign_revocation(key: &AccountKey, account_id: AccountId, at: u64) -> Vec<u8> {
    let body = RevocationBody {
        account_id,
        identity: key.public().clone(),
        at,
    };
    key.sign_revocation(body.encode()).encode()
}
