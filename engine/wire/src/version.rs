//! The one API version that our own clients ask for; which versions the hub takes is the hub's matter.

/// The version of the service API and of the device protocol that our clients ask for.
pub const API_VERSION: &str = "2021-04-12";
