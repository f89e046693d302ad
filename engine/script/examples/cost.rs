//! Measures what a call, a wait and an expression cost: `cargo run -p iotplay-script --release --example cost`.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use base::{Clock, Source};
use futures_util::future::join_all;
use iotplay_script::{Budget, Dynamic, Expressions, Module, Names, NativeCallContext, ScriptHost, from_json, wait};

const ROUNDS: u32 = 100_000;

struct Twin(Dynamic);

impl Names for Twin {
    fn get(&self, _: &str) -> Option<Dynamic> {
        Some(self.0.clone())
    }
}

fn natives() -> Module {
    let mut module = Module::new();
    module.set_native_fn("ready", |ncc: NativeCallContext<'_>| wait(&ncc, std::future::ready(())));
    module
}

fn main() {
    let clock = Clock::manual(SystemTime::UNIX_EPOCH).0;
    let host = ScriptHost::builder(&clock).hook("on").module(natives()).build();
    let text = "let n = 1; on(|x| x + n); on(|x| { ready(); x }); on(|x| { sleep(2); x });";
    let bundle = host.load(&[Source::new("cost.rhai", text)]).expect("the text above is valid");
    let handlers: Vec<_> = bundle.registrations().iter().filter_map(|found| found.handler.clone()).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime starts");
    let call = |index: usize| handlers[index].call(vec![1_i64.into()], Rc::new(()), Budget::handler());
    runtime.block_on(async {
        for (name, index) in [("a call", 0), ("a call that waits once", 1)] {
            let start = Instant::now();
            for _ in 0..ROUNDS {
                let _ = call(index).await;
            }
            println!("{name}: {:?}", start.elapsed() / ROUNDS);
        }
        let before = resident();
        let sleeping = join_all((0..10_000).map(|_| call(2)));
        let look = async {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            resident().saturating_sub(before) / 10_000
        };
        let (_, each) = tokio::join!(sleeping, look);
        println!("a sleeping call: {each} bytes resident");
    });
    let expressions = Expressions::new(clock);
    let expr = expressions.compile("twin.reported.rebootTime != 'x' and twin.reported.n == 1").expect("it is valid");
    let twin = serde_json::json!({ "reported": { "rebootTime": "y", "n": 1, "more": [1, 2, 3] } });
    for (name, value) in [("plain", from_json(&twin)), ("shared", from_json(&twin).into_shared())] {
        let names = Twin(value);
        let start = Instant::now();
        for _ in 0..ROUNDS {
            let _ = expressions.eval(&expr, &names);
        }
        println!("an expression over a {name} value: {:?}", start.elapsed() / ROUNDS);
    }
}

/// Bytes of memory in use by this process.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}
