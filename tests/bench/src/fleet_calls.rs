//! P8 and P9: one playbook that calls a thousand devices and asserts each reply, against Hurl doing the same requests to the same
//! hub, and against Ansible doing one HTTP call per host.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use wire::headers::API_VERSION_PARAMETER;
use wire::{HubPath, Identity};

use crate::book;
use crate::error::{Result, other};
use crate::memory::Agent;
use crate::report::{Figure, Series};
use crate::subject::LocalHub;

/// The handler that all devices run: what counts is the way to it and back.
const PING: &str = "on_method(\"ping\", |device, request| #{ ok: true });\n";

/// One method and one assert, as P8 says.
const BOOK: &str =
    "name: Ping\nsteps:\n  - invoke_method: { name: ping }\n    register: reply\n  - assert: reply.payload.ok\n";

/// Files that Hurl works on side by side: `--jobs 8` of the goal.
const JOBS: usize = 8;

/// Hosts of one Ansible run; its time grows with the number, so a thousand is this scaled.
const HOSTS: usize = 100;

/// Sizes of one measurement.
#[derive(Clone, Copy)]
pub(crate) struct Plays<'a> {
    pub(crate) devices: usize,
    pub(crate) repeats: usize,
    pub(crate) hurl: &'a Path,
    pub(crate) ansible: &'a Path,
}

/// Ours and Hurl in turn, then Ansible.
pub(crate) async fn measure(iotplay: &Path, plays: Plays<'_>) -> Result<Vec<Figure>> {
    let hub = LocalHub::start(iotplay)?;
    let agent = Agent::start(iotplay, &hub, plays.devices, PING).await?;
    let ids: Vec<String> = (0..plays.devices).map(|number| agent.id(number)).collect();
    let requests = hurl_files(&hub, &ids)?;
    let [mut ours, mut hurl] = [(); 2].map(|()| Series::new("s"));
    for round in 0..=plays.repeats {
        let ran = book::run(iotplay, &hub, BOOK, &["--all"])?;
        let peer = wall(
            Command::new(plays.hurl)
                .args(["--test", "--jobs"])
                .arg(JOBS.to_string())
                .arg("--cacert")
                .arg(&hub.ca)
                .args(&requests),
        )?;
        if round > 0 {
            ours.push(ran.seconds);
            hurl.push(peer);
        }
    }
    let what = format!("{} devices, one method and one assert each", plays.devices);
    let mut figures = vec![Figure::new("P9", format!("{what} / hurl --jobs {JOBS}"), ours.clone(), Some(hurl))];
    match ansible(&hub, plays.ansible, &ids) {
        Ok(seconds) => {
            let scaled = seconds * plays.devices as f64 / ids.len().min(HOSTS) as f64;
            let peer = Series { unit: "s (scaled)", values: vec![scaled] };
            figures.push(Figure::new("P8", format!("{what} / Ansible, one HTTP call per host"), ours, Some(peer)));
        }
        Err(error) => eprintln!("P8 has no peer: {error}"),
    }
    Ok(figures)
}

fn url(hub: &LocalHub, id: &str) -> Result<String> {
    let path = HubPath::Methods(Identity::device(id.parse().map_err(other)?));
    Ok(format!("https://localhost:{}{path}?{API_VERSION_PARAMETER}={}", hub.https.port(), wire::API_VERSION))
}

const BODY: &str = "{\"methodName\":\"ping\",\"responseTimeoutInSeconds\":30,\"payload\":null}";

/// One file per job, each with its share of the devices: connections are kept within a file.
fn hurl_files(hub: &LocalHub, ids: &[String]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for (number, share) in ids.chunks(ids.len().div_ceil(JOBS)).enumerate() {
        let mut text = String::new();
        for id in share {
            let (url, token) = (url(hub, id)?, hub.token());
            writeln!(text, "POST {url}\nAuthorization: {token}\nContent-Type: application/json\n{BODY}\nHTTP 200\n[Asserts]\njsonpath \"$.payload.ok\" == true\n").map_err(other)?;
        }
        let file = hub.folder().join(format!("share-{number}.hurl"));
        std::fs::write(&file, text)?;
        files.push(file);
    }
    Ok(files)
}

/// Seconds that Ansible takes for one call on each of the first hosts, 20 forks.
fn ansible(hub: &LocalHub, program: &Path, ids: &[String]) -> Result<f64> {
    let mut inventory = String::from(
        "[all:vars]\nansible_connection=local\nansible_python_interpreter={{ ansible_playbook_python }}\n[all]\n",
    );
    for id in ids.iter().take(HOSTS) {
        writeln!(inventory, "{id} url='{}'", url(hub, id)?).map_err(other)?;
    }
    let hosts = hub.folder().join("hosts.ini");
    std::fs::write(&hosts, inventory)?;
    let play = hub.folder().join("ansible.yaml");
    let token = hub.token();
    std::fs::write(
        &play,
        format!(
            "- hosts: all\n  gather_facts: false\n  tasks:\n    - uri:\n        url: \"{{{{ url }}}}\"\n        method: POST\n        ca_path: {}\n        headers: {{ Authorization: \"{token}\" }}\n        body_format: json\n        body: '{BODY}'\n        return_content: true\n      register: reply\n    - assert: {{ that: reply.json.payload.ok }}\n",
            hub.ca.display()
        ),
    )?;
    let mut command = Command::new(program);
    command.arg("-i").arg(&hosts).args(["-f", "20"]).arg(&play).env("ANSIBLE_STDOUT_CALLBACK", "minimal");
    wall(&mut command)
}

/// Characters of a failed program's output that are shown.
const SHOWN: usize = 1_000;

/// Wall seconds of a program that must succeed.
fn wall(command: &mut Command) -> Result<f64> {
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).output()?;
    let took = began.elapsed().as_secs_f64();
    if output.status.success() {
        return Ok(took);
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let start: String = said.chars().take(SHOWN).collect();
    Err(other(format!("{} ended with {}: {start}", command.get_program().display(), output.status)))
}
