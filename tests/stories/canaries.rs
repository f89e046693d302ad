//! Values that must not come out, sent through everything that a run says and writes: as they are, and in the encodings that hide
//! them from the eye but from nobody else. Zero hits.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use stage::{Ended, HubOptions, LocalHub};

use crate::stage_set::{Set, empty, key};

/// Quotes, separators and letters beyond ASCII: what encodings treat each in its own way.
const FROM_ENV: &str = "canAry+env/\"é\" x=1&2%";
const FROM_FILE: &str = "canary file, two words; and more";
const FROM_COMMAND: &str = "c@nary:command\\9f2a";
/// No secret by declaration: only `no_log` hides it.
const HIDDEN: &str = "canary-hidden-reply-31415";

/// Every form of a value in which it must not be found.
fn forms(value: &str) -> Vec<String> {
    let bytes = value.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let percent = |kept: &str, upper: bool| -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte);
        let escaped = |byte: u8| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
        bytes.iter().map(|byte| if plain(*byte) { char::from(*byte).to_string() } else { escaped(*byte) }).collect()
    };
    let json = serde_json::to_string(value).expect("a text is JSON");
    let mut forms = vec![value.to_owned(), json[1..json.len() - 1].to_owned(), hex.to_uppercase(), hex];
    forms.extend([percent("", true), percent("-_.~", true), percent("", false)]);
    forms.push(percent("-_.~", true).replace("%20", "+"));
    forms.extend([STANDARD_NO_PAD.encode(bytes), URL_SAFE_NO_PAD.encode(bytes)]);
    // As a part of something larger, such as `user:password`.
    let inside = STANDARD_NO_PAD.encode([b"u:", bytes].concat());
    forms.push(inside[3..(2 + bytes.len()) * 8 / 6].to_owned());
    forms
}

/// The forms, and the beginning of the value: what was cut gives most of it away.
fn sought(value: &str) -> Vec<String> {
    [forms(value), vec![value.chars().take(12).collect()]].concat()
}

/// The secrets of a hub, and what only looks like one.
struct Canaries(Vec<(&'static str, Vec<String>)>);

impl Canaries {
    /// Tokens are made anew each time; their form is known.
    fn tokens() -> Self {
        Self(vec![("token", vec!["&sig=".to_owned(), "?sig=".to_owned(), "SharedAccessSignature sr".to_owned()])])
    }

    fn declared() -> Self {
        let named = [("env", FROM_ENV), ("file", FROM_FILE), ("command", FROM_COMMAND), ("no_log", HIDDEN)];
        named.into_iter().fold(Self::tokens(), |all, (name, value)| all.and(name, value))
    }

    fn and(mut self, name: &'static str, value: &str) -> Self {
        self.0.push((name, sought(value)));
        self
    }

    /// Finds none of them.
    fn absent(&self, text: &str, place: &str) {
        for (name, forms) in &self.0 {
            for form in forms {
                let hit = text.lines().find(|line| line.contains(form.as_str()));
                assert!(hit.is_none(), "{place} holds the canary `{name}` as {form:?}\n{}", hit.unwrap_or_default());
            }
        }
    }

    fn absent_from(&self, ended: &Ended, place: &str) {
        self.absent(&ended.out, &format!("stdout of {place}"));
        self.absent(&ended.err, &format!("stderr of {place}"));
    }
}

/// The handlers give back what they got, in every form, in every way that a device can.
fn handlers() -> String {
    let values = [FROM_ENV, FROM_FILE, FROM_COMMAND].iter();
    let print = |form: String| format!("print({});\n    ", serde_json::to_string(&form).expect("a text is JSON"));
    let prints: String = values.flat_map(|value| forms(value)).map(print).collect();
    format!(
        r#"
on_method("echo", |device, request| {{
    print(request.payload);
    {prints}
    device.report(#{{ got: request.payload, seen: now() }});
    request.payload
}});
on_method("refuse", |device, request| throw #{{ status: 409, payload: request.payload }});
on_method("break", |device, request| throw "broken by " + request.payload.env);
on_method("hidden", |device, request| "{HIDDEN}");
"#
    )
}

const BOOK: &str = r#"
name: Canaries
secrets:
  a_command: { command: [sh, vault.sh] }
  env: { env: CANARY }
  file: { file: secret.txt }
vars: { note: kept }
steps:
  - name: Send ${{ secret.env }}
    invoke_method: { name: echo, payload: { env: "${{ secret.env }}", file: "${{ secret.file }}", command: "${{ secret.a_command }}" } }
    register: reply
  - log: |
      ${{ secret.env }} ${{ reply.payload.file }} ${{ base64(secret.a_command) }} ${{ base64("u:" + secret.env) }} ${{ to_json(reply) }}
  - set: { kept: "${{ secret.file }}", long: "${{ 'x' + secret.env + secret.file + secret.a_command }}" }
  - log: { level: warn, text: "${{ secret.a_command }}" }
  - get_twin:
    register: twin_now
  - patch_twin: { tags: { last: "${{ secret.env }}" }, desired: { password: "${{ secret.file }}" } }
    ignore_errors: true
  - wait_until: twin.reported.got.env != reply.payload.env
    timeout: 300ms
    ignore_errors: true
  - assert: { that: [reply.payload.env == "no", reply.payload.file == ""], message: "not ${{ secret.a_command }}" }
    ignore_errors: true
  - invoke_method: { name: refuse, payload: "${{ secret.env }}" }
    ignore_errors: true
  - invoke_method: { name: break, payload: { env: "${{ secret.env }}" } }
    ignore_errors: true
  - invoke_method: { name: hidden }
    no_log: true
    register: hidden
  - assert: hidden.payload == "no"
    no_log: true
    ignore_errors: true
  - save: { file: all.json, content: "${{ #{ reply: reply, twin: twin_now, list: [secret.env], raw: secret.file } }}" }
  - save: { file: all.csv, content: "${{ [#{ a: secret.env, b: secret.a_command }] }}" }
  - save: { file: "name-${{ secret.file }}.txt", content: "${{ secret.env }}" }
  - invoke_method: { name: echo, response_timeout: "${{ secret.env }}" }
"#;

fn set() -> Set {
    empty()
        .file("scripts/echo.rhai", &handlers())
        .file("secret.txt", &format!("{FROM_FILE}\n"))
        .file(
            "vault.sh",
            &format!(
                "env > seen.env\ntr '\\0' '\\n' < /proc/$PPID/cmdline > seen.cmdline\nprintf '%s\\n' '{FROM_COMMAND}'\n"
            ),
        )
        .file("book.yaml", BOOK)
}

/// Everything that was written into the folder beside what the story put there and what the hub keeps for itself.
fn written(folder: &Path) -> Vec<PathBuf> {
    let given = ["scripts", "secret.txt", "vault.sh", "hub"];
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let entries = entries.filter(|entry| !given.iter().any(|name| entry.file_name() == *name));
    let paths = entries.flat_map(|entry| match entry.path() {
        path if path.is_dir() => written(&path),
        path => vec![path],
    });
    paths.collect()
}

fn nothing_written(set: &Set, canaries: &Canaries) {
    for path in written(set.path()) {
        let text = String::from_utf8_lossy(&std::fs::read(&path).expect("a file can be read")).into_owned();
        canaries.absent(&path.to_string_lossy(), "a file's name");
        canaries.absent(&text, &path.to_string_lossy());
    }
}

#[test]
fn no_output_of_a_run_holds_a_secret() {
    for flags in [
        &["--report", "junit=report.xml", "--report", "html=report.html"][..],
        &["--output", "json"],
        &["--output", "ndjson"],
        &["--sim", "12"],
        &["--check"],
    ] {
        let set = set();
        let iotplay = set.iotplay.with("CANARY", FROM_ENV);
        let ended = iotplay.run(&[&["--log", "trace", "run", "book.yaml"], flags].concat());
        assert!(ended.err.contains("Canaries"), "{flags:?}: {}", ended.err);
        let canaries = Canaries::declared();
        canaries.absent_from(&ended, &format!("{flags:?}"));
        let masked = ended.out.matches("***").count() + ended.err.matches("***").count();
        assert!(masked > if flags.contains(&"--check") { 0 } else { 10 }, "the canaries went through: {masked}");
        if !flags.contains(&"--check") {
            assert!(written(set.path()).iter().any(|path| path.ends_with("all.json")), "{}", ended.err);
        }
        nothing_written(&set, &canaries);
    }
}

#[test]
fn a_run_of_a_configured_hub_hands_no_key_on() {
    let set = set();
    let mut hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let (service, device) = (hub.service(), hub.device("board-1"));
    let canaries = Canaries::declared().and("hub key", key(&service)).and("device key", key(&device));
    let board = set.iotplay.with("IOTHUB_DEVICE_CONNECTION_STRING", &device);
    let mut agent = board.start(&["--log", "trace", "agent", "--reboot-command", "sh vault.sh"]);
    agent.line("connected");
    let configured = set.iotplay.with("IOTHUB_CONNECTION_STRING", &service).with("CANARY", FROM_ENV);
    let ended = configured.run(&["--log", "trace", "run", "book.yaml", "--output", "ndjson"]);
    canaries.absent_from(&ended, "a run");
    assert!(set.path().join("seen.env").exists() && ended.out.contains("device_ended"), "{}", ended.err);
    // The journal knows what was called, not what was secret in it; what comes later asks for the secrets again.
    for later in [&["show"][..], &["runs"], &["--log", "trace", "retry", "--failed", "--output", "json"], &["show"]] {
        let ended = configured.run(later);
        assert!(ended.out.len() + ended.err.len() > 100, "{later:?}: {}", ended.err);
        canaries.absent_from(&ended, &format!("{later:?}"));
    }
    for misplaced in
        [&[service.as_str()][..], &["run", &service], &["invoke", &device, "x"], &["run", "x.yaml", "-f", &service]]
    {
        let ended = configured.run(misplaced);
        assert_ne!(ended.code, Some(0));
        canaries.absent_from(&ended, "a key in the wrong place");
    }
    let wrong = configured.with("IOTPLAY_FORKS", &service).run(&["run", "book.yaml"]);
    assert_eq!(wrong.code, Some(2));
    canaries.absent_from(&wrong, "a key in the wrong variable");
    // What the run sent is no secret that the agent could know of; its own key is.
    Canaries::tokens().and("device key", key(&device)).absent_from(&agent.signal("TERM"), "the agent");
    assert_eq!(hub.program().count(key(&service)) + hub.program().count(key(&device)), 0);
    nothing_written(&set, &canaries);
}

#[test]
fn a_run_that_waits_goes_on_with_its_secrets_and_writes_none_down() {
    let book = "
secrets: { env: { env: CANARY }, file: { file: secret.txt } }
serial: [1, rest]
between_waves: { gate: { approve: true } }
steps:
  - invoke_method: { name: echo, payload: { env: '${{ secret.env }}' } }
    register: reply
  - log: ${{ reply.payload.env == secret.env }} ${{ reply.payload.env }}
  - save: { file: '${{ device.id }}.txt', content: '${{ secret.file }}' }
";
    let set = set().file("wait.yaml", book);
    let _hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let mut agent = set.iotplay.start(&["agent", "--count", "3"]);
    agent.line("ready");
    let iotplay = set.iotplay.with("CANARY", FROM_ENV);
    let canaries = Canaries::declared();
    for (arguments, code, said) in [(&["run", "wait.yaml"][..], 6, 1), (&["resume", "--approve"], 0, 2)] {
        let ended = iotplay.run(arguments);
        assert_eq!(ended.code, Some(code), "{}", ended.err);
        assert_eq!(ended.out.lines().filter(|line| *line == "true ***").count(), said, "{}", ended.out);
        canaries.absent_from(&ended, &format!("{arguments:?}"));
        nothing_written(&set, &canaries);
    }
}

#[test]
fn a_program_that_the_agent_starts_gets_no_key() {
    let reboot = "on_method('reboot', |device, request| { device.reboot(); 1 });";
    let set = empty().file("scripts/reboot.rhai", reboot).file("dump.sh", "env > seen.part\nmv seen.part seen.env\n");
    let hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let device = hub.device("board-1");
    let board = set.iotplay.with("IOTHUB_DEVICE_CONNECTION_STRING", &device).with("KEPT", "yes");
    let mut agent = board.start(&["agent", "--reboot-command", "sh dump.sh"]);
    agent.line("connected");
    assert_eq!(set.iotplay.run(&["invoke", "board-1", "reboot"]).code, Some(0));
    let seen = stage::eventually(std::time::Duration::from_secs(30), "the command ran", || {
        std::fs::read_to_string(set.path().join("seen.env")).ok()
    });
    assert!(seen.contains("KEPT=yes") && !seen.contains(key(&device)), "{seen}");
}

#[test]
fn a_secret_is_saved_only_on_purpose_and_for_its_owner() {
    let book = "
secrets: { env: { env: CANARY } }
steps:
  - save: { file: hidden.txt, content: '${{ secret.env }}' }
  - save: { file: shown.txt, content: '${{ secret.env }}', secrets: true }
";
    let set = empty().file("book.yaml", book);
    let ended = set.iotplay.with("CANARY", FROM_ENV).run(&["run", "book.yaml", "--out", "out"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let saved = |name: &str| std::fs::read_to_string(set.path().join("out").join(name)).expect("it was saved");
    assert_eq!((saved("hidden.txt").trim(), saved("shown.txt").trim()), ("***", FROM_ENV));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(set.path().join("out/shown.txt")).expect("it is there").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

/// The encoder of the story itself.
#[test]
fn forms_are_what_they_are_called() {
    let all = forms(FROM_ENV);
    assert!(all.iter().any(|form| STANDARD.encode(FROM_ENV).starts_with(form.as_str())));
    assert!(STANDARD.encode(format!("u:{FROM_ENV}")).contains(&all[10]), "{all:?}");
}
