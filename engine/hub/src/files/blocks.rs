//! Blocks of uploads that wait for their list, and the file that a list makes of them.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Body;
use wire::blob::{BlobError, BlockId};

use super::files::aside;
use super::place::Place;
use super::{Files, Written};

/// Blocks of one upload, as Blob Storage has them in a file.
const OF_UPLOAD: usize = 50_000;
/// Blocks of all uploads together: each is a file on the disk.
const OF_HUB: usize = 200_000;

impl Files {
    /// Receives a block; durable when this returns.
    pub(crate) async fn put_block<B>(self: &Arc<Self>, upload: &str, id: BlockId, body: B) -> Result<(), BlobError>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let room = self.room_for(upload, &id)?;
        let written = self.receive(body, room).await?;
        let (files, upload) = (Arc::clone(self), upload.to_owned());
        self.finish(async move { files.keep_block(upload, id, written).await }).await
    }

    async fn keep_block(self: Arc<Self>, upload: String, id: BlockId, written: Written) -> Result<(), BlobError> {
        // Others of this upload may have come in the meantime.
        if written.size > self.room_for(&upload, &id)? {
            return Err(BlobError::too_large(self.limits.file));
        }
        let moved = {
            let (files, upload, id, from) = (Arc::clone(&self), upload.clone(), id.clone(), written.path.clone());
            aside(move || files.place.move_to_block(&from, &upload, &id))
        };
        moved.await?;
        let before = self.blocks().entry(upload).or_default().insert(id, written.size);
        written.keep();
        self.release(before.unwrap_or(0));
        Ok(())
    }

    /// How large a block of this id may be: all of an upload's blocks together are at most one file.
    fn room_for(&self, upload: &str, id: &BlockId) -> Result<u64, BlobError> {
        let blocks = self.blocks();
        let all: usize = blocks.values().map(std::collections::BTreeMap::len).sum();
        let Some(own) = blocks.get(upload) else {
            return if all < OF_HUB { Ok(self.limits.file) } else { Err(too_many(OF_HUB)) };
        };
        if own.keys().next().is_some_and(|other| other.size() != id.size()) {
            let message = "The specified block ID is invalid. All IDs of a blob have the same length.";
            return Err(BlobError::new(400, "InvalidBlobOrBlock", message));
        }
        let taken: u64 = own.iter().filter(|(other, _)| *other != id).map(|(_, size)| size).sum();
        match own.contains_key(id) {
            false if own.len() >= OF_UPLOAD => Err(too_many(OF_UPLOAD)),
            false if all >= OF_HUB => Err(too_many(OF_HUB)),
            _ => Ok(self.limits.file.saturating_sub(taken)),
        }
    }

    /// Makes a file of blocks, in the order of the list; durable when this returns.
    pub(crate) async fn compose(self: &Arc<Self>, upload: &str, ids: Vec<BlockId>) -> Result<Written, BlobError> {
        let _turn = self.composing.lock().await;
        let size = {
            let blocks = self.blocks();
            let own = blocks.get(upload);
            let sizes = ids.iter().map(|id| own.and_then(|own| own.get(id)).copied());
            // A block may stand in the list more than once.
            sizes.sum::<Option<u64>>().ok_or_else(invalid_list)?
        };
        if size > self.limits.file {
            return Err(BlobError::too_large(self.limits.file));
        }
        let mut written = Written::new(self);
        written.grow(size)?;
        let (files, path, folder) = (Arc::clone(self), written.path.clone(), self.place.blocks(upload));
        let copied = aside(move || {
            files.place.make()?;
            let mut file = Place::create(&path)?;
            let mut copied = 0;
            for id in ids {
                copied += io::copy(&mut File::open(folder.join(id.hex()))?, &mut file)?;
            }
            file.sync_all()?;
            files.place.sync()?;
            Ok(copied)
        })
        .await?;
        if copied == size { Ok(written) } else { Err(BlobError::internal("Blocks changed while they were read.")) }
    }

    /// Forgets the blocks of an upload: they are a file by now, or never will be.
    pub(crate) async fn forget_blocks(self: &Arc<Self>, upload: &str) {
        let Some(blocks) = self.blocks().remove(upload) else { return };
        let folder = self.place.blocks(upload);
        if aside(move || std::fs::remove_dir_all(folder)).await.is_ok() {
            self.release(blocks.values().sum());
        }
    }
}

fn too_many(most: usize) -> BlobError {
    BlobError::new(409, "BlockCountExceedsLimit", format!("At most {most} blocks wait for their list at this hub."))
}

/// A list names a block that is not there.
fn invalid_list() -> BlobError {
    BlobError::new(400, "InvalidBlockList", "The specified block list is invalid.")
}
