//! What a device remembers: its state, its boot and a restart that was asked for, in a file when a folder is given.
//! Written whole and replaced at once, so that a file is never half a file. Decides nothing.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wire::Identity;

/// Bytes of `device.state` as JSON. It is kept in memory for each device and written whole on every change.
const MOST_BYTES: usize = 64 * 1024;

/// Messages whose tries are counted: more than a hub keeps for a device.
const MOST_TRIES: usize = 64;

/// File systems take names of 255 bytes; an id of a module in this form may have three times as many.
const LONGEST_NAME: usize = 200;

/// All that outlives a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Memory {
    /// `device.state`.
    pub(crate) state: Map<String, Value>,
    /// The boot that the device runs in.
    pub(crate) boot_id: String,
    /// The last boot that `on_boot` has run for; none before the very first start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) greeted: Option<String>,
    /// A restart that was asked for and has not happened yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reboot: Option<Box<PendingReboot>>,
    /// How often messages were handed to their handler without an end yet; the oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[expect(clippy::box_collection, reason = "one word instead of three in each idle device")]
    pub(crate) tries: Option<Box<Vec<(String, u32)>>>,
}

/// A restart on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PendingReboot {
    /// When it was asked for, RFC 3339.
    pub(crate) asked: String,
    /// The boot that it was to end.
    pub(crate) boot_id: String,
}

/// A state that grew too large, or that holds what is no data.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum StateError {
    #[error("device.state would be larger than {} KiB", MOST_BYTES / 1024)]
    TooLarge,
}

impl Memory {
    /// Sets one value of the state; null removes it.
    pub(crate) fn set(&mut self, key: &str, value: Value) -> Result<(), StateError> {
        let old = if value.is_null() { self.state.remove(key) } else { self.state.insert(key.to_owned(), value) };
        self.checked(|memory| match old {
            Some(old) => memory.state.insert(key.to_owned(), old),
            None => memory.state.remove(key),
        })
    }

    /// Replaces the whole state.
    pub(crate) fn replace(&mut self, state: Map<String, Value>) -> Result<(), StateError> {
        let old = std::mem::replace(&mut self.state, state);
        self.checked(|memory| memory.state = old)
    }

    /// How often this message was tried.
    pub(crate) fn tries(&self, key: &str) -> u32 {
        self.tries.iter().flat_map(|tries| tries.iter()).find(|(known, _)| known == key).map_or(0, |(_, count)| *count)
    }

    /// One more try.
    pub(crate) fn count_try(&mut self, key: &str) {
        let tries = self.tries.get_or_insert_default();
        if let Some((_, count)) = tries.iter_mut().find(|(known, _)| known == key) {
            *count += 1;
            return;
        }
        if tries.len() >= MOST_TRIES {
            tries.remove(0);
        }
        tries.push((key.to_owned(), 1));
    }

    /// A try that was none.
    pub(crate) fn uncount_try(&mut self, key: &str) {
        match self.tries(key) {
            0 => {}
            1 => self.forget_tries(key),
            _ => self
                .tries
                .iter_mut()
                .flat_map(|tries| tries.iter_mut())
                .filter(|(known, _)| known == key)
                .for_each(|(_, count)| *count -= 1),
        }
    }

    /// The message is done with.
    pub(crate) fn forget_tries(&mut self, key: &str) {
        if let Some(tries) = &mut self.tries {
            tries.retain(|(known, _)| known != key);
            if tries.is_empty() {
                self.tries = None;
            }
        }
    }

    fn checked<T>(&mut self, undo: impl FnOnce(&mut Self) -> T) -> Result<(), StateError> {
        let size = serde_json::to_vec(&self.state).expect("a map with text keys is JSON").len();
        if size <= MOST_BYTES {
            return Ok(());
        }
        undo(self);
        Err(StateError::TooLarge)
    }
}

/// A folder with one file for each device.
#[derive(Clone, Debug)]
pub(crate) struct MemoryFolder(PathBuf);

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemoryError {
    #[error("cannot {what} {}", path.display())]
    File { what: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is damaged and was put aside as {}", path.display(), aside.display())]
    Damaged { path: PathBuf, aside: PathBuf, source: serde_json::Error },
}

impl MemoryFolder {
    /// The folder; made when the first file is written.
    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// What a device remembers; none when it was never here.
    ///
    /// # Errors
    /// A damaged file is renamed first, so that the next start goes well and nothing is lost.
    pub(crate) fn load(&self, device: &Identity) -> Result<Option<Memory>, MemoryError> {
        let path = self.path(device);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(MemoryError::File { what: "read", path, source }),
        };
        match serde_json::from_slice(&bytes) {
            Ok(memory) => Ok(Some(memory)),
            Err(source) => {
                let aside = path.with_extension("damaged");
                fs::rename(&path, &aside).map_err(|source| MemoryError::File {
                    what: "rename",
                    path: path.clone(),
                    source,
                })?;
                Err(MemoryError::Damaged { path, aside, source })
            }
        }
    }

    /// Writes what a device remembers. It is on the disk when this returns.
    pub(crate) fn save(&self, device: &Identity, memory: &Memory) -> Result<(), MemoryError> {
        let path = self.path(device);
        let part = path.with_extension("part");
        let failed = |what, path: &Path| {
            let path = path.to_owned();
            move |source| MemoryError::File { what, path, source }
        };
        fs::create_dir_all(&self.0).map_err(failed("create", &self.0))?;
        let bytes = serde_json::to_vec_pretty(memory).expect("maps with text keys are JSON");
        let mut file = File::create(&part).map_err(failed("write", &part))?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed("write", &part))?;
        fs::rename(&part, &path).map_err(failed("write", &path))?;
        // The rename itself lives in the folder.
        File::open(&self.0).and_then(|folder| folder.sync_all()).map_err(failed("write", &self.0))
    }

    /// Ids may hold characters that no file system likes; those become `%` and two digits.
    fn path(&self, device: &Identity) -> PathBuf {
        let mut name = String::new();
        for byte in device.to_string().bytes() {
            if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
                name.push(char::from(byte));
            } else {
                name.push_str(&format!("%{byte:02x}"));
            }
        }
        if name.len() > LONGEST_NAME {
            let hash = base::Seed(0).of(&name).0;
            name = format!("{}~{hash:016x}", &name[..LONGEST_NAME]);
        }
        self.0.join(format!("{name}.json"))
    }

    /// Where what it has to say is kept.
    pub(crate) fn outbox(&self, device: &Identity) -> PathBuf {
        self.path(device).with_extension("outbox")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn device(id: &str) -> Identity {
        Identity::device(id.parse().unwrap())
    }

    #[test]
    fn what_is_saved_comes_back() {
        let temp = tempfile::tempdir().unwrap();
        let folder = MemoryFolder::new(temp.path().join("state"));
        let one = device("a*b?:c.d");
        assert_eq!(folder.load(&one).unwrap(), None);
        let mut memory = Memory { boot_id: "b1".into(), greeted: Some("b0".into()), ..Memory::default() };
        memory.set("count", json!(3)).unwrap();
        memory.reboot =
            Some(Box::new(PendingReboot { asked: "2026-11-23T13:27:42.118Z".into(), boot_id: "b1".into() }));
        folder.save(&one, &memory).unwrap();
        assert_eq!(folder.load(&one).unwrap(), Some(memory));
        assert_eq!(folder.load(&device("a-b")).unwrap(), None);
        folder.save(&device(&"?".repeat(128)), &Memory::default()).unwrap();
        assert_eq!(folder.load(&device(&"?".repeat(127))).unwrap(), None);
    }

    #[test]
    fn a_damaged_file_is_put_aside_whatever_is_left_of_it() {
        let temp = tempfile::tempdir().unwrap();
        let folder = MemoryFolder::new(temp.path());
        let one = device("d");
        let memory = Memory { boot_id: "b1".into(), ..Memory::default() };
        folder.save(&one, &memory).unwrap();
        let whole = fs::read(temp.path().join("d.json")).unwrap();
        for cut in 0..whole.len() {
            fs::write(temp.path().join("d.json"), &whole[..cut]).unwrap();
            assert!(matches!(folder.load(&one), Err(MemoryError::Damaged { .. })), "cut at {cut}");
            assert_eq!(folder.load(&one).unwrap(), None);
        }
    }

    #[test]
    fn the_state_is_bounded_and_a_refused_value_changes_nothing() {
        let mut memory = Memory::default();
        memory.set("small", json!(1)).unwrap();
        assert_eq!(memory.set("large", json!("x".repeat(MOST_BYTES))), Err(StateError::TooLarge));
        assert_eq!(memory.set("small", json!("x".repeat(MOST_BYTES))), Err(StateError::TooLarge));
        assert_eq!(Value::Object(memory.state.clone()), json!({"small": 1}));
        memory.set("small", Value::Null).unwrap();
        assert!(memory.state.is_empty());
        let large = json!({"x": "x".repeat(MOST_BYTES)});
        assert!(memory.replace(large.as_object().unwrap().clone()).is_err() && memory.state.is_empty());
    }
}
