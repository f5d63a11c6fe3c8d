//! A request as it was asked, ready to be sent to whichever target: always as HTTP/1.1, but for gRPC, which is nothing
//! without HTTP/2.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue, TE};
use http::request::Parts;
use http::uri::{PathAndQuery, Uri};
use http::{Method, Request, Version};
use hyper::body::Incoming;

use super::headers::{self, Arrival};
use super::pick::Want;
use super::pool::{FRESH, IDLE};
use super::settings::RouteSettings;
use super::sticky::Sticky;
use super::upload::{Pace, Upload};

/// What a client wants.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) host: String,
    pub(super) path: PathAndQuery,
    pub(super) arrival: Arc<Arrival>,
    pub(super) is_grpc: bool,
    headers: HeaderMap,
    /// Not there while it is lent to a connection.
    upload: Option<Upload>,
    pace: Arc<Pace>,
    /// It was sent once, and nobody knows whether it was read.
    pub(super) was_sent: bool,
}

impl Asked {
    /// `client_ms` of the route is known before the body is read. `None` if it has no path.
    pub(super) fn new(
        parts: Parts,
        body: Incoming,
        host: String,
        arrival: Arc<Arrival>,
    ) -> Option<Self> {
        let path = parts.uri.path_and_query()?.clone();
        let protocol = headers::upgrade_asked(&parts.headers);
        let mut headers = parts.headers;
        let is_grpc = protocol.is_none() && is_grpc(&headers);
        headers::prepare(&mut headers, &arrival, &host);
        match protocol {
            Some(protocol) => headers::set_upgrade(&mut headers, protocol),
            None if is_grpc => {
                headers.insert(TE, HeaderValue::from_static("trailers"));
            }
            None => {}
        }
        let (upload, pace) = Upload::new(body);
        Some(Self {
            method: parts.method,
            host,
            path,
            arrival,
            is_grpc,
            headers,
            upload: Some(upload),
            pace,
            was_sent: false,
        })
    }

    /// How the client keeps up with its body.
    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Whether it may be sent again although it may have been read: it changes nothing (RFC 9110, 9.2.1) and has no
    /// body.
    pub(super) fn may_repeat(&self) -> bool {
        self.method.is_safe() && self.upload.as_ref().is_none_or(Upload::is_empty)
    }

    /// Which idle connections may carry it.
    pub(super) fn recently(&self) -> Duration {
        if self.was_sent {
            Duration::ZERO
        } else if self.may_repeat() {
            IDLE
        } else {
            FRESH
        }
    }

    /// The request as a target gets it.
    pub(super) fn request(
        &mut self,
        settings: &RouteSettings,
        sticky: Option<&Sticky>,
    ) -> Request<Upload> {
        let repeats = self.may_repeat();
        let mut upload = self.upload.take().unwrap_or(Upload::Empty);
        upload.set_silence(settings.client);
        if repeats {
            self.upload = Some(Upload::Empty);
        }
        let mut request = Request::new(upload);
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = self.headers.clone();
        if let Some(sticky) = sticky {
            sticky.edit_request(request.headers_mut());
        }
        settings.edit_request(request.headers_mut());
        if self.is_grpc {
            *request.version_mut() = Version::HTTP_2;
            *request.uri_mut() = self.whole_uri();
            request.headers_mut().remove(HOST);
        } else {
            *request.version_mut() = Version::HTTP_11;
            *request.uri_mut() = Uri::from(self.path.clone());
        }
        request
    }

    /// Nothing of it was sent: take the body back.
    pub(super) fn take_back(&mut self, request: Request<Upload>) {
        self.upload = Some(request.into_body());
    }

    fn whole_uri(&self) -> Uri {
        let host = if self.host.is_empty() { "localhost" } else { &self.host };
        let uri = Uri::builder().scheme("http").authority(host);
        let uri = uri.path_and_query(self.path.clone()).build();
        uri.unwrap_or_else(|_| Uri::from(self.path.clone()))
    }
}

impl Want for Asked {
    fn port(&self) -> u16 {
        self.arrival.port
    }

    fn host(&self) -> &str {
        &self.host
    }

    fn path(&self) -> &str {
        self.path.path()
    }

    fn client(&self) -> IpAddr {
        self.arrival.client.ip()
    }

    fn token(&self, sticky: Option<&Sticky>) -> Option<&str> {
        sticky.and_then(|sticky| sticky.asked(&self.headers))
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind.starts_with(b"application/grpc"))
}
