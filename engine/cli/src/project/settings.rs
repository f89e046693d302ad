//! `iotplay.yaml`: the hubs of a project by name. Holds no secret if its owner does not want it to.
//!
//! ```yaml
//! hub: dev                        # the one that is meant when nothing else is said
//! hubs:
//!   dev: HostName=..              # a service connection string, or
//!   prod: { env: PROD_HUB, production: true, tier: S1, units: 2 }
//! agent: { read: [/etc/os-release] }   # what `iotplay agent` does with handlers: see `agent_settings`
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use base::{Secret, did_you_mean};
use serde::de::{MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};
use wire::{HubSize, Tier};

use super::agent_settings::AgentSettings;
use crate::process::Trouble;

/// The file's name, looked for in the current folder.
pub(crate) const FILE: &str = "iotplay.yaml";

/// Names of a few hubs do not fill more; anything longer is some other file.
const LONGEST: u64 = 1 << 20;

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    hub: Option<String>,
    hubs: BTreeMap<String, HubSetting>,
    pub(super) agent: AgentSettings,
}

/// One hub.
#[derive(Clone, Debug, Default)]
pub(crate) struct HubSetting {
    connection: Option<String>,
    env: Option<String>,
    /// More certificate authorities.
    pub(crate) ca_file: Option<PathBuf>,
    /// Wants its name typed before anything changes.
    pub(crate) production: bool,
    /// How large it was bought.
    tier: Option<Tier>,
    units: Option<u32>,
}

/// The map form of a hub.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HubMap {
    connection: Option<String>,
    env: Option<String>,
    ca_file: Option<PathBuf>,
    production: bool,
    #[serde(deserialize_with = "tier")]
    tier: Option<Tier>,
    units: Option<u32>,
}

/// A tier by its name.
fn tier<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Tier>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(serde::de::Error::custom)
}

impl<'de> Deserialize<'de> for HubSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = HubSetting;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a connection string, or a map with `connection` or `env`, `ca_file`, `production`, `tier` and `units`")
            }

            fn visit_str<E>(self, text: &str) -> Result<HubSetting, E> {
                Ok(HubSetting { connection: Some(text.to_owned()), ..HubSetting::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HubSetting, A::Error> {
                let HubMap { connection, env, ca_file, production, tier, units } =
                    HubMap::deserialize(MapAccessDeserializer::new(map))?;
                Ok(HubSetting { connection, env, ca_file, production, tier, units })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Settings {
    /// Reads `iotplay.yaml` of a folder; `None` when there is none.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>, Trouble> {
        let path = folder.join(FILE);
        let length = match std::fs::metadata(&path) {
            Ok(meta) => meta.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Trouble::usage(format!("cannot read {FILE}: {error}"))),
        };
        if length > LONGEST {
            return Err(Trouble::usage(format!("{FILE} is longer than {LONGEST} bytes")));
        }
        let text =
            std::fs::read_to_string(&path).map_err(|error| Trouble::usage(format!("cannot read {FILE}: {error}")))?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        serde_yaml::from_str(&text)
            .map(Some)
            .map_err(|error| Trouble::usage(format!("{FILE}: {error}")).help("hubs: { dev: \"HostName=..\" }"))
    }

    /// The hub of a name.
    pub(crate) fn hub(&self, name: &str) -> Result<&HubSetting, Trouble> {
        self.hubs.get(name).ok_or_else(|| {
            let trouble = Trouble::usage(format!("{FILE} names no hub `{name}`"));
            match did_you_mean(name, self.hubs.keys().map(String::as_str)) {
                Some(near) => trouble.help(format!("did you mean `{near}`?")),
                None if self.hubs.is_empty() => trouble.help("it names none at all: hubs: { dev: \"HostName=..\" }"),
                None => trouble.help(format!("it names {}", self.names())),
            }
        })
    }

    /// The hub that is meant when nothing is said: the one of `hub:`, or the only one.
    pub(crate) fn default_name(&self) -> Result<Option<&str>, Trouble> {
        match (&self.hub, self.hubs.len()) {
            (Some(name), _) => Ok(Some(name)),
            (None, 0) => Ok(None),
            (None, 1) => Ok(self.hubs.keys().next().map(String::as_str)),
            (None, _) => Err(Trouble::usage(format!("{FILE} names several hubs and none is chosen: {}", self.names()))
                .help("--hub NAME for this time, or `hub: NAME` in the file for every time")),
        }
    }

    fn names(&self) -> String {
        self.hubs.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl HubSetting {
    /// How large it was bought, if the file says so.
    pub(crate) fn size(&self, name: &str) -> Result<Option<HubSize>, Trouble> {
        let wrong = |what: String| Trouble::usage(format!("hub `{name}` of {FILE}: {what}"));
        match (self.tier, self.units) {
            (Some(tier), units) => {
                HubSize::new(tier, units.unwrap_or(1)).map(Some).map_err(|error| wrong(error.to_string()))
            }
            (None, Some(_)) => Err(wrong("`units` without `tier` says nothing".to_owned()).help("tier: S1")),
            (None, None) => Ok(None),
        }
    }

    /// The connection string: as written, or from the variable that the file names, or from `IOTPLAY_HUB_<NAME>`.
    pub(crate) fn connection(&self, name: &str, variables: &dyn Fn(&str) -> Option<String>) -> Result<Secret, Trouble> {
        if let Some(text) = &self.connection {
            return Ok(Secret::new(text.as_str()));
        }
        let variable =
            self.env.clone().unwrap_or_else(|| format!("IOTPLAY_HUB_{}", name.replace(['-', '.'], "_").to_uppercase()));
        variables(&variable).map(Secret::from).ok_or_else(|| {
            Trouble::usage(format!("hub `{name}` of {FILE} has its connection string in ${variable}, which is not set"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Settings {
        serde_yaml::from_str(text).unwrap()
    }

    fn words(trouble: &Trouble) -> String {
        trouble.found.to_string()
    }

    #[test]
    fn both_forms_of_a_hub_are_read() {
        let settings = parsed("hubs:\n  dev: HostName=a\n  prod: { env: PROD, production: true }\n");
        assert_eq!(settings.hub("dev").unwrap().connection("dev", &|_| None).unwrap().expose(), "HostName=a");
        let prod = settings.hub("prod").unwrap();
        assert!(prod.production);
        let from = |name: &str| (name == "PROD").then(|| "HostName=b".to_owned());
        assert_eq!(prod.connection("prod", &from).unwrap().expose(), "HostName=b");
        assert!(words(&prod.connection("prod", &|_| None).unwrap_err()).contains("$PROD"));
    }

    #[test]
    fn a_hub_may_say_how_large_it_is() {
        let settings =
            parsed("hubs:\n  a: { connection: x, tier: s2, units: 3 }\n  b: { connection: x, tier: S1 }\n  c: x\n");
        let size = |name: &str| settings.hub(name).unwrap().size(name).unwrap().map(|size| size.to_string());
        assert_eq!((size("a"), size("b"), size("c")), (Some("S2, 3 units".into()), Some("S1, 1 unit".into()), None));
        for (text, said) in [
            ("hubs: { a: { connection: x, tier: free, units: 2 } }", "a free hub has one unit"),
            ("hubs: { a: { connection: x, units: 2 } }", "without `tier`"),
        ] {
            let wrong = parsed(text).hub("a").unwrap().size("a").unwrap_err();
            assert!(words(&wrong).contains(said), "{}", words(&wrong));
        }
        assert!(serde_yaml::from_str::<Settings>("hubs: { a: { connection: x, tier: S9 } }").is_err());
    }

    #[test]
    fn the_default_is_named_or_alone() {
        assert_eq!(parsed("hubs: { a: x }").default_name().unwrap(), Some("a"));
        assert_eq!(parsed("hub: b\nhubs: { a: one, b: two }").default_name().unwrap(), Some("b"));
        assert!(words(&parsed("hubs: { a: one, b: two }").default_name().unwrap_err()).contains("a, b"));
        assert_eq!(parsed("hubs: {}").default_name().unwrap(), None);
    }

    #[test]
    fn a_slip_in_a_name_is_noticed() {
        assert!(words(&parsed("hubs: { prod: x }").hub("prd").unwrap_err()).contains("did you mean `prod`?"));
        assert!(serde_yaml::from_str::<Settings>("hubs: { a: { conection: x } }").is_err());
    }
}
