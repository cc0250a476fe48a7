//! The HTTP API that a command asks, and how what it refuses ends the command.

use std::error::Error as _;

use optimus_client::{Client, Error};

use crate::{args::ApiArgs, exit::Failure};

pub(crate) fn client(args: &ApiArgs) -> Result<Client, Failure> {
    let client = Client::new(&args.api)?;
    Ok(match &args.token {
        Some(token) => client.with_token(token)?,
        None => client,
    })
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::NotHttp { .. } => Self::usage(format!(
                "{error}; where the API is behind TLS, go through a tunnel or a local proxy"
            )),
            Error::NoAddress { .. } | Error::NoHeaderValue { .. } => Self::Usage(error.into()),
            Error::Unreachable { .. } => Self::system(format!(
                "{error}; is it running? (--api or OPTIMUS_API names it): {}",
                root_cause(&error)
            )),
            // Every refusal that does not pass is answered the same way again.
            Error::Refused(refusal) if refusal.status.is_client_error() && !refusal.is_temporary() => {
                Self::Usage(error.into())
            }
            Error::Refused(_) | Error::NotOptimus { .. } | Error::NoHttpClient { .. } => {
                Self::System(error.into())
            }
        }
    }
}

/// What really happened. The libraries around it say which of them met it.
fn root_cause(error: &Error) -> String {
    let mut last = error.source();
    while let Some(cause) = last.and_then(|error| error.source()) {
        last = Some(cause);
    }
    last.map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use optimus_client::{Refusal, StatusCode};

    use super::*;

    fn refused(status: StatusCode, retry_after: Option<u64>) -> Failure {
        let refusal = Refusal {
            status,
            problem: None,
            retry_after,
        };
        Error::Refused(Box::new(refusal)).into()
    }

    #[test]
    fn what_is_refused_for_good_is_asked_wrongly() {
        let failure = refused(StatusCode::BAD_REQUEST, None);
        assert!(matches!(failure, Failure::Usage(_)));
        assert_eq!(failure.to_string(), "the API answered 400: Bad Request");
    }

    #[test]
    fn a_full_queue_is_a_fault_of_the_system_and_says_when_to_come_again() {
        let failure = refused(StatusCode::TOO_MANY_REQUESTS, Some(5));
        assert!(matches!(failure, Failure::System(_)));
        assert_eq!(
            failure.to_string(),
            "the API answered 429: Too Many Requests (try again in 5 s)"
        );
    }
}
