//! A run that has been: found by its id, its hub found again, its options and variables made ready for another process.

use std::path::{Path, PathBuf};

use base::{Seed, Source};
use runner::book;
use runner::{ExtraVar, HubOrigin, KeptFile, Lines, RunFolder, RunManifest, RunOptions, digest};

use super::read::FACTS;
use super::{Loaded, RUNS, journal_trouble, vars};
use crate::args::{Common, SimArgs};
use crate::process::Trouble;
use crate::project;
use crate::world::{self, World};

/// A run of this folder.
pub(crate) struct PastRun {
    /// Where it is.
    pub(crate) folder: RunFolder,
    /// What it was.
    pub(crate) manifest: RunManifest,
}

/// The hub of a run, as far as it is known before it is opened.
pub(crate) struct Picked {
    /// The command line with the hub's name in it.
    pub(crate) common: Common,
    /// Somebody said which one: then it need not be the same.
    said: bool,
}

impl PastRun {
    /// The run of an id, else the newest.
    pub(crate) fn find(run: Option<&str>) -> Result<Self, Trouble> {
        let runs = Path::new(RUNS);
        let folder = match run {
            Some(id) => RunFolder::find(runs, id).map_err(|error| journal_trouble(&error))?,
            None => RunFolder::all(runs).into_iter().next().ok_or_else(|| {
                Trouble::usage("no run has been in this folder yet").help("iotplay run reboot.yaml makes the first one")
            })?,
        };
        let manifest = folder.manifest().map_err(|error| journal_trouble(&error))?;
        Ok(Self { folder, manifest })
    }

    /// The run's id.
    pub(crate) fn id(&self) -> &str {
        &self.manifest.run
    }

    /// The hub that it ran on: by its name, by the environment, by the folder.
    pub(crate) fn hub(&self, common: &Common) -> Result<Picked, Trouble> {
        let (origin, mut common) = (&self.manifest.hub, common.clone());
        let said = common.hub.is_some();
        if !said && origin.found == HubOrigin::NAME {
            common.hub.clone_from(&origin.name);
        }
        if !said && origin.found == HubOrigin::FLAG {
            return Err(Trouble::usage(format!(
                "{} was on {}, whose connection string is not kept",
                self.id(),
                origin.host
            ))
            .help("give it again: --hub 'HostName=..;SharedAccessKeyName=..;SharedAccessKey=..'"));
        }
        Ok(Picked { common, said })
    }

    /// Refuses another hub than the run's own, unless somebody has named it.
    pub(crate) fn same_hub(&self, picked: &Picked, world: &World) -> Result<(), Trouble> {
        let (then, now) = (&self.manifest.hub, world.origin());
        let folder = HubOrigin::FOLDER;
        // The hub of a folder may listen elsewhere the next time.
        let same = then.host == now.host || (then.found == folder && now.found == folder);
        if same || picked.said {
            return Ok(());
        }
        Err(Trouble::usage(format!(
            "{} was on {}; the hub that is configured now is {}",
            self.id(),
            then.title,
            now.title
        ))
        .help("if that one is meant, say so: --hub NAME"))
    }

    /// The playbook's own copy, under the name that it was found by.
    pub(crate) fn source(&self) -> Result<Source, Trouble> {
        let Some(file) = self.manifest.files.first() else {
            return Err(Trouble::usage(format!("{} has no copy of its playbook", self.id())));
        };
        let text = self.folder.copy(file).map_err(|error| journal_trouble(&error))?;
        Ok(Source::new(self.manifest.file.as_str(), text))
    }

    /// The playbook as it was, read with the verbs of a hub; the files that it names are the run's own copies too.
    pub(crate) fn load(&self, world: &World) -> Result<Loaded, Trouble> {
        if self.manifest.script {
            return Ok(Loaded::Script(self.source()?));
        }
        let find = |path: &Path| {
            let shown = path.display().to_string();
            // The playbook itself is the first; what was never read (a list of targets) is not asked for again.
            match self.manifest.files.iter().skip(1).find(|file| file.name == shown) {
                Some(file) => self.folder.copy(file).map_err(std::io::Error::other),
                None => std::fs::read_to_string(path),
            }
        };
        let (registry, _) = world.wired();
        let book = book::read_from(self.source()?, &registry, &world::expressions(), FACTS, &find);
        Ok(Loaded::Book(Box::new(book.map_err(Trouble::invalid)?)))
    }

    /// The script plugins' copies.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.folder.copies().join(project::PLUGINS)
    }

    /// The files that are not as they were when the run began.
    pub(crate) fn changed(&self) -> Vec<&str> {
        let changed = |file: &&KeptFile| {
            !file.built_in && project::read(Path::new(&file.name)).map_or(true, |now| digest(now.text()) != file.sha256)
        };
        self.manifest.files.iter().filter(changed).map(|file| file.name.as_str()).collect()
    }

    /// Says which files have changed, in one line; `which` is what is used instead.
    pub(crate) fn tell_changed(&self, lines: &Lines, which: &str) {
        let changed = self.changed();
        if !changed.is_empty() {
            lines.line(&format!("note    {} changed since {} began: {which}", changed.join(", "), self.id()));
        }
    }

    /// What the command line said then.
    pub(crate) fn apply(&self, options: &mut RunOptions, given: &[String]) -> Result<(), Trouble> {
        let kept = &self.manifest.options;
        options.limit.clone_from(&kept.limit);
        options.only.clone_from(&kept.only);
        options.query.clone_from(&kept.query);
        options.all = kept.all;
        options.forks = options.forks.or(kept.forks);
        options.tags.clone_from(&kept.tags);
        options.skip_tags.clone_from(&kept.skip_tags);
        options.check |= kept.check;
        options.fail_on_change = kept.fail_on_change;
        options.vars = self.vars(given)?;
        Ok(())
    }

    /// The same root of randomness: order and faults come out the same.
    pub(crate) fn seed(&self) -> Seed {
        Seed(self.manifest.seed)
    }

    /// `-e` of then; what was withheld is given again.
    fn vars(&self, given: &[String]) -> Result<Vec<(String, ExtraVar)>, Trouble> {
        let mut given = vars::parse(given)?;
        let mut all = Vec::new();
        for kept in &self.manifest.vars {
            let again = given.iter().rposition(|(name, _)| *name == kept.name).filter(|_| kept.withheld);
            match (kept.var(), again) {
                (Some(var), _) => all.push((kept.name.clone(), var)),
                (None, Some(at)) => all.push(given.remove(at)),
                (None, None) => {
                    let why = format!("`{}` held a secret when {} began, and was not kept", kept.name, self.id());
                    return Err(Trouble::usage(why).help(format!("give it again: -e {}=..", kept.name)));
                }
            }
        }
        match given.first() {
            None => Ok(all),
            Some((name, _)) => {
                Err(Trouble::usage(format!("-e {name}: {} keeps the variables that it began with", self.id()))
                    .help("for other ones, begin a new run: iotplay run FILE -e .."))
            }
        }
    }

    /// The simulated devices of a hub in the process, as they were.
    pub(crate) fn sim(&self) -> SimArgs {
        let (sim, plain) = (&self.manifest.sim, SimArgs::default());
        let text = |name: &str| sim.get(name).and_then(serde_json::Value::as_str);
        let number = |name: &str| sim.get(name).and_then(serde_json::Value::as_u64);
        SimArgs {
            sim: number("sim").and_then(|count| usize::try_from(count).ok()).unwrap_or(plain.sim),
            sim_reboot: text("reboot").and_then(|it| base::parse_duration(it).ok()).unwrap_or(plain.sim_reboot),
            scripts: text("scripts").map(PathBuf::from),
            sim_faults: text("faults").map(PathBuf::from),
            hub_faults: text("hub_faults").map(PathBuf::from),
            sim_seed: number("seed").unwrap_or(plain.sim_seed),
        }
    }
}
