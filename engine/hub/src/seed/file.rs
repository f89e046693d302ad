//! The form of the file, as YAML has it. Every text that can be wrong in itself keeps its place.

use serde::Deserialize;
use serde_json::{Map, Value};
use serde_yaml::Spanned;
use wire::{AuthKind, Status};

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) devices: Vec<Spanned<Item>>,
}

/// One device, or many that differ by a number only.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Item {
    /// One device.
    #[serde(default)]
    pub(super) id: Option<Spanned<String>>,
    /// Many: the id without its number.
    #[serde(default)]
    pub(super) prefix: Option<Spanned<String>>,
    /// How many.
    #[serde(default)]
    pub(super) count: Option<Spanned<u64>>,
    /// The first number; 1 when nothing is said.
    #[serde(default)]
    pub(super) from: Option<u64>,
    #[serde(default)]
    pub(super) status: Option<Status>,
    /// An IoT Edge device.
    #[serde(default)]
    pub(super) edge: bool,
    #[serde(default)]
    pub(super) auth: Option<AuthKind>,
    #[serde(default)]
    pub(super) keys: Option<Spanned<Keys>>,
    #[serde(default)]
    pub(super) thumbprints: Option<Spanned<Thumbprints>>,
    #[serde(default)]
    pub(super) tags: Option<Spanned<Map<String, Value>>>,
    #[serde(default)]
    pub(super) desired: Option<Spanned<Map<String, Value>>>,
    #[serde(default)]
    pub(super) modules: Vec<Module>,
}

/// Base64; without a second one the first serves as both.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    pub(super) primary: String,
    #[serde(default)]
    pub(super) secondary: Option<String>,
}

/// 40 or 64 hexadecimal digits.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Thumbprints {
    pub(super) primary: String,
    #[serde(default)]
    pub(super) secondary: Option<String>,
}

/// A module of the device.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Module {
    pub(super) id: Spanned<String>,
    #[serde(default)]
    pub(super) keys: Option<Spanned<Keys>>,
    #[serde(default)]
    pub(super) tags: Option<Spanned<Map<String, Value>>>,
    #[serde(default)]
    pub(super) desired: Option<Spanned<Map<String, Value>>>,
}
