//! One event as one line, in each of the voices that know no terminal. Pure.

use std::time::Duration;

use super::Event;

/// `[1.2s] web: upgrading, 1 of 3 moved`.
pub(super) fn plain(after: Duration, event: &Event) -> String {
    let text = words(event);
    match event {
        Event::Note { .. } | Event::Aside { .. } => text,
        Event::Warning { .. } => format!("warning: {text}"),
        _ => format!("[{:.1}s] {text}", after.as_secs_f64()),
    }
}

/// One JSON object, with the seconds since the command began.
pub(super) fn json(after: Duration, event: &Event) -> String {
    let mut value = serde_json::to_value(event).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        let at_s = serde_json::Number::from_f64((after.as_secs_f64() * 1000.0).round() / 1000.0);
        members.insert("at_s".to_owned(), at_s.into());
    }
    value.to_string()
}

/// `INFO[0002] [web]: Upgrading`, as Rancher's program wrote it.
pub(super) fn rancher(after: Duration, event: &Event, coloured: bool) -> String {
    let (level, colour) = match event {
        Event::Warning { .. } => ("WARN", 33),
        _ => ("INFO", 34),
    };
    let text = match event {
        Event::Step { service: Some(service), action, message } => {
            rancher_step(service, action, message)
        }
        Event::Done { service, message } | Event::Requests { service, message, .. } => {
            format!("[{service}]: {}", capital(message))
        }
        // A service's name keeps its case.
        Event::Progress { service, .. } => format!("[{service}]{}", &words(event)[service.len()..]),
        // What it begins with is a file or a service.
        Event::Warning { message } => message.clone(),
        _ => capital(&words(event)),
    };
    let seconds = after.as_secs();
    if coloured {
        format!("\u{1b}[{colour}m{level}\u{1b}[0m[{seconds:04}] {text}")
    } else {
        format!("{level}[{seconds:04}] {text}")
    }
}

fn rancher_step(service: &str, action: &str, message: &str) -> String {
    match action {
        "create" => format!("Creating service {service}"),
        "activate" => format!("[{service}]: Starting"),
        "upgrade" => format!("Upgrading {service}"),
        "update" => format!("Updating {service}"),
        _ => format!("[{service}]: {}", capital(message)),
    }
}

/// The event as a phrase.
pub(super) fn words(event: &Event) -> String {
    match event {
        Event::Step { service: Some(service), message, .. }
        | Event::Done { service, message }
        | Event::Requests { service, message, .. } => {
            format!("{service}: {message}")
        }
        Event::Step { service: None, message, .. }
        | Event::Note { message }
        | Event::Aside { message }
        | Event::Warning { message } => message.clone(),
        Event::Progress { service, state, message, .. } if message.is_empty() => {
            format!("{service}: {state}")
        }
        Event::Progress { service, state, message, .. } => format!("{service}: {state}, {message}"),
        Event::Ended { status, message } => format!("exit {status}: {message}"),
    }
}

/// A sentence as one; a name that it begins with, such as an image's, stays as it is.
fn capital(text: &str) -> String {
    let first = text.split(' ').next().unwrap_or_default();
    if !first.trim_end_matches([',', ';']).chars().all(char::is_alphabetic) {
        return text.to_owned();
    }
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(message: &str) -> Event {
        Event::Progress {
            service: "web".into(),
            state: "upgrading".into(),
            health: "healthy".into(),
            scale: 3,
            current_scale: 3,
            message: message.into(),
        }
    }

    #[test]
    fn the_same_events_in_three_voices() {
        let at = Duration::from_millis(1234);
        for (event, plain_line, json_line, rancher_line) in [
            (
                progress("1 of 3 moved; web-2: pulling its image"),
                "[1.2s] web: upgrading, 1 of 3 moved; web-2: pulling its image",
                r#"{"event":"progress","service":"web","state":"upgrading","health":"healthy","scale":3,"current_scale":3,"message":"1 of 3 moved; web-2: pulling its image","at_s":1.234}"#,
                "INFO[0001] [web]: upgrading, 1 of 3 moved; web-2: pulling its image",
            ),
            (
                Event::step("web", "create", "creating"),
                "[1.2s] web: creating",
                r#"{"event":"step","service":"web","action":"create","message":"creating","at_s":1.234}"#,
                "INFO[0001] Creating service web",
            ),
            (
                Event::general("create", "creating stack shop"),
                "[1.2s] creating stack shop",
                r#"{"event":"step","action":"create","message":"creating stack shop","at_s":1.234}"#,
                "INFO[0001] Creating stack shop",
            ),
            (
                Event::done("web", "running"),
                "[1.2s] web: running",
                r#"{"event":"done","service":"web","message":"running","at_s":1.234}"#,
                "INFO[0001] [web]: Running",
            ),
            (
                Event::warning("out of sync"),
                "warning: out of sync",
                r#"{"event":"warning","message":"out of sync","at_s":1.234}"#,
                "WARN[0001] out of sync",
            ),
            (
                Event::step("web", "restart", "restarting"),
                "[1.2s] web: restarting",
                r#"{"event":"step","service":"web","action":"restart","message":"restarting","at_s":1.234}"#,
                "INFO[0001] [web]: Restarting",
            ),
            (
                Event::note("web:1 on node1: Done"),
                "web:1 on node1: Done",
                r#"{"event":"note","message":"web:1 on node1: Done","at_s":1.234}"#,
                "INFO[0001] web:1 on node1: Done",
            ),
            (
                Event::note("nothing to do: web is as in the files"),
                "nothing to do: web is as in the files",
                r#"{"event":"note","message":"nothing to do: web is as in the files","at_s":1.234}"#,
                "INFO[0001] Nothing to do: web is as in the files",
            ),
        ] {
            assert_eq!(plain(at, &event), plain_line);
            assert_eq!(json(at, &event), json_line);
            assert_eq!(rancher(at, &event, false), rancher_line);
        }
        assert_eq!(words(&progress("")), "web: upgrading");
        let coloured = rancher(at, &Event::note("x"), true);
        assert_eq!(coloured, "\u{1b}[34mINFO\u{1b}[0m[0001] X");
    }
}
