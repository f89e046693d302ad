//! How many runs are kept. A run that goes on, or that can be resumed, is never taken away.

use std::path::Path;

use super::RunFolder;

/// So many runs are kept: weeks of work for one person, and few enough to list.
pub const KEPT_RUNS: usize = 100;

/// Takes the oldest runs away when there are more than are kept; gives how many went. What cannot be taken away stays.
pub fn tidy(runs: &Path) -> usize {
    let mut gone = 0;
    for folder in RunFolder::all(runs).into_iter().skip(KEPT_RUNS) {
        // The lock is taken before the look: nobody can resume it in between.
        let Ok(lock) = folder.lock() else { continue };
        let over = folder.manifest().is_ok_and(|manifest| !manifest.can_be_resumed())
            || folder.summary().is_ok_and(|history| !history.state(false).can_be_resumed());
        // What was saved on purpose stays until its owner takes it away.
        let saved = folder.files().read_dir().is_ok_and(|mut files| files.next().is_some());
        if over && !saved && std::fs::remove_dir_all(folder.path()).is_ok() {
            gone += 1;
        }
        drop(lock);
    }
    gone
}
