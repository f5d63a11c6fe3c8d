//! Settings, by their bare names: those that clients ask for, and those that someone set. What Drover keeps among
//! the settings for itself (`drover.…`) is nobody's to see or change, but for how hosts are joined.

use drover_core::{
    Change, DEFAULT_RANGE, DEFAULT_REVISIONS, ENCRYPTION_SETTING, KEYS_SETTING, RANGE_SETTING,
    REVISIONS_SETTING, World, is_range, is_revisions,
};
use serde_json::{Value, json};

use super::Resource;
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, Code};
use crate::launch_config::BALANCER_IMAGE;
use crate::outcome::Outcome;
use crate::schema::{Field, READ, Schema};

/// How hosts reach the server, where they are told to join by another address than the one that was asked for it.
const HOST: &str = "api.host";

/// The address that machines are to join by: what the setting says, else how this server was reached.
pub fn joining_url(world: &World, base: &str) -> String {
    let set = world.settings.get(HOST).map(|url| url.trim().trim_end_matches('/'));
    match set.filter(|url| !url.is_empty()) {
        None => base.to_owned(),
        Some(url) if url.contains("://") => url.to_owned(),
        Some(host) => format!("http://{host}"),
    }
}

/// Names that exist without being set, and their values.
const DEFAULTS: [(&str, &str); 8] = [
    (HOST, ""),
    (ENCRYPTION_SETTING, "none"),
    (KEYS_SETTING, "0"),
    (RANGE_SETTING, DEFAULT_RANGE),
    (REVISIONS_SETTING, DEFAULT_REVISIONS),
    ("lb.instance.image", BALANCER_IMAGE),
    // The newest of Rancher's own command lines: they ask whether they are too old.
    ("rancher.compose.version", "v0.12.5"),
    // What this API is compatible with, which is what clients decide by.
    ("rancher.server.version", "v1.6.30"),
];

const PREFIX: &str = "1as!";
const OWN: &str = "drover.";

const FIELDS: &[Field] = &[
    Field::r("name", "string"),
    Field::ru("value", "string"),
    Field::r("activeValue", "string"),
    Field::r("inDb", "boolean"),
    Field::r("source", "string"),
];

static SETTING: Schema = schema("setting", "settings");
static ACTIVE_SETTING: Schema = schema("activeSetting", "activeSettings");

const fn schema(name: &'static str, plural: &'static str) -> Schema {
    Schema {
        name,
        plural,
        base: "setting",
        collection: READ,
        resource: &["GET", "PUT"],
        fields: &[FIELDS],
        actions: &[],
        links: &[],
    }
}

/// The rows, under either name.
pub(crate) struct Settings(&'static Schema);

/// `settings`.
pub(crate) static SETTINGS: Settings = Settings(&SETTING);
/// `activeSettings`, which older clients read.
pub(crate) static ACTIVE_SETTINGS: Settings = Settings(&ACTIVE_SETTING);

impl Resource for Settings {
    fn schema(&self) -> &'static Schema {
        self.0
    }

    fn rows(&self, ctx: &Context<'_>) -> Vec<Value> {
        let defaults = DEFAULTS.iter().map(|(name, _)| *name);
        let set = ctx.world.settings.keys().map(String::as_str);
        let set = set.filter(|name| DEFAULTS.iter().all(|(known, _)| known != name));
        let names = defaults.chain(set).filter(|name| is_shown(name));
        names.map(|name| self.render(ctx, name)).collect()
    }

    fn row(&self, ctx: &Context<'_>, id: &str) -> Option<Value> {
        let name = id.strip_prefix(PREFIX).unwrap_or(id);
        exists(ctx, name).then(|| self.render(ctx, name))
    }

    fn update(&self, _: &Context<'_>, id: &str, body: Body<'_>) -> Result<Outcome, ApiError> {
        let name = id.strip_prefix(PREFIX).unwrap_or(id);
        let changes = if body.names("value") {
            let value = body.text("value")?;
            if let Some(value) = &value {
                makes_sense(name, value)?;
            }
            vec![Change::SetSetting { name: name.to_owned(), value }]
        } else {
            Vec::new()
        };
        Ok(Outcome::render(changes, self.0.plural, name.to_owned(), 200))
    }
}

impl Settings {
    fn render(&self, ctx: &Context<'_>, name: &str) -> Value {
        let set = ctx.world.settings.get(name);
        let default = DEFAULTS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let value = set.map(String::as_str).or(default);
        let id = format!("{PREFIX}{name}");
        let own = ctx.resource_url(self.0.plural, &id);
        json!({
            "id": id,
            "type": self.0.name,
            "baseType": self.0.base,
            "name": name,
            "value": value,
            "activeValue": value,
            "inDb": set.is_some(),
            "source": if set.is_some() { "Database" } else { "Code Packaged Defaults" },
            "links": { "self": own },
            "actions": {},
        })
    }
}

fn exists(ctx: &Context<'_>, name: &str) -> bool {
    let known = DEFAULTS.iter().any(|(known, _)| *known == name);
    is_shown(name) && (known || ctx.world.settings.contains_key(name))
}

fn is_shown(name: &str) -> bool {
    !name.starts_with(OWN) || DEFAULTS.iter().any(|(known, _)| *known == name)
}

/// What hosts would stumble over is refused here.
fn makes_sense(name: &str, value: &str) -> Result<(), ApiError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".:/_-[]".contains(c);
    let (good, want) = match name {
        // It stands in commands that people paste into a shell.
        HOST => (value.chars().all(plain), "an address such as https://drover.example:8080"),
        ENCRYPTION_SETTING => (["none", "wireguard"].contains(&value), "`none` or `wireguard`"),
        KEYS_SETTING => (value.parse::<u64>().is_ok(), "a number"),
        REVISIONS_SETTING => (is_revisions(value), "a number from 2 to 1000"),
        RANGE_SETTING => (is_range(value), "a range such as 10.42.0.0/16, a /24 or wider"),
        _ => (true, ""),
    };
    if good {
        return Ok(());
    }
    let why = format!("setting {name} is {want}, not `{value}`");
    Err(ApiError::on(Code::InvalidOption, "value", why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_join_by_the_setting_or_as_the_server_was_reached() {
        for (set, want) in [
            (None, "http://h:1"),
            (Some(" "), "http://h:1"),
            (Some("https://drover.example/"), "https://drover.example"),
            (Some("10.0.0.1:8080"), "http://10.0.0.1:8080"),
        ] {
            let mut world = World::new();
            if let Some(value) = set {
                world.settings.insert(HOST.to_owned(), value.to_owned());
            }
            assert_eq!(joining_url(&world, "http://h:1"), want, "{set:?}");
        }
    }

    #[test]
    fn what_people_paste_has_nothing_a_shell_would_read() {
        assert!(makes_sense(HOST, "https://[fd00::1]:8080").is_ok());
        for bad in ["http://h; reboot", "$(id)", "a b"] {
            let refused = makes_sense(HOST, bad).unwrap_err();
            assert!(refused.message.contains("drover.example"), "{bad}: {refused}");
        }
    }
}
