//! What a journal says about the deeds of a script that is run again: which of them are still to come, and what a deed that comes
//! is to be told. A script that takes another way than before is stopped: what it would send then was decided on other grounds. Pure.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::SystemTime;

use serde_json::json;

use crate::deeds::{Deed, Manner, words};
use crate::journal::{PastDeed, PastDeeds};
use crate::{Class, Effect, Failure, Outcome};

/// What is known of a deed.
#[derive(Debug)]
pub(crate) enum Verdict {
    New,
    Told(Outcome),
    /// It was sent then, and no reply is known.
    Lost(SystemTime),
    Stop(Failure),
}

/// The deeds of one run of a script in earlier processes.
#[derive(Default)]
pub(crate) struct Account {
    past: PastDeeds,
    /// Places that the script has not come to yet.
    coming: RefCell<BTreeSet<Box<str>>>,
}

impl Account {
    pub(crate) fn new(past: PastDeeds) -> Self {
        let coming = past.places().map(Box::from).collect();
        Self { past, coming: RefCell::new(coming) }
    }

    /// What a deed that comes now is to be told.
    pub(crate) fn judge(&self, deed: &Deed, manner: &Manner) -> Verdict {
        self.coming.borrow_mut().remove(&*deed.place);
        let Some(past) = self.past.get(&deed.place) else { return Verdict::New };
        if (&*past.name, &*past.args) != (&*deed.name, &*deed.args) {
            let then = words(&past.name, &past.at);
            let other = if *past.name == *deed.name { " with other arguments" } else { "" };
            return Verdict::Stop(strayed(&format!("here it comes to {}, where it did {then}{other}", deed.words())));
        }
        match (&past.end, past.call) {
            (Some(end), _) if end.withheld && manner.effect == Effect::Changes && !manner.scripted => {
                Verdict::Stop(withheld(past))
            }
            // What only looks may look again.
            (Some(end), _) if end.withheld => Verdict::New,
            (Some(end), _) => Verdict::Told(end.outcome.clone()),
            (None, Some(when)) if manner.changes() && !manner.repeatable => Verdict::Lost(when),
            (None, _) => Verdict::New,
        }
    }

    pub(crate) fn retells(&self, under: &str) -> bool {
        self.coming.borrow().iter().any(|place| place.starts_with(under))
    }

    /// What is wrong when the script has ended below a place.
    pub(crate) fn left_out(&self, under: &str) -> Option<Failure> {
        let coming = self.coming.borrow();
        let place = coming.iter().find(|place| place.starts_with(under))?;
        let past = self.past.get(place)?;
        Some(strayed(&format!("it ended without {}, which it did then", words(&past.name, &past.at))))
    }
}

/// Nothing that it would do now can be trusted; nor may it be begun anew, for what it has sent is sent.
fn strayed(how: &str) -> Failure {
    let message =
        format!("the script takes another way than before the run was interrupted: {how}. It was stopped there");
    Failure {
        in_doubt: true,
        value: json!({ "lost": false }),
        help: vec![
            "what it had done is in the journal (iotplay show); look at the device, then begin a new run".to_owned(),
        ],
        ..Failure::new(Class::Failed, message)
    }
}

fn withheld(past: &PastDeed) -> Failure {
    let message = format!(
        "what {} came to is not in the journal: its value held a secret, or its step is `no_log`. The script cannot go on from here",
        words(&past.name, &past.at)
    );
    Failure { in_doubt: true, value: json!({ "lost": false }), ..Failure::new(Class::Failed, message) }
}
