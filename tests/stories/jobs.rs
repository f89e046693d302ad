//! `via: job`: a fleet worked through by the hub's jobs, with the same counts as call by call, and jobs that outlive their runner.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use iothub::HubClient;
use net::tls::Roots;
use stage::{HubOptions, LocalHub, Program, eventually};
use wire::{JobId, JobStatus};

use crate::stage_set::{Set, empty};

/// 48 devices that answer, one that does not want to, one that is not there.
const SIMULATED: usize = 49;
const SERVICE: &str = r#"
on_method("service", |device, request| {
    if device.id == "sim-7" { throw #{ status: 409, payload: #{ why: "not now" } }; }
    device.report(#{ served: request.payload.round });
    reply(200, #{ device: device.id });
});
"#;

const CANARY: &str = "
name: Canary
serial: [1, 10%, rest]
abort_if: { failed: 50% }
steps:
  - patch_twin: { tags: { round: 1 }, VIA }
  - name: Serve
    invoke_method: { name: service, payload: { round: 1 }, response_timeout: 10s, VIA }
    timeout: 10s
    register: reply
  - log: \"${{ device.id }} ${{ reply.payload.device }}\"
";

/// A hub with a fleet of fifty.
fn fleet() -> (Set, LocalHub, Program) {
    let set = empty()
        .file("scripts/service.rhai", SERVICE)
        .file("by-job.yaml", &CANARY.replace("VIA", "via: job"))
        .file("by-call.yaml", &CANARY.replace("VIA", "via: call"));
    let mut hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let _ = hub.device("zz-away");
    let mut agent = set.iotplay.start(&["agent", "--count", &SIMULATED.to_string()]);
    agent.line(&format!("{SIMULATED} devices"));
    hub.program().nth_line("  connected", SIMULATED);
    (set, hub, agent)
}

fn jobs_in(output: &str) -> BTreeSet<String> {
    let names = output.split("\"by\":\"job ").skip(1).filter_map(|rest| rest.split('"').next());
    names.map(str::to_owned).collect()
}

fn client(hub: &LocalHub) -> HubClient {
    let connection = hub.service().parse().expect("the hub's own string");
    let roots = Roots::File(hub.ca().to_owned());
    HubClient::new(iothub::HubOptions { roots, local: true, ..iothub::HubOptions::new(connection) })
        .expect("a client can be set up")
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(work)
}

#[test]
fn a_fleet_in_waves_comes_to_the_same_by_job_as_by_call() {
    let (set, hub, _agent) = fleet();
    let called = set.iotplay.run(&["run", "by-call.yaml", "--allow-empty"]);
    let served = set.iotplay.run(&["run", "by-job.yaml"]);
    for ended in [&called, &served] {
        assert_eq!(ended.code, Some(4), "{}", ended.err);
        assert!(ended.err.contains("ok 48   failed 1   unreachable 1   skipped 0"), "{}", ended.err);
        assert_eq!(ended.out.lines().count(), 48, "{}", ended.out);
        assert!(ended.err.contains("sim-7 answered 409"), "{}", ended.err);
        assert!(ended.err.contains("zz-away is not connected"), "{}", ended.err);
    }
    let sorted = |out: &str| out.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(sorted(&called.out), sorted(&served.out));

    // Once more, to know the jobs by name: three waves of the method; the tags are there already.
    let told = set.iotplay.run(&["run", "by-job.yaml", "--output", "ndjson"]);
    assert_eq!(told.code, Some(4), "{}", told.err);
    let jobs = jobs_in(&told.out);
    assert_eq!(jobs.len(), 3, "{jobs:?}");
    let mut counts: Vec<_> = jobs
        .iter()
        .map(|job| {
            let job: JobId = job.parse().expect("the name of a job");
            let job = block_on(client(&hub).job(&job)).expect("the hub knows it");
            let count = job.device_job_statistics.expect("it has begun");
            (count.device_count, count.succeeded_count, count.failed_count)
        })
        .collect();
    counts.sort_unstable();
    // Who rejects has answered.
    assert_eq!(counts, [(1, 1, 0), (5, 5, 0), (44, 43, 1)]);
    sdk_sees(&hub, &jobs);
}

/// The official SDK shows the same job.
fn sdk_sees(hub: &LocalHub, jobs: &BTreeSet<String>) {
    let Some(python) = stage::python(Path::new(env!("CARGO_BIN_EXE_iotplay"))) else { return };
    let first = jobs.iter().find(|job| job.contains("-w1-")).expect("a wave of one");
    let variables = [("SERVICE", hub.service()), ("JOB", first.clone())];
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let looked = python.program("one_job.py", hub.ca(), &variables).end(Duration::from_secs(60));
    assert_eq!((looked.code, looked.out.as_str()), (Some(0), "scheduleDeviceMethod completed 1 1 0"), "{}", looked.err);
}

#[test]
fn a_job_outlives_its_runner_and_is_called_off_by_who_stops_it() {
    let patient = CANARY.replace("VIA", "via: job").replace("10s\n    register", "10m\n    register");
    let (set, hub, _agent) = fleet();
    let set = set.file("patient.yaml", &patient.replace("serial: [1, 10%, rest]\n", ""));
    for kill in [true, false] {
        let mut runner = set.iotplay.start(&["run", "patient.yaml", "--output", "ndjson"]);
        // All but the absent one have had their turn.
        let line = runner.line(r#""done":49"#);
        let job: JobId = jobs_in(&line).pop_first().expect("its job").parse().expect("a name");
        let state = || block_on(client(&hub).job(&job)).expect("the hub knows it");
        if kill {
            runner.kill();
            assert_eq!(state().status, JobStatus::Running);
            block_on(client(&hub).cancel_job(&job)).expect("it can be called off");
        } else {
            let ended = runner.signal("INT");
            assert_eq!(ended.code, Some(130), "{}", ended.err);
            let words = format!("the job {job} was called off");
            assert!(ended.out.contains(&words) || ended.err.contains(&words), "{} {}", ended.out, ended.err);
        }
        let over = eventually(Duration::from_secs(30), "the job is over", || {
            Some(state()).filter(|job| job.status.is_final())
        });
        assert_eq!(over.status, JobStatus::Cancelled);
        assert_eq!(over.device_job_statistics.expect("it had begun").succeeded_count, 49);
    }
}

#[test]
fn a_rehearsal_makes_no_job() {
    let (set, hub, _agent) = fleet();
    let rehearsed = set.iotplay.run(&["run", "by-job.yaml", "--check", "-l", "sim-1"]);
    assert_eq!(rehearsed.code, Some(0), "{}", rehearsed.err);
    for said in
        [r#"would call service {"round":1}, in a job for the wave"#, "tags.round: none -> 1, in a job for the wave"]
    {
        assert!(rehearsed.err.contains(said), "{}", rehearsed.err);
    }
    let rows = block_on(async {
        let client = client(&hub);
        client.query("SELECT * FROM devices.jobs").collect(1).await
    });
    assert_eq!(rows.expect("a query").len(), 0);
}
