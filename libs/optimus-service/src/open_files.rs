//! How many files this process may have open.

/// More are never needed, and some programs that a worker starts look at each one they could have.
#[cfg(unix)]
const USEFUL: u64 = 1 << 20;

/// Raises the limit as far as it may be, and answers it. Many systems start a process with 1024, from the days of
/// `select`, where it may have many more: a server with a connection for each client needs those.
#[cfg(unix)]
pub fn raise_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(USEFUL);
    let wanted = limit.maximum.unwrap_or(USEFUL).min(USEFUL);
    if wanted <= current {
        return current;
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(_) => current,
    }
}

/// Windows counts none.
#[cfg(not(unix))]
pub fn raise_limit() -> u64 {
    u64::MAX
}
