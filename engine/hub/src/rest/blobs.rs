//! The blob endpoint: as much of Blob Storage's protocol as the SDKs' blob clients need to upload a file and to read it back.
//! Whoever shows an upload's token may do so; nothing else is asked, and nothing is said to those who have none.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, IF_NONE_MATCH, LAST_MODIFIED, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use wire::blob::{
    BlobAccess, BlobError, BlobName, BlobNameError, BlobPermission, BlockId, ByteRange, RangeError, parse_block_list,
    words,
};
use wire::{IfMatch, headers, quoted_etag};

use super::body;
use super::content::ReplyBody;
use super::reply::{Failure, Reply, header};
use super::service::Service;
use crate::files::Written;
use crate::fingerprint::Fingerprint;
use crate::seam::HubEvent;
use crate::state::{Blob, Precondition};

/// A list of 50,000 blocks with the longest ids.
const BLOCK_LIST: usize = 8 * 1024 * 1024;
/// Bytes of what a sender says about its file, as Blob Storage has it for metadata.
const DESCRIPTION: usize = 8 * 1024;

/// A request for a file, once its token is known to be good.
struct Asked<'a> {
    service: &'a Service,
    blob: BlobName,
    access: BlobAccess,
    headers: HeaderMap,
}

/// Answers a request for a path of the container.
pub(super) async fn answer(
    service: &Service,
    blob: Result<BlobName, BlobNameError>,
    request: Request<Incoming>,
    peer: SocketAddr,
    name: &mut &'static str,
) -> Result<Reply, Failure> {
    let (head, body) = request.into_parts();
    let query = head.uri.query().unwrap_or("");
    let blob = blob.map_err(|error| BlobError::new(400, "InvalidResourceName", format!("{error}.")))?;
    let access = service.state.judge_access(query, &blob).map_err(|reason| {
        service.log.say(HubEvent::ServiceRefused { peer, reason: format!("a file: {reason}") });
        BlobError::unauthenticated()
    })?;
    let asked = Asked { service, blob, access, headers: head.headers };
    let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let done = match (head.method, parameter(words::COMP)) {
        (Method::GET | Method::HEAD, None) => {
            *name = "get_blob";
            asked.permit(BlobPermission::Read)?;
            content(service, &asked.blob, &asked.headers).await
        }
        (Method::PUT, None) => {
            *name = "put_blob";
            asked.put(body).await
        }
        (Method::PUT, Some(words::BLOCK)) => {
            *name = "put_block";
            asked.put_block(parameter(words::BLOCK_ID).unwrap_or_default(), body).await
        }
        (Method::PUT, Some(words::BLOCK_LIST)) => {
            *name = "put_block_list";
            asked.put_block_list(body).await
        }
        // What tokens of uploads never allow.
        (Method::DELETE, _) => Err(BlobError::not_permitted().into()),
        (method, Some(comp)) => {
            let comp: String = comp.chars().take(64).collect();
            Err(BlobError::not_supported(&format!("{method} with {}={comp}", words::COMP)).into())
        }
        (method, None) => Err(BlobError::not_supported(method.as_str()).into()),
    };
    let version = asked.headers.get(words::VERSION).and_then(|version| version.to_str().ok()).unwrap_or_default();
    done.map(|reply| if version.is_empty() { reply } else { header(reply, words::VERSION, version) })
}

impl Asked<'_> {
    fn permit(&self, permission: BlobPermission) -> Result<(), BlobError> {
        if self.access.allows(permission) { Ok(()) } else { Err(BlobError::not_permitted()) }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Put Blob: the whole file in one request.
    async fn put(&self, body: Incoming) -> Result<Reply, Failure> {
        self.permit(BlobPermission::Write)?;
        match self.text(words::BLOB_TYPE) {
            None => return Err(BlobError::missing_header(words::BLOB_TYPE).into()),
            Some(words::BLOCK_BLOB) => {}
            Some(_) => return Err(BlobError::bad_header(words::BLOB_TYPE, "only BlockBlob is supported").into()),
        }
        expect_length(&body)?;
        let (precondition, headers) = (precondition(&self.headers), described(&self.headers, true)?);
        // A look before the body comes; what counts is the one when it is there.
        precondition.check(self.service.state.blob(&self.blob).as_ref())?;
        let files = &self.service.watched.files;
        let written = files.receive(body, files.limits().file).await?;
        self.name(written, headers, None, precondition).await
    }

    /// Put Block: a part that waits for its list.
    async fn put_block(&self, id: &str, body: Incoming) -> Result<Reply, Failure> {
        self.permit(BlobPermission::Write)?;
        expect_length(&body)?;
        let wrong = || BlobError::bad_parameter(words::BLOCK_ID, "an id is base64 of 1 to 64 bytes");
        let id = BlockId::parse_parameter(id).ok_or_else(wrong)?;
        self.service.watched.files.put_block(&self.access.upload, id, body).await?;
        Ok(created())
    }

    /// Put Block List: the parts become the file.
    async fn put_block_list(&self, body: Incoming) -> Result<Reply, Failure> {
        self.permit(BlobPermission::Write)?;
        let invalid = |why: String| BlobError::new(400, "InvalidXmlDocument", format!("{why}."));
        let list = body::read(body, BLOCK_LIST).await.map_err(|error| invalid(error.message))?;
        let text = std::str::from_utf8(&list).map_err(|error| invalid(error.to_string()))?;
        let ids = parse_block_list(text).map_err(|error| invalid(error.to_string()))?;
        let (precondition, headers) = (precondition(&self.headers), described(&self.headers, false)?);
        let upload = &self.access.upload;
        let parts = ids
            .iter()
            .fold(Fingerprint::new().with(upload.as_bytes()), |sum, id| sum.with(b"\n").with(id.hex().as_bytes()));
        let made_of = Some(parts.value());
        let files = &self.service.watched.files;
        let composed = match files.compose(upload, ids).await {
            Ok(composed) => composed,
            Err(refused) => {
                // The same list again, because the first answer was lost: its blocks are the file by now.
                let before = self.service.state.blob(&self.blob).filter(|blob| blob.made_of == made_of);
                return before.map(|blob| named(&blob)).ok_or_else(|| refused.into());
            }
        };
        let reply = self.name(composed, headers, made_of, precondition).await?;
        files.forget_blocks(upload).await;
        Ok(reply)
    }

    /// Gives a file its name, even if the client goes away now.
    async fn name(
        &self,
        written: Written,
        headers: BTreeMap<String, String>,
        made_of: Option<u64>,
        precondition: Precondition,
    ) -> Result<Reply, Failure> {
        let (state, files) = (Arc::clone(&self.service.state), Arc::clone(&self.service.watched.files));
        let blob = Blob { number: 0, size: 0, written: std::time::UNIX_EPOCH, headers, made_of };
        let put = state.put_blob(Arc::clone(&files), self.blob.clone(), written, blob, precondition);
        Ok(named(&files.finish(put).await?))
    }
}

/// A file's content, or the part of it that is asked for.
pub(super) async fn content(service: &Service, name: &BlobName, asked: &HeaderMap) -> Result<Reply, Failure> {
    let blob = service.state.blob(name).ok_or_else(BlobError::not_found)?;
    let precondition = precondition(asked);
    if precondition.is_not.as_ref().is_some_and(|tag| tag.matches(&blob.etag())) {
        let mut reply = Response::new(ReplyBody::empty());
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(header(reply, headers::ETAG, &quoted_etag(&blob.etag())));
    }
    precondition.check(Some(&blob))?;
    let range = asked.get(words::RANGE).or_else(|| asked.get(RANGE)).and_then(|range| range.to_str().ok());
    let range = range.map(|range| ByteRange::parse(range, blob.size)).transpose().map_err(|error| match error {
        RangeError::Form => BlobError::bad_header(words::RANGE, &error.to_string()),
        RangeError::Outside => BlobError::new(416, "InvalidRange", format!("{error}.")),
    })?;
    let (first, bytes) = range.map_or((0, blob.size), |range| (range.first, range.bytes()));
    let read = service.watched.files.read(blob.number, first, bytes).await;
    let content = read.map_err(|error| {
        tracing::warn!(%error, %name, "a file cannot be read");
        BlobError::internal("The hub cannot read the file.")
    })?;
    let mut reply = Response::new(ReplyBody::File(content));
    *reply.status_mut() = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let described = reply.headers_mut();
    described.insert(headers::CONTENT_TYPE, HeaderValue::from_static(words::OCTETS));
    for (name, value) in &blob.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            described.insert(name, value);
        }
    }
    described.insert(CONTENT_LENGTH, bytes.into());
    described.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    described.insert(words::BLOB_TYPE, HeaderValue::from_static(words::BLOCK_BLOB));
    if let Some(Ok(range)) = range.map(|range| HeaderValue::from_str(&range.content_range(blob.size))) {
        described.insert(CONTENT_RANGE, range);
    }
    Ok(versioned(reply, &blob))
}

/// 201.
fn created() -> Reply {
    let mut reply = Response::new(ReplyBody::empty());
    *reply.status_mut() = StatusCode::CREATED;
    header(reply, words::SERVER_ENCRYPTED, "false")
}

fn named(blob: &Blob) -> Reply {
    versioned(created(), blob)
}

fn versioned(mut reply: Reply, blob: &Blob) -> Reply {
    if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(blob.written)) {
        reply.headers_mut().insert(LAST_MODIFIED, date);
    }
    header(reply, headers::ETAG, &quoted_etag(&blob.etag()))
}

/// Blob Storage wants to know how long a body is.
fn expect_length(body: &Incoming) -> Result<(), BlobError> {
    if body.size_hint().exact().is_some() {
        return Ok(());
    }
    Err(BlobError::new(411, "MissingContentLengthHeader", "Content-Length must be set."))
}

/// The conditions that a request makes on the file as it is.
pub(super) fn precondition(headers: &HeaderMap) -> Precondition {
    let condition = |name: &str| IfMatch::parse(headers.get(name)?.to_str().ok()?);
    Precondition { is: condition(headers::IF_MATCH), is_not: condition(IF_NONE_MATCH.as_str()) }
}

/// What a sender says about its file, as headers of the answer to its readers. `typed` is whether the request's own type counts.
fn described(asked: &HeaderMap, typed: bool) -> Result<BTreeMap<String, String>, BlobError> {
    let mut kept = BTreeMap::new();
    let mut bytes = 0;
    for (name, value) in asked {
        let kept_as = match name.as_str() {
            "content-type" if typed => "content-type".to_owned(),
            words::CACHE_CONTROL => "cache-control".to_owned(),
            name => match (name.strip_prefix(words::CONTENT_PREFIX), name.strip_prefix(words::META_PREFIX)) {
                (Some(property @ ("type" | "encoding" | "language" | "disposition")), _) => {
                    format!("content-{property}")
                }
                (_, Some(_)) => name.to_owned(),
                _ => continue,
            },
        };
        let value = value.to_str().map_err(|_| BlobError::bad_header(&kept_as, "it is not ASCII"))?;
        bytes += kept_as.len() + value.len();
        // The property counts more than the request's own type, in whatever order they stand.
        if name.as_str() == "content-type" {
            kept.entry(kept_as).or_insert_with(|| value.to_owned());
        } else {
            kept.insert(kept_as, value.to_owned());
        }
    }
    if bytes > DESCRIPTION {
        let text = format!("Properties and metadata have at most {DESCRIPTION} bytes together.");
        return Err(BlobError::new(400, "MetadataTooLarge", text));
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sender_says_is_kept_in_whatever_order() {
        let mut asked = HeaderMap::new();
        asked.insert("x-ms-blob-content-type", HeaderValue::from_static("text/csv"));
        asked.insert("content-type", HeaderValue::from_static("application/octet-stream"));
        asked.insert("x-ms-meta-line", HeaderValue::from_static("B"));
        asked.insert("x-ms-blob-cache-control", HeaderValue::from_static("no-store"));
        asked.insert("x-ms-blob-content-md5", HeaderValue::from_static("AAAA"));
        asked.insert("x-ms-client-request-id", HeaderValue::from_static("1"));
        let kept = described(&asked, true).unwrap();
        let kept: Vec<_> = kept.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(kept, ["cache-control=no-store", "content-type=text/csv", "x-ms-meta-line=B"]);
        asked.insert("x-ms-meta-long", HeaderValue::from_str(&"x".repeat(DESCRIPTION)).unwrap());
        assert_eq!(described(&asked, true).unwrap_err().code, "MetadataTooLarge");
    }
}
