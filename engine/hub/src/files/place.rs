//! The folder of contents: `<number>.blob` for a file, `<upload>.blocks/<id>` for blocks that wait for their list. Names are
//! hexadecimal digits made by the hub, so that nothing a device says becomes a path.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rand::Rng;
use wire::blob::BlockId;

const BLOB: &str = "blob";
const BLOCKS: &str = "blocks";

/// The blocks of each upload and their sizes.
pub(super) type Blocks = HashMap<String, BTreeMap<BlockId, u64>>;

/// See the module's description.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    /// Removed when the hub ends.
    temporary: bool,
}

/// What a folder held at start, once what nobody needs is gone.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) files: HashSet<u64>,
    pub(super) blocks: Blocks,
    pub(super) bytes: u64,
    pub(super) last: u64,
}

impl Place {
    pub(super) fn of(data: Option<&Path>) -> Self {
        match data {
            Some(data) => Self { folder: data.join("files"), temporary: false },
            None => {
                let name = format!("iotplay-files-{}-{:016x}", std::process::id(), rand::rng().random::<u64>());
                Self { folder: std::env::temp_dir().join(name), temporary: true }
            }
        }
    }

    /// Makes the folder if it is not there; readable by its owner only.
    pub(super) fn make(&self) -> io::Result<()> {
        make_folder(&self.folder)
    }

    pub(super) fn file(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:016x}.{BLOB}"))
    }

    pub(super) fn blocks(&self, upload: &str) -> PathBuf {
        self.folder.join(format!("{upload}.{BLOCKS}"))
    }

    /// An empty file that was not there.
    pub(super) fn create(path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path)
    }

    /// Brings the names in the folder to the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        sync_folder(&self.folder)
    }

    /// Moves a finished file among the blocks of an upload, in the place of one with the same id.
    pub(super) fn move_to_block(&self, from: &Path, upload: &str, id: &BlockId) -> io::Result<()> {
        let folder = self.blocks(upload);
        let fresh = !folder.exists();
        make_folder(&folder)?;
        fs::rename(from, folder.join(id.hex()))?;
        sync_folder(&folder)?;
        if fresh { self.sync() } else { Ok(()) }
    }

    /// Looks through the folder; removes files that are not `known` and blocks of uploads that are not `live`: both are what a
    /// hub that died was about to remove, or had not acknowledged.
    pub(super) fn look(&self, known: &HashSet<u64>, live: &HashSet<String>) -> io::Result<Found> {
        let mut found = Found::default();
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            entries => entries?,
        };
        for entry in entries {
            let (path, size) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?.len())))?;
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(BLOB) => {
                    let number = u64::from_str_radix(stem, 16).unwrap_or(0);
                    found.last = found.last.max(number);
                    if known.contains(&number) {
                        found.files.insert(number);
                        found.bytes += size;
                    } else {
                        fs::remove_file(&path)?;
                    }
                }
                Some(BLOCKS) if live.contains(stem) => {
                    let blocks = look_at_blocks(&path)?;
                    found.bytes += blocks.values().sum::<u64>();
                    found.blocks.insert(stem.to_owned(), blocks);
                }
                Some(BLOCKS) => fs::remove_dir_all(&path)?,
                // Not ours: whoever put it there may want it.
                _ => {}
            }
        }
        Ok(found)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.temporary {
            // Missing when nothing was ever uploaded.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn look_at_blocks(folder: &Path) -> io::Result<BTreeMap<BlockId, u64>> {
    let mut blocks = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Some(id) = entry.file_name().to_str().and_then(BlockId::of_hex) {
            blocks.insert(id, entry.metadata()?.len());
        }
    }
    Ok(blocks)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// A folder's names are on the disk only after this; where folders cannot be opened, the system does it by itself.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
