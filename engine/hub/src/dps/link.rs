//! The hubs that devices can be assigned to: this one, and others of the same process.

use std::fmt;
use std::sync::Arc;

use wire::HostPort;

use crate::state::HubState;

/// Another running hub of this process, for [`HubConfig::linked`](crate::HubConfig::linked).
#[derive(Clone)]
pub struct LinkedHub {
    pub(crate) name: String,
    pub(crate) state: Arc<HubState>,
}

impl fmt::Debug for LinkedHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkedHub({})", self.name)
    }
}

/// All of them.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    /// This hub, as devices dial it.
    pub(crate) own: String,
    pub(crate) others: Vec<LinkedHub>,
}

/// One of them.
pub(crate) struct Link<'a> {
    pub(crate) name: &'a str,
    pub(crate) state: &'a HubState,
}

impl Links {
    pub(crate) fn all<'a>(&'a self, own: &'a HubState) -> Vec<Link<'a>> {
        let others = self.others.iter().map(|other| Link { name: &other.name, state: &other.state });
        std::iter::once(Link { name: &self.own, state: own }).chain(others).collect()
    }
}

impl Link<'_> {
    /// Whether an enrolment means this hub: by the name that devices dial, or by any name that the hub answers to. A loopback name
    /// is answered to by all hubs of a machine, so then the port decides.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        if self.name.eq_ignore_ascii_case(name) {
            return true;
        }
        let configured = self.state.auth().hosts().configured();
        name.parse::<HostPort>().is_ok_and(|asked| configured.iter().any(|own| own.eq_ignore_ascii_case(&asked.host)))
    }
}
