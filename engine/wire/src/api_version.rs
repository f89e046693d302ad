//! The version that our clients speak. What the hub accepts is its own matter.

/// The version of the service API and of the device protocol that our clients ask for.
pub const API_VERSION: &str = "2021-04-12";
