//! The machine of a case: what programs answer and what files hold. Nothing runs and nothing is read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::grants::{Grants, ProgramGrant};
use crate::program::{Program, Ran};

/// Everything that handlers may run and read in a case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fakes {
    /// A program with its arguments, joined by blanks, and how it ends.
    pub(super) run: Vec<(String, Ran)>,
    /// A path, and the text of the file.
    pub(super) read: BTreeMap<String, String>,
}

impl Fakes {
    /// Programs that the case knows, with any arguments: which ones it answers is its own matter.
    pub(super) fn grants(&self) -> Grants {
        let program = |command: &str| PathBuf::from(command.split(' ').next().unwrap_or_default());
        let grant = |(command, _): &(String, Ran)| ProgramGrant { program: program(command), args: vec!["**".into()] };
        // What is no absolute path is found where the case is read.
        Grants::new(self.run.iter().map(grant).collect(), &[], &[]).unwrap_or_default()
    }

    /// How a program ends; an error when the case does not say.
    pub(crate) fn ran(&self, program: &Program) -> Result<Ran, String> {
        let words = std::iter::once(program.path.display().to_string()).chain(program.args.iter().cloned());
        let command = words.collect::<Vec<_>>().join(" ");
        let known = self.run.iter().find(|(known, _)| *known == command).map(|(_, ran)| ran.clone());
        known.ok_or_else(|| format!("the case does not say what `{command}` answers (given: run)"))
    }

    /// What a file holds; an error when the case does not say.
    pub(crate) fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        let text = self.read.get(path).map(|text| text.clone().into_bytes());
        text.ok_or_else(|| format!("the case does not say what is in {path} (given: read)"))
    }
}
