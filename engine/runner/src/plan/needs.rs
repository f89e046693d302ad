//! What the steps of a play need of every device, as far as that is known before the first one runs, and which devices say that
//! they have it not. A warning, no refusal: a device may have learnt it since it last said so.

use std::collections::BTreeSet;

use crate::book::{Body, Play, Step};
use crate::{Inventory, Target};

/// Devices named in a warning.
const NAMED: usize = 3;

/// One line for each need that devices lack.
pub(crate) fn lacks(play: &Play, targets: &[Target], inventory: &dyn Inventory) -> Vec<String> {
    let mut needs = BTreeSet::new();
    collect(&play.steps, &mut needs);
    needs.into_iter().filter_map(|need| line(need, targets, inventory)).collect()
}

/// What may be left out (`when`, `rescue`) may never be needed.
fn collect<'p>(steps: &'p [Step], needs: &mut BTreeSet<&'p str>) {
    for step in steps.iter().filter(|step| step.when.is_none()) {
        match &step.body {
            Body::Block { block, always, .. } => {
                collect(block, needs);
                collect(always, needs);
            }
            Body::Verb { ready, .. } => needs.extend(ready.needs()),
        }
    }
}

fn line(need: &str, targets: &[Target], inventory: &dyn Inventory) -> Option<String> {
    let lacking: Vec<&str> =
        targets.iter().filter(|target| inventory.lacks(target, need)).map(|target| &*target.id).collect();
    let named = lacking.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let (who, say) = match lacking.len() {
        0 => return None,
        1 => (named, "does"),
        2..=NAMED => (named, "do"),
        more => (format!("{named} and {} more", more - NAMED), "do"),
    };
    Some(format!("{who} {say} not announce `{need}`, which this play calls"))
}
