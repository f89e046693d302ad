//! The words of file upload: what IoT Hub says to a device that wants to upload, and as much of Blob Storage's own language as
//! the SDKs' blob clients speak. Pure: no files and no sockets.

mod access;
mod block;
mod error;
mod name;
mod range;
mod upload;
pub mod words;

pub use access::{AccessError, BlobAccess, BlobPermission};
pub use block::{BlockId, BlockListError, parse_block_list};
pub use error::BlobError;
pub use name::{BlobName, BlobNameError};
pub use range::{ByteRange, RangeError};
pub use upload::{
    UploadDocument, UploadGrant, UploadNotice, UploadPage, UploadQuery, UploadQueryError, UploadRequest, UploadStatus,
};
