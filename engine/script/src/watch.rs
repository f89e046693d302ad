//! Says when scripts or playbooks on disk have changed. Watches folders, not files: editors replace a file by another
//! one. Says only "changed": what to read, and what to do when it is gone or broken, is the reader's business.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use notify::{Config, Event, EventKind, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};
use thiserror::Error;
use tokio::sync::mpsc;

/// An editor's save is several events within a few milliseconds: wait until none came for this long.
const QUIET: Duration = Duration::from_millis(50);
/// A folder that never rests is reported this often all the same.
const LONGEST_QUIET: Duration = Duration::from_secs(2);
/// Events that may wait for the thread; beyond this one of them already says "changed".
const EVENTS: usize = 256;

/// How changes are noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WatchMode {
    /// The system tells.
    #[default]
    Native,
    /// Looking every so often, by content: for network file systems and containers where the system does not tell.
    Poll(Duration),
}

/// A path cannot be watched.
#[derive(Debug, Error)]
#[error("cannot watch {path}")]
pub struct WatchError {
    path: String,
    #[source]
    source: notify::Error,
}

/// Watches paths until it is dropped.
#[derive(Debug)]
pub struct Watch {
    changed: mpsc::Receiver<()>,
    tell: SyncSender<Word>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is told.
enum Word {
    Changed,
    Stop,
}

impl Watch {
    /// Watches files and folders. Of a folder: the files in it and in its `lib`; of a file: that name, whoever writes it,
    /// and the `lib` beside it.
    ///
    /// # Errors
    /// A folder that is not there, or a system that is out of watches.
    pub fn new(paths: &[PathBuf], mode: WatchMode) -> Result<Self, WatchError> {
        let targets: Vec<Target> = paths.iter().map(|path| Target::new(path)).collect();
        let (tell, queue) = sync_channel(EVENTS);
        let failed = |path: &Path, source| WatchError { path: path.display().to_string(), source };
        let mut watcher =
            watcher(handler(targets.clone(), tell.clone()), mode).map_err(|error| failed(Path::new("files"), error))?;
        for target in &targets {
            let watched = watcher.watch(&target.folder, RecursiveMode::NonRecursive);
            watched.map_err(|error| failed(&target.folder, error))?;
        }
        let mut libraries = Libraries::new(&targets, mode);
        libraries.follow(&mut *watcher);
        let (report, changed) = mpsc::channel(1);
        let thread = thread::Builder::new().name("iotplay-watch".to_owned());
        let thread = thread.spawn(move || settle(&queue, &report, &mut *watcher, &mut libraries));
        let thread = thread.map_err(|error| failed(Path::new("files"), notify::Error::io(error)))?;
        Ok(Self { changed, tell, thread: Some(thread) })
    }

    /// Waits for the next change; changes that come together are one. Never done when watching has ended.
    pub async fn changed(&mut self) {
        if self.changed.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The thread empties its queue all the time, so there is room at once; an error means that it is gone already.
        let _ = self.tell.send(Word::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn handler(targets: Vec<Target>, tell: SyncSender<Word>) -> impl notify::EventHandler {
    move |event: notify::Result<Event>| {
        let relevant = event.as_ref().map_or(true, |event| {
            // Reading a file is no change; everything else may be.
            !matches!(event.kind, EventKind::Access(_))
                && (event.need_rescan() || event.paths.iter().any(|path| targets.iter().any(|t| t.concerns(path))))
        });
        if relevant {
            // Full: those before it already say "changed".
            let _ = tell.try_send(Word::Changed);
        }
    }
}

fn watcher(handler: impl notify::EventHandler, mode: WatchMode) -> notify::Result<Box<dyn Watcher + Send>> {
    Ok(match mode {
        WatchMode::Native => Box::new(RecommendedWatcher::new(handler, Config::default())?),
        WatchMode::Poll(every) => {
            let config = Config::default().with_poll_interval(every).with_compare_contents(true);
            Box::new(PollWatcher::new(handler, config)?)
        }
    })
}

/// Turns bursts of events into single messages.
fn settle(queue: &Receiver<Word>, report: &mpsc::Sender<()>, watcher: &mut dyn Watcher, libraries: &mut Libraries) {
    while let Ok(Word::Changed) = queue.recv() {
        let first = Instant::now();
        while first.elapsed() < LONGEST_QUIET {
            match queue.recv_timeout(QUIET) {
                Ok(Word::Changed) => {}
                Ok(Word::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        libraries.follow(watcher);
        // One message waiting is enough: its reader has not looked yet.
        let _ = report.try_send(());
    }
}

/// The `lib` folders, which come and go; folders are watched one by one, since a playbook may lie beside a `target/`.
struct Libraries {
    folders: Vec<(PathBuf, bool)>,
    native: bool,
}

impl Libraries {
    fn new(targets: &[Target], mode: WatchMode) -> Self {
        let folders = targets.iter().map(|target| (target.folder.join("lib"), false)).collect();
        Self { folders, native: mode == WatchMode::Native }
    }

    /// Watches those that are there now. The system forgets a folder that was replaced, so it is told again each time;
    /// a poller would forget what it has seen.
    fn follow(&mut self, watcher: &mut dyn Watcher) {
        for (folder, watched) in &mut self.folders {
            if !folder.is_dir() {
                *watched = false;
            } else if self.native || !*watched {
                *watched = watcher.watch(folder, RecursiveMode::NonRecursive).is_ok();
            }
        }
    }
}

/// A folder, and the one file in it that matters, if only one does.
#[derive(Clone, Debug)]
struct Target {
    folder: PathBuf,
    file: Option<PathBuf>,
}

impl Target {
    fn new(path: &Path) -> Self {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        if absolute.is_dir() {
            return Self { folder: real(&absolute), file: None };
        }
        let folder = absolute.parent().map_or_else(|| PathBuf::from("."), real);
        Self { file: absolute.file_name().map(|name| folder.join(name)), folder }
    }

    fn concerns(&self, path: &Path) -> bool {
        let Ok(inside) = path.strip_prefix(&self.folder) else { return false };
        let library = inside.starts_with("lib");
        match &self.file {
            Some(file) => path == file || library,
            None => inside.components().count() <= 1 || library,
        }
    }
}

/// Events name real paths.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Generous: the machine is shared. Nothing waits this long unless it fails.
    const DEADLINE: Duration = Duration::from_secs(20);

    async fn sees(watch: &mut Watch, what: &str) {
        tokio::time::timeout(DEADLINE, watch.changed()).await.unwrap_or_else(|_| panic!("not noticed: {what}"));
    }

    async fn all_kinds_of_saves(mode: WatchMode) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.rhai");
        fs::create_dir(folder.path().join("lib")).unwrap();
        fs::write(&file, "1").unwrap();
        let mut watch = Watch::new(std::slice::from_ref(&file), mode).unwrap();
        fs::write(&file, "22").unwrap();
        sees(&mut watch, "written in place").await;
        fs::write(folder.path().join("a.tmp"), "333").unwrap();
        fs::rename(folder.path().join("a.tmp"), &file).unwrap();
        sees(&mut watch, "replaced by a rename").await;
        fs::remove_file(&file).unwrap();
        sees(&mut watch, "removed").await;
        fs::write(&file, "4444").unwrap();
        sees(&mut watch, "there again").await;
        fs::write(folder.path().join("lib/x.rhai"), "5").unwrap();
        sees(&mut watch, "its library").await;
        fs::remove_dir_all(folder.path().join("lib")).unwrap();
        sees(&mut watch, "the library removed").await;
        fs::create_dir(folder.path().join("lib")).unwrap();
        sees(&mut watch, "a new library").await;
        fs::write(folder.path().join("lib/y.rhai"), "6").unwrap();
        sees(&mut watch, "in the new library").await;
    }

    #[tokio::test]
    async fn notices_every_kind_of_save() {
        all_kinds_of_saves(WatchMode::Native).await;
    }

    #[tokio::test]
    async fn notices_by_looking_too() {
        all_kinds_of_saves(WatchMode::Poll(Duration::from_millis(20))).await;
    }

    #[test]
    fn only_what_matters_concerns() {
        let file = Target { folder: "/s".into(), file: Some("/s/a.rhai".into()) };
        let folder = Target { folder: "/s".into(), file: None };
        for (path, of_file, of_folder) in [
            ("/s/a.rhai", true, true),
            ("/s/b.rhai", false, true),
            ("/s/lib/x.rhai", true, true),
            ("/s/.git/index", false, false),
            ("/s/other/x.rhai", false, false),
            ("/t/a.rhai", false, false),
        ] {
            assert_eq!((file.concerns(path.as_ref()), folder.concerns(path.as_ref())), (of_file, of_folder), "{path}");
        }
    }

    #[test]
    fn a_missing_folder_is_an_error_and_dropping_joins() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no/where/a.rhai");
        assert!(Watch::new(&[missing], WatchMode::Native).unwrap_err().to_string().contains("cannot watch"));
        drop(Watch::new(&[folder.path().to_owned()], WatchMode::Native).unwrap());
    }
}
