//! The functions that a text may call, and findings about calls of others.

use std::collections::{BTreeMap, BTreeSet};

use base::{Diagnostic, did_you_mean};
use rhai::{AST, ASTNode, Engine, Expr, FnAccess};

use super::written::Written;

/// Functions that Rhai has beside those of its packages; they take what they take.
const BUILT_IN: [&str; 11] =
    ["print", "debug", "type_of", "eval", "Fn", "call", "curry", "is_shared", "is_def_var", "is_def_fn", "this"];

/// Functions by name, with how many arguments they take.
#[derive(Clone, Debug, Default)]
pub(crate) struct Functions(BTreeMap<String, BTreeSet<usize>>);

impl Functions {
    /// What an engine has.
    pub(crate) fn of(engine: &Engine) -> Self {
        let known = |info: rhai::FuncInfo<'_>| {
            info.namespace.is_empty().then(|| (info.metadata.name.to_string(), info.metadata.num_params))
        };
        let mut functions = Self::default();
        for (name, count) in engine.collect_fn_metadata(None, known, true) {
            functions.add(&name, count);
        }
        functions
    }

    fn add(&mut self, name: &str, count: usize) {
        self.0.entry(name.to_owned()).or_default().insert(count);
    }

    /// With those that a text defines itself.
    pub(crate) fn with_own(&self, ast: &AST) -> Self {
        let mut functions = self.clone();
        ast.iter_functions().for_each(|own| functions.add(own.name, own.params.len()));
        functions
    }

    /// What is wrong with a call; nothing when it may be right. `members` are names that values of the text have: a closure
    /// in a map is called as a method.
    pub(crate) fn judge(&self, call: &Written, members: &BTreeSet<String>) -> Option<Diagnostic> {
        let name = call.name.as_str();
        if call.qualified || BUILT_IN.contains(&name) || (call.method && members.contains(name)) {
            return None;
        }
        let count = call.args.len() + usize::from(call.method);
        let Some(counts) = self.0.get(name) else {
            let finding = Diagnostic::error(format!("unknown function `{name}`"));
            return Some(finding.help(self.near(name)));
        };
        if counts.contains(&count) {
            return None;
        }
        let before = usize::from(call.method);
        let wanted: Vec<usize> = counts.iter().filter(|count| **count >= before).map(|count| count - before).collect();
        let given = call.args.len();
        let message = match wanted.as_slice() {
            [] => format!("`{name}` is no method: call it as `{name}(..)`"),
            [one] => format!("`{name}` takes {}, here are {given}", arguments(*one)),
            [first, .., last] if last - first + 1 == wanted.len() => {
                format!("`{name}` takes {first} to {}, here are {given}", arguments(*last))
            }
            _ => {
                let list: Vec<_> = wanted.iter().map(ToString::to_string).collect();
                format!("`{name}` takes {} arguments, here are {given}", list.join(" or "))
            }
        };
        Some(Diagnostic::error(message.replace("here are 1", "here is 1")))
    }

    /// The function that was perhaps meant.
    fn near(&self, name: &str) -> String {
        // Between names of one or two letters everything is near.
        if name.len() < 3 {
            return String::new();
        }
        let plain = |name: &&str| name.chars().all(|c| c.is_alphanumeric() || c == '_');
        let known = self.0.keys().map(String::as_str).chain(BUILT_IN).filter(plain);
        did_you_mean(name, known).map(|near| format!("did you mean `{near}`?")).unwrap_or_default()
    }
}

fn arguments(count: usize) -> String {
    match count {
        0 => "no arguments".to_owned(),
        1 => "1 argument".to_owned(),
        count => format!("{count} arguments"),
    }
}

/// Findings about calls of a library's functions, `lib::tools::name(..)`; its files by name.
pub(crate) fn judged_library(library: &[(&str, &AST)], calls: &[Written]) -> Vec<(Diagnostic, base::Span)> {
    let judge = |call: &Written| {
        let Some(file) = call.module.strip_prefix("lib::") else {
            let finding = Diagnostic::error(format!("unknown module `{}`", call.module));
            return Some(finding.help("a file of the folder `lib` is `lib::NAME`"));
        };
        let Some((_, ast)) = library.iter().find(|(name, _)| *name == file) else {
            let near = did_you_mean(file, library.iter().map(|(name, _)| *name));
            let near = near.map(|near| format!("did you mean `lib::{near}`?")).unwrap_or_default();
            return Some(Diagnostic::error(format!("there is no lib/{file}.rhai here")).help(near));
        };
        let mut own = Functions::default();
        let public = ast.iter_functions().filter(|function| function.access == FnAccess::Public);
        public.for_each(|function| own.add(function.name, function.params.len()));
        own.judge(&Written { qualified: false, module: String::new(), ..call.clone() }, &BTreeSet::new())
    };
    let qualified = calls.iter().filter(|call| call.qualified);
    qualified.filter_map(|call| Some((judge(call)?, call.span))).collect()
}

/// The names of members that a text gives to maps: `#{ name: .. }`, `map.name = ..`.
fn members(ast: &AST) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    ast.walk(&mut |path| {
        match path.last() {
            Some(ASTNode::Expr(Expr::Map(entries, _))) => {
                found.extend(entries.0.iter().map(|(key, _)| key.name.to_string()));
            }
            Some(ASTNode::Expr(Expr::Property(property, _))) => {
                found.insert(property.2.to_string());
            }
            _ => {}
        }
        true
    });
    found
}

/// Findings about all calls of a text, with the places of the functions' names.
pub(crate) fn judged(functions: &Functions, ast: &AST, calls: &[Written]) -> Vec<(Diagnostic, base::Span)> {
    let (functions, members) = (functions.with_own(ast), members(ast));
    calls.iter().filter_map(|call| Some((functions.judge(call, &members)?, call.span))).collect()
}
