//! tmp
use std::sync::{Arc, RwLock};
pub(crate) struct Live<T>(RwLock<Arc<T>>);
impl<T> Live<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(RwLock::new(Arc::new(value)))
    }
    pub(crate) fn current(&self) -> Arc<T> {
        Arc::clone(&self.0.read().expect("x"))
    }
    pub(crate) fn swap(&self, value: T) {
        *self.0.write().expect("x") = Arc::new(value);
    }
}
