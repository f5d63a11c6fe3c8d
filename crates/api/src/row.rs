//! A row of a collection before it is rendered: what it is chosen and ordered by costs little, and only what is shown is
//! rendered.
//!
//! A row says of every member what the rendered resource would say of it; which of them it knows without rendering is its own
//! affair, and shows in nothing but time.

use std::borrow::Cow;
use std::cell::OnceCell;

use drover_core::{ProjectId, Rank};
use serde_json::Value;

use crate::access;
use crate::context::Context;
use crate::schema::Schema;

/// A row.
pub(crate) trait Row {
    /// The caller's say over it; `None` if it is not the caller's to know.
    fn rank(&self) -> Option<Rank>;

    /// Its own type; `None` if it is that of its collection.
    fn kind(&self) -> Option<&str>;

    /// The number in its id, if ids of its collection differ in nothing else.
    fn number(&self) -> Option<u64>;

    /// A member; `None` if it has none of that name.
    fn get(&self, name: &str) -> Option<Cow<'_, Value>>;

    /// The whole resource.
    fn render(self: Box<Self>) -> Value;
}

/// Rows, oldest first, each made when it is looked at: of a long list no more are held than are shown.
pub(crate) type Rows<'a> = Box<dyn Iterator<Item = Box<dyn Row + 'a>> + 'a>;

/// Conditions that a list may be narrowed by. A list that isn't narrowed is only longer; every row is looked at again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Only<'a> {
    is: Vec<(&'a str, &'a str)>,
    holds: Option<(&'a str, &'a str)>,
}

impl<'a> Only<'a> {
    /// A field is to be this text.
    pub(crate) fn one(field: &'a str, text: &'a str) -> Self {
        Self { is: vec![(field, text)], holds: None }
    }

    /// Fields are to be these texts.
    pub(crate) fn all(conditions: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        Self { is: conditions.collect(), holds: None }
    }

    /// A field is to be this id, or a list or map with it among others. Links ask so; a query can't.
    pub(crate) fn holding(field: &'a str, id: &'a str) -> Self {
        Self { is: Vec::new(), holds: Some((field, id)) }
    }

    /// What a field is to be, if anything is asked of it.
    pub(crate) fn get(&self, field: &str) -> Option<&'a str> {
        let mut all = self.is.iter().chain(&self.holds);
        all.find(|(asked, _)| *asked == field).map(|(_, text)| *text)
    }

    /// What a list is to hold.
    pub(crate) fn held(&self, field: &str) -> Option<&'a str> {
        self.holds.filter(|(asked, _)| *asked == field).map(|(_, id)| id)
    }
}

/// A row that is rendered already.
struct Whole {
    rank: Option<Rank>,
    value: Value,
}

/// Rows that are rendered already, or when they are looked at.
pub(crate) fn whole<'a>(
    ctx: &'a Context<'_>,
    rows: impl IntoIterator<Item = Value, IntoIter: 'a>,
) -> Rows<'a> {
    let row =
        |value| -> Box<dyn Row> { Box::new(Whole { rank: access::rank_over(ctx, &value), value }) };
    Box::new(rows.into_iter().map(row))
}

/// The same where it doesn't matter whose they are.
#[cfg(test)]
pub(crate) fn unowned(rows: Vec<Value>) -> Rows<'static> {
    let row = |value| -> Box<dyn Row> { Box::new(Whole { rank: None, value }) };
    Box::new(rows.into_iter().map(row))
}

/// Render all.
pub(crate) fn rendered(rows: Rows<'_>) -> Vec<Value> {
    rows.map(Row::render).collect()
}

impl Row for Whole {
    fn rank(&self) -> Option<Rank> {
        self.rank
    }

    fn kind(&self) -> Option<&str> {
        self.value["type"].as_str()
    }

    fn number(&self) -> Option<u64> {
        None
    }

    fn get(&self, name: &str) -> Option<Cow<'_, Value>> {
        self.value.get(name).map(Cow::Borrowed)
    }

    fn render(self: Box<Self>) -> Value {
        self.value
    }
}

/// What a row can be made of that is rendered only when it must be.
pub(crate) trait Item {
    /// What it looks like.
    fn schema(&self) -> &'static Schema;

    /// Whether a resource of its type may have a member of that name.
    fn may_have(&self, name: &str) -> bool {
        self.schema().may_have(name)
    }

    /// Its project, and the number in its id.
    fn whose(&self) -> (ProjectId, u64);

    /// A member as the rendered resource has it; `None` where that is not known without rendering.
    fn brief(&self, ctx: &Context<'_>, name: &str) -> Option<Value>;

    /// The whole resource.
    fn render(&self, ctx: &Context<'_>) -> Value;
}

/// A row of an item.
struct Lazy<'a, T> {
    ctx: &'a Context<'a>,
    item: T,
    /// Boxed: of most rows of a long list it is never made.
    whole: OnceCell<Box<Value>>,
}

/// Rows of items.
pub(crate) fn lazy<'a, T: Item + 'a>(
    ctx: &'a Context<'a>,
    items: impl Iterator<Item = T> + 'a,
) -> Rows<'a> {
    let row =
        move |item| -> Box<dyn Row + 'a> { Box::new(Lazy { ctx, item, whole: OnceCell::new() }) };
    Box::new(items.map(row))
}

impl<T: Item> Row for Lazy<'_, T> {
    fn rank(&self) -> Option<Rank> {
        self.ctx.rights.in_project(self.item.whose().0)
    }

    fn kind(&self) -> Option<&str> {
        Some(self.item.schema().name)
    }

    fn number(&self) -> Option<u64> {
        Some(self.item.whose().1)
    }

    fn get(&self, name: &str) -> Option<Cow<'_, Value>> {
        if let Some(known) = self.item.brief(self.ctx, name) {
            return Some(Cow::Owned(known));
        }
        // What no resource of the type has is not worth a rendering.
        if !self.item.may_have(name) {
            return None;
        }
        let whole = self.whole.get_or_init(|| Box::new(self.item.render(self.ctx)));
        whole.get(name).map(Cow::Borrowed)
    }

    fn render(self: Box<Self>) -> Value {
        let Self { ctx, item, whole } = *self;
        whole.into_inner().map_or_else(|| item.render(ctx), |whole| *whole)
    }
}

/// A text as resources have it: null if it is empty.
pub(crate) fn said(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { Value::String(text.to_owned()) }
}
