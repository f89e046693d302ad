//! A fleet shared by several processes: which devices are whose, and from which addresses they connect.

use std::net::Ipv4Addr;
use std::str::FromStr;

use wire::DeviceId;

use crate::process::Trouble;

/// Local ports of one source address, less than Linux gives away by default (32768 to 60999).
const PORTS: usize = 25_000;

/// Processes that share a fleet: each has a part of 127.0.0.0/16 to connect from.
const MOST: usize = 250;

/// One of several parts: `2/4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    number: usize,
    of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((number, of)) if (1..=of).contains(&number) && of <= MOST => Ok(Self { number, of }),
            _ => Err(format!("a shard is written 1/4, 2/4, 3/4 or 4/4; there are {MOST} at most")),
        }
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl Shard {
    /// The whole fleet.
    pub(super) fn whole() -> Self {
        Self { number: 1, of: 1 }
    }

    /// Whether a device of this number, from 1, is in it. A fleet that grows leaves every device where it was.
    fn has(self, number: usize) -> bool {
        (number - 1) % self.of == self.number - 1
    }

    /// How many devices of a fleet are in it.
    pub(super) fn size(self, count: usize) -> usize {
        count / self.of + usize::from(count % self.of >= self.number)
    }

    /// Its own among the ids of a fleet.
    pub(super) fn own(self, all: &[DeviceId]) -> Vec<DeviceId> {
        let numbered = all.iter().enumerate().filter(|(at, _)| self.has(at + 1));
        numbered.map(|(_, id)| id.clone()).collect()
    }

    /// Addresses to connect to a hub on this machine from: none while the usual one has ports for all.
    pub(super) fn sources(self, own: usize) -> Vec<Ipv4Addr> {
        if self.of == 1 && own <= PORTS {
            return Vec::new();
        }
        let last = u8::try_from(own.div_ceil(PORTS)).unwrap_or(u8::MAX);
        let part = u8::try_from(self.number - 1).expect("there are 250 at most");
        (1..=last).map(|host| Ipv4Addr::new(127, 0, part, host)).collect()
    }
}

/// Refuses a fleet that is too large for the open files of a process, with the commands that share it.
pub(super) fn fits(count: usize, shard: Shard, most: usize) -> Result<(), Trouble> {
    let own = shard.size(count);
    if own <= most {
        return Ok(());
    }
    let parts = count.div_ceil(most.max(1));
    Err(Trouble::usage(format!("{own} devices need {own} open files and more, and this process may have {most} beside its own"))
        .help(format!("share the fleet: iotplay agent --count {count} --shard 1/{parts}, .. --shard {parts}/{parts}, each in a process of its own"))
        .help("or raise the hard limit: `ulimit -Hn`, LimitNOFILE= of a unit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_the_whole_and_stay_when_it_grows() {
        let ids: Vec<DeviceId> = (1..=103).map(|number| format!("sim-{number}").parse().unwrap()).collect();
        let mut all = Vec::new();
        for part in 1..=4 {
            let shard: Shard = format!("{part}/4").parse().unwrap();
            let own = shard.own(&ids);
            assert_eq!(own.len(), shard.size(ids.len()), "{shard}");
            assert!(own.starts_with(&shard.own(&ids[..50])), "{shard}");
            all.extend(own);
        }
        all.sort();
        let mut whole = ids;
        whole.sort();
        assert_eq!(all, whole);
        for wrong in ["0/4", "5/4", "1", "a/b", "1/0", "1/251"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn sources_differ_between_parts_and_grow_with_the_fleet() {
        let part = |text: &str| text.parse::<Shard>().unwrap();
        assert!(Shard::whole().sources(25_000).is_empty());
        assert_eq!(Shard::whole().sources(60_000).len(), 3);
        assert_eq!(part("2/2").sources(10), [Ipv4Addr::new(127, 0, 1, 1)]);
        let said = fits(50_000, Shard::whole(), 19_800).unwrap_err().found.to_string();
        assert!(said.contains("--count 50000 --shard 1/3"), "{said}");
        assert!(fits(50_000, part("3/3"), 19_800).is_ok());
    }
}
