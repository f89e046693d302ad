//! SIGINT and SIGTERM: the first one asks, the second one ends the process at once.

use std::cell::Cell;
use std::rc::Rc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Exit;
use super::Trouble;

/// Listens until dropped.
#[derive(Debug)]
pub(crate) struct Signals {
    asked: CancellationToken,
    which: Rc<Cell<Option<Exit>>>,
    listener: tokio::task::JoinHandle<()>,
}

impl Signals {
    /// Starts listening. Must be called on a `LocalSet`.
    pub(crate) fn listen() -> Result<Self, Trouble> {
        let refuse = |error: std::io::Error| Trouble::internal(format!("cannot listen for signals: {error}"));
        let mut interrupt = signal(SignalKind::interrupt()).map_err(refuse)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(refuse)?;
        let asked = CancellationToken::new();
        let which = Rc::new(Cell::new(None));
        let (ask, remember) = (asked.clone(), Rc::clone(&which));
        let listener = tokio::task::spawn_local(async move {
            loop {
                let exit = tokio::select! {
                    _ = interrupt.recv() => Exit::INTERRUPTED,
                    _ = terminate.recv() => Exit::TERMINATED,
                };
                if remember.replace(Some(exit)).is_some() {
                    // Asked twice: somebody is in a hurry.
                    std::process::exit(i32::from(exit.0));
                }
                ask.cancel();
            }
        });
        Ok(Self { asked, which, listener })
    }

    /// Ends when the process is asked to stop.
    pub(crate) fn asked(&self) -> &CancellationToken {
        &self.asked
    }

    /// The exit code of the signal that came, if one did.
    pub(crate) fn exit(&self) -> Option<Exit> {
        self.which.get()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.listener.abort();
    }
}
