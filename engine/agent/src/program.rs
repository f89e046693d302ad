//! A program that a script runs: with nothing of this agent's environment, a bounded output and a deadline at which it ends with
//! all that it started. Knows no grants.

use std::path::PathBuf;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStdin, Command};
use tokio::time::timeout;

/// Bytes of each of both outputs that are kept; the rest is read and forgotten, so that the program does not stand still.
const MOST_OUTPUT: usize = 64 * 1024;

/// What a program that has ended left in its pipes is there at once; who holds them open beyond it was ended too.
const LEFTOVERS: Duration = Duration::from_secs(2);

/// Where programs look for others.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The code of who was ended by a signal begins here, as in a shell.
const SIGNALLED: i64 = 128;

/// A program and all it is given.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) stdin: Vec<u8>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) timeout: Duration,
}

/// How it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) code: i64,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) timed_out: bool,
    /// More was written than is kept.
    pub(crate) truncated: bool,
}

/// Ends everything of the program's group, at the latest when it is forgotten.
struct Group(Option<u32>);

impl Group {
    #[cfg(unix)]
    fn end(&mut self) {
        let id = self.0.take().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(id) = id {
            // All may have ended already.
            let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
        }
    }

    #[cfg(not(unix))]
    fn end(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

impl Program {
    /// Runs it to its end.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) async fn run(self) -> Result<Ran, std::io::Error> {
        let mut command = Command::new(&self.path);
        command.args(&self.args).env_clear().env("PATH", PATH).envs(self.env).current_dir("/").kill_on_drop(true);
        let stdin = if self.stdin.is_empty() { Stdio::null() } else { Stdio::piped() };
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn()?;
        let mut group = Group(child.id());
        let (mut out, mut err) = (Kept::default(), Kept::default());
        let ended = {
            let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
            let pipes = async { tokio::join!(feed(stdin, self.stdin), out.fill(stdout), err.fill(stderr)) };
            let (mut pipes, mut empty) = (pin!(pipes), false);
            let ended = {
                let mut ended = pin!(timeout(self.timeout, child.wait()));
                loop {
                    tokio::select! {
                        biased;
                        ended = &mut ended => break ended,
                        _ = &mut pipes, if !empty => empty = true,
                    }
                }
            };
            // Also what it started and left behind, which would hold the pipes open.
            group.end();
            if !empty {
                let _ = timeout(LEFTOVERS, pipes).await;
            }
            ended
        };
        let (status, timed_out) = match ended {
            Ok(status) => (status?, false),
            Err(_) => (child.wait().await?, true),
        };
        let truncated = out.more || err.more;
        Ok(Ran { code: code(status), out: out.text(), err: err.text(), timed_out, truncated })
    }
}

/// Hands the input over; a program that ends without reading it may.
async fn feed(stdin: Option<ChildStdin>, input: Vec<u8>) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(&input).await;
    }
}

/// One output, as far as it is kept.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    more: bool,
}

impl Kept {
    async fn fill(&mut self, from: Option<impl AsyncRead + Unpin>) {
        let Some(mut from) = from else { return };
        let mut part = [0; 8 * 1024];
        while let Ok(count @ 1..) = from.read(&mut part).await {
            let room = (MOST_OUTPUT - self.bytes.len()).min(count);
            self.bytes.extend_from_slice(&part[..room]);
            self.more |= room < count;
        }
    }

    /// What is no UTF-8 becomes the sign for that.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

#[cfg(unix)]
fn code(status: ExitStatus) -> i64 {
    use std::os::unix::process::ExitStatusExt as _;
    let signalled = || status.signal().map_or(-1, |signal| SIGNALLED + i64::from(signal));
    status.code().map_or_else(signalled, i64::from)
}

#[cfg(not(unix))]
fn code(status: ExitStatus) -> i64 {
    status.code().map_or(-1, i64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn shell(script: &str) -> Program {
        Program {
            path: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            stdin: Vec::new(),
            env: Vec::new(),
            timeout: Duration::from_secs(60),
        }
    }

    #[tokio::test]
    async fn code_outputs_and_input() {
        let program = Program { stdin: b"secret".to_vec(), ..shell("cat; echo oops >&2; exit 3") };
        let ran = program.run().await.unwrap();
        let expected = Ran { code: 3, out: "secret".into(), err: "oops\n".into(), ..Ran::default() };
        assert_eq!(ran, expected);
        assert_eq!(shell("kill -TERM $$").run().await.unwrap().code, 143);
        let unread = Program { stdin: vec![b'x'; 1 << 20], ..shell("exit 0") };
        assert_eq!(unread.run().await.unwrap().code, 0);
        assert!(Program { path: "/no/such".into(), ..shell("") }.run().await.is_err());
    }

    #[tokio::test]
    async fn nothing_of_our_environment_is_handed_on() {
        let program = Program { env: vec![("APP_X".into(), "1".into())], ..shell("env | grep -v '^_=' | sort; pwd") };
        let ran = program.run().await.unwrap();
        let lines: Vec<&str> = ran.out.lines().filter(|line| !line.starts_with("PWD=")).collect();
        assert_eq!(lines, ["APP_X=1", &format!("PATH={PATH}"), "/"]);
    }

    #[tokio::test]
    async fn output_without_end_is_read_and_cut() {
        let ran = shell("head -c 3000000 /dev/zero; echo done >&2").run().await.unwrap();
        assert_eq!((ran.out.len(), ran.err.as_str(), ran.truncated), (MOST_OUTPUT, "done\n", true));
    }

    #[tokio::test]
    async fn at_the_deadline_the_whole_group_ends() {
        let started = Instant::now();
        // The child's child holds the pipe and ignores a polite end.
        let script = "(trap '' TERM HUP; sleep 300) & echo $!; sleep 300";
        let program = Program { timeout: Duration::from_millis(500), ..shell(script) };
        let ran = program.run().await.unwrap();
        assert_eq!((ran.code, ran.timed_out), (137, true));
        assert!(started.elapsed() < Duration::from_secs(60), "nobody waits for what was left behind");
        gone(ran.out.trim()).await;
        let ran = shell("sleep 300 & echo $!").run().await.unwrap();
        assert_eq!((ran.code, ran.timed_out), (0, false));
        gone(ran.out.trim()).await;
    }

    #[tokio::test]
    async fn a_run_that_is_forgotten_ends_the_group() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("pid");
        let program = shell(&format!("sleep 300 & echo $! > {0}.part; mv {0}.part {0}; wait", file.display()));
        let run = tokio::spawn(program.run());
        while !file.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        run.abort();
        gone(std::fs::read_to_string(file).unwrap().trim()).await;
    }

    /// Until this process is no more, or nothing but a line in the table.
    async fn gone(pid: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let alive = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
        };
        while alive() {
            assert!(Instant::now() < deadline, "process {pid} lives on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
