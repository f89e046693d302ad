//! The binary `iotplay`. Everything is in the modules; this file only starts them.

mod app;
mod args;
mod command;
mod play;
mod process;
mod project;
mod world;

fn main() -> std::process::ExitCode {
    app::main()
}
