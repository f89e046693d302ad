//! `iotplay init DIR`: a new folder with one playbook, one handler and a word about both, ready to run. Never touches what is there.

use std::path::Path;

use crate::args::InitArgs;
use crate::process::{CommandResult, Exit, Trouble, err};
use crate::project;

const README: &str = "# Devices, automated with iotplay

    iotplay run reboot.yaml

runs `playbooks/reboot.yaml` on a simulated device that runs `scripts/reboot.rhai`, against a local hub. No cloud, no account.

- Edit `scripts/reboot.rhai`: what the device does. `iotplay agent --watch` takes a change without a restart.
- Edit `playbooks/reboot.yaml`: what you want done. `iotplay check playbooks/*.yaml` finds mistakes before anything is sent.
- Three terminals, one folder: `iotplay hub`, `iotplay agent`, `iotplay run reboot.yaml` find each other.
- Your own hub: `export IOTHUB_CONNECTION_STRING=\"HostName=..\"`, then `iotplay run reboot.yaml -l YOUR-DEVICE`.
";

const GITIGNORE: &str = "# The local hub's state holds keys.\n.iotplay/\n";

/// Writes the folder.
pub(crate) fn run(args: &InitArgs) -> CommandResult {
    let folder = &args.folder;
    let (playbook, handler) = project::starters();
    let wanted = [
        ("playbooks/reboot.yaml", playbook),
        ("scripts/reboot.rhai", handler),
        ("README.md", README),
        (".gitignore", GITIGNORE),
    ];
    if let Some((there, _)) = wanted.iter().find(|(name, _)| folder.join(name).exists()) {
        return Err(Trouble::usage(format!("{} is there already; nothing was written", folder.join(there).display()))
            .help("name a new folder: iotplay init NEW-FOLDER"));
    }
    for (name, text) in wanted {
        write(&folder.join(name), text)?;
    }
    err(&format!("made    {}: {}", folder.display(), wanted.map(|(name, _)| name).join(", ")));
    err(&format!("next    cd {} && iotplay run reboot.yaml", folder.display()));
    Ok(Exit::OK)
}

fn write(path: &Path, text: &str) -> Result<(), Trouble> {
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(path, text));
    made.map_err(|error| Trouble::usage(format!("cannot write {}: {error}", path.display())))
}
