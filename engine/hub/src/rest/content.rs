//! The body of an answer: whole, as nearly all are, or a part of a file that is read while it is sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};

use crate::files::Content;

/// See the module's description.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    Whole(Full<Bytes>),
    File(Content),
}

impl ReplyBody {
    pub(super) fn empty() -> Self {
        Self::Whole(Full::default())
    }

    pub(super) fn whole(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Pin::new(bytes).poll_frame(context).map_err(|never| match never {}),
            Self::File(content) => Pin::new(content).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_end_stream(),
            Self::File(content) => content.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => bytes.size_hint(),
            Self::File(content) => content.size_hint(),
        }
    }
}
