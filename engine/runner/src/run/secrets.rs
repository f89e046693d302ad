//! Fetches the values behind `secrets:` once per play: from the environment, a file or a command. Every value is masked in
//! all output from then on.

use std::process::Stdio;
use std::time::Duration;

use base::{Diagnostic, Mask};
use serde_json::{Map, Value};

use crate::RunOptions;
use crate::book::{Play, SecretFrom};

/// A program that prints a secret asks a vault, perhaps a person; it must not hold the run for ever.
const COMMAND_DEADLINE: Duration = Duration::from_secs(60);

/// The secrets of a play by name.
pub(super) async fn fetch(play: &Play, options: &RunOptions) -> Result<Map<String, Value>, Diagnostic> {
    let mut secrets = Map::new();
    // Programs come last: they are started without what is secret by then.
    let programs = |from: &SecretFrom| matches!(from, SecretFrom::Command(_));
    let (last, first): (Vec<_>, Vec<_>) = play.secrets.iter().partition(|(_, from)| programs(from));
    for (name, from) in first.into_iter().chain(last) {
        let value = one(from, options)
            .await
            .map_err(|why| Diagnostic::error(format!("the secret `{name}` has no value: {why}")))?;
        if !Mask::process().add(&value) {
            let sentence =
                format!("the secret `{name}` is shorter than 6 characters: it could not be masked in the output");
            return Err(Diagnostic::error(sentence).help("use a longer value, or `vars` if it is no secret"));
        }
        secrets.insert(name.to_string(), Value::String(value));
    }
    Ok(secrets)
}

async fn one(from: &SecretFrom, options: &RunOptions) -> Result<String, String> {
    let text = match from {
        SecretFrom::Env(variable) => {
            return (options.env)(variable).ok_or_else(|| format!("the environment has no {variable}"));
        }
        SecretFrom::File(file) => {
            tokio::fs::read_to_string(file.as_ref()).await.map_err(|error| format!("cannot read {file}: {error}"))?
        }
        SecretFrom::Command(words) => command(words).await?,
    };
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

async fn command(words: &[std::sync::Arc<str>]) -> Result<String, String> {
    let (program, arguments) = words.split_first().ok_or("the command is empty")?;
    let mut command = tokio::process::Command::new(program.as_ref());
    command.args(arguments.iter().map(AsRef::as_ref)).stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    for (variable, value) in std::env::vars_os() {
        if Mask::process().hides(&value.to_string_lossy()) {
            command.env_remove(variable);
        }
    }
    let output = tokio::time::timeout(COMMAND_DEADLINE, command.output())
        .await
        .map_err(|_| format!("{program} did not end within {} s", COMMAND_DEADLINE.as_secs()))?
        .map_err(|error| format!("cannot run {program}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program} ended with {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("what {program} printed is not UTF-8"))
}
