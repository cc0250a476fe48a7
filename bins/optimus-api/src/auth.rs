//! Bearer tokens (RFC 6750).

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use crate::{App, problem::Problem};

/// The tokens a client may show. Only their digests are kept: digests of guesses tell nothing about the tokens by the
/// time their comparison takes.
pub(crate) struct Tokens(Vec<[u8; 32]>);

impl Tokens {
    /// Empty texts are no tokens: a variable that is set and empty means none.
    pub(crate) fn new(tokens: &[String]) -> Self {
        Self(
            tokens
                .iter()
                .filter(|token| !token.is_empty())
                .map(|token| digest(token))
                .collect(),
        )
    }

    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if self.0.is_empty() {
            return Ok(());
        }
        let Some(given) = headers.get(header::AUTHORIZATION) else {
            return Err(Problem::unauthorized(
                "send the header Authorization: Bearer TOKEN",
            ));
        };
        let token = given.to_str().ok().and_then(|text| text.split_once(' '));
        match token {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && self.contain(token.trim()) => {
                Ok(())
            }
            _ => Err(Problem::unauthorized(
                "the Authorization header has no token that is valid here",
            )),
        }
    }

    /// Looks at every byte of every digest, whether they match or not.
    fn contain(&self, token: &str) -> bool {
        let given = digest(token);
        let differs = |known: &[u8; 32]| known.iter().zip(&given).fold(0, |diff, (a, b)| diff | (a ^ b)) != 0;
        self.0.iter().fold(false, |found, known| found | !differs(known))
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Lets a request through where it shows a valid token, or where none are configured.
pub(crate) async fn require_token(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match app.tokens.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tokens: &[&str], authorization: Option<&str>) -> bool {
        let tokens: Vec<_> = tokens.iter().map(ToString::to_string).collect();
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        Tokens::new(&tokens).check(&headers).is_ok()
    }

    #[test]
    fn without_tokens_everybody_may() {
        assert!(check(&[], None));
        assert!(check(&[""], Some("Bearer x")));
    }

    #[test]
    fn with_tokens_only_their_bearers_may() {
        let tokens = ["first", "second", ""];
        assert!(check(&tokens, Some("Bearer first")));
        assert!(check(&tokens, Some("bearer  second")));
        for bad in [
            "Bearer",
            "Bearer ",
            "Bearer firs",
            "Bearer first2",
            "Basic first",
            "first",
            "Bearer third",
        ] {
            assert!(!check(&tokens, Some(bad)), "{bad}");
        }
        assert!(!check(&tokens, None));
    }
}
