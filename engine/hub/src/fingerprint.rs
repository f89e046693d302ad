//! FNV-1a: the same number for the same bytes on every machine and in every version. Tells things apart by accident only: it
//! guards nothing against those who want two things to look the same.

#[derive(Clone, Copy, Debug)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn with(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)))
    }

    pub(crate) fn value(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_what_it_always_was() {
        // The published test vectors of FNV-1a, 64 bits.
        for (text, value) in
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            assert_eq!(Fingerprint::new().with(text.as_bytes()).value(), value, "{text}");
        }
        let parts = Fingerprint::new().with(b"foo").with(b"bar");
        assert_eq!(parts.value(), Fingerprint::new().with(b"foobar").value());
    }
}
