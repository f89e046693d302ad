//! Why a call to the hub came to nothing, sorted by what it means for the caller: refused, never sent, sent and lost.

use thiserror::Error;
use wire::{ErrorCode, HubError};

/// Why a client could not be made at all.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The roots of trust.
    #[error(transparent)]
    Tls(#[from] net::tls::TlsError),
    /// The HTTP library refuses its settings.
    #[error("the HTTP client cannot be set up")]
    Http(#[source] reqwest::Error),
}

/// Why a call came to nothing.
#[derive(Clone, Debug, Error)]
pub enum ClientError {
    /// The hub answered, and said no.
    #[error("{error}")]
    Refused {
        /// What it said.
        error: HubError,
        /// What to do, if that is known.
        help: Vec<String>,
    },
    /// The hub could not be reached. Nothing was sent.
    #[error("{message}")]
    Away {
        /// One sentence.
        message: String,
        /// What to do.
        help: Vec<String>,
    },
    /// The call was sent, and no usable answer came back: it may have been carried out.
    #[error("{message}")]
    Lost {
        /// One sentence.
        message: String,
    },
    /// The call cannot be made as it is asked for. Nothing was sent.
    #[error("{0}")]
    Unusable(String),
}

impl ClientError {
    /// The hub's code, when it answered.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { error, .. } => Some(error.code),
            Self::Away { .. } | Self::Lost { .. } | Self::Unusable(_) => None,
        }
    }

    /// Whether the hub itself is the trouble (away, or it does not accept us): no device is at fault, and the next call will
    /// not fare better.
    pub fn is_hub(&self) -> bool {
        match self {
            Self::Away { .. } => true,
            Self::Refused { error, .. } => {
                error.code == ErrorCode::QUOTA_EXCEEDED || matches!(error.code.http_status(), 401 | 429)
            }
            Self::Lost { .. } | Self::Unusable(_) => false,
        }
    }

    /// What to do, without `help: `.
    pub fn help(&self) -> &[String] {
        match self {
            Self::Refused { help, .. } | Self::Away { help, .. } => help,
            Self::Lost { .. } | Self::Unusable(_) => &[],
        }
    }
}
