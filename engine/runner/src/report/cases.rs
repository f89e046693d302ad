//! JUnit for what is no run: suites of cases that passed or failed, as `iotplay test` has them. Masks nothing.

use super::line::one_line;
use super::xml::{Xml, seconds};

/// A message is an attribute: servers show it as a title.
const MESSAGE: usize = 300;

/// Cases that belong together, such as those of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseSuite {
    /// Its name, and the file that it is in.
    pub name: String,
    /// In order.
    pub cases: Vec<CaseReport>,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseReport {
    /// What it is called.
    pub name: String,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// Everything that is wrong; the first line is the title. None is a pass.
    pub failure: Option<String>,
}

/// The whole document.
///
/// # Errors
/// Want of memory.
pub fn junit_of_cases(name: &str, suites: &[CaseSuite]) -> std::io::Result<Vec<u8>> {
    let mut xml = Xml::new()?;
    let (tests, failures, time) = sums(suites.iter().flat_map(|suite| &suite.cases));
    let attributes = [("name", name), ("tests", &*tests), ("failures", &*failures), ("errors", "0"), ("time", &*time)];
    xml.open("testsuites", &attributes)?;
    for suite in suites {
        let (tests, failures, time) = sums(&suite.cases);
        let attributes = [
            ("name", &*suite.name),
            ("tests", &*tests),
            ("failures", &*failures),
            ("errors", "0"),
            ("skipped", "0"),
            ("time", &*time),
            ("file", &*suite.name),
        ];
        xml.open("testsuite", &attributes)?;
        for case in &suite.cases {
            let time = seconds(case.millis);
            let attributes = [("name", &*case.name), ("classname", &*suite.name), ("time", &*time)];
            match &case.failure {
                None => xml.empty("testcase", &attributes)?,
                Some(failure) => {
                    xml.open("testcase", &attributes)?;
                    let title = one_line(failure.lines().next().unwrap_or_default(), MESSAGE);
                    xml.text("failure", &[("type", "failed"), ("message", &title)], failure)?;
                    xml.close("testcase")?;
                }
            }
        }
        xml.close("testsuite")?;
    }
    xml.close("testsuites")?;
    Ok(xml.done())
}

fn sums<'c>(cases: impl IntoIterator<Item = &'c CaseReport>) -> (String, String, String) {
    let (mut tests, mut failures, mut millis) = (0_u64, 0_u64, 0);
    for case in cases {
        tests += 1;
        failures += u64::from(case.failure.is_some());
        millis += case.millis;
    }
    (tests.to_string(), failures.to_string(), seconds(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_suite_and_a_failure_keeps_its_lines() {
        let good = CaseReport { name: "works".into(), millis: 2, failure: None };
        let bad = CaseReport { name: "a <b>".into(), millis: 1, failure: Some("error: no\n --> c.yaml:1:1".into()) };
        let suite = CaseSuite { name: "c.yaml".into(), cases: vec![good, bad] };
        let text = String::from_utf8(junit_of_cases("iotplay test", &[suite]).unwrap()).unwrap();
        for part in [
            r#"<testsuites name="iotplay test" tests="2" failures="1" errors="0" time="0.003">"#,
            r#"<testcase name="works" classname="c.yaml" time="0.002"/>"#,
            r#"<testcase name="a &lt;b&gt;""#,
            "message=\"error: no\">error: no\n --&gt; c.yaml:1:1</failure>",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
