//! The warm pool.
