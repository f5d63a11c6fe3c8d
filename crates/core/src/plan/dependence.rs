//! A service that depends on others starts when they are as it needs them; see [`derive::unmet`].

use super::draft::Draft;
use crate::{Service, derive};

/// Whether it does not start yet; then it is said what it waits for.
pub(super) fn waits(draft: &mut Draft, service: &Service) -> bool {
    let Some(unmet) = derive::unmet(&draft.world, service) else { return false };
    let text = format!("{} starts when {}{}", service.name, unmet.words, unmet.advice);
    if unmet.stuck {
        draft.stuck(service.id, None, text);
    } else {
        draft.wait(service.id, None, text);
    }
    true
}
