//! `-e`: `key=value`, `{json}` or `@file`. Says what was given; which names exist and which types they have is the playbook's matter.

use runner::ExtraVar;
use serde_json::Value;

use crate::process::Trouble;
use crate::project;

/// All `-e` in order; a later one wins.
pub(crate) fn parse(given: &[String]) -> Result<Vec<(String, ExtraVar)>, Trouble> {
    let mut vars = Vec::new();
    for text in given {
        match text.strip_prefix('@') {
            Some(path) => {
                let source = project::read(path.as_ref()).map_err(as_usage)?;
                vars.extend(map(source.text(), &format!("-e @{path}"))?);
            }
            None if text.trim_start().starts_with('{') => vars.extend(map(text, "-e")?),
            None => vars.push(pair(text)?),
        }
    }
    Ok(vars)
}

fn pair(text: &str) -> Result<(String, ExtraVar), Trouble> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), ExtraVar::Text(value.to_owned())))
        }
        _ => Err(Trouble::usage(format!("-e {text}: neither name=value, nor {{json}}, nor @file"))
            .help("-e deadline=5m   or   -e '{\"deadline\":\"5m\"}'   or   -e @vars.yaml")),
    }
}

/// YAML 1.2 reads JSON too, so one reader serves both forms and both kinds of file.
fn map(text: &str, origin: &str) -> Result<Vec<(String, ExtraVar)>, Trouble> {
    let options = serde_yaml::options! { strict_booleans: true, with_snippet: false };
    let value: Value = serde_yaml::from_str_with_options(text, options)
        .map_err(|error| Trouble::usage(format!("{origin}: {error}")))?;
    match value {
        Value::Object(fields) => Ok(fields.into_iter().map(|(name, value)| (name, ExtraVar::Value(value))).collect()),
        _ => Err(Trouble::usage(format!("{origin}: a map of variables is needed"))),
    }
}

/// A missing file of variables is the command line's fault, not the playbook's.
fn as_usage(trouble: Trouble) -> Trouble {
    Trouble { exit: crate::process::Exit::USAGE, ..trouble }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn three_forms_are_read_in_order() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "rate: 7\n").unwrap();
        let at = format!("@{}", file.path().display());
        let vars = parse(&["a=b=c".into(), "{\"n\": [1, null]}".into(), at]).unwrap();
        let expected = [
            ("a".to_owned(), ExtraVar::Text("b=c".into())),
            ("n".to_owned(), ExtraVar::Value(json!([1, null]))),
            ("rate".to_owned(), ExtraVar::Value(json!(7))),
        ];
        assert_eq!(vars, expected);
    }

    #[test]
    fn what_is_none_of_the_three_is_a_usage_error() {
        for bad in ["novalue", "=x", "{", "{]", "@/no/such/file"] {
            let refused = parse(&[bad.to_owned()]).unwrap_err();
            assert_eq!(refused.exit, crate::process::Exit::USAGE, "{bad}");
        }
        assert!(parse(&["@/etc/hostname".into()]).is_err());
    }
}
