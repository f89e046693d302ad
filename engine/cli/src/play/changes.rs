//! What makes `--watch` run again: the playbook's file on disk, or new handlers in the simulated devices.

use std::cell::RefCell;
use std::path::Path;

use script::{Watch, WatchMode};
use tokio::sync::mpsc;

use crate::process::Trouble;

/// Waits for changes.
pub(crate) struct Changes<'a> {
    file: Option<Watch>,
    reloads: Option<&'a RefCell<mpsc::Receiver<()>>>,
}

impl<'a> Changes<'a> {
    /// Watches a playbook's file (none for a built-in one) and the reloads of the devices in this process (none for a hub elsewhere).
    pub(crate) fn watch(
        file: Option<&Path>,
        reloads: Option<&'a RefCell<mpsc::Receiver<()>>>,
    ) -> Result<Self, Trouble> {
        let watch = |file: &Path| Watch::new(&[file.to_owned()], WatchMode::Native);
        let file = file.map(watch).transpose().map_err(|error| Trouble::usage(format!("--watch: {error}")))?;
        Ok(Self { file, reloads })
    }

    /// Ends when something has changed.
    #[expect(clippy::await_holding_refcell_ref, reason = "the cell has this one borrower: runs and waits take turns")]
    pub(crate) async fn next(&mut self) {
        let reload = async {
            match self.reloads {
                Some(reloads) if reloads.borrow_mut().recv().await.is_some() => {}
                _ => std::future::pending().await,
            }
        };
        let file = async {
            match &mut self.file {
                Some(watch) => watch.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = reload => {}
            () = file => {}
        }
    }
}
