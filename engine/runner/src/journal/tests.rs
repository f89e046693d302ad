//! Journals cut anywhere, damaged, locked: what is read back.
