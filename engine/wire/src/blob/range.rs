//! A range of bytes that is asked for: `bytes=5-9`, `bytes=5-`. Several at once, and ranges from the end, are not served.

use thiserror::Error;

/// The bytes from `first` up to and with `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte's place.
    pub first: u64,
    /// The last byte's; never behind the end.
    pub last: u64,
}

/// Why there is nothing to give.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RangeError {
    /// Not a range of the forms served.
    #[error("a range is `bytes=5-9` or `bytes=5-`")]
    Form,
    /// It begins behind the end.
    #[error("the range begins behind the end of the blob")]
    Outside,
}

impl ByteRange {
    /// Reads a header for content of `size` bytes.
    ///
    /// # Errors
    /// When it is no range, or lies outside.
    pub fn parse(text: &str, size: u64) -> Result<Self, RangeError> {
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if digits { text.parse::<u64>().map_err(|_| RangeError::Form) } else { Err(RangeError::Form) }
        };
        let (first, last) =
            text.strip_prefix("bytes=").and_then(|range| range.split_once('-')).ok_or(RangeError::Form)?;
        let first = number(first)?;
        let last = if last.is_empty() { u64::MAX } else { number(last)? };
        if last < first {
            return Err(RangeError::Form);
        }
        if first >= size {
            return Err(RangeError::Outside);
        }
        Ok(Self { first, last: last.min(size - 1) })
    }

    /// How many bytes it has; at least one.
    pub fn bytes(self) -> u64 {
        self.last - self.first + 1
    }

    /// The header of an answer with these bytes of `size`.
    pub fn content_range(self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_by_table() {
        for (text, size, range) in [
            ("bytes=0-", 10, Ok((0, 9))),
            ("bytes=0-33554431", 10, Ok((0, 9))),
            ("bytes=5-5", 10, Ok((5, 5))),
            ("bytes=9-", 10, Ok((9, 9))),
            ("bytes=10-", 10, Err(RangeError::Outside)),
            ("bytes=0-", 0, Err(RangeError::Outside)),
            ("bytes=-5", 10, Err(RangeError::Form)),
            ("bytes=5-4", 10, Err(RangeError::Form)),
            ("bytes=0-1,3-4", 10, Err(RangeError::Form)),
            ("bytes=+1-2", 10, Err(RangeError::Form)),
            ("bytes=99999999999999999999-", 10, Err(RangeError::Form)),
            ("lines=0-1", 10, Err(RangeError::Form)),
            ("", 10, Err(RangeError::Form)),
        ] {
            let read = ByteRange::parse(text, size).map(|range| (range.first, range.last));
            assert_eq!(read, range, "{text} of {size}");
        }
    }

    proptest! {
        #[test]
        fn always_inside(first: u64, last: Option<u64>, size: u64) {
            let text = format!("bytes={first}-{}", last.map(|last| last.to_string()).unwrap_or_default());
            if let Ok(range) = ByteRange::parse(&text, size) {
                prop_assert!(range.first <= range.last && range.last < size && range.bytes() <= size);
            }
        }

        #[test]
        fn never_panics(text in "\\PC{0,40}", size: u64) {
            let _ = ByteRange::parse(&text, size);
        }
    }
}
