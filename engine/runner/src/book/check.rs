//! The check of a file at load: where findings, known names and compiled expressions come together. Plugins decode their
//! parameters through it.

use std::collections::{BTreeMap, BTreeSet};

use base::{Diagnostic, Diagnostics, Place, Source, Span};
use serde::de::DeserializeOwned;

use super::decode;
use super::expression::Expression;
use super::shelf::Shelf;
use super::template::Template;
use super::{Node, keys, names};

/// Names that an expression may use at the present point of the file.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// vars, registered names, `device`, `item`, facts and so on.
    pub names: BTreeSet<String>,
    /// Those among them that a step registered: `changed` is about these.
    pub registered: BTreeSet<String>,
    /// Names that only a later step registers, with the place where it says so, for the message.
    pub later: BTreeMap<String, Place>,
    /// Names with a fixed set of members (`env`, `secret`): what `env.NAME` may say.
    pub members: BTreeMap<String, BTreeSet<String>>,
}

/// What a check of parameters works with.
pub struct Check<'a> {
    /// The file.
    pub source: &'a Source,
    /// All findings so far.
    pub found: &'a mut Diagnostics,
    /// The names known here.
    pub known: &'a Known,
    /// The one expression set-up.
    pub expressions: &'a script::Expressions,
    /// The verb whose parameters are read, and the place of its key: where a missing parameter is shown.
    pub verb: Option<(&'static str, Span)>,
    /// Every dotted path that an expression used so far (`before.reported.rebootTime`, `twin`).
    pub(crate) used: BTreeSet<String>,
    /// Those among them that the verb sees to itself.
    pub(crate) read_by_verb: BTreeSet<String>,
    /// Files that the playbook names, and the verbs of the process; none outside of a playbook.
    pub(crate) shelf: Option<&'a Shelf<'a>>,
}

impl<'a> Check<'a> {
    /// A check that has found nothing.
    pub fn new(
        source: &'a Source,
        found: &'a mut Diagnostics,
        known: &'a Known,
        expressions: &'a script::Expressions,
    ) -> Self {
        Self {
            source,
            found,
            known,
            expressions,
            verb: None,
            used: BTreeSet::new(),
            read_by_verb: BTreeSet::new(),
            shelf: None,
        }
    }

    /// Decodes a parameter struct: serde derive with `deny_unknown_fields`, fields of plain types, `Duration`,
    /// [`Filled`](super::Filled), [`Expression`], [`Template`], [`OneOrMany`](super::OneOrMany) and [`Node`].
    /// All errors of the node are found at once and placed exactly; `None` when there was one.
    pub fn decode<T: DeserializeOwned>(&mut self, node: &Node) -> Option<T> {
        decode::decode(node, self)
    }

    /// Compiles a bare expression (`when`, `until`). `None`, with a finding, when it is not one.
    pub fn expression(&mut self, node: &Node) -> Option<Expression> {
        Expression::compile(node, self)
    }

    /// Compiles every `${{ }}` in a tree. `None`, with a finding, when one is not an expression.
    pub fn template(&mut self, node: &Node) -> Option<Template> {
        Template::compile(node, self)
    }

    /// A file that the playbook names, looked for beside it. `None`, with a finding, when it cannot be read.
    pub fn file(&mut self, name: &str, span: Span) -> Option<Source> {
        let Some(shelf) = self.shelf else {
            let verb = self.verb.map_or("this", |(verb, _)| verb);
            self.push(Diagnostic::error(format!("`{verb}` belongs in a playbook: no file lies beside it here")), span);
            return None;
        };
        shelf.read(self.source, name).map_err(|finding| self.push(finding, span)).ok()
    }

    /// Says that the verb reads the facts of this expression itself (`wait_until`): the runner need not fetch them before.
    pub fn reads_itself(&mut self, expression: &Expression) {
        self.read_by_verb.extend(expression.paths());
    }

    /// Notes what is read of the names in sight. `false`, with findings at `place`, when a member is unknown.
    pub(crate) fn uses(&mut self, paths: Vec<String>, place: &Place) -> bool {
        names::paths(paths, place, self)
    }

    /// Adds an error at a place.
    pub fn error(&mut self, span: Span, message: impl Into<String>) {
        self.push(Diagnostic::error(message), span);
    }

    /// Adds any finding at a place.
    pub fn push(&mut self, diagnostic: Diagnostic, span: Span) {
        let placed = diagnostic.at(self.source.place(span));
        if !self.found.0.contains(&placed) {
            self.found.push(placed);
        }
    }

    /// Adds the finding that a key is not known here; `fields` are those that are.
    pub(crate) fn unknown_key(&mut self, key: &super::Key, fields: &[&str]) {
        let finding = keys::unknown(&key.text, fields, self.verb.map(|(verb, _)| verb));
        self.push(finding, key.span);
    }
}
