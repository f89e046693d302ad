//! Files that devices have uploaded to a local hub of iotplay: what became of uploads, and contents. The service tells the first
//! over AMQP and keeps the second in a storage account.

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_RANGE, RANGE};
use wire::blob::{BlobName, UploadPage, UploadQuery};
use wire::{HubPath, IfMatch, headers};

use super::call::Call;
use super::error::ClientError;
use super::governor::Kind;
use super::hub_client::HubClient;
use super::send::unreadable;

/// Bytes of one piece of a file: an answer is held in memory.
const PIECE: u64 = 8 * 1024 * 1024;
/// What every other hub says of such a request.
const ELSEWHERE: &str =
    "tells about uploads over AMQP and keeps the files in a storage account, neither of which iotplay reads";

/// A part of a file, and which file it was.
#[derive(Clone, Debug)]
pub struct FilePiece {
    /// The bytes.
    pub bytes: Bytes,
    /// The version that all pieces must be of.
    pub etag: Option<IfMatch>,
    /// Whether nothing comes behind it.
    pub last: bool,
}

fn path_of(file: &BlobName) -> HubPath {
    HubPath::OwnFile(file.device().clone(), file.name().to_owned())
}

impl HubClient {
    /// Uploads that a local hub of iotplay remembers; waits for the first one as long as the query says.
    ///
    /// # Errors
    /// [`ClientError::Unusable`] when the hub is another one.
    pub async fn uploads(&self, query: &UploadQuery) -> Result<UploadPage, ClientError> {
        let mut call = Call::new(Method::GET, HubPath::OwnUploads, Kind::Uploads);
        call.parameters = query.to_string();
        call.wait += query.wait;
        let answer = self.send(&call).await.map_err(|error| self.unless_ours(error, ELSEWHERE))?;
        serde_json::from_slice(&answer.body).map_err(|error| unreadable(&error))
    }

    /// The next piece of a file, from a place on; of this version, if one is given.
    ///
    /// # Errors
    /// When there is no such file, or it has changed since.
    pub async fn file_piece(
        &self,
        file: &BlobName,
        from: u64,
        version: Option<IfMatch>,
    ) -> Result<FilePiece, ClientError> {
        let mut call = Call::new(Method::GET, path_of(file), Kind::Uploads).if_match(version);
        call.headers.push((RANGE.as_str(), format!("bytes={from}-{}", from + PIECE - 1)));
        let answer = self.send(&call).await.map_err(|error| self.unless_ours(error, ELSEWHERE))?;
        let etag = answer.headers.get(headers::ETAG).and_then(|etag| IfMatch::parse(etag.to_str().ok()?));
        // `bytes 0-8388607/20000000`; an empty file is answered whole, without it.
        let range = answer.headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
        let all = range.and_then(|range| range.rsplit_once('/')?.1.parse::<u64>().ok());
        let last = all.is_none_or(|all| from + answer.body.len() as u64 >= all);
        if !last && answer.body.is_empty() {
            return Err(ClientError::Lost { message: "the hub's answer lacks the file's bytes".into() });
        }
        Ok(FilePiece { bytes: answer.body, etag, last })
    }

    /// Removes a file.
    ///
    /// # Errors
    /// When there is no such file.
    pub async fn remove_file(&self, file: &BlobName) -> Result<(), ClientError> {
        let removed = self.send(&Call::new(Method::DELETE, path_of(file), Kind::Uploads)).await;
        removed.map(drop).map_err(|error| self.unless_ours(error, ELSEWHERE))
    }
}
