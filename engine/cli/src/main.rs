//! The binary `iotplay`. Everything is in the modules; this file only starts them.

mod app;
mod args;
mod command;
mod process;
mod project;

fn main() -> std::process::ExitCode {
    app::main()
}
