//! The newest version of each twin that this process has seen: what an index says of an older one is stale. Holds no twins.

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::Value;
use wire::Identity;

/// Devices and modules of one hub, at most: the service's own limit. Beyond it nothing more is remembered, and rows of those
/// devices are hints without a check.
const MOST: usize = 1_000_000;

/// Versions by identity.
#[derive(Debug, Default)]
pub(crate) struct Newest(Mutex<HashMap<Box<str>, u64>>);

impl Newest {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<Box<str>, u64>) -> T) -> T {
        work(&mut self.0.lock().expect("numbers only: no panic while held"))
    }

    /// A twin as the hub itself shows it: the truth, also when the device was made anew and counts from the beginning.
    pub(super) fn read(&self, identity: &Identity, twin: &Value) {
        let Some(version) = twin.get("version").and_then(Value::as_u64) else { return };
        let id = identity.to_string().into_boxed_str();
        self.with(|versions| {
            if versions.len() < MOST || versions.contains_key(&id) {
                versions.insert(id, version);
            }
        });
    }

    /// A row of an index. Whether it is as new as anything seen before.
    pub(crate) fn row(&self, id: &str, version: u64) -> bool {
        self.with(|versions| match versions.get_mut(id) {
            Some(newest) if *newest > version => false,
            Some(newest) => {
                *newest = version;
                true
            }
            None => {
                if versions.len() < MOST {
                    versions.insert(id.into(), version);
                }
                true
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_are_never_older_than_what_was_read() {
        let newest = Newest::default();
        let device: Identity = "d".parse().unwrap();
        assert!(newest.row("d", 3), "nothing is known yet");
        newest.read(&device, &json!({ "version": 5 }));
        assert!(!newest.row("d", 4));
        assert!(newest.row("d", 5) && newest.row("d", 7) && !newest.row("d", 6));
        assert!(newest.row("e", 1));
        newest.read(&device, &json!({ "version": 2 }));
        assert!(newest.row("d", 3), "made anew");
        newest.read(&device, &json!({}));
        assert!(newest.row("d", 3));
    }
}
