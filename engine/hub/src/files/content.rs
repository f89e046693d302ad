//! A part of a file on its way to a client, read as fast as it is taken.

use std::io::{self, SeekFrom};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncSeekExt, ReadBuf};

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Content {
    file: File,
    left: u64,
    piece: Vec<u8>,
}

impl Content {
    pub(super) async fn open(path: PathBuf, first: u64, bytes: u64) -> io::Result<Self> {
        let mut file = File::open(path).await?;
        file.set_max_buf_size(PIECE);
        file.seek(SeekFrom::Start(first)).await?;
        Ok(Self { file, left: bytes, piece: Vec::new() })
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let wanted = this.left.min(PIECE as u64) as usize;
        if wanted == 0 {
            return Poll::Ready(None);
        }
        this.piece.resize(wanted, 0);
        let mut piece = ReadBuf::new(&mut this.piece);
        ready!(Pin::new(&mut this.file).poll_read(context, &mut piece))?;
        let read = Bytes::copy_from_slice(piece.filled());
        if read.is_empty() {
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        this.left -= read.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(read))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
