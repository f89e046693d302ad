//! Open files: a fleet needs a socket for each device, so the soft limit is raised and too large a fleet is refused before it fails halfway.

use rlimit::Resource;

use super::Trouble;

/// Files that are not devices: standard streams, listeners, store, scripts, runtime, and connections of the runner.
const OTHERS: u64 = 200;

/// Raises the soft limit to the hard one; returns what is allowed now.
pub(crate) fn raise() -> u64 {
    let (soft, hard) = Resource::NOFILE.get().unwrap_or((1024, 1024));
    if soft < hard && Resource::NOFILE.set(hard, hard).is_ok() { hard } else { soft }
}

/// Connections that this process can hold at once.
pub(crate) fn connections() -> usize {
    usize::try_from(raise().saturating_sub(OTHERS)).unwrap_or(usize::MAX)
}

/// Whether so many devices can connect; `sockets` is 2 when the hub is in this process too, else 1.
pub(crate) fn check_fleet(devices: usize, sockets: u64) -> Result<(), Trouble> {
    check(devices, sockets, raise())
}

fn check(devices: usize, sockets: u64, allowed: u64) -> Result<(), Trouble> {
    let needed = u64::try_from(devices).unwrap_or(u64::MAX).saturating_mul(sockets).saturating_add(OTHERS);
    if needed <= allowed {
        return Ok(());
    }
    let most = allowed.saturating_sub(OTHERS) / sockets;
    let trouble = Trouble::usage(format!(
        "{devices} devices need {needed} open files and this process may have {allowed}: at most {most} devices"
    ));
    Err(if sockets > 1 {
        trouble.help("run the hub by itself (`iotplay hub`) and the devices beside it (`iotplay agent --count N`)")
    } else {
        trouble.help("raise the hard limit (`ulimit -Hn`), or split the fleet over several `iotplay agent --prefix P`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_large_a_fleet_is_told_how_large_it_may_be() {
        assert!(check(9_900, 2, 20_000).is_ok());
        let refused = check(10_000, 2, 20_000).unwrap_err();
        assert!(refused.found.to_string().contains("at most 9900 devices"), "{}", refused.found);
        assert!(check(usize::MAX, 2, u64::MAX - 1).is_err());
    }
}
