//! P12: a hub throttled as S1 (40 methods, 100 twin reads a second), a thousand calls and a thousand waits, against the time that the
//! hub's limits leave. Devices are bare; each reports before it answers, as a reboot would in the end.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use wire::{DeviceConnection, DeviceCredential, Identity};

use crate::error::{Result, other};
use crate::report::{Figure, Series};
use crate::subject::LocalHub;
use crate::{bare_fleet, book};

/// Methods a second of one unit of S1.
const RATE: f64 = 40.0;
/// The key of all devices: they are made before the hub begins to count, and it has nothing to protect.
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZg==";
/// Between two connections: S1 takes a hundred a second.
const APART: Duration = Duration::from_millis(15);
/// After the devices have connected, and between two plays: all of the hub's quotas of a second are full again, most of a minute's too.
const REST: Duration = Duration::from_secs(5);

const CALLS: &str = "name: Calls\nsteps:\n  - invoke_method: { name: echo }\n";
/// As the default playbook does it: two readings for each device, and one call.
const WAITS: &str = "name: Waits\nsteps:\n  - get_twin:\n    register: before\n  - invoke_method: { name: echo }\n  \
                     - wait_until: twin.reported.calls != before.reported.calls\n";

/// Calls and waits, with the tier known and without, on a hub that shapes and on one that refuses at once.
pub(crate) async fn measure(iotplay: &Path, devices: usize) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for shape in ["5s", "0s"] {
        let hub = LocalHub::narrow(iotplay, &seed(devices)?, &["--tier", "S1", "--shape", shape])?;
        let connections = (0..devices).map(|number| connection(&hub, number)).collect::<Result<Vec<_>>>()?;
        let _fleet = bare_fleet::start_reporting(&hub, &connections, APART)?;
        for (what, text) in [("calls", CALLS), ("waits", WAITS)] {
            for (known, flags) in [("tier known", &["--all", "--tier", "S1"][..]), ("tier not known", &["--all"])] {
                tokio::time::sleep(REST).await;
                let before = refusals(&hub)?;
                let ran = book::run(iotplay, &hub, text, flags)?;
                let refused = refusals(&hub)? - before;
                let series = |unit, value| Series { unit, values: vec![value] };
                let ideal = series("s (ideal)", devices as f64 / RATE);
                let what =
                    format!("{devices} {what}, hub as S1, --shape {shape}, {known}; {refused} refused, none lost");
                figures.push(Figure::new("P12", what, series("s", ran.seconds), Some(ideal)));
            }
        }
    }
    Ok(figures)
}

/// How often the hub has said 429.
fn refusals(hub: &LocalHub) -> Result<usize> {
    Ok(std::fs::read_to_string(hub.log())?.lines().filter(|line| line.contains("throttled: ")).count())
}

fn seed(devices: usize) -> Result<String> {
    let mut text = String::from("devices:\n");
    for number in 0..devices {
        writeln!(text, "  - {{ id: d{number}, keys: {{ primary: {KEY} }} }}").map_err(other)?;
    }
    Ok(text)
}

fn connection(hub: &LocalHub, number: usize) -> Result<DeviceConnection> {
    Ok(DeviceConnection {
        host: format!("localhost:{}", hub.mqtt.port()).parse().map_err(other)?,
        gateway: None,
        identity: Identity::device(format!("d{number}").parse().map_err(other)?),
        credential: DeviceCredential::Key(KEY.parse().map_err(other)?),
    })
}
