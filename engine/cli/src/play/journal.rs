//! What a run's folder keeps of this command line: options, variables, the hub's name, and copies of the files that the run uses.

use std::path::{Path, PathBuf};

use base::{Clock, Diagnostic, Source, rfc3339_millis};
use runner::{Copy, Journal, JournalError, KeptFile, KeptOptions, KeptVar, RunFolder, RunManifest, RunOptions, digest};
use serde_json::{Value, json};

use super::{Loaded, RUNS};
use crate::args::{RunArgs, SimArgs};
use crate::process::{Exit, Trouble};
use crate::project;
use crate::world::World;

/// The journal of a new run; nothing is written yet.
pub(crate) fn journal(
    loaded: &Loaded,
    options: &RunOptions,
    args: &RunArgs,
    world: &World,
    retry_of: Option<String>,
) -> Result<Journal, Trouble> {
    let source = loaded.source();
    let copies = copies(loaded)?;
    let out = args.out.as_ref().map(|out| std::path::absolute(out).unwrap_or_else(|_| out.clone()));
    let manifest = RunManifest {
        run: options.run.to_string(),
        iotplay: env!("CARGO_PKG_VERSION").to_owned(),
        at: rfc3339_millis(options.clock.now()),
        file: source.name().to_owned(),
        script: matches!(loaded, Loaded::Script(_)),
        hub: world.origin().clone(),
        seed: options.seed.0,
        options: KeptOptions { out: out.map(|out| out.display().to_string()), ..KeptOptions::of(options) },
        vars: options.vars.iter().map(|(name, var)| KeptVar::of(name, var)).collect(),
        steps: loaded.steps(),
        files: copies.iter().map(|(kept, _)| kept.clone()).collect(),
        retry_of,
        sim: if world.is_embedded() { sim(&args.sim) } else { Value::Null },
    };
    let folder = RunFolder::new(Path::new(RUNS), &options.run);
    Ok(Journal::new(folder, manifest, copies.into_iter().map(|(_, copy)| copy).collect(), Clock::system()))
}

/// The playbook first, then the files that it names, then those of the project's script plugins.
fn copies(loaded: &Loaded) -> Result<Vec<(KeptFile, Copy)>, Trouble> {
    let source = loaded.source();
    let own = Path::new(source.name()).file_name().map_or_else(|| PathBuf::from("playbook"), PathBuf::from);
    let mut all = vec![copy(source, &own)];
    for (number, file) in loaded.files().iter().enumerate() {
        // Two files of one name may lie in two folders.
        let name = Path::new(file.name()).file_name().map_or_else(PathBuf::new, PathBuf::from);
        all.push(copy(file, &Path::new("named").join(number.to_string()).join(name)));
    }
    for plugin in project::script_plugins(Path::new(project::PLUGINS))? {
        for file in plugin.files() {
            all.push(copy(&project::read(&file)?, &file));
        }
    }
    Ok(all)
}

fn copy(source: &Source, name: &Path) -> (KeptFile, Copy) {
    let built_in = !Path::new(source.name()).exists();
    let kept = KeptFile {
        name: source.name().to_owned(),
        copy: Path::new("copies").join(name).display().to_string(),
        sha256: digest(source.text()),
        built_in,
    };
    (kept, Copy { name: source.name().to_owned(), text: source.text().to_owned(), built_in })
}

/// How the devices of this process are simulated.
fn sim(args: &SimArgs) -> Value {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    json!({
        "sim": args.sim, "reboot": base::format_duration(args.sim_reboot), "scripts": path(&args.scripts),
        "faults": path(&args.sim_faults), "hub_faults": path(&args.hub_faults), "seed": args.sim_seed,
    })
}

/// What a journal that cannot be used means for the command.
pub(crate) fn journal_trouble(error: &JournalError) -> Trouble {
    let diagnostic = Diagnostic::error(error.to_string());
    match error {
        JournalError::Locked(run) => Trouble::new(Exit::LOCKED, diagnostic.help(format!("iotplay show {run}"))),
        JournalError::Unknown(_) => Trouble::new(Exit::USAGE, diagnostic.help("iotplay runs lists them")),
        JournalError::Io { .. } => Trouble::new(Exit::USAGE, diagnostic),
        JournalError::Damaged { .. } => Trouble::new(
            Exit::USAGE,
            diagnostic.help("what stands before that line is sound: iotplay cannot tell what came after it"),
        ),
    }
}
