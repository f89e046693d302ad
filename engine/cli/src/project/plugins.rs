//! Script plugins: folders under `plugins/` that hold a `plugin.yaml`, and the one that is compiled in. Finds and reads them; what they
//! mean is the runner's matter.

use std::io;
use std::path::{Path, PathBuf};

use base::Source;

use super::files::read;
use crate::process::Trouble;

/// The built-in plugin: its manifest and its script.
const REBOOT: (&str, &str) =
    (include_str!("../../../../plugins/reboot/plugin.yaml"), include_str!("../../../../plugins/reboot/reboot.rhai"));

/// The folder of what its scripts share.
const LIBRARY: &str = "lib";

/// The manifest's name in a plugin's folder.
const MANIFEST: &str = "plugin.yaml";

/// A script plugin, found.
pub(crate) struct PluginSource {
    /// Its `plugin.yaml`.
    pub(crate) manifest: Source,
    /// Where its scripts are; none for the built-in one.
    folder: Option<PathBuf>,
}

/// The script plugins of this folder by name, and the built-in one where the folder has none of its name.
pub(crate) fn script_plugins(plugins: &Path) -> Result<Vec<PluginSource>, Trouble> {
    let entries = std::fs::read_dir(plugins).into_iter().flatten();
    let mut folders: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|folder| folder.join(MANIFEST).is_file()).collect();
    folders.sort();
    let mut found = Vec::new();
    if !folders.iter().any(|folder| folder.file_name().is_some_and(|name| name == "reboot")) {
        found.push(PluginSource { manifest: Source::new("reboot/plugin.yaml", REBOOT.0), folder: None });
    }
    for folder in folders {
        found.push(PluginSource { manifest: read(&folder.join(MANIFEST))?, folder: Some(folder) });
    }
    Ok(found)
}

/// The project's own folder of them.
pub(crate) const PLUGINS: &str = "plugins";

impl PluginSource {
    /// Its files in the project's folder; none for the built-in one.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let folders = self.folder.iter().flat_map(|folder| [folder.clone(), folder.join(LIBRARY)]);
        let entries = folders.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|file| file.ends_with(MANIFEST) || file.extension().is_some_and(|suffix| suffix == "rhai"))
            .collect();
        files.sort();
        files
    }

    /// A script of it, by the name that the manifest has: a file beside the manifest, or in its folder `lib`, nowhere else.
    pub(crate) fn script(&self, name: &str) -> io::Result<Source> {
        let plain = Path::new(name).strip_prefix(LIBRARY).unwrap_or(Path::new(name));
        if plain.file_name().is_none_or(|file| file != plain) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a script lies beside its plugin.yaml"));
        }
        match &self.folder {
            None if name == "reboot.rhai" => Ok(Source::new("reboot/reboot.rhai", REBOOT.1)),
            None => Err(io::ErrorKind::NotFound.into()),
            Some(folder) => {
                let path = folder.join(name);
                Ok(Source::new(path.display().to_string(), std::fs::read_to_string(path)?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_lie_beside_their_manifest() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.rhai"), "1").unwrap();
        let plugin = PluginSource { manifest: Source::new("x", ""), folder: Some(folder.path().to_owned()) };
        assert_eq!(plugin.script("a.rhai").unwrap().text(), "1");
        for bad in ["../a.rhai", "/etc/passwd", "..", "", "lib/a.rhai"] {
            assert!(plugin.script(bad).is_err(), "{bad}");
        }
        let built_in = PluginSource { manifest: Source::new("x", REBOOT.0), folder: None };
        assert!(built_in.script("reboot.rhai").is_ok() && built_in.script("x.rhai").is_err());
    }
}
