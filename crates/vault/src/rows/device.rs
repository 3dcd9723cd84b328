//! What one of the account's devices is called here.

use serde::{Deserialize, Serialize};
use waxwing_wire::ids::DeviceId;

use super::Row;

/// A name that the owner gave one of the account's devices. The card has none: it is public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The device.
    pub id: DeviceId,
    /// What it is called on this computer.
    pub name: String,
}

impl Row for Device {
    type Key = DeviceId;
    const TREE: &'static str = "devices";

    fn key(&self) -> DeviceId {
        self.id
    }

    fn name(id: &DeviceId) -> Vec<u8> {
        id.as_bytes().to_vec()
    }
}
