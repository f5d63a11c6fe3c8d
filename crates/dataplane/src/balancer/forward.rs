//! One request: pick a target, send it on, hand the answer back, count what it came to.
//!
//! A target that can't be reached costs the client nothing: the request goes to another one, for nothing of it
//! was sent. A connection that breaks later is answered 502, but for requests that change nothing (RFC 9110,
//! 9.2.1) and have no body: those are sent once more.

use std::sync::Arc;

use drover_core::Failure;
use http::header::{CONNECTION, HOST, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::Instant;

use super::Shared;
use super::asked::Asked;
use super::body::{Answer, AnswerEnd, Counted};
use super::clock::millis;
use super::exchange::{Begun, Trouble, exchange};
use super::headers::{self, Arrival};
use super::ledger::Account;
use super::pick::{Picked, Tried, Want, pick};
use super::pool::ConnectError;
use super::refusal::{Refusal, to_https};
use super::target::Upstream;
use super::tunnel::tunnel;

/// Answer one request.
pub(super) async fn forward(
    mut request: Request<Incoming>,
    arrival: Arc<Arrival>,
    shared: &Arc<Shared>,
) -> Response<Answer> {
    let version = request.version();
    let mut response = if request.method() == Method::CONNECT {
        Refusal::NoForwardProxy.answer()
    } else {
        let asks = headers::upgrade_asked(request.headers()).is_some();
        let client = asks.then(|| hyper::upgrade::on(&mut request));
        answer(request, client, arrival, shared).await
    };
    if shared.is_stopping() && version <= Version::HTTP_11 {
        let is_tunnel = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let close = HeaderValue::from_static("close");
        (!is_tunnel).then(|| response.headers_mut().insert(CONNECTION, close));
    }
    response
}

async fn answer(
    request: Request<Incoming>,
    client: Option<OnUpgrade>,
    arrival: Arc<Arrival>,
    shared: &Arc<Shared>,
) -> Response<Answer> {
    let host = host_of(&request);
    let (parts, body) = request.into_parts();
    let redirects = shared.table.load().door(arrival.port).is_some_and(|door| door.redirect_https);
    if redirects && !arrival.is_secure {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        return to_https(&parts.method, &host, path);
    }
    let Some(mut asked) = Asked::new(parts, body, host, arrival) else {
        return Refusal::NoPath.answer();
    };
    let began = Instant::now();
    match send(&mut asked, shared).await {
        Ok((picked, begun)) => {
            picked.in_flight.target().health.answered();
            hand_back(&asked, picked, begun, client, millis(began.elapsed()), shared)
        }
        Err(refusal) => refusal.answer(),
    }
}

/// Try targets until one answers.
async fn send(asked: &mut Asked, shared: &Shared) -> Result<(Picked, Begun), Refusal> {
    let mut tried = Tried::default();
    // Where a failure is counted: the last target's account.
    let mut last: Option<Arc<Account>> = None;
    loop {
        let picked = match pick(asked, shared, &mut tried).await {
            Ok(picked) => picked,
            Err((refusal, route)) => {
                let nobody = route.and_then(|route| route.account.clone());
                let account = last.filter(|_| refusal == Refusal::Unreachable).or(nobody);
                return Err(counted(refusal, account.as_deref(), shared));
            }
        };
        let target = picked.in_flight.target().clone();
        let trouble = match exchange(asked, &picked).await {
            Ok(begun) => {
                tried.found(&target.account());
                return Ok((picked, begun));
            }
            Err(trouble) => trouble,
        };
        let account = target.account();
        if let Err(refusal) = troubled(trouble, asked, &target, shared) {
            return Err(counted(refusal, Some(&account), shared));
        }
        account.retried();
        last = Some(account);
        // The one that broke is still better than none.
        if !asked.was_sent || picked.route.targets.len() > 1 {
            tried.push(target);
        }
    }
}

/// Whether it may be sent again.
fn troubled(
    trouble: Trouble,
    asked: &mut Asked,
    target: &Upstream,
    shared: &Shared,
) -> Result<(), Refusal> {
    tracing::debug!(unit = %target.unit, address = %target.address, ?trouble, "a request met trouble");
    match trouble {
        Trouble::Unreachable(error) => {
            let is_silent = matches!(error, ConnectError::TimedOut(_));
            if !matches!(error, ConnectError::HostSilent) {
                target.health.unreachable(&format!("it {error}"), is_silent);
            }
            shared.board.renew();
            Ok(())
        }
        Trouble::Broken(_) | Trouble::HostSilent if asked.may_repeat() && !asked.was_sent => {
            asked.was_sent = true;
            Ok(())
        }
        Trouble::Broken(error) => {
            tracing::warn!(unit = %target.unit, address = %target.address, %error, "broken");
            Err(Refusal::Broken)
        }
        // The agent says when it is back; no request has to find out.
        Trouble::HostSilent => Err(Refusal::TimedOut),
        Trouble::TimedOut => {
            target.health.slow("it did not answer in time");
            Err(Refusal::TimedOut)
        }
        Trouble::ClientGone => Err(Refusal::BrokenClient),
        Trouble::ClientSilent => Err(Refusal::SlowClient),
    }
}

fn counted(refusal: Refusal, account: Option<&Account>, shared: &Shared) -> Refusal {
    let failure: Option<Failure> = refusal.failure();
    if let (Some(account), Some(failure)) = (account, failure) {
        account.failed(failure);
        shared.board.renew();
    }
    refusal
}

/// Hand a target's answer back; where both sides agree to change the protocol, join them.
fn hand_back(
    asked: &Asked,
    picked: Picked,
    begun: Begun,
    client: Option<OnUpgrade>,
    began_ms: u64,
    shared: &Arc<Shared>,
) -> Response<Answer> {
    let Begun { mut response, line } = begun;
    let Picked { route, in_flight } = picked;
    let upgrade = headers::upgrade_asked(response.headers());
    let is_tunnel = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    *response.version_mut() = Version::HTTP_11;
    if shared.access.is_open() {
        // For the access log; no client sees it.
        response.extensions_mut().insert(in_flight.target().unit);
    }
    headers::strip(response.headers_mut());
    if let Some(sticky) = &route.sticky {
        let (token, own) = (asked.token(Some(sticky)), &in_flight.target().token);
        sticky.edit_response(response.headers_mut(), &asked.method, token, own);
    }
    route.settings.edit_response(response.headers_mut());
    if !is_tunnel {
        let end = AnswerEnd {
            began_ms,
            is_server_error: response.status().is_server_error(),
            line,
            is_cut_off: false,
            in_flight,
        };
        let silence = route.settings.server;
        return response.map(|body| Either::Left(Counted::new(body, end, silence)));
    }
    let account = in_flight.target().account();
    let (Some(client), Some(protocol)) = (client, upgrade) else {
        return counted(Refusal::WrongProtocol, Some(&account), shared).answer();
    };
    account.answered(began_ms, false);
    headers::set_upgrade(response.headers_mut(), protocol);
    let service = hyper::upgrade::on(&mut response);
    let silence = route.settings.tunnel;
    shared.work.spawn(tunnel(client, service, in_flight, silence, shared.clone()));
    response.map(|_| Either::Right(Full::default()))
}

/// HTTP/2 and proxies' requests name the host in the URI.
pub(super) fn host_of<B>(request: &Request<B>) -> String {
    let named = request.uri().authority().map(http::uri::Authority::as_str);
    let header = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    named.or(header).unwrap_or_default().to_owned()
}
