//! `GET /v1/scripts/{token}`: a shell script that makes the machine it runs on a host, with Drover's own agent. The token in
//! the path opens it, and nothing else does.
//!
//! Options come in the environment, under the names that Rancher's tools set: `CATTLE_HOST_LABELS` (`a=b&c=d`) and
//! `CATTLE_AGENT_IP`. The agent reads them itself.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use drover_api::{ApiError, Code, agent_image, docker_options, joining_url};
use drover_core::{Secret, World};

use crate::register::token;

/// The script, if the token is one.
pub(crate) fn script(world: &World, base: &str, given: &str) -> Result<Response, ApiError> {
    if token(world, &Secret::new(given)).is_none() {
        // Not which part is wrong, and not the token.
        return Err(ApiError::not_found("a registration token like this"));
    }
    let base = &joining_url(world, base);
    if !is_plain(base) || !is_plain(given) {
        let why = "the address of this server can't be written into a script; say it with --public-url, or in the setting api.host";
        return Err(ApiError::new(Code::InvalidFormat, why));
    }
    let text = text(base, given);
    Ok(([(CONTENT_TYPE, "text/x-shellscript; charset=utf-8")], text).into_response())
}

/// Without anything a shell would read into it.
fn is_plain(text: &str) -> bool {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '/' | '_' | '-' | '[' | ']');
    !text.is_empty() && text.chars().all(plain)
}

fn text(base: &str, token: &str) -> String {
    let (image, options) = (agent_image(), docker_options());
    format!(
        r#"#!/bin/sh
# Makes this machine a host of the cluster at {base}. Run it as root.
set -eu
DROVER_URL='{base}'
DROVER_TOKEN='{token}'
export DROVER_URL DROVER_TOKEN

if [ "$(id -u)" != 0 ]; then
    echo "drover: run this as root: curl -fsS $DROVER_URL/v1/scripts/... | sudo sh" >&2
    exit 1
fi
if command -v drover >/dev/null 2>&1; then
    exec drover agent
fi
if command -v docker >/dev/null 2>&1 && docker image inspect '{image}' >/dev/null 2>&1; then
    set -- -e DROVER_URL -e DROVER_TOKEN
    [ -z "${{CATTLE_HOST_LABELS:-}}" ] || set -- "$@" -e CATTLE_HOST_LABELS
    [ -z "${{CATTLE_AGENT_IP:-}}" ] || set -- "$@" -e CATTLE_AGENT_IP
    exec docker run "$@" {options} '{image}' agent
fi
echo "drover: neither the program drover nor the image {image} is on this machine: copy the program to /usr/local/bin/drover, and run this again" >&2
exit 1
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_reads_is_kept_out() {
        for (text, plain) in [
            ("http://server:8080", true),
            ("https://[fe80::1]:8443/x_y", true),
            ("http://a;reboot", false),
            ("http://a'b", false),
            ("http://$(x)", false),
            ("", false),
        ] {
            assert_eq!(is_plain(text), plain, "{text}");
        }
    }

    /// Every line is one the shell understands.
    #[test]
    fn the_script_is_a_script() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text("http://server:8080", "P:S")).unwrap();
        let checked = std::process::Command::new("sh").arg("-n").arg(file.path()).status().unwrap();
        assert!(checked.success());
    }
}
