//! A plugin brings verbs and perhaps an inventory; the registry holds them by name.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::{Action, Inventory};

/// A vocabulary.
pub trait Plugin {
    /// Its name, for `plugins list`.
    fn name(&self) -> &'static str;

    /// Its verbs.
    fn actions(&self) -> Vec<Rc<dyn Action>>;

    /// Its devices, if it has any.
    fn inventory(&self) -> Option<Rc<dyn Inventory>> {
        None
    }
}

/// All verbs of a process by name.
#[derive(Clone, Default)]
pub struct Registry {
    actions: BTreeMap<&'static str, (&'static str, Rc<dyn Action>)>,
}

impl Registry {
    /// The verbs of these plugins. Two verbs of one name are a mistake in the binary's wiring.
    pub fn new(plugins: &[&dyn Plugin]) -> Self {
        let mut actions = BTreeMap::new();
        for plugin in plugins {
            for action in plugin.actions() {
                let name = action.name();
                let twin = actions.insert(name, (plugin.name(), action));
                assert!(twin.is_none(), "two plugins bring the verb `{name}`");
            }
        }
        Self { actions }
    }

    /// A verb by name.
    pub fn get(&self, name: &str) -> Option<&Rc<dyn Action>> {
        self.actions.get(name).map(|(_, action)| action)
    }

    /// All verbs: the plugin's name and the verb, by the verb's name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Rc<dyn Action>)> {
        self.actions.values().map(|(plugin, action)| (*plugin, action))
    }
}
