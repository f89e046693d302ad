//! Jobs against the state alone.
