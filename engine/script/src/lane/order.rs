//! Where something that a script does stands in the order of all that it does: `3` is the third thing, `3[1].2` the second one in
//! the second branch of the third. The same script that sees the same values comes to the same places, however its branches run.

use std::cell::Cell;

/// Counts what a call does.
#[derive(Default)]
pub(crate) struct Order {
    prefix: Box<str>,
    done: Cell<u32>,
}

impl Order {
    /// Of a branch of what stands at a place.
    pub(crate) fn inside(place: &str, number: usize) -> Self {
        Self { prefix: format!("{place}[{number}].").into(), done: Cell::new(0) }
    }

    /// The next place.
    pub(crate) fn next(&self) -> String {
        let next = self.done.get() + 1;
        self.done.set(next);
        format!("{}{next}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_and_nest() {
        let order = Order::default();
        assert_eq!([order.next(), order.next()], ["1", "2"]);
        let inner = Order::inside("2", 0);
        assert_eq!([inner.next(), inner.next()], ["2[0].1", "2[0].2"]);
        assert_eq!(Order::inside("2[0].2", 7).next(), "2[0].2[7].1");
    }
}
