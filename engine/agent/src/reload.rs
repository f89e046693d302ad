//! New scripts while the agent runs: a change on disk, then a load off the lane. What is gone or broken changes nothing.

use std::path::Path;

use base::Diagnostics;
use script::{ScriptHost, Watch, WatchError, WatchMode};
use tokio::task::spawn_blocking;

use crate::config::ScriptPlace;
use crate::scripts::{self, Scripts};

/// What changes on disk bring.
pub(crate) struct Reload {
    host: ScriptHost,
    place: ScriptPlace,
    watch: Watch,
}

impl Reload {
    /// Watches a file or a folder of scripts from now on.
    pub(crate) fn new(host: ScriptHost, path: &Path, mode: WatchMode) -> Result<Self, WatchError> {
        let watch = Watch::new(&[path.to_owned()], mode)?;
        Ok(Self { host, place: ScriptPlace::Path(path.to_owned()), watch })
    }

    /// The next load after a change.
    pub(crate) async fn next(&mut self) -> Result<Scripts, Diagnostics> {
        self.watch.changed().await;
        let (host, place) = (self.host.clone(), self.place.clone());
        let loaded = spawn_blocking(move || scripts::load(&host, &place)).await;
        loaded.unwrap_or_else(|error| Err(base::Diagnostic::error(format!("loading failed: {error}")).into()))
    }
}
