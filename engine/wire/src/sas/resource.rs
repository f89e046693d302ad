//! What a token is for: a host and path segments, and which paths that covers. A prefix by segment, not by character.

use crate::Identity;

/// First segment of every device's path.
const DEVICES: &str = "devices";
/// Second half of a module's path.
const MODULES: &str = "modules";
/// Some old tools sign `host/devices/d/api-version=..`.
const VERSION_TAIL: &str = "api-version=";

/// A decoded `sr`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SasResource {
    host: String,
    segments: Vec<String>,
}

impl SasResource {
    pub(super) fn of(decoded: &str) -> Self {
        let mut parts = decoded.split('/');
        let host = parts.next().unwrap_or("").to_ascii_lowercase();
        let segments = parts
            .filter(|segment| !segment.is_empty())
            .take_while(|segment| !segment.trim_start_matches('?').starts_with(VERSION_TAIL))
            .map(str::to_owned)
            .collect();
        Self { host, segments }
    }

    /// The host in lower case, with its port if one was signed.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path below the host, decoded.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// Whether the token reaches this path: the signed path is a prefix of it, segment by segment. A longer path below a device
    /// or module counts for that device or module too, as old tools sign such.
    pub fn covers(&self, path: &[&str]) -> bool {
        let common = self.segments.iter().zip(path).take_while(|(signed, asked)| signed == asked).count();
        if common == self.segments.len() {
            return true;
        }
        match path {
            [DEVICES, _] => common == 2 && self.segments[2] != MODULES,
            [DEVICES, _, MODULES, _] => common == 4,
            _ => false,
        }
    }

    /// Whether the token lets this identity connect.
    pub fn covers_identity(&self, identity: &Identity) -> bool {
        match &identity.module {
            None => self.covers(&[DEVICES, identity.device.as_str()]),
            Some(module) => self.covers(&[DEVICES, identity.device.as_str(), MODULES, module.as_str()]),
        }
    }
}

/// The resource a device signs: `host/devices/d` or `host/devices/d/modules/m`, not encoded.
pub fn device_resource(host: &str, identity: &Identity) -> String {
    match &identity.module {
        None => format!("{host}/{DEVICES}/{}", identity.device),
        Some(module) => format!("{host}/{DEVICES}/{}/{MODULES}/{module}", identity.device),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_by_segment() {
        let device = ["devices", "a"];
        let module = ["devices", "a", "modules", "m"];
        for (signed, path, covered) in [
            ("h", &device[..], true),
            ("h", &[], true),
            ("h/devices", &device, true),
            ("h/devices/a", &device, true),
            ("h/devices/a", &module, true),
            ("h/devices/a", &["devices", "ab"], false),
            ("h/devices/A", &device, false),
            ("h/devices/a/modules/m", &device, false),
            ("h/devices/a/modules", &device, false),
            ("h/devices/a/modules/m", &module, true),
            ("h/devices/a/modules/n", &module, false),
            ("h/devices/a/modules/m/x", &module, true),
            ("h/devices/a/api-version=2016-11-14", &device, true),
            ("h/devices/a/?api-version=2016-11-14", &device, true),
            ("h/devices/a/messages/events", &device, true),
            ("h/devices/a/", &device, true),
            ("h/twins", &device, false),
            ("h/devices/a", &["devices"], false),
            ("h/devices/a", &[], false),
        ] {
            assert_eq!(SasResource::of(signed).covers(path), covered, "{signed} {path:?}");
        }
        assert_eq!(SasResource::of("HUB:8443/devices/A").host(), "hub:8443");
    }

    #[test]
    fn signs_what_it_covers() {
        for text in ["a", "a/m"] {
            let identity: Identity = text.parse().unwrap();
            assert!(SasResource::of(&device_resource("Hub", &identity)).covers_identity(&identity));
        }
    }
}
