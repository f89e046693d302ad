//! `iotplay-bench`: the figures of docs/performance.md, each against its peer in the same run.

fn main() -> std::process::ExitCode {
    iotplay_bench::main()
}
