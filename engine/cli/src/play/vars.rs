//! All `-e` of a command line, in order. Their forms, names and types are the playbook's matter; here only files are fetched.

use std::io;

use runner::ExtraVar;
use runner::book::parse_extra;

use crate::process::{Exit, Trouble};
use crate::project;

/// All `-e` in order; a later one wins.
pub(crate) fn parse(given: &[String]) -> Result<Vec<(String, ExtraVar)>, Trouble> {
    // A missing file of variables is the command line's fault, not the playbook's.
    let fetch = |file: &str| match project::read(file.as_ref()) {
        Ok(source) => Ok(source.text().to_owned()),
        Err(trouble) => {
            let said = trouble.found.0.into_iter().next().map(|finding| finding.message).unwrap_or_default();
            Err(io::Error::other(said.trim_start_matches(&format!("cannot read {file}: ")).to_owned()))
        }
    };
    let mut vars = Vec::new();
    for text in given {
        vars.extend(parse_extra(text, &fetch).map_err(|found| Trouble::new(Exit::USAGE, found))?);
    }
    Ok(vars)
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
            assert_eq!(refused.exit, Exit::USAGE, "{bad}");
        }
        assert!(parse(&["@/etc/hostname".into()]).is_err());
    }
}
