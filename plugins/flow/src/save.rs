//! `save: { file, content }`: writes a value under the run's folder for files; the suffix says how (`.json`, `.csv`, `.yaml`,
//! anything else as text). Names are cleaned: nothing is ever written outside the folder.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use base::Mask;
use futures_util::future::LocalBoxFuture;
use runner::book::{Check, Filled, Node};
use runner::{Action, Class, Failure, Outcome, Progress, Ready, StepContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::verb::{Parameters, Verb};

/// Deeper folders are a mistake in the name.
const DEEPEST: usize = 8;
/// Longer names are refused by common file systems.
const LONGEST: usize = 200;

/// What is written, and where.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Save {
    /// The name, perhaps with folders, under the run's own folder.
    file: Filled<String>,
    /// What is written.
    content: Filled<Value>,
    /// Whether secrets are written as they are, for the eyes of the file's owner only; otherwise they are hidden here too.
    #[serde(default)]
    secrets: bool,
}

pub(crate) fn verb() -> Rc<dyn Action> {
    let about = "writes a value into a file of the run";
    Rc::new(Verb::<Save>::new("save", about, None).positional(&["file", "content"]).on_runner())
}

impl Parameters for Save {
    fn ready(self, _: &Node, _: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        Some(Box::new(self))
    }
}

impl Ready for Save {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(async move { self.write(step).await.unwrap_or_else(Outcome::Failed) })
    }
}

impl Save {
    async fn write(&self, step: &StepContext<'_>) -> Result<Outcome, Failure> {
        let name = step.fill(&self.file)?;
        let content = step.fill(&self.content)?;
        let fail = |message: String| Failure::new(Class::Failed, message);
        // A name is seen by whoever sees the folder.
        let name = Mask::process().apply(&name);
        let relative = clean(&name).ok_or_else(|| fail(format!("`{name}` is no file name")))?;
        let text = if self.secrets { form(&relative, &content) } else { form(&relative, &masked(content)) };
        let path = step.files.join(&relative);
        (step.progress)(Progress::Says(relative.display().to_string()));
        if step.check_mode {
            return Ok(Outcome::read(json!(relative)));
        }
        let folder = path.parent().unwrap_or(step.files);
        let written = async {
            tokio::fs::create_dir_all(folder).await?;
            write(&path, text, self.secrets).await
        };
        written.await.map_err(|error| fail(format!("cannot write {}: {error}", path.display())))?;
        Ok(Outcome::read(json!(path)))
    }
}

/// Secrets in every text, in keys too: once written, quotes and separators could hide one from the mask.
fn masked(value: Value) -> Value {
    let hidden = |text: String| Mask::process().apply(&text).into_owned();
    match value {
        Value::String(text) => hidden(text).into(),
        Value::Array(items) => items.into_iter().map(masked).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (hidden(key), masked(value))).collect(),
        other => other,
    }
}

async fn write(path: &Path, text: String, private: bool) -> std::io::Result<()> {
    if !private {
        return tokio::fs::write(path, text).await;
    }
    // A file that is there already would keep the rights that it has.
    match tokio::fs::remove_file(path).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(path).await?;
    file.write_all(text.as_bytes()).await?;
    file.flush().await
}

/// The name without what leads out of the folder or is not allowed somewhere.
fn clean(name: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for part in name.split(['/', '\\']) {
        let part: String = part
            .chars()
            .map(|c| if c.is_control() || matches!(c, ':' | '*' | '?' | '"' | '<' | '>' | '|') { '_' } else { c })
            .take(LONGEST)
            .collect();
        match part.trim_matches([' ', '.']) {
            "" => {}
            _ if part.starts_with("..") => path.push(part.trim_start_matches('.')),
            _ => path.push(part.trim_end_matches([' ', '.'])),
        }
    }
    let parts = path.components().count();
    (parts > 0 && parts <= DEEPEST).then_some(path)
}

fn form(path: &Path, content: &Value) -> String {
    let suffix = path.extension().and_then(|suffix| suffix.to_str()).unwrap_or("");
    match (suffix, content) {
        // JSON is YAML.
        ("json" | "yaml" | "yml", value) => format!("{value:#}\n"),
        ("csv", Value::Array(rows)) => csv(rows),
        (_, Value::String(text)) => text.clone(),
        (_, value) => value.to_string(),
    }
}

/// A list of maps as a table with the first row's keys, any other list as one row each.
fn csv(rows: &[Value]) -> String {
    let columns: Vec<&String> = rows.iter().filter_map(Value::as_object).take(1).flat_map(|row| row.keys()).collect();
    let mut text = String::new();
    let mut line = |cells: Vec<String>| {
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    };
    if !columns.is_empty() {
        line(columns.iter().map(|name| quoted(name)).collect());
    }
    for row in rows {
        match row {
            Value::Object(map) => line(columns.iter().map(|name| cell(map.get(*name))).collect()),
            Value::Array(cells) => line(cells.iter().map(|value| cell(Some(value))).collect()),
            value => line(vec![cell(Some(value))]),
        }
    }
    text
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => quoted(text),
        Some(other) => quoted(&other.to_string()),
    }
}

/// RFC 4180; a text that a spreadsheet would take for a formula gets an apostrophe.
fn quoted(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '@']) || (text.starts_with('-') && text.parse::<f64>().is_err());
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out_of_the_folder() {
        for (name, cleaned) in [
            ("a.json", Some("a.json")),
            ("logs/press-7.txt", Some("logs/press-7.txt")),
            ("../../etc/passwd", Some("etc/passwd")),
            ("/etc/passwd", Some("etc/passwd")),
            ("a/../b", Some("a/b")),
            ("..\\b:c", Some("b_c")),
            ("..", None),
            ("", None),
            ("a/b/c/d/e/f/g/h/i", None),
        ] {
            assert_eq!(clean(name), cleaned.map(PathBuf::from), "{name}");
        }
    }

    #[test]
    fn a_table_has_the_first_rows_columns() {
        let rows = [json!({ "id": "a", "error": null, "n": 1 }), json!({ "id": "b,\"c\"", "n": -2.5, "more": 1 })];
        assert_eq!(csv(&rows), "id,error,n\r\na,,1\r\n\"b,\"\"c\"\"\",,-2.5\r\n");
        assert_eq!(csv(&[json!("=SUM(A1)")]), "'=SUM(A1)\r\n");
    }
}
