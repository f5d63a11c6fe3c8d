//! The process in the container: image, command, user, terminal, how it is stopped.

use drover_core::ContainerSpec;

use crate::diagnostic::Report;
use crate::field::Field;
use crate::yaml::Value;

/// Read one key. `false`: it isn't one of these.
pub(super) fn read(
    key: &str,
    field: &Field<'_>,
    spec: &mut ContainerSpec,
    to: &mut Report,
) -> bool {
    match key {
        "image" => spec.image = image(field, to).unwrap_or_default(),
        "command" => spec.command = words(field, to).unwrap_or_default(),
        "entrypoint" => spec.entrypoint = words(field, to).unwrap_or_default(),
        "working_dir" => spec.working_dir = field.word(to),
        "user" => spec.user = field.word(to),
        "tty" => spec.tty = field.boolean(to).unwrap_or_default(),
        "stdin_open" => spec.stdin_open = field.boolean(to).unwrap_or_default(),
        "init" => spec.init = field.boolean(to).unwrap_or_default(),
        "stop_signal" => spec.stop_signal = field.word(to),
        "stop_grace_period" => {
            spec.stop_grace_s = field.duration_ms(to).and_then(|ms| {
                let seconds = u32::try_from(ms.div_ceil(1000)).ok();
                seconds.or_else(|| field.expected("a time span of less than a century", to))
            });
        }
        "restart" => restart(field, to),
        _ => return false,
    }
    true
}

fn image(field: &Field<'_>, to: &mut Report) -> Option<String> {
    let text = field.word(to)?;
    let image = text.trim();
    // The API's form; some files were copied from there.
    let image = image.strip_prefix("docker:").filter(|i| i.contains('/')).unwrap_or(image);
    if image.contains(char::is_whitespace) {
        return field.expected("an image like name:tag", to);
    }
    Some(image.to_owned())
}

/// A list of arguments, or one line split as a shell would.
pub(super) fn words(field: &Field<'_>, to: &mut Report) -> Option<Vec<String>> {
    if let Value::List(_) = field.node.value {
        return field.texts(to);
    }
    let Some(scalar) = field.scalar() else { return field.expected("text or a list", to) };
    let words = shlex::split(&scalar.text);
    if words.is_none() {
        field.error(to, format!("{} has a quote that is not closed", field.node.found()));
    }
    words
}

/// Services are kept running whatever this says, as in Rancher.
fn restart(field: &Field<'_>, to: &mut Report) {
    let Some(scalar) = field.scalar() else { return field.wrong("text", to) };
    let policy = if scalar.boolean() == Some(false) { "no" } else { scalar.text.as_str() };
    let policy = policy.split(':').next().unwrap_or_default();
    match policy {
        "always" | "unless-stopped" => {
            field.note(to, "ignored: the containers of a service are always kept running");
        }
        "no" | "on-failure" => {
            let text = "ignored: the containers of a service are always kept running";
            let hint =
                "for a task that ends, set the label `io.rancher.container.start_once: 'true'`";
            field.note(to, text).hint(hint);
        }
        _ => field.wrong("no, always, unless-stopped or on-failure", to),
    }
}
