//! P11: a whole fleet in the reboot handler at once, driven by one playbook. P15: what a target costs the runner when there are a
//! hundred thousand.

use std::fmt::Write as _;
use std::path::Path;

use wire::HubPath;

use crate::book;
use crate::error::{Result, other};
use crate::memory::{Agent, REBOOT};
use crate::report::{Figure, Series};
use crate::subject::LocalHub;

/// Devices in one bulk request, the service's limit.
const BULK: usize = wire::limits::BULK_DEVICES;

/// How long the handler of the tutorial works, seconds: nobody can be faster.
const REBOOT_TAKES: f64 = 20.0;

/// P11: hub, fleet and runner as three processes; every device is in its 20 s handler at the same time.
pub(crate) async fn reboots(iotplay: &Path, devices: usize) -> Result<Vec<Figure>> {
    let hub = LocalHub::start(iotplay)?;
    let agent = Agent::start(iotplay, &hub, devices, REBOOT).await?;
    let book = format!(
        "name: Reboot all\nforks: {devices}\nsteps:\n  - invoke_method: {{ name: rebootDevice, response_timeout: 120s }}\n"
    );
    let ran = book::run(iotplay, &hub, &book, &["--all"])?;
    let memory = ran.resident + (agent.process.resident()? + hub.process.resident()?) as f64;
    let series = |unit, value| Series { unit, values: vec![value] };
    let what = format!("{devices} devices in a 20 s reboot handler at once, one playbook / the 20 s");
    Ok(vec![
        Figure::new("P11", what, series("s", ran.seconds), Some(series("s", REBOOT_TAKES))),
        Figure::new("P11m", "memory of runner (largest), fleet and hub together", series("MB", memory / 1e6), None),
    ])
}

/// A step that sends nothing.
const NOTHING: &str = "name: Nothing\nsteps:\n  - set: { seen: true }\n";

/// P15: a no-op step over two sizes of fleet; memory per target from the difference, time against proportion.
pub(crate) async fn targets(iotplay: &Path, (few, many): (usize, usize)) -> Result<Vec<Figure>> {
    let hub = LocalHub::start(iotplay)?;
    registered(&hub, 0, few).await?;
    let small = book::run(iotplay, &hub, NOTHING, &["--all"])?;
    registered(&hub, few, many).await?;
    let large = book::run(iotplay, &hub, NOTHING, &["--all"])?;
    let each = (large.resident - small.resident) / (many - few) as f64 / 1e3;
    let series = |unit, value| Series { unit, values: vec![value] };
    let proportion = small.seconds * many as f64 / few as f64;
    Ok(vec![
        Figure::new("P15", format!("{many} targets, no-op step: memory per target"), series("kB", each), None),
        Figure::new(
            "P15t",
            format!("time of {many} targets / {} times that of {few}", many / few),
            series("s", large.seconds),
            Some(series("s", proportion)),
        ),
    ])
}

/// Makes devices `t000000`.. from one number to another.
async fn registered(hub: &LocalHub, from: usize, to: usize) -> Result<()> {
    let mut rest = hub.rest().await?;
    for start in (from..to).step_by(BULK) {
        let mut body = String::from("[");
        for number in start..to.min(start + BULK) {
            let comma = if number == start { "" } else { "," };
            write!(body, "{comma}{{\"id\":\"t{number:06}\",\"importMode\":\"create\"}}").map_err(other)?;
        }
        body.push(']');
        let (status, answer) = rest.call(&hub.request("POST", &HubPath::Devices, &body)).await?;
        if status != 200 {
            return Err(other(format!("bulk: {status} {}", String::from_utf8_lossy(&answer))));
        }
    }
    Ok(())
}
