//! Devices as a job's condition, and back. The hub takes so many characters of a condition: more devices are more jobs.

use wire::limits::QUERY_CHARS;
use wire::{Identity, JobDocument};

/// Characters of a condition, less what the service puts in front of it.
const CHARS: usize = QUERY_CHARS - 192;
/// What stands before the ids of devices.
const DEVICES: &str = "deviceId IN [";
/// What stands before modules.
const MODULES: &str = "FROM devices.modules WHERE ";
/// What stands between two modules.
const OR: &str = " OR ";

/// As a text of the query language. An id may hold a single quote, never a double one or a backslash.
fn quoted(id: &str) -> String {
    if id.contains('\'') { format!("\"{id}\"") } else { format!("'{id}'") }
}

fn module(identity: &Identity) -> String {
    let module = identity.module.as_ref().map_or("", |module| module.as_str());
    format!("(deviceId = {} AND moduleId = {})", quoted(identity.device.as_str()), quoted(module))
}

/// How many of these, from the first on, one job takes: all of them devices, or all of them modules.
pub(super) fn fits(identities: &[&Identity]) -> usize {
    let Some(first) = identities.first() else { return 0 };
    let of_modules = first.module.is_some();
    let mut room = CHARS - if of_modules { MODULES.len() } else { DEVICES.len() + 1 };
    let same = identities.iter().take_while(|identity| identity.module.is_some() == of_modules);
    let fit = same.take_while(|identity| {
        let one =
            if of_modules { module(identity).len() + OR.len() } else { quoted(identity.device.as_str()).len() + 1 };
        let fits = one <= room;
        room = room.saturating_sub(one);
        fits
    });
    fit.count()
}

/// The condition that takes exactly these: devices only, or modules only.
pub(super) fn condition(identities: &[&Identity]) -> String {
    if identities.first().is_some_and(|first| first.module.is_some()) {
        let modules: Vec<String> = identities.iter().map(|identity| module(identity)).collect();
        return format!("{MODULES}{}", modules.join(OR));
    }
    let ids: Vec<String> = identities.iter().map(|identity| quoted(identity.device.as_str())).collect();
    format!("{DEVICES}{}]", ids.join(","))
}

/// Whom a job of ours is for; nothing when the condition is none of [`condition`].
pub(super) fn identities(job: &JobDocument) -> Option<Vec<Identity>> {
    let text = job.query_condition.as_deref()?.trim();
    if let Some(modules) = text.strip_prefix(MODULES) {
        return modules.split(OR).map(read_module).collect();
    }
    let mut rest = text.strip_prefix(DEVICES)?.strip_suffix(']')?;
    let mut found = Vec::new();
    loop {
        let (id, after) = read_text(rest)?;
        found.push(id.parse().ok()?);
        match after.strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None => return after.trim().is_empty().then_some(found),
        }
    }
}

fn read_text(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    text[1..].split_once(quote)
}

fn read_module(text: &str) -> Option<Identity> {
    let inside = text.strip_prefix("(deviceId = ")?.strip_suffix(')')?;
    let (device, rest) = read_text(inside)?;
    let (module, end) = read_text(rest.strip_prefix(" AND moduleId = ")?)?;
    end.is_empty().then(|| Some(Identity::module(device.parse().ok()?, module.parse().ok()?)))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn job(condition: &str) -> JobDocument {
        let document = serde_json::json!({"jobId": "j", "type": "t", "status": "running", "queryCondition": condition});
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn conditions_by_table() {
        for (ids, text) in [
            (vec!["a"], "deviceId IN ['a']"),
            (vec!["a", "it's", "b,c"], "deviceId IN ['a',\"it's\",'b,c']"),
            (
                vec!["a/m", "b/n"],
                "FROM devices.modules WHERE (deviceId = 'a' AND moduleId = 'm') OR (deviceId = 'b' AND moduleId = 'n')",
            ),
        ] {
            let ids: Vec<Identity> = ids.iter().map(|id| id.parse().unwrap()).collect();
            assert_eq!(condition(&ids.iter().collect::<Vec<_>>()), text);
            assert_eq!(identities(&job(text)), Some(ids));
        }
        for foreign in
            ["*", "tags.a = 1", "deviceId IN [", "deviceId IN []", "deviceId IN ['a'", "deviceId IN ['a' 'b']"]
        {
            assert_eq!(identities(&job(foreign)), None, "{foreign}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        /// Cut where they fit, all are taken, none twice, and the hub takes every condition.
        #[test]
        fn every_device_is_in_one_job_that_the_hub_takes(
            ids in proptest::collection::vec("[A-Za-z0-9:.+%_#*?!(),=@;$'-]{1,128}(/[A-Za-z0-9_-]{1,20})?", 0..160),
        ) {
            let all: Vec<Identity> = ids.iter().map(|id| id.parse().unwrap()).collect();
            let mut rest: Vec<&Identity> = all.iter().collect();
            let mut found = Vec::new();
            while !rest.is_empty() {
                let count = fits(&rest);
                prop_assert!(count > 0);
                let text = condition(&rest[..count]);
                prop_assert!(text.len() <= CHARS);
                found.extend(identities(&job(&text)).expect("it was made so"));
                rest.drain(..count);
            }
            prop_assert_eq!(found, all);
        }
    }
}
