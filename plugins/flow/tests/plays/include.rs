//! `include`: steps of another file in the place of the step that names it.

use std::rc::Rc;

use super::stage::{World, options, read, run, world};

const PLAY: &str = "vars: { reason: update }\nsteps:\n  - get_twin:\n    register: before\n  - include: steps/call.yaml\n    vars: { method: ping }\n\
                    \x20   register: last\n  - log: done ${{ last.status }} ${{ reply.status }}\n";
const CALL: &str = "- invoke_method: { name: \"${{ method }}\", payload: \"${{ reason }} ${{ before.reported.fw }}\" }\n  register: reply\n";

#[tokio::test(start_paused = true)]
async fn steps_of_another_file_see_what_the_step_sees() {
    let world = world(&["a"]);
    let ran = run(&world, &[("play.yaml", PLAY), ("steps/call.yaml", CALL)], &options()).await;
    assert_eq!(ran.result.exit, 0, "{:?}", ran.findings());
    assert_eq!(*world.calls.borrow(), ["a ping \"update 1.9\""]);
    assert_eq!(ran.said(), ["done 200 200"]);
    let book = read(&world, &[("play.yaml", PLAY), ("steps/call.yaml", CALL)]).unwrap();
    assert_eq!(
        book.steps.iter().map(|(name, _)| &**name).collect::<Vec<_>>(),
        ["get_twin", "include", "invoke_method", "log"]
    );
    assert_eq!(book.files.iter().map(|file| file.name()).collect::<Vec<_>>(), ["steps/call.yaml"]);
    assert_eq!(ran.steps().iter().map(|step| step.split(' ').nth(1).unwrap()).collect::<Vec<_>>(), ["0", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn what_stands_beside_it_is_for_all_of_them() {
    let world = world(&["a"]);
    let text = "steps:\n  - include: { file: call.yaml }\n    loop: [x, y]\n    when: item != 'x' or device.id == 'b'\n    tags: [calls]\n";
    let files = [("play.yaml", text), ("call.yaml", "- invoke_method: { name: \"${{ item }}\" }\n")];
    let ran = run(&world, &files, &options()).await;
    assert_eq!((ran.result.exit, world.calls.borrow().clone()), (0, vec!["a y".to_owned()]), "{:?}", ran.findings());
    let others = runner::RunOptions { tags: vec!["other".into()], ..options() };
    run(&world, &files, &others).await;
    assert_eq!(world.calls.borrow().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_names_the_included_file() {
    let world = world(&["broken"]);
    let text = "steps:\n  - block:\n      - include: deep/one.yaml\n    rescue:\n      - log: ${{ error.at }} ${{ error.step }}\n      - fail: ${{ error.message }}\n";
    let files = [
        ("play.yaml", text),
        ("deep/one.yaml", "- include: two.yaml\n"),
        ("deep/two.yaml", "\n- name: Call it\n  invoke_method: { name: m }\n"),
    ];
    let ran = run(&world, &files, &options()).await;
    assert_eq!(ran.said(), ["deep/two.yaml:3:3 Call it"]);
    assert!(
        ran.findings()[0].contains(" --> deep/two.yaml:3:3\n3 |   invoke_method: { name: m }\n  |   ^^^^"),
        "{:?}",
        ran.findings()
    );
}

fn refused(files: &[(&str, &str)]) -> String {
    let world: Rc<World> = world(&["a"]);
    read(&world, files).err().expect("it is wrong")
}

#[test]
fn findings_name_the_included_file_and_who_includes_it() {
    let found = refused(&[
        ("play.yaml", "steps:\n  - include: a.yaml\n  - lgo: x\n"),
        ("a.yaml", "- log: ${{ nobody }}\n- lgo: y\n"),
    ]);
    for part in [
        "error: unknown verb `lgo`\n --> play.yaml:3:5\n",
        "error: unknown name `nobody`\n --> a.yaml:1:12\n1 | - log: ${{ nobody }}\n",
        "error: unknown verb `lgo`\n --> a.yaml:2:3\n2 | - lgo: y\n  |   ^^^\nhelp: did you mean `log`?\nhelp: included at play.yaml:2:14\n",
    ] {
        assert!(found.contains(part), "{part}\nin\n{found}");
    }
    assert!(found.find("play.yaml:3:5") < found.find("a.yaml:1:12"), "the playbook's own come first");
    let late = refused(&[
        ("play.yaml", "steps:\n  - include: a.yaml\n  - get_twin:\n    register: late\n"),
        ("a.yaml", "- log: ${{ late }}\n"),
    ]);
    assert!(late.contains("only a later step registers it, at play.yaml:4"), "{late}");
}

#[test]
fn files_that_cannot_be_included() {
    let include = "steps:\n  - include: a.yaml\n";
    for (files, said) in [
        (vec![("play.yaml", include)], "no such file: a.yaml"),
        (vec![("play.yaml", "steps:\n  - include: ${{ device.id }}.yaml\n")], "cannot stand here: this is read once"),
        (vec![("play.yaml", include), ("a.yaml", "name: x\nsteps:\n  - get_twin:\n")], "this one is a play"),
        (vec![("play.yaml", include), ("a.yaml", "get_twin:\n")], "an included file is a list of steps"),
        (vec![("play.yaml", include), ("a.yaml", "- [\n")], "--> a.yaml:"),
        (
            vec![
                ("play.yaml", include),
                ("a.yaml", "- include: sub/b.yaml\n"),
                ("sub/b.yaml", "- include: ../a.yaml\n"),
            ],
            "a.yaml includes itself: a.yaml -> sub/b.yaml -> a.yaml",
        ),
        (vec![("play.yaml", "steps:\n  - include: play.yaml\n")], "play.yaml includes itself: play.yaml -> play.yaml"),
        (vec![("play.yaml", "steps:\n  - include:\n")], "`file` is missing"),
        (
            vec![("play.yaml", "steps:\n  - include: { file: a.yaml, vars: { a: 1 } }\n"), ("a.yaml", "- get_twin:\n")],
            "`vars` stands beside `include`, not inside it",
        ),
    ] {
        let found = refused(&files);
        assert!(found.contains(said), "{said}\nin\n{found}");
    }
}

#[test]
fn they_are_included_so_deep_and_so_often() {
    let name = |n: usize| format!("{n}.yaml");
    let texts: Vec<(String, String)> = (0..40).map(|n| (name(n), format!("- include: {}\n", name(n + 1)))).collect();
    let mut files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    files.push(("play.yaml", "steps:\n  - include: 0.yaml\n"));
    assert!(refused(&files).contains("16 deep"), "{}", refused(&files));
    let texts: Vec<(String, String)> =
        (0..14).map(|n| (name(n), format!("- include: {0}\n- include: {0}\n", name(n + 1)))).collect();
    let mut files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    files.extend([("play.yaml", "steps:\n  - include: 0.yaml\n"), ("14.yaml", "- get_twin:\n")]);
    assert!(refused(&files).contains("more than 10000 steps"), "grows without end otherwise");
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_shows_what_the_included_steps_would_send() {
    let world = world(&["a"]);
    let options = runner::RunOptions { check: true, ..options() };
    let ran = run(&world, &[("play.yaml", PLAY), ("steps/call.yaml", CALL)], &options).await;
    assert!(ran.steps().contains(&"a 2 skipped: would call ping \"update 1.9\"".to_owned()), "{:?}", ran.steps());
    assert!(world.calls.borrow().is_empty());
}
