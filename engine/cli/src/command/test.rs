//! `iotplay test`: plays the cases of handlers without a hub, once, or again whenever something is saved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use agent::{Cast, Rehearsal, ScriptPlace};
use base::Diagnostic;
use runner::{ReportFile, ReportKind};
use script::{Watch, WatchMode};

use super::dispatch::on_lane;
use super::test_told::{Told, Verdict};
use crate::args::TestArgs;
use crate::process::{CommandResult, Exit, Signals, Trouble, err};
use crate::project::{self, CasePath};

/// Plays them.
pub(crate) fn run(args: &TestArgs) -> CommandResult {
    if let Some(ReportFile { kind, .. }) = args.report.iter().find(|report| report.kind != ReportKind::Junit) {
        return Err(Trouble::usage(format!("--report {}=..: cases are reported as junit=FILE", kind.word())));
    }
    if args.watch { on_lane(again_and_again(args)) } else { once(args) }
}

/// Plays the cases as the files are now, on this thread.
fn once(args: &TestArgs) -> CommandResult {
    let files = project::case_files(&args.paths)?;
    let playing = Playing::read(files)?;
    let verdict = playing.play(args)?;
    verdict.report(&args.report)?;
    Ok(if verdict.failed() == 0 { Exit::OK } else { Exit::FAILED })
}

/// A broken file ends nothing here: it is being worked on.
async fn again_and_again(args: &TestArgs) -> CommandResult {
    let signals = Signals::listen()?;
    loop {
        // Watched before the files are read: what is saved meanwhile is not missed.
        let mut watch = Watch::new(&watched(args), WatchMode::Native)
            .map_err(|error| Trouble::usage(format!("--watch: {error}")))?;
        let mine = args.clone();
        // The cases have runtimes of their own.
        let played = tokio::task::spawn_blocking(move || once(&mine)).await;
        if let Err(trouble) = played.map_err(|error| Trouble::internal(error.to_string())).and_then(|done| done) {
            trouble.print();
        }
        err("\nwatching for changes; Ctrl-C ends");
        tokio::select! {
            () = watch.changed() => {}
            () = signals.asked().cancelled() => return Ok(signals.exit().unwrap_or(Exit::INTERRUPTED)),
        }
    }
}

/// The folders in which something may be saved.
fn watched(args: &TestArgs) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for found in project::case_files(&args.paths).unwrap_or_default() {
        let named = project::read(&found.file).ok().and_then(|source| Rehearsal::new().read(&source).ok());
        paths.extend(named.and_then(|file| Some(beside(&found.file, file.scripts()?))));
        paths.extend([found.file, found.scripts]);
    }
    if paths.is_empty() {
        paths = if args.paths.is_empty() { vec!["scripts".into()] } else { args.paths.clone() };
    }
    paths.retain(|path| path.exists());
    paths.sort();
    paths.dedup();
    paths
}

/// A path in a file of cases is seen from the file's folder.
fn beside(file: &Path, named: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(named)
}

/// Everything that was read before the first case is played.
struct Playing {
    rehearsal: Rehearsal,
    files: Vec<(String, agent::CaseFile, Cast)>,
}

impl Playing {
    fn read(files: Vec<CasePath>) -> Result<Self, Trouble> {
        let rehearsal = Rehearsal::new();
        let mut casts: BTreeMap<PathBuf, Cast> = BTreeMap::new();
        let mut read = Vec::new();
        for CasePath { file, scripts } in files {
            // They are not what runs on a device: their mistakes are usage.
            let usage = |trouble: Trouble| Trouble { exit: Exit::USAGE, ..trouble };
            let source = project::read(&file).map_err(usage)?;
            let cases = rehearsal.read(&source).map_err(|found| Trouble::new(Exit::USAGE, found))?;
            let scripts = cases.scripts().map_or(scripts, |named| beside(&file, named));
            if !scripts.exists() {
                let missing = format!("{}: no handlers at {}", file.display(), scripts.display());
                return Err(Trouble::new(Exit::USAGE, Diagnostic::error(missing)));
            }
            let cast = match casts.get(&scripts) {
                Some(cast) => cast.clone(),
                None => {
                    let cast = rehearsal.load(&ScriptPlace::Path(scripts.clone())).map_err(Trouble::invalid)?;
                    casts.entry(scripts).or_insert(cast).clone()
                }
            };
            read.push((source.name().to_owned(), cases, cast));
        }
        Ok(Self { rehearsal, files: read })
    }

    fn play(&self, args: &TestArgs) -> Result<Verdict, Trouble> {
        let meant = |file: &str, name: &str| {
            args.filter.is_empty() || args.filter.iter().any(|text| name.contains(text) || file.contains(text))
        };
        let mut told = Told::new(args.output);
        let mut names = Vec::new();
        for (file, cases, cast) in &self.files {
            for case in cases.cases() {
                names.push(case.name());
                if meant(file, case.name()) {
                    told.case(file, case, &self.rehearsal.play(cast, case));
                }
            }
        }
        if told.is_empty() {
            let filter = args.filter.join(", ");
            let near = args.filter.iter().find_map(|text| base::did_you_mean(text, names.iter().copied()));
            let help = near
                .map_or_else(|| format!("there are {} cases", names.len()), |near| format!("did you mean `{near}`?"));
            return Err(Trouble::usage(format!("no case has `{filter}` in its name or file")).help(help));
        }
        Ok(told.end())
    }
}
