//! The folder that a hub keeps its state in: `lock`, `ca.pem`, `ca-key.pem`, `hub.redb`, `endpoint.json`.
//! One running hub per folder; [`find`] tells others where it listens. Keys and connection strings are readable by their owner only.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::Secret;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The CA's certificate.
const CA: &str = "ca.pem";
/// The CA's key.
const CA_KEY: &str = "ca-key.pem";
/// Tries to get the lock before it is called held: [`find`] holds it for a moment to see whether anyone else does.
const LOCK_TRIES: u32 = 5;
/// Between two tries: far longer than [`find`]'s moment.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Why the folder cannot be used.
#[derive(Debug, Error)]
pub enum DataDirError {
    /// A hub runs there already.
    #[error("a hub is already running in {folder}: stop it, or give this one another folder with --data")]
    InUse { folder: PathBuf },
    /// Not writable, not readable, no space.
    #[error("cannot use {path}: check that this user may write there, or choose another folder with --data")]
    Io { path: PathBuf, source: io::Error },
}

/// The folder, locked for this process until dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    folder: PathBuf,
    /// Held, and released by the operating system even after kill -9.
    _lock: File,
}

/// Where a running hub listens and how to reach it as its owner.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The hub's process.
    pub pid: u32,
    /// Where devices connect, MQTT over TLS.
    pub mqtt: SocketAddr,
    /// Where services connect, HTTPS.
    pub https: SocketAddr,
    /// The CA certificate to trust, PEM.
    pub ca: PathBuf,
    /// The owner's connection string.
    pub service: Secret,
    /// The name of the provisioning service.
    pub id_scope: String,
}

#[derive(Serialize, Deserialize)]
struct EndpointFile {
    pid: u32,
    mqtt: SocketAddr,
    https: SocketAddr,
    ca: PathBuf,
    service: String,
    #[serde(default)]
    id_scope: String,
}

/// Whether some process holds the folder.
pub(crate) fn is_running(folder: &Path) -> bool {
    let lock = File::open(folder.join("lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Where a folder's store is.
pub(crate) fn store_of(folder: &Path) -> PathBuf {
    folder.join("hub.redb")
}

/// The kept CA of a folder as `(certificate, key)`, both PEM; none before the first start.
pub(crate) fn read_kept_ca(folder: &Path) -> Result<Option<(String, Secret)>, DataDirError> {
    match (read_text(&folder.join(CA))?, read_text(&folder.join(CA_KEY))?) {
        (Some(certificate), Some(key)) => Ok(Some((certificate, key.into()))),
        _ => Ok(None),
    }
}

/// The hub that runs for this folder now, if one does. A file left behind by a killed hub does not count: its lock is free.
pub fn find(folder: &Path) -> Option<Endpoint> {
    if !is_running(folder) {
        return None;
    }
    let text = fs::read(folder.join("endpoint.json")).ok()?;
    let EndpointFile { pid, mqtt, https, ca, service, id_scope } = serde_json::from_slice(&text).ok()?;
    Some(Endpoint { pid, mqtt, https, ca, service: service.into(), id_scope })
}

impl DataDir {
    /// Creates the folder if need be and locks it.
    pub(crate) fn open(folder: &Path) -> Result<Self, DataDirError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| DataDirError::Io { path, source }
        };
        create_folder(folder).map_err(io(folder))?;
        // Absolute, because the CA's path is told to programs that run elsewhere.
        let folder = folder.canonicalize().map_err(io(folder))?;
        let path = folder.join("lock");
        let lock = OpenOptions::new().create(true).append(true).open(&path).map_err(io(&path))?;
        for tries in 1.. {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => return Err(DataDirError::InUse { folder }),
                Err(TryLockError::Error(source)) => return Err(DataDirError::Io { path, source }),
            }
        }
        let data_dir = Self { folder, _lock: lock };
        data_dir.forget_endpoint();
        Ok(data_dir)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn store(&self) -> PathBuf {
        store_of(&self.folder)
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.join(CA)
    }

    fn ca_key(&self) -> PathBuf {
        self.folder.join(CA_KEY)
    }

    /// The kept CA as `(certificate, key)`, both PEM; none before the first start.
    pub(crate) fn read_ca(&self) -> Result<Option<(String, Secret)>, DataDirError> {
        read_kept_ca(&self.folder)
    }

    /// Keeps the CA. The key goes first: a certificate without its key is then never taken for a whole CA.
    pub(crate) fn write_ca(&self, certificate: &str, key: &Secret) -> Result<(), DataDirError> {
        write_whole(&self.ca_key(), key.expose().as_bytes(), Mode::Owner)?;
        write_whole(&self.ca(), certificate.as_bytes(), Mode::Everyone)
    }

    /// Tells others where this hub listens.
    pub(crate) fn write_endpoint(&self, endpoint: &Endpoint) -> Result<(), DataDirError> {
        let Endpoint { pid, mqtt, https, ca, service, id_scope } = endpoint.clone();
        let file = EndpointFile { pid, mqtt, https, ca, service: service.expose().to_owned(), id_scope };
        let text = serde_json::to_vec_pretty(&file).expect("plain fields with text keys are JSON");
        write_whole(&self.folder.join("endpoint.json"), &text, Mode::Owner)
    }

    fn forget_endpoint(&self) {
        // Missing is fine, and an old file is harmless: the lock decides.
        let _ = fs::remove_file(self.folder.join("endpoint.json"));
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        self.forget_endpoint();
    }
}

#[derive(Clone, Copy)]
enum Mode {
    Owner,
    Everyone,
}

fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o755);
    builder.create(folder)
}

fn read_text(path: &Path) -> Result<Option<String>, DataDirError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(DataDirError::Io { path: path.to_owned(), source }),
    }
}

/// Writes a file beside its place, brings it to the disk and moves it there: readers see the old or the new one, never half.
fn write_whole(path: &Path, content: &[u8], mode: Mode) -> Result<(), DataDirError> {
    let write = || -> io::Result<()> {
        let (mut file, beside) = create_as(path, mode)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|source| DataDirError::Io { path: path.to_owned(), source })
}

/// An empty file beside the place of another, readable by its owner only.
pub(crate) fn create_beside(path: &Path) -> io::Result<(File, PathBuf)> {
    create_as(path, Mode::Owner)
}

fn create_as(path: &Path, mode: Mode) -> io::Result<(File, PathBuf)> {
    let beside = path.with_extension("new");
    // A file left by a crash may have other modes than the ones set at creation.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(
        &mut options,
        match mode {
            Mode::Owner => 0o600,
            Mode::Everyone => 0o644,
        },
    );
    #[cfg(not(unix))]
    let _ = mode;
    Ok((options.open(&beside)?, beside))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(ca: PathBuf) -> Endpoint {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let service = Secret::new("HostName=localhost:8443;SharedAccessKeyName=iothubowner;SharedAccessKey=secret");
        Endpoint { pid: 7, mqtt: at(8883), https: at(8443), ca, service, id_scope: "0ne1".into() }
    }

    #[test]
    fn one_hub_per_folder_and_others_find_it_only_while_it_runs() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        assert!(find(&folder).is_none());
        let first = DataDir::open(&folder).unwrap();
        assert!(find(&folder).is_none(), "not listening yet");
        first.write_endpoint(&endpoint(first.ca())).unwrap();
        let found = find(&folder).unwrap();
        assert_eq!((found.pid, found.https.port()), (7, 8443));
        assert!(found.service.expose().starts_with("HostName=localhost:8443"));
        assert!(found.ca.is_absolute());
        let second = DataDir::open(&folder).unwrap_err();
        assert!(second.to_string().contains("already running in"), "{second}");
        drop(first);
        assert!(find(&folder).is_none());
    }

    #[test]
    fn a_file_left_by_a_killed_hub_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let running = DataDir::open(folder.path()).unwrap();
        running.write_endpoint(&endpoint(running.ca())).unwrap();
        let left = fs::read(folder.path().join("endpoint.json")).unwrap();
        drop(running);
        fs::write(folder.path().join("endpoint.json"), left).unwrap();
        assert!(find(folder.path()).is_none());
    }

    #[test]
    fn keys_are_for_their_owner_and_a_half_written_ca_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(folder.path()).unwrap();
        assert!(data_dir.read_ca().unwrap().is_none());
        data_dir.write_ca("certificate", &Secret::new("key")).unwrap();
        data_dir.write_ca("certificate", &Secret::new("key")).unwrap();
        assert_eq!(data_dir.read_ca().unwrap().unwrap().0, "certificate");
        #[cfg(unix)]
        {
            let mode = |name: &str| {
                std::os::unix::fs::PermissionsExt::mode(&fs::metadata(folder.path().join(name)).unwrap().permissions())
            };
            assert_eq!(mode("ca-key.pem") & 0o777, 0o600);
            assert_eq!(mode("ca.pem") & 0o777, 0o644);
        }
        fs::remove_file(data_dir.ca_key()).unwrap();
        assert!(data_dir.read_ca().unwrap().is_none());
    }

    #[test]
    fn a_folder_that_cannot_be_made_names_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = DataDir::open(&file.join("hub")).unwrap_err();
        assert!(error.to_string().contains("file/hub"), "{error}");
    }
}
