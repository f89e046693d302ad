//! What handlers may touch of the machine, through the agent; and what they try beyond it. Whatever a handler does, the next call
//! is answered.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::rig::{Rig, habits, on_lane};
use crate::grants::{Grants, ProgramGrant};
use crate::lane::Habits;

/// Runs, reads, and says what came of it.
const TRY: &str = r#"
on_method("run", |device, request| device.run(request.param("program"), request.param("args", []), request.param("options", #{})));
on_method("read", |device, request| device.read(request.param("path")));
on_method("bytes", |device, request| device.read_bytes(request.param("path")).len());
on_method("ping", |device, request| "pong");
"#;

fn granted(folder: &Path) -> Habits {
    let program = |path: &str, args: &[&str]| ProgramGrant {
        program: path.into(),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
    };
    let run = vec![program("/bin/echo", &["**"]), program("/bin/cat", &[]), program("/usr/bin/env", &[])];
    let run = [run, vec![program(&folder.join("app").display().to_string(), &["*"])]].concat();
    let read = [format!("{}/open/**", folder.display()), "/proc/**".into(), "/dev/**".into()];
    let grants = Grants::new(run, &read, &[]).unwrap().with_env(vec!["APP_*".into(), "LD_*".into()]);
    Habits { grants: Arc::new(grants), ..habits() }
}

async fn rig(folder: &Path) -> Rig {
    let mut rig = Rig::with(TRY, granted(folder));
    rig.connect(1, json!({})).await;
    rig
}

#[tokio::test]
async fn what_is_granted_is_done() {
    on_lane(async {
        let temp = tempfile::tempdir().unwrap();
        let folder = fs::canonicalize(temp.path()).unwrap();
        fs::create_dir(folder.join("open")).unwrap();
        fs::write(folder.join("open/a.txt"), "hällo").unwrap();
        let mut rig = rig(&folder).await;
        let call = json!({"program": "/bin/echo", "args": ["a b", 1, true]}).to_string();
        let done = json!({"code": 0, "out": "a b 1 true\n", "err": "", "timed_out": false, "truncated": false});
        assert_eq!(rig.ask("run", &call).await, (200, done));
        let call = json!({"program": "/bin/cat", "options": {"stdin": "secret", "timeout": "20s"}}).to_string();
        assert_eq!(rig.ask("run", &call).await.1["out"], "secret");
        let call = json!({"program": "/usr/bin/env", "options": {"env": {"APP_MODE": "x"}}}).to_string();
        let out = rig.ask("run", &call).await.1["out"].as_str().unwrap().to_owned();
        assert!(out.contains("APP_MODE=x") && !out.contains("HOME="), "{out}");
        let path = folder.join("open/a.txt");
        assert_eq!(rig.ask("read", &json!({"path": path}).to_string()).await, (200, json!("hällo")));
        assert_eq!(rig.ask("bytes", &json!({"path": path}).to_string()).await, (200, json!(6)));
    })
    .await;
}

/// A program that nobody is granted.
fn program(folder: &Path) -> PathBuf {
    let app = folder.join("app");
    fs::write(&app, "#!/bin/sh\necho ran").unwrap();
    fs::set_permissions(&app, fs::Permissions::from_mode(0o755)).unwrap();
    app
}

#[tokio::test]
async fn nothing_is_done_that_was_not_granted() {
    on_lane(async {
        let temp = tempfile::tempdir().unwrap();
        let folder = fs::canonicalize(temp.path()).unwrap();
        fs::create_dir(folder.join("open")).unwrap();
        fs::write(folder.join("secret"), "secret").unwrap();
        fs::write(folder.join("open/large"), vec![b'x'; 600 * 1024]).unwrap();
        fs::write(folder.join("open/binary"), b"\xff\xfe").unwrap();
        symlink(folder.join("secret"), folder.join("open/link")).unwrap();
        symlink("/proc/self/environ", folder.join("open/environ")).unwrap();
        let app = program(&folder);
        let mut rig = rig(&folder).await;
        let at = |path: &str| folder.join(path).display().to_string();
        for path in [
            at("secret"),
            at("open/link"),
            at("open/environ"),
            at("open/../secret"),
            at("open/missing"),
            at("open/large"),
            at("open/binary"),
            at("open"),
            "open/a.txt".into(),
            "/proc/self/environ".into(),
            "/proc/1/environ".into(),
            "/proc/self/mem".into(),
            "/dev/zero".into(),
            "/dev/stdin".into(),
            "/etc/passwd".into(),
            "\0".into(),
            String::new(),
        ] {
            let (status, answer) = rig.ask("read", &json!({"path": path}).to_string()).await;
            assert_eq!(status, 500, "{path:?}: {answer}");
            assert!(!answer.to_string().contains("SharedAccessKey"), "{answer}");
        }
        for call in [
            json!({"program": "echo"}),
            json!({"program": "./app", "args": ["x"]}),
            json!({"program": "/bin/../bin/echo"}),
            json!({"program": "/bin/sh", "args": ["-c", "id"]}),
            json!({"program": "/bin/cat", "args": ["/etc/passwd"]}),
            json!({"program": app, "args": ["a", "b"]}),
            json!({"program": app, "args": ["a\0b"]}),
            json!({"program": app, "args": [{}]}),
            json!({"program": "/usr/bin/env", "options": {"env": {"LD_PRELOAD": "/tmp/x.so"}}}),
            json!({"program": "/usr/bin/env", "options": {"env": {"PATH": "/tmp"}}}),
            json!({"program": "/usr/bin/env", "options": {"env": {"APP_X=1\nLD_PRELOAD": "y"}}}),
            json!({"program": "/usr/bin/env", "options": {"envs": {}}}),
            json!({"program": "/usr/bin/env", "options": {"timeout": "soon"}}),
            json!({"program": "/bin/echo", "args": vec!["x"; 300]}),
            json!({"program": "/bin/cat", "options": {"stdin": "x".repeat(127 * 1024).repeat(3)}}),
        ] {
            let text = call.to_string();
            let (status, answer) = rig.ask("run", &text).await;
            assert!(status >= 400, "{}: {answer}", &text[..text.len().min(200)]);
        }
        assert_eq!(rig.ask("ping", "").await, (200, json!("pong")), "and the device is well");
    })
    .await;
}

/// Handlers that try to get out, or to take everything with them; each ends as an error of its own call.
const BOMBS: [(&str, &str); 14] = [
    ("import", r#"import "/etc/passwd" as p; p::x"#),
    ("eval", r#"eval("let x = 1; x")"#),
    ("loop", "loop { }"),
    ("recursion", "let f = |f| f.call(f); f.call(f)"),
    ("text", r#"let s = "x"; loop { s += s; }"#),
    ("list", "let l = [1]; loop { l += l; }"),
    ("map", r#"let m = #{}; let i = 0; loop { m[`k${i}`] = "x".len(); i += 1; }"#),
    ("nest", "let l = []; loop { l = [l]; }"),
    ("pad", r#"let s = "x"; s.pad(2000000000, "x"); s"#),
    ("replace", r#"let s = "a".to_string(); for i in 0..64 { s.replace("a", "aa"); } s"#),
    ("parse", r#"let t = "["; for i in 0..17 { t += t; } parse_json(t)"#),
    ("blob", "let b = blob(2000000000, 1); b.len()"),
    ("range", "let s = []; for i in 0..2000000000 { s.push(i); } s.len()"),
    ("programs", r#"loop { device.run("/bin/sh") }"#),
];

#[tokio::test]
async fn bombs_end_as_errors_of_their_own_calls() {
    on_lane(async {
        let mut text = TRY.to_owned();
        for (name, body) in BOMBS {
            text.push_str(&format!("on_method(\"{name}\", #{{ work: \"20s\" }}, |device, request| {{ {body} }});\n"));
        }
        let mut loaded = Vec::new();
        // What does not even load alone is left out: it hurts nobody.
        for (name, body) in BOMBS {
            let one = format!("on_method(\"{name}\", |device, request| {{ {body} }});");
            match super::rig::load(&one) {
                Ok(_) => loaded.push((name, one.replace("\", |", "\", #{ work: \"20s\" }, |"))),
                Err(found) => assert!(["import", "eval"].contains(&name), "{name}: {found}"),
            }
        }
        let text = format!("{TRY}{}", loaded.iter().map(|(_, one)| one.as_str()).collect::<Vec<_>>().join("\n"));
        let mut rig = Rig::up(&text, json!({})).await;
        for (name, _) in &loaded {
            let (status, answer): (i32, Value) = rig.ask(name, "").await;
            assert!(status == 500 || status == 504, "{name}: {status} {answer}");
            assert_eq!(rig.ask("ping", "").await, (200, json!("pong")), "after {name}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_too_large_is_an_error_of_the_handler() {
    on_lane(async {
        let text = r#"on_method("large", |device, request| { let s = "x"; for i in 0..18 { s += s; } s });
            on_method("thrown", |device, request| { let s = "x"; for i in 0..18 { s += s; } throw #{ status: 409, payload: s } });
            on_method("caught", |device, request| {
                let s = "x";
                for i in 0..18 { s += s; }
                try { reply(200, s); } catch (why) { reply(413, why); }
            });"#;
        let mut rig = Rig::up(text, json!({})).await;
        for (name, expected) in [("large", 500), ("thrown", 500), ("caught", 413)] {
            let (status, answer) = rig.ask(name, "").await;
            assert_eq!(status, expected, "{name}");
            assert!(answer.to_string().contains("at most 128 KiB"), "{answer}");
        }
    })
    .await;
}
