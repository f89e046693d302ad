//! `iotplay resume [RUN]`: goes on with a run where its process stopped. What has ended is not done again, and a call that was in
//! flight is not sent again blindly.

use std::rc::Rc;

use base::Clock;
use runner::{HubOrigin, Journal, Reporter, RunOptions};

use crate::args::{Common, ResumeArgs};
use crate::play::{self, PastRun, journal_trouble};
use crate::process::{CommandResult, Signals, Trouble};
use crate::world::{Embed, Screen, World};

/// Goes on.
pub(crate) async fn run(common: &Common, args: ResumeArgs) -> CommandResult {
    let signals = Signals::listen()?;
    let past = PastRun::find(args.run.as_deref())?;
    let size = args.again.pace.size()?;
    let reports = Rc::new(play::reports(&args.again.report)?);
    let journal = open(common, &past, args.approve)?;
    let picked = past.hub(common)?;
    let screen = Screen::new(args.again.output.is_some());
    let lines = screen.lines.clone();
    let world = World::open_with(&picked.common, Embed::No, &lines, &past.plugins()).await?;
    past.same_hub(&picked, &world)?;
    world.keep_pace(size, &lines);
    past.tell_changed(&lines, "its own copies are used");
    let loaded = past.load(&world)?;
    let files = past.manifest.options.out.as_ref().map_or_else(|| past.folder.files(), Into::into);
    let mut options = RunOptions::new(past.id(), files);
    past.apply(&mut options, &args.again.extra_vars)?;
    options.yes = play::allowed(args.again.yes.as_deref(), world.production())?;
    options.confirm = play::terminal(signals.asked());
    options.most_forks = world.most_forks();
    options.seed = past.seed();
    options.cancel = signals.asked().child_token();
    options.journal = Some(Rc::new(journal));
    lines.line(&format!("resume  {}, begun {}", past.id(), past.manifest.at));
    let console: Rc<dyn Reporter> = Rc::new(screen.console);
    let reporters = play::reporters(&console, args.again.output, &reports);
    let ended = play::perform(&loaded, &options, &reporters, (&world, &reports), &signals, &lines).await;
    world.close().await;
    ended
}

/// The journal, when there is something to go on with.
fn open(common: &Common, past: &PastRun, approve: bool) -> Result<Journal, Trouble> {
    let id = past.id();
    if past.manifest.hub.found == HubOrigin::PROCESS && common.hub.is_none() {
        return Err(Trouble::usage(format!(
            "{id} ran on a hub in its own process, which ended with it: its devices are gone"
        ))
        .help(format!("begin again: iotplay run {}", past.manifest.file))
        .help("a hub that stays: iotplay hub (in another terminal); then runs can be resumed"));
    }
    let lock = past.folder.lock().map_err(|error| journal_trouble(&error))?;
    let journal = Journal::resume(past.folder.clone(), lock, approve, Clock::system());
    let journal = journal.map_err(|error| journal_trouble(&error))?;
    if journal.is_over() {
        return Err(Trouble::usage(format!("{id} has ended: there is nothing to go on with"))
            .help(format!("what happened: iotplay show {id}"))
            .help(format!("once more over those that failed: iotplay retry {id} --failed")));
    }
    if approve && !journal.was_paused() {
        return Err(Trouble::usage(format!("{id} does not wait for an approval")).help(format!("iotplay resume {id}")));
    }
    Ok(journal)
}
