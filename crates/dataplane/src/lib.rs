//! The data plane: processes that carry traffic. Each follows one config file, writes one status file, and
//! knows nothing else: no server, no Docker. Agent and server may restart or be away, and traffic flows on.

pub mod balancer;
mod board;
pub mod cipher;
pub mod discovery;
mod follow;
mod stop;
