//! The binary `iotplay`. Everything is in the modules; this file only starts them.

mod app;
mod args;
mod command;
mod exit;
mod trouble;

fn main() -> std::process::ExitCode {
    app::main()
}
