//! `iotplay-fuzz`: what docs/reliability.md says about broken input, by command.

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

fn main() -> std::process::ExitCode {
    iotplay_fuzz::main(&MEMORY)
}
