//! A child process with a deadline: its lines are kept and can be waited for, it is killed by its handle when dropped, and what
//! it said is shown when the test fails.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::eventually;

/// No story waits longer than this for one thing; a hanging child must not hang the gate.
const LONGEST: Duration = Duration::from_secs(120);

/// What a child may say before we stop keeping it: a flood is a finding, not a reason to run out of memory.
const MOST_LINES: usize = 100_000;

#[derive(Default)]
struct Said {
    out: Vec<String>,
    err: Vec<String>,
}

/// A running child process.
pub struct Program {
    name: String,
    child: Child,
    said: Arc<Mutex<Said>>,
    readers: Vec<std::thread::JoinHandle<()>>,
    status: Option<ExitStatus>,
}

/// How a child ended and what it said.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// stdout, lines joined by newlines.
    pub out: String,
    /// stderr, lines joined by newlines.
    pub err: String,
}

impl Program {
    /// Starts a command; `name` is what failures call it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let said = Arc::new(Mutex::new(Said::default()));
        let out = child.stdout.take().expect("stdout is piped above");
        let err = child.stderr.take().expect("stderr is piped above");
        let readers = vec![keep(out, &said, |said| &mut said.out), keep(err, &said, |said| &mut said.err)];
        Self { name: name.to_owned(), child, said, readers, status: None }
    }

    /// Waits until a line of stdout or stderr holds the text, and gives the line.
    ///
    /// # Panics
    /// When the child ends first, or after two minutes.
    pub fn line(&mut self, text: &str) -> String {
        self.nth_line(text, 1)
    }

    /// Waits until so many lines hold the text, and gives the last of them.
    ///
    /// # Panics
    /// When the child ends first, or after two minutes.
    pub fn nth_line(&mut self, text: &str, count: usize) -> String {
        let what = format!("{} says {text:?} ({count}x)", self.name);
        eventually(LONGEST, &what, || {
            // Status first: what an ended child said is then complete once its readers are done.
            let ended = self.child.try_wait().expect("a child can be waited for").is_some();
            if ended {
                self.readers.drain(..).for_each(|reader| reader.join().expect("reading lines does not panic"));
            }
            let said = self.said.lock().expect("lines are plain data");
            let found = said.out.iter().chain(&said.err).filter(|line| line.contains(text)).nth(count - 1).cloned();
            assert!(found.is_some() || !ended, "{} ended before it said {text:?}", self.name);
            found
        })
    }

    /// How many lines so far hold the text.
    pub fn count(&self, text: &str) -> usize {
        let said = self.said.lock().expect("lines are plain data");
        said.out.iter().chain(&said.err).filter(|line| line.contains(text)).count()
    }

    /// The process id, for looking, not for killing.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// When it does not come within the deadline.
    pub fn end(mut self, deadline: Duration) -> Ended {
        let what = format!("the end of {}", self.name);
        let status = eventually(deadline, &what, || self.child.try_wait().expect("a child can be waited for"));
        self.status = Some(status);
        self.readers.drain(..).for_each(|reader| reader.join().expect("reading lines does not panic"));
        let said = self.said.lock().expect("lines are plain data");
        Ended { code: status.code(), out: said.out.join("\n"), err: said.err.join("\n") }
    }

    /// Whether it ends by itself within so long: how.
    ///
    /// # Panics
    /// When the system cannot tell.
    pub fn ends_within(&mut self, moment: Duration) -> Option<ExitStatus> {
        let began = std::time::Instant::now();
        loop {
            let ended = self.child.try_wait().expect("a child can be waited for");
            if ended.is_some() || began.elapsed() >= moment {
                return ended;
            }
            std::thread::sleep(Duration::from_millis(1).min(moment));
        }
    }

    /// Asks it to end, as a service manager or Ctrl-C would (`TERM`, `INT`), and waits for that.
    ///
    /// # Panics
    /// When it does not end within two minutes.
    pub fn signal(self, signal: &str) -> Ended {
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(self.child.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "cannot signal {}", self.name);
        self.end(LONGEST)
    }

    /// Ends it without asking (SIGKILL).
    pub fn kill(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        if self.status.is_none() {
            // Already gone is fine.
            let _ = self.child.kill();
            self.status = self.child.wait().ok();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            let said = self.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut shown = format!("---- {} ({:?})\n", self.name, self.status);
            for (stream, lines) in [("out", &said.out), ("err", &said.err)] {
                for line in lines.iter().rev().take(200).rev() {
                    let _ = writeln!(shown, "{stream} | {line}");
                }
            }
            eprint!("{shown}");
        }
    }
}

fn keep(
    stream: impl Read + Send + 'static,
    said: &Arc<Mutex<Said>>,
    part: fn(&mut Said) -> &mut Vec<String>,
) -> std::thread::JoinHandle<()> {
    let said = Arc::clone(said);
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut bytes = Vec::new();
        while stream.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
            bytes.clear();
            let mut said = said.lock().expect("lines are plain data");
            let lines = part(&mut said);
            if lines.len() < MOST_LINES {
                lines.push(line);
            }
        }
    })
}
