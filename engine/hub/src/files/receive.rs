//! A body becomes a file, a quarter of a MiB at a time. Whoever stops half-way leaves nothing behind.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use wire::blob::BlobError;

use super::Files;
use super::files::aside;
use super::place::Place;

/// Bytes that are gathered before they are written.
const BATCH: usize = 256 * 1024;
/// A sender that is silent so long has gone.
const SILENCE: Duration = Duration::from_secs(30);
/// A file that takes longer is none: a sender must not hold its seat for ever by a byte now and then.
const WHOLE: Duration = Duration::from_secs(30 * 60);

/// A file on the disk that has no name yet. Dropped without one, it is removed.
#[derive(Debug)]
pub(crate) struct Written {
    files: Option<Arc<Files>>,
    pub(crate) number: u64,
    pub(crate) size: u64,
    pub(super) path: PathBuf,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Files({:?})", self.place)
    }
}

impl Written {
    pub(super) fn new(files: &Arc<Files>) -> Self {
        let number = files.number();
        Self { files: Some(Arc::clone(files)), number, size: 0, path: files.place.file(number) }
    }

    /// Takes room for so many more bytes, which it gives back if the file comes to nothing.
    pub(super) fn grow(&mut self, bytes: u64) -> Result<(), BlobError> {
        if let Some(files) = &self.files {
            files.reserve(bytes)?;
            self.size += bytes;
        }
        Ok(())
    }

    /// It has a name: it stays.
    pub(crate) fn keep(mut self) {
        self.files = None;
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if let Some(files) = self.files.take() {
            // Missing when it could not even be made.
            let _ = std::fs::remove_file(&self.path);
            files.release(self.size);
        }
    }
}

fn broken(error: impl std::fmt::Display) -> BlobError {
    BlobError::new(400, "IncompleteBody", format!("The body broke off: {error}."))
}

fn silent() -> BlobError {
    BlobError::new(400, "IncompleteBody", "The body took too long to arrive.")
}

impl Files {
    /// Receives a body of at most `cap` bytes. On the disk when this returns, with its name in the folder.
    pub(crate) async fn receive<B>(self: &Arc<Self>, body: B, cap: u64) -> Result<Written, BlobError>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        if body.size_hint().lower() > cap {
            return Err(BlobError::too_large(cap));
        }
        let _seat = self.seat().await?;
        let whole = tokio::time::timeout(WHOLE, self.receive_all(body, cap)).await;
        whole.unwrap_or_else(|_| Err(silent()))
    }

    async fn receive_all<B>(self: &Arc<Self>, mut body: B, cap: u64) -> Result<Written, BlobError>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let mut written = Written::new(self);
        let (files, path) = (Arc::clone(self), written.path.clone());
        let mut file = aside(move || {
            files.place.make()?;
            Place::create(&path)
        })
        .await?;
        // Copied together: small pieces of a body may each hold a large buffer.
        let mut batch = Vec::new();
        while let Some(frame) = tokio::time::timeout(SILENCE, body.frame()).await.map_err(|_| silent())? {
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            if written.size + data.len() as u64 > cap {
                return Err(BlobError::too_large(cap));
            }
            written.grow(data.len() as u64)?;
            batch.extend_from_slice(&data);
            if batch.len() >= BATCH {
                (file, batch) = append(file, batch).await?;
            }
        }
        let (file, _) = append(file, batch).await?;
        let files = Arc::clone(self);
        aside(move || {
            file.sync_all()?;
            files.place.sync()
        })
        .await?;
        Ok(written)
    }
}

/// Writes a batch; gives back its room.
async fn append(mut file: File, mut batch: Vec<u8>) -> Result<(File, Vec<u8>), BlobError> {
    aside(move || {
        file.write_all(&batch)?;
        batch.clear();
        Ok((file, batch))
    })
    .await
}
