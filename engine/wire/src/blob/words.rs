//! Headers and query parameters of Blob Storage, lower-case as HTTP libraries keep them, and what the SDKs put there.

/// What kind of blob a PUT makes.
pub const BLOB_TYPE: &str = "x-ms-blob-type";
/// The only kind that this hub keeps.
pub const BLOCK_BLOB: &str = "BlockBlob";
/// The version of the storage protocol; said back as it came.
pub const VERSION: &str = "x-ms-version";
/// The name of an error.
pub const ERROR_CODE: &str = "x-ms-error-code";
/// Whether an answer's content was encrypted with the account's key; SDKs read it.
pub const SERVER_ENCRYPTED: &str = "x-ms-request-server-encrypted";
/// A range that counts before `range`.
pub const RANGE: &str = "x-ms-range";
/// Before the name of a property of the content: type, encoding, language, disposition.
pub const CONTENT_PREFIX: &str = "x-ms-blob-content-";
/// How long the content may be kept by caches.
pub const CACHE_CONTROL: &str = "x-ms-blob-cache-control";
/// Before the name of what the uploader wants to remember.
pub const META_PREFIX: &str = "x-ms-meta-";
/// Content is XML.
pub const XML: &str = "application/xml";
/// The type of content when its sender names none.
pub const OCTETS: &str = "application/octet-stream";
/// What a request is about, other than the blob itself.
pub const COMP: &str = "comp";
/// [`COMP`] of one block.
pub const BLOCK: &str = "block";
/// [`COMP`] of the list that makes blocks a blob.
pub const BLOCK_LIST: &str = "blocklist";
/// The id of a block, base64.
pub const BLOCK_ID: &str = "blockid";
/// Where uploads are: the name of the container, first in every path.
pub const CONTAINER: &str = "iotplay-uploads";
/// The version that our own client speaks.
pub const OWN_VERSION: &str = "2021-12-02";
