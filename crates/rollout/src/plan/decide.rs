//! What `up` does with one service: from the file's wish, the server's view and the flags, to a decision. Pure.
//!
//! Rancher's rules: an upgrade only where it was asked for, links and the service's own members at every run,
//! scale never. Everything that can be refused without asking the server is refused here, for all services, before
//! the first one is touched.

use drover_compose::ServiceSpec;
use drover_core::{Driver, ServiceKind};

use crate::Program;
use crate::diff::{Difference, Sidekick};
use crate::outcome::{Standing, standing};
use crate::view::ServiceView;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Replace containers where they differ.
    pub upgrade: bool,
    /// Replace them also where nothing differs.
    pub force: bool,
    /// Confirm upgrades when they are there.
    pub confirm: bool,
    /// Services and sidekicks by name; empty is all.
    pub names: Vec<String>,
    /// Remove services that are not in the files.
    pub prune: bool,
    /// Units at a time, over what the files say.
    pub batch_size: Option<u32>,
    /// Milliseconds between batches, over what the files say.
    pub interval_ms: Option<u64>,
    /// Kept with the revisions it makes.
    pub reason: Option<String>,
    /// When all of this was asked for first, in milliseconds, where it goes on after an interruption: an upgrade that began
    /// since and was taken back is not begun again.
    pub since: Option<u64>,
    /// Whose advice it is.
    pub program: Program,
}

/// What to do with one service that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Finish the upgrade that waits for a decision, before the next one.
    pub(crate) finish_first: bool,
    /// Go on with an upgrade that was cancelled half-way.
    pub(crate) resume: bool,
    /// Replace containers.
    pub(crate) replace: Option<Replace>,
    /// Write members of the service itself.
    pub(crate) put: bool,
    /// Start it.
    pub(crate) activate: bool,
    /// An upgrade is going on that leads where the files want to be: watch it.
    pub(crate) watch: bool,
    /// Finish the upgrade once it is there.
    pub(crate) confirm: bool,
    /// What there is to say.
    pub(crate) notes: Vec<Note>,
}

/// Containers to replace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replace {
    /// The primary one.
    pub(crate) primary: bool,
    /// Sidekicks, by name.
    pub(crate) sidekicks: Vec<String>,
    /// Sidekicks that go.
    pub(crate) removed: Vec<String>,
    /// What differs, in words; empty if it is only forced.
    pub(crate) what: String,
}

/// Something to say about a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// To know.
    Info(String),
    /// To heed.
    Warning(String),
}

impl Decision {
    /// Whether anything is to be done at all.
    pub(crate) fn is_nothing(&self) -> bool {
        let Self { finish_first, resume, replace, put, activate, watch, confirm, notes: _ } = self;
        let any = *finish_first || *resume || *put || *activate || *watch || *confirm;
        !any && replace.is_none()
    }

    /// Whether it has to do with an upgrade, whose outcome is waited for where it is asked for.
    pub(crate) fn upgrades(&self) -> bool {
        self.replace.is_some() || self.resume || self.watch || self.confirm
    }
}

/// Decide. An error is a refusal: the whole sentence.
pub(crate) fn decide(
    ours: &ServiceSpec,
    theirs: &ServiceView,
    difference: &Difference,
    asked: &Asked,
) -> Result<Decision, String> {
    check_kind(ours, theirs)?;
    let mut decision = Decision { put: !difference.fields.is_empty(), ..Decision::default() };
    let (name, state) = (&ours.name, theirs.state.as_str());
    let replace = wanted(ours, difference, asked);
    match (replace, state) {
        (Some(_), _) if was_taken_back(theirs, asked) => match standing(theirs) {
            Standing::Back(why) => return Err(why),
            _ => return Err(not_now(name, state, asked.program.name())),
        },
        (Some(replace), _) if !asked.upgrade && !asked.force => {
            decision.notes.push(out_of_sync(name, &replace.what, asked.program.name()));
            // What is to be confirmed is what runs, whatever the files say by now.
            decision.confirm = asked.confirm && state == "upgraded";
        }
        (Some(replace), "active" | "inactive" | "activating" | "updating-active") => {
            decision.replace = Some(replace);
            decision.confirm = asked.confirm;
        }
        (Some(replace), "upgraded") if asked.confirm => {
            decision.finish_first = true;
            decision.replace = Some(replace);
            decision.confirm = true;
        }
        (Some(_), _) => return Err(not_now(name, state, asked.program.name())),
        (None, "canceled-upgrade") if asked.upgrade => {
            decision.resume = true;
            decision.confirm = asked.confirm;
        }
        (None, "upgrading") => {
            decision.watch = true;
            decision.confirm = asked.confirm;
        }
        (None, "upgraded") => stay(&mut decision, theirs, asked),
        (None, _) => {}
    }
    // Whatever the state is called: the server says whether it can be started.
    decision.activate = state == "inactive" && decision.replace.is_none();
    decision.notes.extend(scale(ours, theirs));
    Ok(decision)
}

/// Whether this has been tried already, and the new version was taken back.
fn was_taken_back(theirs: &ServiceView, asked: &Asked) -> bool {
    let began = theirs.whole["lastUpgrade"]["startedTS"].as_u64();
    asked.upgrade
        && asked.since.zip(began).is_some_and(|(since, began)| began >= since)
        && matches!(standing(theirs), Standing::Back(_))
}

/// What there is to do about an upgrade that has moved all it was to move, and leads where the files want to be. The same
/// command again must end as the first run would have: while the policy still looks, and where it has said no, that is
/// waited for before anything is confirmed. Asked for by itself, a confirmation holds against the policy's word.
fn stay(decision: &mut Decision, theirs: &ServiceView, asked: &Asked) {
    let decided = standing(theirs) == Standing::Waits;
    decision.watch = asked.upgrade && !decided;
    decision.confirm = asked.confirm;
    if asked.upgrade && !asked.confirm && decided {
        decision.notes.push(waits_for_decision(&theirs.name, asked.program.name()));
    }
}

/// What is to be replaced, were it allowed.
fn wanted(ours: &ServiceSpec, difference: &Difference, asked: &Asked) -> Option<Replace> {
    if !ours.kind.has_units() {
        return None;
    }
    let forced =
        |name: &String| asked.force && (asked.names.is_empty() || asked.names.contains(name));
    let mut replace = Replace {
        primary: !difference.primary.is_empty() || forced(&ours.name),
        what: difference.containers(),
        ..Replace::default()
    };
    for name in ours.template.sidekicks.keys() {
        if difference.sidekicks.contains_key(name) || forced(name) {
            replace.sidekicks.push(name.clone());
        }
    }
    let gone = difference.sidekicks.iter().filter(|(_, how)| **how == Sidekick::Removed);
    replace.removed = gone.map(|(name, _)| name.clone()).collect();
    let any = replace.primary || !replace.sidekicks.is_empty() || !replace.removed.is_empty();
    any.then_some(replace)
}

fn check_kind(ours: &ServiceSpec, theirs: &ServiceView) -> Result<(), String> {
    let ours_is = kind(ours.kind, ours.driver.as_ref());
    let theirs_is = kind(theirs.kind, theirs.driver.as_ref());
    if ours_is == theirs_is {
        return Ok(());
    }
    Err(format!(
        "{} is {ours_is} in the files and {theirs_is} on the server, and one can't become the other: remove it first, \
         with rm {}",
        ours.name, ours.name
    ))
}

fn kind(kind: ServiceKind, driver: Option<&Driver>) -> &'static str {
    match (kind, driver) {
        (_, Some(Driver::Storage(_))) => "a driver of volumes",
        (_, Some(Driver::Network(_))) => "a driver of networks",
        (ServiceKind::Containers, None) => "a service of containers",
        (ServiceKind::Balancer, None) => "a load balancer",
        (ServiceKind::Alias, None) => "an alias",
        (ServiceKind::External, None) => "an external service",
    }
}

fn out_of_sync(name: &str, what: &str, program: &str) -> Note {
    Note::Warning(format!(
        "{name} is out of sync with the files: {what}. Nothing of it was changed; to apply: {program} up --upgrade {name}"
    ))
}

/// Why an upgrade can't begin now, and the way out.
fn not_now(name: &str, state: &str, program: &str) -> String {
    match state {
        "upgraded" => format!(
            "{name} is upgraded and waits for a decision, so the next upgrade can't begin. Keep the new version: \
             {program} up --confirm-upgrade {name}. Return to the old one: {program} up --rollback {name}. Keep it \
             and go on at once: {program} up --upgrade --confirm-upgrade {name}"
        ),
        "upgrading" => format!(
            "{name} is being upgraded to something else than the files say. Wait for it, or go back first: \
             {program} up --rollback {name}"
        ),
        "canceled-upgrade" => format!(
            "an upgrade of {name} was cancelled half-way, to something else than the files say. Go back first: \
             {program} up --rollback {name}"
        ),
        state => format!(
            "{name} must be state=active or inactive to upgrade, currently: state={state}. Wait for it and try again"
        ),
    }
}

fn waits_for_decision(name: &str, program: &str) -> Note {
    Note::Info(format!(
        "{name} is upgraded and waits for a decision: {program} up --confirm-upgrade {name}, or {program} up --rollback {name}"
    ))
}

/// Rancher's rule is that `up` leaves the scale alone; that it differs shall not go unsaid.
fn scale(ours: &ServiceSpec, theirs: &ServiceView) -> Option<Note> {
    let wanted = ours.scale?;
    let scaled = ours.kind.has_units() && !ours.template.primary.is_global();
    (scaled && wanted != theirs.scale).then(|| {
        let (name, runs) = (&ours.name, theirs.scale);
        Note::Info(format!(
            "{name} keeps its scale of {runs}, the files say {wanted}; to change it: scale {name}={wanted}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ours() -> ServiceSpec {
        let mut spec = ServiceSpec { name: "web".into(), ..ServiceSpec::default() };
        spec.template.sidekicks.insert("log".into(), drover_core::ContainerSpec::default());
        spec
    }

    fn theirs(state: &str) -> ServiceView {
        ServiceView::read(&json!({ "type": "service", "name": "web", "state": state, "scale": 2 }))
    }

    fn image() -> Difference {
        Difference { primary: vec!["image a → b".into()], ..Difference::default() }
    }

    fn asked(flags: &str) -> Asked {
        Asked {
            upgrade: flags.contains('u'),
            force: flags.contains('f'),
            confirm: flags.contains('c'),
            ..Asked::default()
        }
    }

    /// The decision as a few words.
    fn words(state: &str, difference: &Difference, asked: &Asked) -> String {
        let decision = decide(&ours(), &theirs(state), difference, asked);
        decision.map_or_else(|_| "refused".into(), |decision| shown(&decision))
    }

    fn shown(decision: &Decision) -> String {
        let mut words = Vec::new();
        for (flag, word) in [
            (decision.finish_first, "finish"),
            (decision.resume, "resume"),
            (decision.replace.is_some(), "replace"),
            (decision.put, "put"),
            (decision.activate, "activate"),
            (decision.watch, "watch"),
            (decision.confirm, "confirm"),
            (!decision.notes.is_empty(), "note"),
        ] {
            if flag {
                words.push(word);
            }
        }
        words.join(" ")
    }

    #[test]
    fn by_state_flags_and_difference() {
        let (same, differs) = (Difference::default(), image());
        for (state, flags, on_same, on_differs) in [
            ("active", "", "", "note"),
            ("active", "u", "", "replace"),
            ("active", "c", "", "note"),
            ("active", "uc", "", "replace confirm"),
            ("active", "f", "replace", "replace"),
            ("inactive", "", "activate", "activate note"),
            ("inactive", "u", "activate", "replace"),
            ("activating", "u", "", "replace"),
            ("upgraded", "", "", "note"),
            ("upgraded", "u", "note", "refused"),
            ("upgraded", "f", "refused", "refused"),
            ("upgraded", "c", "confirm", "confirm note"),
            ("upgraded", "uc", "confirm", "finish replace confirm"),
            ("upgraded", "fc", "finish replace confirm", "finish replace confirm"),
            ("upgrading", "", "watch", "note"),
            ("upgrading", "u", "watch", "refused"),
            ("upgrading", "c", "watch confirm", "note"),
            ("canceled-upgrade", "u", "resume", "refused"),
            ("canceled-upgrade", "", "", "note"),
            ("rolling-back", "u", "", "refused"),
            ("finishing-upgrade", "f", "refused", "refused"),
        ] {
            assert_eq!(words(state, &same, &asked(flags)), on_same, "same, {state} -{flags}");
            assert_eq!(
                words(state, &differs, &asked(flags)),
                on_differs,
                "differs, {state} -{flags}"
            );
        }
    }

    #[test]
    fn what_its_policy_looks_at_is_watched_again() {
        for (flags, upgrade, want) in [
            ("u", json!({}), "note"),
            ("u", json!({ "watched": true }), "watch"),
            ("u", json!({ "finishesItself": true }), "watch"),
            ("u", json!({ "verdict": "it crashes" }), "watch"),
            ("uc", json!({ "watched": true }), "watch confirm"),
            ("uc", json!({ "verdict": "it crashes" }), "watch confirm"),
            ("c", json!({ "verdict": "it crashes" }), "confirm"),
            ("", json!({ "watched": true }), ""),
        ] {
            let mut theirs = theirs("upgraded");
            theirs.whole["upgrade"] = upgrade.clone();
            let decision = decide(&ours(), &theirs, &Difference::default(), &asked(flags));
            assert_eq!(shown(&decision.unwrap()), want, "{upgrade} -{flags}");
        }
    }

    #[test]
    fn a_refusal_names_the_way_out() {
        let refusal = decide(&ours(), &theirs("upgraded"), &image(), &asked("u")).unwrap_err();
        for part in [
            "web is upgraded",
            "--confirm-upgrade web",
            "--rollback web",
            "--upgrade --confirm-upgrade",
        ] {
            assert!(refusal.contains(part), "{refusal}");
        }
        let refusal = decide(&ours(), &theirs("restarting"), &image(), &asked("u")).unwrap_err();
        assert!(
            refusal.contains(
                "must be state=active or inactive to upgrade, currently: state=restarting"
            )
        );
        let mut balancer = ours();
        balancer.kind = ServiceKind::Balancer;
        let refusal = decide(&balancer, &theirs("active"), &image(), &asked("")).unwrap_err();
        assert!(refusal.contains("rm web"), "{refusal}");
    }

    #[test]
    fn members_of_the_service_are_written_without_asking() {
        let mut put = Difference::default();
        put.fields.insert("metadata".into(), json!({}));
        assert_eq!(words("active", &put, &asked("")), "put");
        assert_eq!(words("upgraded", &put, &asked("")), "put");
    }

    #[test]
    fn what_is_replaced() {
        let forced = |names: &[&str]| {
            let names = names.iter().map(|n| (*n).to_owned()).collect();
            let asked = Asked { names, ..asked("f") };
            decide(&ours(), &theirs("active"), &Difference::default(), &asked)
                .unwrap()
                .replace
                .unwrap()
        };
        let sidekick = vec!["log".to_owned()];
        let whole = Replace { primary: true, sidekicks: sidekick.clone(), ..Replace::default() };
        assert_eq!(forced(&[]), whole);
        assert_eq!(forced(&["web"]), Replace { primary: true, ..Replace::default() });
        assert_eq!(forced(&["log"]), Replace { sidekicks: sidekick, ..Replace::default() });
        let mut alias = ours();
        alias.kind = ServiceKind::Alias;
        let theirs = ServiceView { kind: ServiceKind::Alias, ..theirs("active") };
        let decision = decide(&alias, &theirs, &Difference::default(), &asked("f")).unwrap();
        assert!(decision.is_nothing());
    }

    #[test]
    fn a_scale_left_alone_is_said() {
        let ours = ServiceSpec { scale: Some(3), ..ours() };
        let decision =
            decide(&ours, &theirs("active"), &Difference::default(), &asked("")).unwrap();
        let Note::Info(text) = &decision.notes[0] else { panic!() };
        assert_eq!(text, "web keeps its scale of 2, the files say 3; to change it: scale web=3");
        assert!(decision.is_nothing());
    }

    #[test]
    fn what_was_taken_back_since_is_not_begun_again() {
        let theirs = ServiceView::read(&json!({
            "type": "service", "name": "web", "state": "active", "scale": 2,
            "lastUpgrade": {
                "phase": "rolling-back", "fromRevision": 1, "startedTS": 70, "verdict": "it crashes",
            },
        }));
        let at = |since| {
            let asked = Asked { since, ..asked("u") };
            decide(&ours(), &theirs, &image(), &asked).map(|decision| shown(&decision))
        };
        let why = "web was rolled back to revision 1: it crashes";
        assert_eq!(at(Some(70)), Err(why.to_owned()));
        // That was another one: this one is still to be begun.
        assert_eq!(at(Some(71)), Ok("replace".to_owned()));
        assert_eq!(at(None), Ok("replace".to_owned()));
    }
}
