//! Uploads of files: asks the hub where to, puts the content there in pieces, tells the hub. Holds one piece of a file in memory,
//! and tries each step again while that may help. Decides nothing about which files may be read.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::rc::Rc;
use std::time::Duration;

use base::{Backoff, Clock};
use bytes::Bytes;
use rand::rngs::StdRng;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Client, Method, RequestBuilder, Response};
use tokio::sync::Semaphore;
use tokio_rustls::rustls::ClientConfig;
use wire::blob::{UploadGrant, UploadNotice, UploadRequest, block_list, words};
use wire::{API_VERSION, HostPort, HubError, HubPath, Identity, headers};

use crate::config::{LinkConfig, Transport};
use crate::link::Login;

/// Bytes of one piece: what the SDKs' clients send at once.
const PIECE: usize = 4 * 1024 * 1024;
/// Uploads of one lane at the same time: each holds a piece.
const AT_ONCE: usize = 16;
/// Tries of one step, the first included.
const TRIES: u32 = 6;
/// The first pause before another try, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// A TCP and TLS handshake takes a few round trips; beyond this nobody is there.
const CONNECT: Duration = Duration::from_secs(10);
/// A piece on a slow line: 4 MiB at 15 KiB a second.
const STEP: Duration = Duration::from_secs(300);
/// Bytes of an answer that are looked at: a grant is below 2 KiB, an error too.
const ANSWER: usize = 64 * 1024;

/// Why a file did not go up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    /// There is no hub to upload to, as in a test of handlers.
    #[error("there is no hub to upload to")]
    NoHub,
    /// Modules cannot upload.
    #[error("IoT Hub takes files of devices only, not of modules")]
    Module,
    /// The device's credential cannot be used.
    #[error("{0}")]
    Credential(String),
    /// The content cannot be read.
    #[error("the content cannot be read: {0}")]
    Content(String),
    /// The hub or the storage said no.
    #[error("{what} was refused with {status}: {why}")]
    Refused { what: &'static str, status: u16, why: String },
    /// Nobody answered, whatever was tried.
    #[error("{what} failed: {why}")]
    Failed { what: &'static str, why: String },
}

/// What is to be uploaded.
pub(crate) enum Content {
    Bytes(Bytes),
    File(File),
}

/// How the devices of a lane upload.
pub(crate) struct Uploader {
    http: Client,
    link: LinkConfig,
    /// Where the hub's HTTPS side is, when it is not where devices connect.
    https: Option<HostPort>,
    clock: Clock,
    rng: RefCell<StdRng>,
    places: Semaphore,
    logins: RefCell<HashMap<Identity, Rc<Login>>>,
}

/// Reads a content piece by piece.
struct Pieces(Option<Content>);

impl Pieces {
    /// The next piece; shorter than [`PIECE`] only at the end.
    async fn next(&mut self) -> Result<Bytes, UploadError> {
        match self.0.take() {
            None => Ok(Bytes::new()),
            Some(Content::Bytes(mut bytes)) => {
                let piece = bytes.split_to(bytes.len().min(PIECE));
                self.0 = Some(Content::Bytes(bytes));
                Ok(piece)
            }
            Some(Content::File(mut file)) => {
                let read = tokio::task::spawn_blocking(move || {
                    let mut piece = Vec::new();
                    (&mut file).take(PIECE as u64).read_to_end(&mut piece).map(|_| (file, piece))
                });
                let failed = |error: &dyn std::error::Error| UploadError::Content(error.to_string());
                let (file, piece) = read.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
                self.0 = Some(Content::File(file));
                Ok(piece.into())
            }
        }
    }
}

impl Uploader {
    pub(crate) fn new(
        tls: &ClientConfig,
        link: LinkConfig,
        https: Option<HostPort>,
        clock: Clock,
        rng: StdRng,
    ) -> Result<Self, reqwest::Error> {
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .https_only(true)
            .http1_only()
            // A grant is for one host, and a redirection would carry it to another.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .no_proxy()
            .user_agent(link.client_type.clone());
        if let Transport::WebSocket { proxy: Some(proxy) } = &link.transport {
            let (host, port) = proxy.address();
            builder = builder.proxy(reqwest::Proxy::all(format!("http://{host}:{port}"))?);
        }
        let (places, logins) = (Semaphore::new(AT_ONCE), RefCell::default());
        Ok(Self { http: builder.build()?, link, https, clock, rng: RefCell::new(rng), places, logins })
    }

    /// A device that may upload, and how it logs in.
    pub(crate) fn remember(&self, identity: &Identity, login: &Rc<Login>) {
        self.logins.borrow_mut().insert(identity.clone(), Rc::clone(login));
    }

    /// Uploads a content; its name at the hub (`device/name`) and its size.
    pub(crate) async fn upload(
        &self,
        identity: &Identity,
        name: &str,
        content: Content,
    ) -> Result<(String, u64), UploadError> {
        if identity.module.is_some() {
            return Err(UploadError::Module);
        }
        let login = self.logins.borrow().get(identity).cloned().ok_or(UploadError::NoHub)?;
        let _place = self.places.acquire().await.map_err(|_| UploadError::NoHub)?;
        let request = UploadRequest { blob_name: Some(name.to_owned()) };
        let files = HubPath::Files(identity.device.clone());
        let answer = self.tell(&login, "asking for the upload", &files, &request).await?;
        let unreadable = |error: serde_json::Error| UploadError::Failed {
            what: "asking for the upload",
            why: format!("the hub's answer cannot be read: {error}"),
        };
        let grant: UploadGrant = serde_json::from_slice(&answer).map_err(unreadable)?;
        let put = self.put(&grant, Pieces(Some(content))).await;
        let (status, words) = match &put {
            Ok(_) => (201, "uploaded".to_owned()),
            Err(UploadError::Refused { status, why, .. }) => (i32::from(*status), why.clone()),
            Err(error) => (0, error.to_string()),
        };
        let notice = UploadNotice {
            correlation_id: Some(grant.correlation_id.clone()),
            is_success: Some(put.is_ok()),
            status_code: Some(status),
            status_description: Some(words),
        };
        let notified = HubPath::FileNotifications(identity.device.clone(), None);
        let told = self.tell(&login, "telling the hub of the upload", &notified, &notice).await;
        // Why it failed matters more than that nobody could be told.
        let size = put?;
        told?;
        Ok((grant.blob_name, size))
    }

    /// Puts the content where the grant says: in one request if it is small, else in blocks.
    async fn put(&self, grant: &UploadGrant, mut pieces: Pieces) -> Result<u64, UploadError> {
        const WHAT: &str = "the upload";
        let first = pieces.next().await?;
        let mut size = first.len() as u64;
        if first.len() < PIECE {
            self.again(WHAT, || self.to_storage(grant, "", first.clone()).header(words::BLOB_TYPE, words::BLOCK_BLOB))
                .await?;
            return Ok(size);
        }
        let (mut ids, mut piece) = (Vec::new(), first);
        while !piece.is_empty() {
            let (id, parameters) = words::block_parameters(ids.len());
            self.again(WHAT, || self.to_storage(grant, &parameters, piece.clone())).await?;
            ids.push(id);
            piece = pieces.next().await?;
            size += piece.len() as u64;
        }
        let (list, parameters) = (Bytes::from(block_list(&ids)), words::block_list_parameters());
        self.again(WHAT, || self.to_storage(grant, &parameters, list.clone())).await?;
        Ok(size)
    }

    fn to_storage(&self, grant: &UploadGrant, parameters: &str, body: Bytes) -> RequestBuilder {
        let request = self.http.request(Method::PUT, grant.url(parameters)).header(words::VERSION, words::OWN_VERSION);
        request.header(CONTENT_LENGTH, body.len()).body(body)
    }

    /// A call of the hub's device side.
    async fn tell(
        &self,
        login: &Login,
        what: &'static str,
        path: &HubPath,
        body: &impl serde::Serialize,
    ) -> Result<Bytes, UploadError> {
        let dialled = login.dial();
        let host = self.https.clone().unwrap_or_else(|| match &self.link.transport {
            Transport::WebSocket { .. } => dialled.clone(),
            Transport::Mqtt => HostPort { host: dialled.host.clone(), port: None },
        });
        let url = format!("https://{host}{path}?{}={API_VERSION}", headers::API_VERSION_PARAMETER);
        let body = Bytes::from(serde_json::to_vec(body).expect("plain fields with text keys are JSON"));
        let authorization = login.authorization(&self.link, &self.clock);
        let authorization = authorization.map_err(|error| UploadError::Credential(error.to_string()))?;
        let request = || {
            let request = self.http.post(&url).header(CONTENT_TYPE, headers::JSON).body(body.clone());
            // Without one, it is the certificate of the handshake that counts.
            match &authorization {
                Some(token) => request.header(headers::AUTHORIZATION, token.expose()),
                None => request,
            }
        };
        self.again(what, request).await
    }

    /// Sends a request until it succeeds, is refused for good, or there were enough tries; the answer's body.
    async fn again(&self, what: &'static str, request: impl Fn() -> RequestBuilder) -> Result<Bytes, UploadError> {
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
        loop {
            let (failed, passes) = match request().timeout(STEP).send().await {
                Ok(answer) if answer.status().is_success() => match body_of(answer).await {
                    Ok(body) => return Ok(body),
                    Err(why) => (UploadError::Failed { what, why }, true),
                },
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    let name = answer.headers().get(words::ERROR_CODE).and_then(|name| name.to_str().ok());
                    let name = name.map(str::to_owned);
                    let body = body_of(answer).await.unwrap_or_default();
                    let why = name.unwrap_or_else(|| HubError::parse(status, None, &body).message);
                    (UploadError::Refused { what, status, why }, matches!(status, 408 | 429 | 500 | 502 | 503 | 504))
                }
                Err(error) => (UploadError::Failed { what, why: reason(&error) }, true),
            };
            if !passes || backoff.tries() + 1 >= TRIES {
                return Err(failed);
            }
            let pause = backoff.next(&mut *self.rng.borrow_mut());
            tracing::debug!(%failed, ?pause, "trying again");
            tokio::time::sleep(pause).await;
        }
    }
}

async fn body_of(mut answer: Response) -> Result<Bytes, String> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| reason(&error))? {
        if body.len() + chunk.len() > ANSWER {
            return Err("the answer is larger than any answer can be".into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

/// The innermost cause; never the address, whose query is a credential.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if std::ptr::addr_eq(cause, error) {
        return if error.is_timeout() { "no answer in time".into() } else { "the request cannot be sent".into() };
    }
    cause.to_string()
}
