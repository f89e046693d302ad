//! P10: how soon the command answers, against one Hurl request from process start.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use wire::HubPath;

use crate::error::{Result, other};
use crate::report::{Figure, Series};
use crate::subject::LocalHub;

/// Starts per repeat: a start is short, so the median of many is taken.
const STARTS: usize = 15;

fn wall(command: &mut Command) -> Result<f64> {
    let began = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    let took = began.elapsed().as_secs_f64() * 1e3;
    if status.success() {
        Ok(took)
    } else {
        Err(other(format!("{} ended with {status}", command.get_program().display())))
    }
}

/// `--version` and `check` in turn with Hurl.
pub(crate) fn starts(iotplay: &Path, hurl: &Path) -> Result<Vec<Figure>> {
    let hub = LocalHub::start(iotplay)?;
    let request = hub.folder().join("one.hurl");
    // Any answer will do: the request's own cost is what counts.
    let url = format!("https://localhost:{}{}", hub.https.port(), HubPath::StatisticsService);
    std::fs::write(&request, format!("GET {url}\nHTTP *\n"))?;
    let playbook = hub.folder().join("reboot.yaml");
    std::fs::write(&playbook, include_str!("../../../playbooks/reboot.yaml"))?;
    let [mut version, mut check, mut peer] = [(); 3].map(|()| Series::new("ms"));
    for _ in 0..STARTS {
        version.push(wall(Command::new(iotplay).arg("--version"))?);
        check.push(wall(Command::new(iotplay).arg("check").arg(&playbook))?);
        peer.push(wall(Command::new(hurl).arg("--cacert").arg(&hub.ca).arg(&request))?);
    }
    Ok(vec![
        Figure::new("P10", "iotplay --version / one Hurl request from process start", version, Some(peer.clone())),
        Figure::new("P10c", "iotplay check reboot.yaml / one Hurl request from process start", check, Some(peer)),
    ])
}
