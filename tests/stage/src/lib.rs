//! What the stories share: the binary as a bounded child process, a hub on a loopback address of its own, the official SDKs in
//! environments made under `target/`, and a network line that can be cut. Used by tests only, so it panics instead of returning errors.

mod address;
mod binary;
mod eventually;
mod faulty_line;
mod line;
mod local_hub;
mod program;
mod readers;
mod sdk;

pub use address::own_address;
pub use binary::Iotplay;
pub use eventually::eventually;
pub use faulty_line::{FaultyLine, Weather};
pub use line::Line;
pub use local_hub::{HubOptions, LocalHub};
pub use program::{Ended, Program};
pub use readers::{Reader, page_reader, xml_reader};
pub use sdk::{Sdk, node, python};
