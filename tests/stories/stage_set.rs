//! What every story starts with: a folder of its own and the binary in it.

use std::path::Path;

use stage::Iotplay;
use tempfile::TempDir;

/// A folder that goes away with the story, and the binary in it.
pub(crate) struct Set {
    folder: TempDir,
    /// The binary, run in the folder.
    pub(crate) iotplay: Iotplay,
}

/// An empty folder.
pub(crate) fn empty() -> Set {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let iotplay = Iotplay::new(env!("CARGO_BIN_EXE_iotplay"), folder.path());
    Set { folder, iotplay }
}

impl Set {
    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// With one more file.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder can be made");
        std::fs::write(path, text).expect("a file can be written");
        self
    }
}

/// The key of a connection string, to look for where it must not be.
pub(crate) fn key(connection: &str) -> &str {
    connection.split(';').find_map(|part| part.strip_prefix("SharedAccessKey=")).expect("the string has a key")
}

/// A connection string with another key of the same form.
pub(crate) fn with_wrong_key(connection: &str) -> String {
    connection.replace(key(connection), "d3Jvbmcta2V5LXdyb25nLWtleS13cm9uZy1rZXk9PT0=")
}
