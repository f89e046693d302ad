//! What stays at hand while a file is read from top to bottom: findings, the names known so far, and what expressions used.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{Diagnostic, Diagnostics, Place, Source, Span};
use script::Expressions;

use super::check::{Check, Known};
use super::shelf::{Shelf, beside};
use super::{Key, Node, keys};
use crate::Registry;

/// A file being read.
pub(super) struct Walk<'a> {
    /// The file being read: the playbook, or one that it includes.
    pub(super) source: Source,
    /// The files around it, outermost first.
    pub(super) including: Vec<Source>,
    pub(super) shelf: &'a Shelf<'a>,
    pub(super) registry: &'a Registry,
    pub(super) expressions: &'a Expressions,
    pub(super) facts: &'a [&'a str],
    pub(super) found: Diagnostics,
    /// Name and span of every step so far.
    pub(super) steps: Vec<(Arc<str>, Span)>,
    pub(super) known: Known,
    /// Names that are always there, or that a play declares: what `register` must not take.
    pub(super) reserved: BTreeSet<String>,
    /// Every path that was used so far, in reading order.
    pub(super) used: Vec<String>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        source: Source,
        shelf: &'a Shelf<'a>,
        expressions: &'a Expressions,
        facts: &'a [&'a str],
    ) -> Self {
        Self {
            source,
            including: Vec::new(),
            shelf,
            registry: shelf.registry,
            expressions,
            facts,
            found: Diagnostics::default(),
            steps: Vec::new(),
            known: Known::default(),
            reserved: BTreeSet::new(),
            used: Vec::new(),
        }
    }

    /// Checks with the names known here and a few more; remembers which paths were used, and gives
    /// those back that the runner must see to.
    pub(super) fn check<T>(&mut self, more: &[&str], work: impl FnOnce(&mut Check<'_>) -> T) -> (T, BTreeSet<String>) {
        let added: Vec<_> = more.iter().filter(|name| self.known.names.insert((**name).to_owned())).copied().collect();
        let mut check = Check::new(&self.source, &mut self.found, &self.known, self.expressions);
        check.shelf = Some(self.shelf);
        let value = work(&mut check);
        let (used, read_by_verb) = (check.used, check.read_by_verb);
        let needed = used.difference(&read_by_verb).cloned().collect();
        self.used.extend(used);
        for name in added {
            self.known.names.remove(name);
        }
        (value, needed)
    }

    /// Reads what runs once, on the runner: there is no device, and no fact of one; perhaps one name more.
    pub(super) fn on_runner<T>(&mut self, more: Option<&str>, work: impl FnOnce(&mut Self) -> T) -> T {
        let facts = self.facts.iter().copied();
        let hidden: Vec<_> = facts.chain(["device"]).filter(|name| self.known.names.remove(*name)).collect();
        self.known.names.extend(more.map(str::to_owned));
        let value = work(self);
        self.known.names.extend(hidden.into_iter().map(str::to_owned));
        if let Some(more) = more {
            self.known.names.remove(more);
        }
        value
    }

    /// Decodes a value that uses no names.
    pub(super) fn decode<T: serde::de::DeserializeOwned>(&mut self, node: &Node) -> Option<T> {
        self.check(&[], |check| check.decode(node)).0
    }

    pub(super) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.push(Diagnostic::error(message), span);
    }

    pub(super) fn push(&mut self, finding: Diagnostic, span: Span) {
        self.found.push(finding.at(self.source.place(span)));
    }

    /// Says that a key is not known here.
    pub(super) fn unknown(&mut self, key: &Key, fields: &[&str]) {
        let finding = keys::unknown(&key.text, fields, None);
        self.push(finding, key.span);
    }

    /// A file's name as it is from where the program runs: files lie beside the playbook that names them.
    pub(super) fn beside(&self, name: &str) -> Arc<str> {
        beside(self.source.name(), name).display().to_string().into()
    }

    /// A map's entries; anything else is an error. `what` is what the map describes.
    pub(super) fn map<'n>(&mut self, node: &'n Node, what: &str) -> &'n [(Key, Node)] {
        if !node.is_map() {
            let finding = Diagnostic::error(format!("{what} is a map of keys")).note(node.what());
            self.push(finding, node.span);
        }
        node.entries()
    }

    /// The facts among the roots of these paths.
    pub(super) fn facts_of(&self, used: &BTreeSet<String>) -> Vec<Arc<str>> {
        let roots: BTreeSet<_> = used.iter().filter_map(|path| path.split('.').next()).collect();
        self.facts.iter().filter(|fact| roots.contains(**fact)).map(|fact| Arc::from(*fact)).collect()
    }

    /// The names that a list of steps registers anywhere, with their places: for the message about one used too early.
    pub(super) fn foresee(&mut self, node: &Node) {
        if self.including.is_empty() {
            self.known.later.clear();
        }
        collect(node, &self.source, &mut self.known.later);
    }
}

fn collect(node: &Node, source: &Source, later: &mut BTreeMap<String, Place>) {
    if let super::NodeKind::List(items) = &node.kind {
        items.iter().for_each(|item| collect(item, source, later));
    }
    for (key, value) in node.entries() {
        if &*key.text == "register"
            && let Some(name) = value.scalar()
        {
            later.entry(name.to_owned()).or_insert_with(|| source.place(value.span));
        }
        collect(value, source, later);
    }
}
