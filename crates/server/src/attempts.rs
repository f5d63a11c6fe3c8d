//! A key that someone sends is checked: not now if too many were wrong, and what is wrong is written down. What was sent is
//! in no log; whose key it was is, if it is one that is known.

use axum::http::request::Parts;
use drover_api::ApiError;
use drover_core::{Audit, Credential, Grant, World};

use crate::auth::Denied;
use crate::server::Server;
use crate::{audit, clock};

/// By what someone asks to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A key sent with a request.
    Key,
    /// A key that is to be changed for a token.
    LogIn,
    /// The key in a webhook's URL.
    Webhook,
}

/// Let someone in by a key, if `look` finds it right. `access` is what tells keys apart, not what opens them.
pub(crate) async fn check<T, E: Into<ApiError> + Wrong>(
    server: &Server,
    parts: &Parts,
    (way, access): (Way, &str),
    look: impl FnOnce(&World) -> Result<T, E>,
) -> Result<T, ApiError> {
    let (from, now) = (audit::address(parts), clock::now());
    server.throttle.admit(from, access, now).map_err(|seconds| {
        let why = format!(
            "too many wrong keys were sent from {from}: try again in {seconds} s, with the right one"
        );
        ApiError::later(why, seconds)
    })?;
    let world = server.store.world();
    match look(&world) {
        Ok(found) => {
            server.throttle.right(from, access, now);
            Ok(found)
        }
        Err(denied) => {
            if denied.is_wrong_key() {
                server.throttle.wrong(from, access, now);
                let denied = entry(&world, parts, way, access);
                if let Err(error) = server.store.add_audit(denied).await {
                    tracing::error!(%error, "a wrong key could not be written to the audit log");
                }
            }
            Err(denied.into())
        }
    }
}

/// Whether someone was kept out because a key is wrong, not because of what a right one is for.
pub(crate) trait Wrong {
    fn is_wrong_key(&self) -> bool;
}

impl Wrong for Denied {
    fn is_wrong_key(&self) -> bool {
        match self {
            Self::WrongKey => true,
            Self::NoKey | Self::WrongToken | Self::NotAUser | Self::NotAnAgent | Self::NoHost => {
                false
            }
        }
    }
}

impl Wrong for ApiError {
    fn is_wrong_key(&self) -> bool {
        matches!(self.status(), 401 | 403)
    }
}

fn entry(world: &World, parts: &Parts, way: Way, access: &str) -> Audit {
    let mut credentials = world.credentials.values();
    let known = credentials.find(|held| held.public == access && way != Way::Webhook);
    let (deed, kind, status) = match way {
        Way::Key => ("authenticate", "apiKey", 401),
        Way::LogIn => ("create", "token", 401),
        Way::Webhook => ("fire", "webhookReceiver", 403),
    };
    Audit {
        at: clock::now(),
        access: known.map_or_else(String::new, |held| held.public.clone()),
        by_token: false,
        account: known.and_then(|held| account(held)),
        project: None,
        deed: deed.to_owned(),
        kind: kind.to_owned(),
        resource: String::new(),
        from: audit::from(parts),
        status,
    }
}

fn account(held: &Credential) -> Option<drover_core::AccountId> {
    match held.grants {
        Grant::Account(id) => Some(id),
        Grant::Admin | Grant::Project(_) | Grant::Registration { .. } | Grant::Agent(_) => None,
    }
}
