//! Bytes read as decisions, so that a mutated input is still a sequence of deeds. After its end every decision is 0.

/// See the module's description.
pub(crate) struct Tape<'a>(&'a [u8]);

impl<'a> Tape<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// 0 to `end` without it.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end.max(1)
    }

    pub(crate) fn pick<'b, T>(&mut self, of: &'b [T]) -> &'b T {
        &of[self.below(of.len())]
    }

    /// Some bytes as they are, 255 at most.
    pub(crate) fn some(&mut self) -> &'a [u8] {
        let wanted = usize::from(self.byte()).min(self.0.len());
        let (some, rest) = self.0.split_at(wanted);
        self.0 = rest;
        some
    }
}
