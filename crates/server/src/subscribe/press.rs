//! Events that several subscribers get are rendered once: who is alike in all that a rendering depends on, and looks at the same
//! moment, gets the same frame.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use axum::extract::ws::Utf8Bytes;

use super::changed::Name;
use super::{Sight, Subscriber};
use crate::lock::lock;

/// Moments that are kept: subscribers that are a little behind each other share one all the same.
const KEPT: usize = 4;
/// Frames of one moment that are kept, at most.
const FRAMES: usize = 4_096;

/// What is rendered, by moment.
#[derive(Default)]
pub(crate) struct Press(Mutex<Vec<Sheet>>);

/// The frames of one moment for those who are alike.
struct Sheet {
    sight: Sight,
    /// One of them.
    who: Subscriber,
    frames: BTreeMap<Name, Arc<OnceLock<Option<Utf8Bytes>>>>,
}

impl Press {
    /// The frame of a resource for a subscriber; rendered by the first who asks, for all. `None` if there is nothing for them.
    pub(super) fn frame(
        &self,
        sight: &Sight,
        who: &Subscriber,
        name: &Name,
        render: impl FnOnce() -> Option<Utf8Bytes>,
    ) -> Option<Utf8Bytes> {
        let frame = self.place(sight, who, name);
        // Outside of the lock: who wants another frame does not wait for this one.
        frame.get_or_init(render).clone()
    }

    fn place(
        &self,
        sight: &Sight,
        who: &Subscriber,
        name: &Name,
    ) -> Arc<OnceLock<Option<Utf8Bytes>>> {
        let mut sheets = lock(&self.0);
        let at = sheets.iter().position(|held| held.sight.is(sight) && held.who.is_like(who));
        let at = at.unwrap_or_else(|| {
            if sheets.len() >= KEPT {
                sheets.remove(0);
            }
            let (sight, who) = (sight.clone(), who.clone());
            sheets.push(Sheet { sight, who, frames: BTreeMap::new() });
            sheets.len() - 1
        });
        let Some(sheet) = sheets.get_mut(at) else { return Arc::default() };
        if let Some(frame) = sheet.frames.get(name) {
            return frame.clone();
        }
        let frame = Arc::default();
        if sheet.frames.len() < FRAMES {
            sheet.frames.insert(name.clone(), Arc::clone(&frame));
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use drover_api::{Address, Caller, Query};
    use drover_core::{Grant, ProjectId};

    use super::*;
    use crate::sample::world;

    fn subscriber(access: &str, grant: Grant, query: &str) -> Subscriber {
        Subscriber {
            address: Address::parse("/v2-beta/projects/1a1/subscribe").unwrap(),
            query: Query::parse(query),
            base: "http://here".to_owned(),
            caller: Caller { access: access.to_owned(), grant, within: None },
        }
    }

    fn sight() -> Sight {
        Sight {
            world: Arc::new(world()),
            notes: Arc::default(),
            errands: Arc::default(),
            pulls: Arc::default(),
        }
    }

    #[test]
    fn who_is_alike_shares_a_frame_and_nobody_else() {
        let (press, first, second) = (Press::default(), sight(), sight());
        let rendered = Cell::new(0);
        let ask = |sight: &Sight, who: &Subscriber, id: &str| {
            let render = || {
                rendered.set(rendered.get() + 1);
                Some(format!("{} for {}", id, who.caller.access).into())
            };
            press.frame(sight, who, &("services", id.to_owned()), render)
        };
        let admin = |access: &str| subscriber(access, Grant::Admin, "");
        let shared = ask(&first, &admin("a"), "1s1");
        assert_eq!((ask(&first, &admin("b"), "1s1"), rendered.get()), (shared, 1));
        for (who, sight, id) in [
            (admin("a"), &first, "1s2"),
            (admin("a"), &second, "1s1"),
            (subscriber("a", Grant::Project(ProjectId(1)), ""), &first, "1s1"),
            (subscriber("a", Grant::Admin, "include=instances"), &first, "1s1"),
        ] {
            let before = rendered.get();
            ask(sight, &who, id);
            assert_eq!(rendered.get(), before + 1, "{id} {:?}", who.caller.grant);
        }
    }
}
