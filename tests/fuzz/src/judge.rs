//! Runs a target over and over and looks at what it costs: a panic, an answer that is wrong, too long or too much memory ends
//! the run with the input that did it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::random::Random;
use crate::target::{Input, Target};

/// An input that takes so long hangs. Of wall time, and of a debug build on a machine that others use too.
const HANG: Duration = Duration::from_secs(60);
/// Where growing is no longer waited for: whoever takes so much may never come back.
const FAR_TOO_MUCH: usize = 1024 * 1024 * 1024;
/// How often the watch looks.
const LOOK: Duration = Duration::from_millis(50);

/// What the allocator of the process knows.
pub trait Memory: Sync {
    /// Bytes that are allocated now.
    fn now(&self) -> usize;
    /// The most since the last `reset`.
    fn most(&self) -> usize;
    /// Begins a new most.
    fn reset(&self);
}

impl Memory for peak_alloc::PeakAlloc {
    fn now(&self) -> usize {
        self.current_usage()
    }

    fn most(&self) -> usize {
        self.peak_usage()
    }

    fn reset(&self) {
        self.reset_peak_usage();
    }
}

/// How much to try.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// What all inputs come from.
    pub seed: u64,
    /// Until so many inputs, ..
    pub runs: u64,
    /// .. or so much time.
    pub time: Duration,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Inputs tried.
    pub runs: u64,
    /// Those that were taken for what they should be; the others were refused.
    pub taken: u64,
    /// All of it.
    pub time: Duration,
    /// The slowest input.
    pub slowest: Duration,
    /// The number of the slowest input.
    pub slowest_number: u64,
    /// The most memory of one input, in bytes.
    pub memory: usize,
}

/// An input that did what none may do.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its number, from which and the seed it can be made again.
    pub number: u64,
    /// The input.
    pub bytes: Vec<u8>,
    /// What it did.
    pub what: String,
}

/// The first words of a panic, wherever in the process it was: tasks swallow theirs.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Tries the target; one at a time in a process.
///
/// # Errors
/// The first input that does harm.
pub fn judge(target: &Target, effort: Effort, memory: &'static dyn Memory) -> Result<Tally, Box<Finding>> {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|info| {
        let mut first = PANIC.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        first.get_or_insert_with(|| info.to_string());
    }));
    let watch = Watch::begin(target.name, effort.seed, memory);
    let judged = try_all(target, effort, memory, &watch);
    watch.end();
    std::panic::set_hook(before);
    judged
}

fn try_all(target: &Target, effort: Effort, memory: &dyn Memory, watch: &Watch) -> Result<Tally, Box<Finding>> {
    let mut run = (target.prepare)();
    let (mut tally, began) = (Tally::default(), Instant::now());
    while tally.runs < effort.runs && began.elapsed() < effort.time {
        let number = tally.runs;
        let bytes = target.input(&mut Random::of(effort.seed, number));
        watch.next(number);
        memory.reset();
        let (had, start) = (memory.now(), Instant::now());
        let ended = catch_unwind(AssertUnwindSafe(|| run(&Input(&bytes))));
        let (took, most) = (start.elapsed(), memory.most().saturating_sub(had));
        let panicked = PANIC.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let what = match (panicked, ended) {
            (Some(panic), _) => Some(panic),
            (None, Err(_)) => Some("it panicked".to_owned()),
            (None, Ok(Err(wrong))) => Some(wrong),
            (None, Ok(Ok(taken))) => {
                tally.taken += u64::from(taken);
                (most > target.memory).then(|| format!("it took {} MB of memory", most / 1_000_000))
            }
        };
        if let Some(what) = what {
            return Err(Box::new(Finding { number, bytes, what }));
        }
        tally.runs += 1;
        tally.memory = tally.memory.max(most);
        if took > tally.slowest {
            (tally.slowest, tally.slowest_number) = (took, number);
        }
    }
    tally.time = began.elapsed();
    Ok(tally)
}

/// Looks from a thread of its own: what hangs cannot say so itself.
struct Watch {
    number: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Watch {
    fn begin(name: &'static str, seed: u64, memory: &'static dyn Memory) -> Self {
        let (number, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (current, ended) = (Arc::clone(&number), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            let (mut seen, mut since) = (0, Instant::now());
            while !ended.load(Ordering::Relaxed) {
                let now = current.load(Ordering::Relaxed);
                if now != seen {
                    (seen, since) = (now, Instant::now());
                }
                let hangs = since.elapsed() > HANG;
                if hangs || memory.now() > FAR_TOO_MUCH {
                    let what = if hangs { "hangs" } else { "takes a gigabyte of memory" };
                    eprintln!("{name}: an input {what}; again: iotplay-fuzz {name} --seed {seed} --only {now}");
                    // Nothing else can end the thread that hangs.
                    std::process::exit(1);
                }
                std::thread::sleep(LOOK);
            }
        });
        Self { number, over, thread }
    }

    fn next(&self, number: u64) {
        self.number.store(number, Ordering::Relaxed);
    }

    fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
    }
}
