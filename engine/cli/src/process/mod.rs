//! What concerns the process as a whole: how it ends, what went wrong, signals, open files.

mod exit;
mod limits;
mod notify;
mod signals;
mod speak;
mod stdout;
mod trouble;

pub(crate) use exit::{Exit, install_panic_message};
pub(crate) use limits::{check_fleet, connections, raise as raise_open_files};
pub(crate) use notify::Notify;
pub(crate) use signals::Signals;
pub(crate) use speak::err;
pub(crate) use stdout::Stdout;
pub(crate) use trouble::{CommandResult, Trouble, chain};
