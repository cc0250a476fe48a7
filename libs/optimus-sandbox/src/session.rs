//! The host side of the runner protocol.
