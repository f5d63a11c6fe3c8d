//! Bringing a stack's services to what its compose files say: what differs, what to do about it, and doing it.
//!
//! The command line does it for who types `up`, the server for who hands it texts: the same code, so that both come to the
//! same. It knows the API's tree and its JSON ([`Api`]), and somebody who wants to hear what happens ([`Report`]); it knows
//! neither HTTP nor a terminal, and no files.
//!
//! Everything that is decided is decided in pure functions: what differs ([`diff`]), what to do about it (`plan::decide`),
//! whether a service has arrived (`wait::judge`). Doing the same again does what is left: that is how whoever was
//! interrupted goes on.
//!
//! Read in this order: [`Session`] (who works on what), [`Plan`] (decided, then carried out), [`wait`] (how it ends).

mod api;
pub mod diff;
mod error;
mod event;
mod outcome;
mod plan;
pub mod requests;
mod rollback;
mod session;
mod settle;
mod step;
mod view;
pub mod wait;

pub use api::{Answering, Api, At, Call, Verb, encode, nothing};
pub use error::{CallError, Failure, refusal};
pub use event::{Event, Report, Silent};
pub use outcome::{Standing, standing, worst};
pub use plan::{Asked, Plan};
pub use rollback::{goes_back, nothing_to_roll_back, roll_back};
pub use session::{Session, Stack, list, members, view_of};
pub use settle::settle;
pub use step::{ACTIVATE, CANCEL, CONTINUE, DEACTIVATE, RESTART, ROLLBACK, Step, UPGRADE, confirm};
pub use view::{ServiceView, number, text};
pub use wait::{Goal, Rest, Wanted};

/// Under which name the program runs that advice is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Program {
    /// Its own.
    #[default]
    Drover,
    /// Rancher's: `up` without `-d` stays and shows logs, lines begin with `INFO[0002]`, and there is no `.env`.
    RancherCompose,
}

impl Program {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Drover => "drover",
            Self::RancherCompose => "rancher-compose",
        }
    }
}
