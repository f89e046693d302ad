//! The stories: what a user does, end to end, through the binary.
