//! iothub
