//! `iotplay retry [RUN] --failed|--unreachable|--timeout|--skipped`: a new run of the same playbook with the same variables over the
//! devices that did not make it.

use std::path::Path;
use std::rc::Rc;

use base::Source;
use runner::{DeviceLine, History, HubOrigin, Lines, Reporter, Reports};

use crate::args::{Common, RetryArgs, RunArgs};
use crate::play::{self, PastRun, journal_trouble};
use crate::process::{CommandResult, Exit, Signals, Trouble, err};
use crate::project;
use crate::world::{Embed, Screen, World};

/// Tries again.
pub(crate) async fn run(common: &Common, args: RetryArgs) -> CommandResult {
    let signals = Signals::listen()?;
    let past = PastRun::find(args.run.as_deref())?;
    let size = args.again.pace.size()?;
    let Some(only) = chosen(&past, &args)? else { return Ok(Exit::OK) };
    let picked = past.hub(common)?;
    let screen = Screen::new(args.again.output.is_some());
    let lines = screen.lines.clone();
    let sim = past.sim();
    let in_process = past.manifest.hub.found == HubOrigin::PROCESS;
    let embed = if in_process { Embed::Simulated { sim: &sim, watch: false } } else { Embed::No };
    // Before anybody is called, or a hub is even opened.
    let reports = Rc::new(play::reports(&args.again.report)?);
    let world = World::open(&picked.common, embed, &lines).await?;
    past.same_hub(&picked, &world)?;
    world.keep_pace(size, &lines);
    let ended = on(&world, &signals, &lines, (&past, only), (&args, Rc::new(screen.console), reports)).await;
    world.close().await;
    ended
}

async fn on(
    world: &World,
    signals: &Signals,
    lines: &Lines,
    (past, only): (&PastRun, Vec<String>),
    (args, console, reports): (&RetryArgs, Rc<dyn Reporter>, Rc<Reports>),
) -> CommandResult {
    let loaded = play::load(source(past, lines)?, false, world)?;
    let again = RunArgs {
        out: past.manifest.options.out.as_ref().map(Into::into),
        forks: args.forks,
        check: args.check,
        sim: past.sim(),
        ..RunArgs::default()
    };
    let mut options = play::options(&again, world, signals)?;
    past.apply(&mut options, &args.again.extra_vars)?;
    options.yes = play::allowed(args.again.yes.as_deref(), world.production())?;
    lines.line(&format!("retry   {}, {} of its {}", past.id(), only.len(), devices(past)?));
    (options.only, options.limit, options.query) = (Some(only), Vec::new(), None);
    let journal = play::journal(&loaded, &options, &again, world, Some(past.id().to_owned()))?;
    options.journal = Some(Rc::new(journal));
    let reporters = play::reporters(&console, args.again.output, &reports);
    play::perform(&loaded, &options, &reporters, (world, &reports), signals, lines).await
}

fn devices(past: &PastRun) -> Result<String, Trouble> {
    let count = past.folder.summary().map_err(|error| journal_trouble(&error))?.size();
    Ok(if count == 1 { "1 device".to_owned() } else { format!("{count} devices") })
}

/// The playbook as it is now; its copy when it is gone.
fn source(past: &PastRun, lines: &Lines) -> Result<Source, Trouble> {
    let file = Path::new(&past.manifest.file);
    let built_in = past.manifest.files.first().is_some_and(|file| file.built_in);
    if built_in || !file.exists() {
        if !built_in {
            lines.line(&format!("note    {} is gone: the copy of {} is used", file.display(), past.id()));
        }
        return past.source();
    }
    past.tell_changed(lines, "they are used as they are now");
    project::read(file)
}

/// The ids that are meant; none when there are none and that is fine.
fn chosen(past: &PastRun, args: &RetryArgs) -> Result<Option<Vec<String>>, Trouble> {
    let id = past.id();
    if past.manifest.script {
        return Err(Trouble::usage(format!("{id} is the run of a script: which devices it means is its own matter"))
            .help(format!("iotplay run {}", past.manifest.file)));
    }
    if !(args.failed || args.unreachable || args.timeout || args.skipped) {
        return Err(Trouble::usage(
            "which devices? Say --failed, --unreachable, --timeout, --skipped, or several of them",
        ));
    }
    if past.folder.is_running() {
        return Err(journal_trouble(&runner::JournalError::Locked(id.to_owned())));
    }
    let history = past.folder.history().map_err(|error| journal_trouble(&error))?;
    let ids = ids(&history, args);
    if !ids.is_empty() {
        return Ok(Some(ids));
    }
    let counts = history.counts();
    let found = format!(
        "no device of {id} is like that: ok {}, failed {}, unreachable {}, skipped {}",
        counts.ok, counts.failed, counts.unreachable, counts.skipped
    );
    if args.allow_empty {
        err(&found);
        return Ok(None);
    }
    Err(Trouble::usage(found).help("if that is fine: --allow-empty"))
}

fn ids(history: &History, args: &RetryArgs) -> Vec<String> {
    let meant = |device: &DeviceLine| match device.outcome.as_deref() {
        Some("ok") => false,
        Some("unreachable") => args.unreachable,
        Some("timeout") => args.timeout || args.failed,
        // One that has not ended was never reached, or its process was killed.
        Some("skipped") | None => args.skipped,
        Some(_) => args.failed,
    };
    let devices = history.devices.iter().filter(|(id, device)| !id.is_empty() && meant(device));
    devices.map(|(id, _)| id.to_string()).collect()
}
