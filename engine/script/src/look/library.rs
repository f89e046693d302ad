//! Which files of a library a script wants: those that it names, `lib::tools`, and those that these name. Reads no folder, so that a
//! script that is run again from a copy finds what it found.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use base::{Diagnostic, Source};

/// A script that names more files than this was made by a machine.
const MOST_FILES: usize = 500;

/// The library's files that a text names, sorted.
pub fn library_names(text: &str) -> BTreeSet<String> {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    let named = text.match_indices("lib::").filter(|(at, _)| !text[..*at].ends_with(in_word));
    let names = named.map(|(at, found)| {
        let rest = &text[at + found.len()..];
        rest[..rest.find(|c| !in_word(c)).unwrap_or(rest.len())].to_owned()
    });
    names.filter(|name| !name.is_empty()).collect()
}

/// The library of a script, by name. `find` gives a file's text by `lib/NAME.rhai`; one that is not there is left out, and is a
/// finding where it is called.
///
/// # Errors
/// A file that is there and cannot be read.
pub fn library(script: &Source, find: &dyn Fn(&str) -> io::Result<Source>) -> Result<Vec<Source>, Diagnostic> {
    let mut found: BTreeMap<String, Option<Source>> = BTreeMap::new();
    let mut wanted = library_names(script.text());
    while let Some(name) = wanted.pop_first() {
        if found.contains_key(&name) {
            continue;
        }
        if found.len() >= MOST_FILES {
            return Err(Diagnostic::error(format!("{} names more than {MOST_FILES} files of `lib`", script.name())));
        }
        let source = match find(&format!("lib/{name}.rhai")) {
            Ok(source) => Some(source),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Diagnostic::error(format!("cannot read lib/{name}.rhai: {error}"))),
        };
        wanted.extend(source.iter().flat_map(|source| library_names(source.text())));
        found.insert(name, source);
    }
    Ok(found.into_values().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_the_files_that_use_them() {
        let text = "lib::b::f(lib::a::g()); mylib::x(); `lib::c::h()`; lib::";
        assert_eq!(library_names(text), ["a", "b", "c"].map(str::to_owned).into());
        let find = |name: &str| match name {
            "lib/a.rhai" => Ok(Source::new(name, "fn g() { lib::d::i() }")),
            "lib/d.rhai" => Ok(Source::new(name, "fn i() { lib::a::g() }")),
            "lib/c.rhai" => Err(io::ErrorKind::NotFound.into()),
            "lib/b.rhai" => Ok(Source::new(name, "")),
            _ => Err(io::Error::other(name.to_owned())),
        };
        let found = library(&Source::new("x.rhai", text), &find).unwrap();
        assert_eq!(found.iter().map(Source::name).collect::<Vec<_>>(), ["lib/a.rhai", "lib/b.rhai", "lib/d.rhai"]);
        assert!(library(&Source::new("x.rhai", "lib::e::f()"), &find).is_err());
    }
}
