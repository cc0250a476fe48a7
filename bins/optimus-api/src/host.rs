//! Who may use an API without tokens: whoever is on this machine, and nobody else.
//!
//! Two ways lead around that. A server may be bound to an address that others reach; that has to be said twice. And a page
//! in a browser on this machine may come from a name that its owner has changed to lead to 127.0.0.1 (DNS rebinding): the
//! browser then takes the API for that page's own server. It still sends the page's name as `Host`, by which it is told.

use std::{io, net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::net::lookup_host;

use crate::{App, problem::Problem, settings::ApiSettings};

/// An API that anybody could use from elsewhere.
#[derive(Debug, thiserror::Error)]
#[error(
    "{host} can be reached from other machines, and without tokens whoever reaches it may run programs here: set \
     api.tokens (OPTIMUS__API__TOKENS=one,two), or say that this is meant with --insecure (api.allow_anonymous, \
     OPTIMUS__API__ALLOW_ANONYMOUS=true)"
)]
pub struct Exposed {
    host: String,
}

/// Refuses an address beyond loopback where neither tokens are set nor the address is meant to be open.
pub async fn check_exposure(api: &ApiSettings) -> Result<(), Exposed> {
    if has_tokens(api) || api.allow_anonymous {
        return Ok(());
    }
    let (host, is_open) = if api.published_at.is_empty() {
        // What cannot be resolved cannot be bound either; that tells of itself.
        let addresses = addresses(&api.host).await;
        let is_open = addresses.is_ok_and(|all| all.into_iter().any(|address| !is_loopback(address)));
        (&api.host, is_open)
    } else {
        // Somebody else binds it, and may know names that are unknown here.
        let addresses = addresses(&api.published_at).await;
        let is_closed = addresses.is_ok_and(|all| !all.is_empty() && all.into_iter().all(is_loopback));
        (&api.published_at, !is_closed)
    };
    if is_open {
        return Err(Exposed { host: host.clone() });
    }
    Ok(())
}

async fn addresses(host: &str) -> io::Result<Vec<IpAddr>> {
    let found = lookup_host((plain(host), 0)).await?;
    Ok(found.map(|address| address.ip()).collect())
}

fn has_tokens(api: &ApiSettings) -> bool {
    api.tokens.iter().any(|token| !token.is_empty())
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// The hosts a request may name.
#[derive(Debug)]
pub(crate) enum Hosts {
    /// A token is proof enough: a browser has none to send.
    Any,
    Named {
        names: Vec<String>,
        addresses: Addresses,
    },
}

/// The addresses a request may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Addresses {
    Loopback,
    /// For a server that is meant to be reached from elsewhere. No page can have the name that is an address for its own.
    Any,
}

impl Hosts {
    pub(crate) fn new(api: &ApiSettings) -> Self {
        if has_tokens(api) {
            return Self::Any;
        }
        let is_open = api
            .host
            .parse()
            .is_ok_and(|address: IpAddr| !is_loopback(address));
        let names = api.allowed_hosts.iter().chain([&api.host]);
        Self::Named {
            names: names
                .filter(|name| !name.is_empty())
                .map(|name| plain(name))
                .collect(),
            addresses: if is_open {
                Addresses::Any
            } else {
                Addresses::Loopback
            },
        }
    }

    /// Looks at everything in a request that names a host: the target, where it is a whole URI, and the header.
    fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let Self::Named { names, addresses } = self else {
            return Ok(());
        };
        let mut given = headers.get_all(header::HOST).iter();
        let named = match (given.next(), given.next()) {
            (Some(host), None) => host.to_str().unwrap_or_default(),
            (None, _) => return Err(Problem::host_not_allowed("")),
            (Some(_), Some(_)) => return Err(Problem::host_not_allowed("several at once")),
        };
        for authority in uri.authority().map(Authority::as_str).into_iter().chain([named]) {
            let is_known = host_of(authority).is_some_and(|host| match host.parse::<IpAddr>() {
                Ok(address) => *addresses == Addresses::Any || is_loopback(address) || names.contains(&host),
                Err(_) => host == "localhost" || host.ends_with(".localhost") || names.contains(&host),
            });
            if !is_known {
                return Err(Problem::host_not_allowed(authority));
            }
        }
        Ok(())
    }
}

/// The host of an authority without its port; `None` where it is none.
fn host_of(authority: &str) -> Option<String> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            (address, port.strip_prefix(':').unwrap_or(port))
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let is_sane = !host.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    is_sane.then(|| plain(host))
}

/// As names are compared: without case, and without the dot that says there is nothing above.
fn plain(name: &str) -> String {
    let name = name.strip_suffix('.').unwrap_or(name);
    let name = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    name.to_ascii_lowercase()
}

/// Lets a request through that is meant for this server.
pub(crate) async fn require_host(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match app.hosts.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    fn api(change: impl FnOnce(&mut ApiSettings)) -> ApiSettings {
        let mut api = Settings::defaults().api;
        change(&mut api);
        api
    }

    fn admits(api: &ApiSettings, target: &str, hosts: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, host.parse().unwrap());
        }
        Hosts::new(api).check(&target.parse().unwrap(), &headers).is_ok()
    }

    #[test]
    fn only_this_machine_s_names_are_taken_without_tokens() {
        let plain = api(|_| ());
        for host in [
            "localhost",
            "localhost:8080",
            "LOCALHOST.",
            "optimus.localhost:1",
            "127.0.0.1",
            "127.8.8.8:80",
            "[::1]",
            "[::1]:8080",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(admits(&plain, "/jobs", &[host]), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example:8080",
            "192.0.2.1",
            "[2001:db8::1]",
            "localhost:8080@evil.example",
            "evil@localhost",
            "",
            "localhost:x",
            "[::1",
            "0.0.0.0",
            "notlocalhost",
            "localhost localhost",
        ] {
            assert!(!admits(&plain, "/jobs", &[host]), "{host}");
        }
        assert!(!admits(&plain, "/jobs", &[]), "HTTP/1.0 may name none");
        assert!(!admits(&plain, "/jobs", &["localhost", "localhost"]));
        assert!(admits(&plain, "http://localhost:8080/jobs", &["localhost"]));
        assert!(!admits(&plain, "http://evil.example/jobs", &["localhost"]));
        assert!(!admits(&plain, "http://localhost/jobs", &["evil.example"]));
    }

    #[test]
    fn names_can_be_added_and_tokens_are_proof_enough() {
        let named = api(|api| api.allowed_hosts = vec!["Judge.example".to_owned(), String::new()]);
        assert!(admits(&named, "/", &["judge.example:80"]));
        assert!(!admits(&named, "/", &["evil.example"]));
        assert!(!admits(&named, "/", &[""]));
        let tokens = api(|api| api.tokens = vec!["secret".to_owned()]);
        assert!(admits(&tokens, "/", &["evil.example"]));
        let empty = api(|api| api.tokens = vec![String::new()]);
        assert!(!admits(&empty, "/", &["evil.example"]));
        let open = api(|api| api.host = "0.0.0.0".to_owned());
        assert!(
            admits(&open, "/", &["192.0.2.1:8080"]),
            "an address cannot be rebound"
        );
        assert!(!admits(&open, "/", &["evil.example"]));
        let other = api(|api| api.host = "judge.lan".to_owned());
        assert!(admits(&other, "/", &["judge.lan:8080"]));
    }

    #[tokio::test]
    async fn an_address_beyond_loopback_has_to_be_said_twice() {
        let is_refused =
            async |change: &dyn Fn(&mut ApiSettings)| check_exposure(&api(change)).await.is_err();
        for host in ["127.0.0.1", "localhost", "::1", "127.1.2.3"] {
            assert!(!is_refused(&|api| api.host = host.to_owned()).await, "{host}");
        }
        for host in ["0.0.0.0", "::", "192.0.2.1"] {
            assert!(is_refused(&|api| api.host = host.to_owned()).await, "{host}");
            let is_meant = |api: &mut ApiSettings| {
                api.host = host.to_owned();
                api.allow_anonymous = true;
            };
            assert!(!is_refused(&is_meant).await);
            let has_tokens = |api: &mut ApiSettings| {
                api.host = host.to_owned();
                api.tokens = vec!["secret".to_owned()];
            };
            assert!(!is_refused(&has_tokens).await);
        }
        // In a container, which listens on all of its own addresses.
        let is_published = async |at: &str| {
            let change = |api: &mut ApiSettings| {
                api.host = "0.0.0.0".to_owned();
                api.published_at = at.to_owned();
            };
            is_refused(&change).await
        };
        for host in ["127.0.0.1", "localhost", "[::1]", "::1"] {
            assert!(!is_published(host).await, "{host}");
        }
        for host in ["0.0.0.0", "::", "[::]", "192.0.2.1", "no such name"] {
            assert!(is_published(host).await, "{host}");
        }
        let error = check_exposure(&api(|api| api.host = "0.0.0.0".to_owned()))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("api.tokens"), "{error}");
    }
}
