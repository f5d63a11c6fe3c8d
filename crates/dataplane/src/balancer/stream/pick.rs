//! A target for a connection, or for a client's datagrams: chosen, and counted from then on until it is let go.

use std::net::IpAddr;
use std::sync::Arc;

use drover_core::{Failure, UnitKey};

use super::super::Shared;
use super::super::target::Upstream;

/// A target that a connection is under way to, in flight until this is dropped.
pub(super) struct Picked {
    pub(super) target: Arc<Upstream>,
    /// Name of its backend.
    pub(super) backend: String,
    shared: Arc<Shared>,
}

/// Whose target it is to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) port: u16,
    pub(super) server: &'a str,
    pub(super) client: IpAddr,
}

impl Picked {
    pub(super) fn unit(&self) -> UnitKey {
        self.target.unit
    }
}

impl Drop for Picked {
    fn drop(&mut self) {
        self.shared.board.end(self.target.unit);
    }
}

/// Choose a target that was not tried yet. As for requests, the table is looked at again after counting.
pub(super) fn pick(
    shared: &Arc<Shared>,
    asked: Asked<'_>,
    tried: &[Arc<Upstream>],
) -> Result<Picked, Failure> {
    loop {
        let table = shared.table.load_full();
        let route = table.route(asked.port, asked.server, "").ok_or(Failure::NoTarget)?;
        let none = if tried.is_empty() { Failure::NoTarget } else { Failure::Unreachable };
        let target = route.choose(tried).ok_or(none)?;
        shared.board.begin(target.unit);
        let picked = Picked { target, backend: String::new(), shared: shared.clone() };
        if Arc::ptr_eq(&table, &shared.table.load()) {
            return Ok(picked);
        }
    }
}
