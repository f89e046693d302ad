//! Where reports go: folders are made, what cannot be written is said, nobody reads half of one.

use std::fs;

use base::Clock;
use iotplay_runner::{ReportFile, ReportKind, Reporter as _, Reports};

use super::stream::mixed;

fn file(path: impl Into<std::path::PathBuf>) -> Vec<ReportFile> {
    vec![ReportFile { kind: ReportKind::Junit, path: path.into() }]
}

#[test]
fn folders_are_made_and_nothing_is_left_beside() {
    let folder = tempfile::tempdir().unwrap();
    mixed().write(&folder.path().join("a/b"));
    let mut names: Vec<String> = fs::read_dir(folder.path().join("a/b"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["junit.xml", "page.html", "summary.md"]);
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("taken"), "").unwrap();
    for path in ["taken/report.xml", ".", "taken/.."] {
        let refused = Reports::new(file(folder.path().join(path)), None, Clock::system()).err();
        let refused = refused.unwrap_or_else(|| panic!("{path} was taken"));
        assert!(refused.to_string().starts_with("the report junit cannot be written to "), "{refused}");
        assert!(refused.fatal && std::error::Error::source(&refused).is_some());
    }
}

#[test]
fn what_goes_wrong_at_the_end_is_told_and_an_old_report_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sub/report.xml");
    let summary = folder.path().join("no/such/summary.md");
    let reports = Reports::new(file(&path), Some(summary), Clock::system()).unwrap();
    // While the run goes on, the folder becomes a file.
    fs::remove_dir(folder.path().join("sub")).unwrap();
    fs::write(folder.path().join("sub"), "").unwrap();
    mixed().0.iter().for_each(|event| reports.on(event));
    let troubles = reports.troubles();
    let told: Vec<(bool, bool)> =
        troubles.iter().map(|error| (error.fatal, error.to_string().contains("GITHUB_STEP_SUMMARY"))).collect();
    assert_eq!(told, [(true, false), (false, true)]);
    assert!(reports.troubles().is_empty(), "each is told once");
}

#[test]
fn a_summary_is_appended_and_a_report_replaced() {
    let folder = tempfile::tempdir().unwrap();
    mixed().write(folder.path());
    let once = fs::read_to_string(folder.path().join("junit.xml")).unwrap();
    mixed().write(folder.path());
    assert_eq!(fs::read_to_string(folder.path().join("junit.xml")).unwrap(), once);
    assert_eq!(fs::read_to_string(folder.path().join("summary.md")).unwrap().matches("reboot&#46;yaml").count(), 2);
}
