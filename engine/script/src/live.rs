//! A value that is replaced as a whole while others use it: the current bundle. Readers get an `Arc` of their own; no
//! guard leaves the type, so nobody can hold up a swap.

use std::sync::Arc;

use arc_swap::ArcSwap;

/// A cell with a current value.
#[derive(Debug)]
pub struct Live<T>(ArcSwap<T>);

impl<T> Live<T> {
    /// Starts with this value.
    pub fn new(first: T) -> Self {
        Self(ArcSwap::from_pointee(first))
    }

    /// Starts with a value that others hold too.
    pub fn of(first: Arc<T>) -> Self {
        Self(ArcSwap::new(first))
    }

    /// The value as it is now; it stays what it is while the caller keeps it.
    pub fn current(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Puts another value in its place; gives back the old one.
    pub fn swap(&self, next: T) -> Arc<T> {
        self.0.swap(Arc::new(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_the_old_value_keeps_it() {
        let live = Live::new(1);
        let before = live.current();
        assert_eq!(*live.swap(2), 1);
        assert_eq!((*before, *live.current()), (1, 2));
    }
}
