//! A target: how its inputs are made, and what is done with one.

use super::{hub, mqtt, playbook, script, session, web, wire};
use crate::mutate::mutate;
use crate::random::Random;

/// What an input may take of memory when nothing else is said.
pub(super) const MEMORY: usize = 64 * 1024 * 1024;

/// Bytes to be tried.
pub struct Input<'a>(pub &'a [u8]);

impl Input<'_> {
    /// As text, with what is no UTF-8 replaced: parsers of text never see it.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.0).into_owned()
    }
}

/// Whether the input was taken for what it should be; an error when something else is wrong than the input.
pub type Verdict = Result<bool, String>;

/// What tries one input after the other.
pub(crate) type Tried = Box<dyn FnMut(&Input<'_>) -> Verdict>;

/// Something that reads what others wrote.
pub struct Target {
    /// On the command line.
    pub name: &'static str,
    /// In words.
    pub what: &'static str,
    /// An input that is right, or nearly.
    pub(crate) make: fn(&mut Random) -> Vec<u8>,
    /// Words to strew in.
    pub(crate) words: &'static [&'static [u8]],
    /// Bytes of memory that one input may take, beyond what was there before it.
    pub(crate) memory: usize,
    /// What is needed for all inputs; then one at a time.
    pub(crate) prepare: fn() -> Tried,
}

impl Target {
    /// One in three inputs is left as the grammar made it; the others are broken.
    pub(crate) fn input(&self, random: &mut Random) -> Vec<u8> {
        let mut bytes = (self.make)(random);
        if !random.once_in(3) {
            let other = (self.make)(random);
            mutate(&mut bytes, random, self.words, &other);
        }
        bytes
    }
}

/// All of them.
pub fn all() -> Vec<Target> {
    let mut all = vec![mqtt::decoder(), session::two_clients(), session::registering()];
    all.extend([web::frames(), web::handshake(), web::requests(), web::websocket()]);
    all.extend([wire::topics(), wire::sas(), wire::bags(), wire::strings(), wire::documents(), wire::twins()]);
    all.extend([hub::queries(), hub::seeds(), playbook::books(), script::expressions(), script::handlers()]);
    all.push(playbook::scripts());
    all
}

/// The one with this name.
pub fn named(name: &str) -> Option<Target> {
    all().into_iter().find(|target| target.name == name)
}
