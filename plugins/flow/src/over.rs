//! A device's scope with a few names laid over it: facts that a verb has just read.

use runner::Scope;
use script::Dynamic;

/// `names` first, then what is under them.
pub(crate) struct Over<'a> {
    pub(crate) names: &'a [(&'a str, Dynamic)],
    pub(crate) under: &'a dyn Scope,
}

impl Scope for Over<'_> {
    fn get(&self, name: &str) -> Option<Dynamic> {
        let own = self.names.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        own.or_else(|| self.under.get(name))
    }
}
