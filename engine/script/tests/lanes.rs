//! Calls on a lane: waiting, deadlines, cancellation, fairness, branches, and what happens when stacks run out.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use base::{Clock, Source};
use futures_util::future::join_all;
use iotplay_script::{
    Budget, Bundle, Caller, Dynamic, ErrorKind, EvalAltResult, FnPtr, Module, NativeCallContext, ScriptHost,
    ScriptResult, StackConfig, context, to_json, wait,
};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

type Answer<T> = Result<T, Box<EvalAltResult>>;

/// What the natives of these tests write to.
#[derive(Default)]
struct Log(RefCell<Vec<String>>);

fn natives() -> Module {
    let mut module = Module::new();
    module.set_native_fn("note", |ncc: NativeCallContext<'_>, text: &str| -> Answer<()> {
        let log = context::<Log>(&ncc).expect("these tests hand over a log");
        log.0.borrow_mut().push(text.to_owned());
        Ok(())
    });
    module.set_native_fn("never", |ncc: NativeCallContext<'_>| wait(&ncc, std::future::pending::<()>()));
    module.set_native_fn("twice", |ncc: NativeCallContext<'_>, function: FnPtr| -> Answer<Dynamic> {
        let _ = function.call_within_context::<Dynamic>(&ncc, (1_i64,))?;
        function.call_within_context(&ncc, (2_i64,))
    });
    module.set_native_fn(
        "parallel",
        |ncc: NativeCallContext<'_>, list: Vec<Dynamic>, function: FnPtr| -> Answer<Vec<Dynamic>> {
            let caller = Caller::of(&ncc)?;
            let handler = caller.handler(&function)?;
            let branches: Vec<_> = list.into_iter().map(|item| caller.call(&handler, vec![item])).collect();
            let results = wait(&ncc, join_all(branches))?;
            Ok(results.into_iter().map(|result| result.unwrap_or_else(|error| error.message.into())).collect())
        },
    );
    module
}

fn host() -> iotplay_script::HostBuilder {
    ScriptHost::builder(Clock::manual(SystemTime::UNIX_EPOCH).0).hook("on").module(natives())
}

fn bundle(host: &ScriptHost, text: &str) -> Bundle {
    host.load(&[Source::new("a.rhai", text)]).unwrap_or_else(|found| panic!("{found}"))
}

fn start(
    bundle: &Bundle,
    index: usize,
    log: &Rc<Log>,
    budget: Budget,
) -> impl Future<Output = ScriptResult<Value>> + use<> {
    let handler = bundle.registrations()[index].handler.clone().expect("it registers a closure");
    let call = handler.call(vec![Dynamic::UNIT], Rc::clone(log) as Rc<dyn std::any::Any>, budget);
    async move { call.await.map(|value| to_json(&value)) }
}

async fn run(text: &str, budget: Budget) -> ScriptResult<Value> {
    start(&bundle(&host().build(), text), 0, &Rc::default(), budget).await
}

#[tokio::test(start_paused = true)]
async fn sleeping_takes_time_and_no_thread() {
    let before = Instant::now();
    let text = "on(|x| { sleep(20); sleep('1m30s'); sleep(0.5); 7 });";
    assert_eq!(run(text, Budget::handler()).await.unwrap(), json!(7));
    assert_eq!(before.elapsed().as_millis(), 110_500);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_sleep_at_once_on_one_lane() {
    let bundle = bundle(&host().build(), "let n = 1; on(|x| { let mine = n; sleep(20); mine + n });");
    let log = Rc::default();
    let before = Instant::now();
    let results = join_all((0..10_000).map(|_| start(&bundle, 0, &log, Budget::handler()))).await;
    assert!(results.into_iter().all(|result| result.unwrap() == json!(2)));
    assert_eq!(before.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_stacks_queue() {
    let host = host().stacks(StackConfig { live: 3, ..StackConfig::default() }).build();
    let bundle = bundle(&host, "on(|x| { sleep(10); 1 });");
    let log = Rc::default();
    let before = Instant::now();
    let results = join_all((0..9).map(|_| start(&bundle, 0, &log, Budget::handler()))).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(before.elapsed().as_secs(), 30);
    let impatient =
        join_all((0..4).map(|_| start(&bundle, 0, &log, Budget::handler().deadline(Duration::from_secs(11))))).await;
    let failed: Vec<_> = impatient.into_iter().filter_map(Result::err).collect();
    assert_eq!(failed.len(), 1, "three run, the fourth starts at 10 s and is ended at 11 s: {failed:?}");
    assert!(matches!(failed[0].kind, ErrorKind::Deadline));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_call_that_waits() {
    for text in ["on(|x| { never(); 1 });", "on(|x| { try { never(); } catch { } loop { sleep(1); } });"] {
        let before = Instant::now();
        let error = run(text, Budget::handler().deadline(Duration::from_secs(5))).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Deadline), "{error:?}");
        assert_eq!(error.message, "the deadline passed after 5s");
        assert!(error.place.is_some(), "{error:?}");
        assert_eq!(before.elapsed().as_secs(), 5);
    }
}

#[tokio::test]
async fn the_deadline_ends_a_loop() {
    let budget = Budget { operations: None, ..Budget::handler() }.deadline(Duration::from_millis(50));
    let error =
        run("on(|x| { try { loop { } } catch { note('caught'); } note('after'); });", budget).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Deadline), "{error:?}");
}

#[tokio::test]
async fn the_operations_of_closures_count_and_their_end_cannot_be_caught() {
    for text in [
        "on(|x| { loop { } });",
        "on(|x| { try { loop { } } catch { return 1; } });",
        "on(|x| { let list = []; list.pad(1000, 1); let other = list; list.map(|a| other.map(|b| a + b)); });",
    ] {
        let error = run(text, Budget::handler()).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Limit), "{text}: {error:?}");
        assert!(error.message.contains("more than 100000 operations"), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_ends_a_call() {
    for text in ["on(|x| { never(); });", "on(|x| { loop { sleep(1); } });"] {
        let token = CancellationToken::new();
        let budget = Budget::handler().cancelled_by(token.clone());
        let stop = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            token.cancel();
        };
        let (result, ()) = tokio::join!(run(text, budget), stop);
        assert!(matches!(result.unwrap_err().kind, ErrorKind::Cancelled));
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_a_call_ends_its_script_and_frees_its_stack() {
    let host = host().stacks(StackConfig { live: 1, ..StackConfig::default() }).build();
    let bundle = bundle(
        &host,
        "on(|x| { note('start'); try { never(); } catch { note('caught'); } note('after'); });
         on(|x| { loop { try { never(); } catch { note('caught'); } } });
         on(|x| 5);",
    );
    let log: Rc<Log> = Rc::default();
    for index in [0, 1, 0] {
        let call = start(&bundle, index, &log, Budget::handler());
        assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
    }
    assert_eq!(*log.0.borrow(), ["start", "start"]);
    assert_eq!(start(&bundle, 2, &log, Budget::handler()).await.unwrap(), json!(5), "its place is free again");
    assert_eq!(Rc::strong_count(&log), 1, "nothing of the dropped calls is left");
    drop(start(&bundle, 0, &log, Budget::handler()));
}

#[tokio::test]
async fn a_busy_script_lets_its_neighbours_have_turns() {
    let turns = Rc::new(AtomicUsize::new(0));
    let local = tokio::task::LocalSet::new();
    let seen = Rc::clone(&turns);
    local
        .run_until(async move {
            let counting = tokio::task::spawn_local(async move {
                loop {
                    seen.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            });
            let busy = run("on(|x| { let i = 0; while i < 10000 { i += 1; } i });", Budget::handler()).await;
            counting.abort();
            assert_eq!(busy.unwrap(), json!(10_000));
        })
        .await;
    assert!(turns.load(Ordering::Relaxed) >= 20, "one turn for every 1,000 operations: {turns:?}");
}

#[tokio::test(start_paused = true)]
async fn natives_call_closures_back() {
    let log: Rc<Log> = Rc::default();
    let bundle = bundle(&host().build(), "on(|x| { let add = 5; twice(|n| { sleep(1); note(`n ${n}`); n + add }) });");
    assert_eq!(start(&bundle, 0, &log, Budget::handler()).await.unwrap(), json!(7));
    assert_eq!(*log.0.borrow(), ["n 1", "n 2"]);
}

#[tokio::test(start_paused = true)]
async fn branches_run_at_once_with_their_own_copies() {
    let before = Instant::now();
    let text = "on(|x| {
        let sum = 100;
        let results = parallel([1, 2, 3], |n| { sleep(10); sum += n; if n == 2 { throw 'two' } sum });
        results.push(sum);
        results.push(parallel([1], |n| parallel([n], |m| m + 1)[0]));
        results
    });";
    let value = run(text, Budget::handler()).await.unwrap();
    assert_eq!(value, json!([101, "two", 103, 100, [2]]));
    assert_eq!(before.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn branches_end_with_their_call() {
    let text = "on(|x| parallel([1, 2], |n| { never(); }));";
    let before = Instant::now();
    let error = run(text, Budget::handler().deadline(Duration::from_secs(4))).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Deadline));
    assert_eq!(before.elapsed().as_secs(), 4);
    let log: Rc<Log> = Rc::default();
    let call = start(&bundle(&host().build(), text), 0, &log, Budget::handler());
    assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
    assert_eq!(Rc::strong_count(&log), 1);
}

#[tokio::test(start_paused = true)]
async fn branches_of_branches_do_not_lock_up() {
    let host = host().stacks(StackConfig { live: 2, ..StackConfig::default() }).build();
    let bundle = bundle(&host, "on(|x| parallel([1, 2], |n| parallel([n], |m| m)[0]));");
    let value = start(&bundle, 0, &Rc::default(), Budget::handler()).await.unwrap();
    assert!(value.to_string().contains("no room for another script"), "{value}");
}

#[tokio::test]
async fn a_bundle_serves_several_lanes() {
    let bundle =
        Arc::new(bundle(&host().build(), "let list = [1, 2]; on(|x| { list.push(3); sleep(0.001); list.len() });"));
    let lanes: Vec<_> = (0..2)
        .map(|_| {
            let bundle = Arc::clone(&bundle);
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(async {
                    let log = Rc::default();
                    let calls = (0..200).map(|_| start(&bundle, 0, &log, Budget::handler()));
                    join_all(calls).await.into_iter().all(|result| result.unwrap() == json!(3))
                })
            })
        })
        .collect();
    assert!(lanes.into_iter().all(|lane| lane.join().unwrap()));
}

#[tokio::test]
async fn results_that_need_stack_to_drop_do_not_leave_the_coroutine() {
    let error = run("on(|x| { let a = []; for i in 0..500 { a = [a]; } a });", Budget::handler()).await.unwrap_err();
    assert!(error.message.contains("nested more than"), "{error:?}");
    let error =
        run("on(|x| { let a = []; for i in 0..500 { a = [a]; } throw a; });", Budget::handler()).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Runtime), "{error:?}");
}
