//! `agent:` of `iotplay.yaml`: what handlers may touch, how a board restarts, what callers learn. Understands no device.
//!
//! ```yaml
//! agent:
//!   run: ["/usr/bin/systemctl restart app-*", [/opt/flash, "a file", "**"]]   # program and a pattern for each argument
//!   read: [/etc/os-release, "/var/log/app/**"]
//!   upload: ["/var/log/app/*.gz"]
//!   env: ["APP_*"]                                # variables that programs may be given
//!   reboot: { command: /usr/sbin/reboot }
//!   errors: terse
//!   announce: true
//!   deadlines: { answer: 1m, work: 10m }
//!   outbox: { disk: true, messages: 5000, bytes: 16777216 }   # what waits for the hub
//! ```

use std::path::{Path, PathBuf};
use std::time::Duration;

use agent::{AgentConfig, Board, Deadlines, ErrorDetail, Grants, ProgramGrant};
use base::parse_duration;
use serde::{Deserialize, Deserializer};

use super::outbox_setting::OutboxSetting;
use super::settings::{FILE, Settings};
use crate::process::Trouble;

/// The section.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AgentSettings {
    run: Vec<Words>,
    read: Vec<String>,
    upload: Vec<String>,
    env: Vec<String>,
    reboot: Option<Reboot>,
    errors: Errors,
    announce: bool,
    deadlines: Limits,
    outbox: OutboxSetting,
}

/// A program and its arguments: words of one text, or a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    List(Vec<String>),
}

impl Words {
    fn list(&self) -> Vec<String> {
        match self {
            Self::Text(text) => text.split_whitespace().map(str::to_owned).collect(),
            Self::List(words) => words.clone(),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reboot {
    command: Words,
    boot_id: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Errors {
    #[default]
    Full,
    Terse,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    #[serde(deserialize_with = "time")]
    answer: Option<Duration>,
    #[serde(deserialize_with = "time")]
    work: Option<Duration>,
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let time = parse_duration(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)?;
    if time.is_zero() {
        return Err(serde::de::Error::custom("a deadline is longer than nothing"));
    }
    Ok(Some(time))
}

impl AgentSettings {
    /// What this folder's file says; the defaults without one.
    pub(crate) fn of_folder() -> Result<Self, Trouble> {
        Ok(Settings::read(Path::new("."))?.map(|settings| settings.agent).unwrap_or_default())
    }

    /// The real board that the device is, if it is one.
    pub(crate) fn board(&self) -> Option<Board> {
        let reboot = self.reboot.as_ref()?;
        let mut board = Board::new(reboot.command.list());
        if let Some(file) = &reboot.boot_id {
            board.boot_id.clone_from(file);
        }
        Some(board)
    }

    /// What waits for the hub.
    pub(crate) fn outbox(&self) -> OutboxSetting {
        self.outbox
    }

    /// Everything but the board and the outbox.
    pub(crate) fn apply(&self, config: &mut AgentConfig) -> Result<(), Trouble> {
        config.grants = self.grants()?;
        config.announce = self.announce;
        config.errors = match self.errors {
            Errors::Full => ErrorDetail::Full,
            Errors::Terse => ErrorDetail::Terse,
        };
        let usual = Deadlines::default();
        config.deadlines = Deadlines {
            answer: self.deadlines.answer.unwrap_or(usual.answer),
            work: self.deadlines.work.unwrap_or(usual.work),
        };
        Ok(())
    }

    fn grants(&self) -> Result<Grants, Trouble> {
        let wrong = |why: String| Trouble::usage(format!("{FILE}: agent: {why}"));
        let mut programs = Vec::new();
        for words in &self.run {
            let mut words = words.list().into_iter();
            let Some(program) = words.next() else {
                return Err(wrong("an entry of `run` is empty".into()).help("run: [\"/usr/bin/uptime -p\"]"));
            };
            programs.push(ProgramGrant { program: program.into(), args: words.collect() });
        }
        Grants::new(programs, &self.read, &self.upload)
            .map(|grants| grants.with_env(self.env.clone()))
            .map_err(|error| wrong(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AgentSettings, String> {
        serde_yaml::from_str::<Settings>(text).map(|settings| settings.agent).map_err(|error| error.to_string())
    }

    #[test]
    fn the_section_is_read() {
        let settings = read(
            "agent:\n  run: [\"/bin/a b *\", [/bin/c, \"d e\"]]\n  read: [/etc/x]\n  reboot: { command: /bin/r -f, boot_id: /tmp/b }\n  errors: terse\n  announce: true\n  deadlines: { answer: 90s }\n",
        )
        .unwrap();
        let grants = settings.grants().unwrap();
        assert!(grants.may_run("/bin/a", &["b", "x"]).is_ok() && grants.may_run("/bin/c", &["d e"]).is_ok());
        assert!(grants.may_run::<&str>("/bin/a", &[]).is_err());
        let board = settings.board().unwrap();
        assert_eq!((board.command, board.boot_id), (vec!["/bin/r".into(), "-f".into()], PathBuf::from("/tmp/b")));
        assert_eq!(settings.deadlines.answer, Some(Duration::from_secs(90)));
    }

    #[test]
    fn nothing_said_is_nothing_granted_and_slips_are_noticed() {
        let settings = read("hubs: {}").unwrap();
        assert!(settings.grants().unwrap().may_run::<&str>("/bin/true", &[]).is_err() && settings.board().is_none());
        for text in [
            "agent: { runs: [] }",
            "agent: { errors: short }",
            "agent: { deadlines: { answer: 0s } }",
            "agent: { reboot: {} }",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        for text in ["agent: { run: [\"\"] }", "agent: { run: [reboot] }", "agent: { read: [\"/**\"] }"] {
            assert!(read(text).unwrap().grants().is_err(), "{text}");
        }
    }
}
