//! Grants against real folders, links and devices.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;

use super::*;

fn grants(read: &[&str]) -> Grants {
    let read: Vec<String> = read.iter().map(|text| (*text).to_owned()).collect();
    Grants::new(Vec::new(), &read, &[]).unwrap()
}

#[test]
fn nothing_is_granted_by_default() {
    let none = Grants::default();
    assert!(matches!(none.may_run::<&str>("/bin/true", &[]), Err(Denied::Program(_))));
    assert!(matches!(none.may_read("/etc/hostname"), Err(Denied::Path { what: "read", .. })));
    assert!(matches!(none.may_upload("/etc/hostname"), Err(Denied::Path { what: "uploaded", .. })));
}

#[test]
fn a_program_is_named_from_the_root_and_its_arguments_have_forms() {
    let grant = |program: &str, args: &[&str]| ProgramGrant {
        program: program.into(),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
    };
    let run = vec![
        grant("/bin/systemctl", &["restart", "app-*"]),
        grant("/bin/systemctl", &["status"]),
        grant("/opt/any", &["**"]),
    ];
    let grants = Grants::new(run, &[], &[]).unwrap();
    for (program, args, allowed) in [
        ("/bin/systemctl", &["restart", "app-1"][..], true),
        ("/bin/systemctl", &["status"], true),
        ("/bin/systemctl", &["restart", "sshd"], false),
        ("/bin/systemctl", &["restart", "app-1", "sshd"], false),
        ("/bin/systemctl", &[], false),
        ("/opt/any", &["--whatever", ""], true),
        ("/opt/other", &[], false),
        ("/opt/../opt/any", &[], false),
        ("systemctl", &["status"], false),
        ("./systemctl", &["status"], false),
        ("", &[], false),
    ] {
        assert_eq!(grants.may_run(program, args).is_ok(), allowed, "{program} {args:?}");
    }
}

#[test]
fn a_grant_that_means_nothing_is_refused() {
    let paths = |path: &str| Grants::new(Vec::new(), &[path.to_owned()], &[]).unwrap_err();
    assert_eq!(paths("etc/x"), GrantError::Relative("etc/x".into()));
    assert_eq!(paths("/etc/../x"), GrantError::Up("/etc/../x".into()));
    assert_eq!(paths("/"), GrantError::Everything("/".into()));
    assert_eq!(paths("/**"), GrantError::Everything("/**".into()));
    let program = ProgramGrant { program: "/bin/*".into(), args: Vec::new() };
    assert_eq!(Grants::new(vec![program], &[], &[]).unwrap_err(), GrantError::WildProgram("/bin/*".into()));
}

#[test]
fn links_out_of_a_granted_folder_lead_nowhere() {
    let temp = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(temp.path()).unwrap();
    let (open, closed) = (root.join("open"), root.join("closed"));
    fs::create_dir_all(open.join("deep")).unwrap();
    fs::create_dir_all(&closed).unwrap();
    for file in [open.join("a.log"), open.join("deep/b.log"), closed.join("secret.log")] {
        fs::write(file, "text").unwrap();
    }
    symlink(closed.join("secret.log"), open.join("out.log")).unwrap();
    symlink(&closed, open.join("folder")).unwrap();
    symlink(open.join("a.log"), open.join("in.log")).unwrap();
    symlink("/proc/self/environ", open.join("environ.log")).unwrap();
    let at = |path: &str| root.join(path).to_str().unwrap().to_owned();
    let grants = grants(&[&at("open/**/*.log"), "/proc/**"]);
    for (path, expected) in [
        (at("open/a.log"), true),
        (at("open/deep/b.log"), true),
        (at("open/in.log"), true),
        (at("open/out.log"), false),
        (at("open/folder/secret.log"), false),
        (at("open/environ.log"), false),
        (at("open/../closed/secret.log"), false),
        (at("open/./a.log"), true),
        (at("open/a.txt"), false),
        (at("open/missing.log"), false),
        (at("closed/secret.log"), false),
        ("open/a.log".to_owned(), false),
        ("/proc/self/environ".to_owned(), false),
        ("/proc/thread-self/environ".to_owned(), false),
        ("/proc/1/environ".to_owned(), false),
        ("/proc/uptime".to_owned(), true),
        (format!("{}\0", at("open/a.log")), false),
        (format!("/{}", "x".repeat(5000)), false),
    ] {
        assert_eq!(grants.open_to_read(&path).is_ok(), expected, "{path:?}");
    }
    let (missing, hidden) = (at("open/missing.log"), at("closed/nothing"));
    assert!(matches!(grants.may_read(&missing), Err(Denied::File { .. })));
    assert!(matches!(grants.may_read(&hidden), Err(Denied::Path { .. })), "nobody learns what is there");
}

#[test]
fn links_of_a_grant_are_followed_when_it_is_made() {
    let temp = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(temp.path()).unwrap();
    fs::create_dir_all(root.join("new")).unwrap();
    fs::create_dir_all(root.join("other")).unwrap();
    fs::write(root.join("new/file"), "mine").unwrap();
    fs::write(root.join("other/file"), "not mine").unwrap();
    symlink(root.join("new"), root.join("link")).unwrap();
    let path = root.join("link/file");
    let grants = grants(&[path.to_str().unwrap()]);
    let mut text = String::new();
    grants.open_to_read(path.to_str().unwrap()).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "mine");
    fs::remove_file(root.join("link")).unwrap();
    symlink(root.join("other"), root.join("link")).unwrap();
    assert!(grants.open_to_read(path.to_str().unwrap()).is_err(), "the link leads elsewhere now");
}

#[test]
fn only_regular_files_are_files() {
    let temp = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(temp.path()).unwrap();
    let grants = grants(&["/dev/**", &format!("{}/**", root.display())]);
    let pipe = root.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in ["/dev/zero", "/dev/null", root.to_str().unwrap(), pipe.to_str().unwrap()] {
        assert!(grants.open_to_read(path).is_err(), "{path}");
    }
}
