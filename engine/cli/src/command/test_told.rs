//! What `iotplay test` says: a line a case and its differences on stderr, JSON on stdout, JUnit in a file.

use std::time::Duration;

use agent::{Case, CaseOutcome};
use base::{Diagnostic, Mask};
use runner::{CaseReport, CaseSuite, ReportFile, junit_of_cases, write_report};
use serde_json::{Value, json};

use crate::args::Output;
use crate::process::{Stdout, Trouble, chain, err};

/// Tells each case when it has been played.
pub(super) struct Told {
    output: Option<Output>,
    suites: Vec<CaseSuite>,
    objects: Vec<Value>,
    took: Duration,
}

/// How all went.
pub(super) struct Verdict(Vec<CaseSuite>);

impl Told {
    pub(super) fn new(output: Option<Output>) -> Self {
        Self { output, suites: Vec::new(), objects: Vec::new(), took: Duration::ZERO }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.suites.is_empty()
    }

    /// A case was played.
    pub(super) fn case(&mut self, file: &str, case: &Case, outcome: &CaseOutcome) {
        let failed = !outcome.found.is_empty();
        let word = if failed { "FAILED" } else { "ok" };
        err(&format!("{word:<7} {}  {} ({})", case.label(), case.name(), millis(outcome.took)));
        let text = outcome.found.to_string();
        if failed {
            err(text.trim_end());
        }
        self.took += outcome.took;
        let findings: Vec<Value> = outcome.found.0.iter().map(finding).collect();
        let object = json!({
            "event": "case",
            "file": file,
            "at": case.label(),
            "name": case.name(),
            "outcome": if failed { "failed" } else { "passed" },
            "seconds": outcome.took.as_secs_f64(),
            "findings": findings,
        });
        match self.output {
            Some(Output::Ndjson) => say(&object),
            Some(Output::Json) => self.objects.push(object),
            None => {}
        }
        let report = CaseReport {
            name: case.name().to_owned(),
            millis: u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX),
            failure: failed.then(|| text.trim_end().to_owned()),
        };
        match self.suites.last_mut().filter(|suite| suite.name == file) {
            Some(suite) => suite.cases.push(report),
            None => self.suites.push(CaseSuite { name: file.to_owned(), cases: vec![report] }),
        }
    }

    /// All were played.
    pub(super) fn end(self) -> Verdict {
        let verdict = Verdict(self.suites);
        let (all, failed) = (verdict.all(), verdict.failed());
        err(&format!("cases   {} passed, {failed} failed ({})", all - failed, millis(self.took)));
        let counts = |mut object: Value| {
            object["passed"] = (all - failed).into();
            object["failed"] = failed.into();
            object["seconds"] = self.took.as_secs_f64().into();
            object
        };
        match self.output {
            Some(Output::Ndjson) => say(&counts(json!({ "event": "end" }))),
            Some(Output::Json) => say(&counts(json!({ "cases": self.objects }))),
            None => {}
        }
        verdict
    }
}

impl Verdict {
    fn all(&self) -> usize {
        self.0.iter().map(|suite| suite.cases.len()).sum()
    }

    /// How many cases failed.
    pub(super) fn failed(&self) -> usize {
        self.0.iter().flat_map(|suite| &suite.cases).filter(|case| case.failure.is_some()).count()
    }

    /// Writes the reports.
    pub(super) fn report(&self, files: &[ReportFile]) -> Result<(), Trouble> {
        for file in files {
            let written =
                junit_of_cases("iotplay test", &self.0).map_err(|error| Trouble::internal(error.to_string()))?;
            let masked = Mask::process().apply(&String::from_utf8_lossy(&written)).into_owned();
            write_report(file, masked.as_bytes()).map_err(|error| Trouble::usage(chain(&error)))?;
        }
        Ok(())
    }
}

fn say(object: &Value) {
    Stdout::line(&Mask::process().apply(&object.to_string()));
}

fn finding(found: &Diagnostic) -> Value {
    json!({
        "label": found.label,
        "message": found.message,
        "at": found.place.as_ref().map(base::Place::label),
        "note": found.note,
        "help": found.help,
    })
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}
