//! `iotplay run FILE`: a playbook or a runner script over devices; with `--watch` again whenever a file changes.

use std::rc::Rc;

use base::Source;
use runner::{Reporter, Reports};

use crate::args::{Common, RunArgs};
use crate::play::{self, Changes};
use crate::process::{CommandResult, Exit, Signals, Trouble};
use crate::project::{self, Found};
use crate::world::{Embed, Screen, World};

/// Runs it.
pub(crate) async fn run(common: &Common, args: RunArgs) -> CommandResult {
    let signals = Signals::listen()?;
    let found = project::playbook(&args.file)?;
    // Usage errors come before anything is started.
    play::variables(&args.extra_vars)?;
    let size = args.pace.size()?;
    let reports = Rc::new(play::reports(&args.report)?);
    // A playbook that cannot be read needs no hub to be told so; with --watch it may be mended.
    let first = play::check(&found);
    if let Err(trouble) = first
        && !args.watch
    {
        return Err(trouble);
    }
    let screen = Screen::new(args.output.is_some());
    let lines = screen.lines.clone();
    let embed = Embed::Simulated { sim: &args.sim, watch: args.watch };
    let world = World::open(common, embed, &lines).await?;
    world.keep_pace(size, &lines);
    if found.path.is_none() {
        lines.line(project::BUILT_IN);
    }
    let play = Play { found, world, console: Rc::new(screen.console), reports, signals, args };
    let ended = play.until_done(&lines).await;
    let Play { world, .. } = play;
    world.close().await;
    ended
}

/// Everything that stays from one run to the next.
struct Play {
    found: Found,
    world: World,
    console: Rc<dyn Reporter>,
    reports: Rc<Reports>,
    signals: Signals,
    args: RunArgs,
}

impl Play {
    async fn until_done(&self, lines: &runner::Lines) -> CommandResult {
        if !self.args.watch {
            return self.once(self.found.source.clone(), lines).await;
        }
        self.may_watch()?;
        let mut changes = Changes::watch(self.found.path.as_deref(), self.world.reloads())?;
        let mut source = Some(self.found.source.clone());
        loop {
            if let Some(source) = source
                && let Err(trouble) = self.once(source, lines).await
            {
                trouble.print();
            }
            if let Some(exit) = self.signals.exit() {
                return Ok(exit);
            }
            lines.line("\nwatching for changes; Ctrl-C ends");
            tokio::select! {
                () = changes.next() => {}
                () = self.signals.asked().cancelled() => return Ok(self.signals.exit().unwrap_or(Exit::INTERRUPTED)),
            }
            source = self.changed();
        }
    }

    /// The playbook as it is now. While there is none (editors take a file away before they put the new one in its place)
    /// nothing is run: what stood there before is not what is meant now.
    fn changed(&self) -> Option<Source> {
        let Some(path) = &self.found.path else { return Some(self.found.source.clone()) };
        project::read(path).map_err(|trouble| trouble.print()).ok()
    }

    /// Where devices are real, a saved file must not be enough to set them in motion.
    fn may_watch(&self) -> Result<(), Trouble> {
        let named = !self.args.targeting.limit.is_empty();
        let yes = play::allowed(self.args.targeting.yes.as_deref(), self.world.production())?;
        if self.world.local() || (named && yes) {
            return Ok(());
        }
        Err(Trouble::usage("--watch on a hub that is not local runs again at every save")
            .help("if that is meant, name the devices and say so: -l IDS --yes"))
    }

    async fn once(&self, source: Source, lines: &runner::Lines) -> CommandResult {
        let mut options = play::options(&self.args, &self.world, &self.signals)?;
        let loaded = play::load(source, self.found.is_script(), &self.world)?;
        let journal = play::journal(&loaded, &options, &self.args, &self.world, None)?;
        options.journal = Some(Rc::new(journal));
        let reporters = play::reporters(&self.console, self.args.output, &self.reports);
        play::perform(&loaded, &options, &reporters, (&self.world, &self.reports), &self.signals, lines).await
    }
}
