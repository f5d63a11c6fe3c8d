//! Collections: filters, order and pages, one implementation for all types. Rows are rendered when they are on the page.
//!
//! A filter works on whatever member a row has, so a new field can be filtered by without more code; what no row
//! has is ignored, as Rancher does (its clients send `system=false` to everything).

mod filter;
mod order;

use serde_json::{Map, Value, json};

use crate::access::{self, Deed, Reach};
use crate::context::Context;
use crate::query::Query;
use crate::row::{Only, Row, Rows};
use crate::schema::Schema;
use filter::Filter;
use order::{Id, Key};

/// A collection as the query wants it, of rows that `list` gives; it is told what may be left out.
pub(crate) fn collection<'a>(
    ctx: &'a Context<'a>,
    schema: &Schema,
    own_url: &str,
    query: &Query,
    list: impl FnOnce(&Only<'_>) -> Rows<'a>,
) -> Value {
    let filters = filter::read(query);
    let only = Only::all(filters.iter().filter_map(Filter::is_exactly));
    let rows = select(list(&only), &filters);
    let (rows, order) = sort(rows, query);
    let (offset, limit) = (query.offset(), query.limit());
    let partial = offset > 0 || rows.len() > limit;
    let page = |at: usize| json!(format!("{own_url}?{}", query.at(at)));
    let next = (offset.saturating_add(limit) < rows.len()).then(|| page(offset + limit));
    let previous = (offset > 0).then(|| page(offset.saturating_sub(limit)));
    let first = (offset > 0).then(|| page(0));
    let total = rows.len();
    let shown = rows.into_iter().skip(offset).take(limit);
    let data: Vec<Value> = shown.map(|row| access::rendered(schema.name, row)).collect();
    let can_create =
        schema.collection.contains(&"POST") && Reach::of(ctx).offers(schema.name, Deed::Create);
    let create_url = ctx.url(&schema.plural.to_ascii_lowercase());
    let create_types: Map<_, _> =
        can_create.then(|| (schema.name.to_owned(), json!(create_url))).into_iter().collect();
    let mut collection = json!({
        "type": "collection",
        "resourceType": schema.name,
        "links": { "self": own_url },
        "createTypes": create_types,
        "actions": {},
        "data": null,
        "sortLinks": {},
        "pagination": {
            "first": first,
            "previous": previous,
            "next": next,
            "limit": limit,
            "total": total,
            // Clients follow `next` while this is true, so the last page must say false.
            "partial": partial && next.is_some(),
        },
        "sort": order,
        "filters": filter::shown(&filters),
        "createDefaults": {},
    });
    // Moved, not written again.
    collection["data"] = Value::Array(data);
    collection
}

/// The rows that pass. Removed ones are hidden at once unless the query asks for them by `removed_notnull`.
fn select<'a>(rows: Rows<'a>, filters: &[Filter<'_>]) -> Rows<'a> {
    let wants_removed = filters.iter().any(Filter::wants_removed);
    let living = |row: &dyn Row| wants_removed || row.get("removed").is_none_or(|at| at.is_null());
    let passes = |row: &dyn Row| filters.iter().all(|filter| filter.passes(row)) && living(row);
    rows.into_iter().filter(|row| passes(row.as_ref())).collect()
}

/// Puts rows in the order asked for; equal ones, and all of them without an order, by id.
fn sort<'a>(rows: Rows<'a>, query: &Query) -> (Rows<'a>, Value) {
    let by = query.get("sort").filter(|name| rows.iter().any(|row| row.get(name).is_some()));
    let down = query.get("order").is_some_and(|order| order.eq_ignore_ascii_case("desc"));
    // `id` is the order of equal ones already.
    let first = by.filter(|name| *name != "id");
    let key = |row: &dyn Row| {
        let first = first.map(|name| Key::of(row.get(name).as_deref().unwrap_or(&Value::Null)));
        (first, Id::of(row))
    };
    let mut keyed: Vec<_> = rows.into_iter().map(|row| (key(row.as_ref()), row)).collect();
    keyed.sort_by(|(a, _), (b, _)| if down { b.cmp(a) } else { a.cmp(b) });
    let direction = if down { "desc" } else { "asc" };
    let order =
        by.map_or(Value::Null, |name| json!({ "name": name, "order": direction, "reverse": null }));
    (keyed.into_iter().map(|(_, row)| row).collect(), order)
}

/// A collection that is never filtered, sorted or cut into pages.
pub(crate) fn whole(of: &str, url: &str, data: &[Value]) -> Value {
    json!({
        "type": "collection",
        "resourceType": of,
        "links": { "self": url },
        "createTypes": {},
        "actions": {},
        "data": data,
        "sortLinks": {},
        "pagination": null,
        "sort": null,
        "filters": {},
        "createDefaults": {},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, name: &str, n: i64) -> Value {
        json!({ "id": id, "name": name, "n": n, "flag": n > 1, "state": "active", "removed": null,
                "created": format!("2026-01-0{n}T00:00:00Z"), "stackId": "1st7" })
    }

    fn rows() -> Vec<Value> {
        let mut gone = row("1s3", "gone", 3);
        gone["removed"] = json!("2026-01-01T00:00:00Z");
        vec![row("1s10", "web", 1), row("1s9", "Api", 2), gone]
    }

    fn plain(rows: Vec<Value>) -> Rows<'static> {
        crate::row::unowned(rows)
    }

    fn ids(raw: &str) -> Vec<String> {
        let query = Query::parse(raw);
        let rows = select(plain(rows()), &filter::read(&query));
        let (rows, _) = sort(rows, &query);
        rows.into_iter().map(|row| row.render()["id"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_clients_filter_by() {
        for (query, want) in [
            ("", &["1s9", "1s10"][..]),
            ("name=api", &["1s9"]),
            ("name=API&stackId=1st7&removed_null=<nil>", &["1s9"]),
            ("name_ne=api", &["1s10"]),
            ("name_prefix=we", &["1s10"]),
            ("name_like=%25e%25", &["1s10"]),
            ("name_notlike=w%25", &["1s9"]),
            ("stackId=1s7", &[]),
            ("stackId=web", &[]),
            ("state_ne=inactive&state_ne=active", &[]),
            ("state_ne=inactive&state_ne=stopped", &["1s9", "1s10"]),
            ("system=false&all=true&nonsense_lt=3", &["1s9", "1s10"]),
            ("n=2", &["1s9"]),
            ("n_gte=1&n_lt=2", &["1s10"]),
            ("flag=true", &["1s9"]),
            ("flag_ne=true", &["1s10"]),
            ("created_gt=2026-01-01T00:00:00Z", &["1s9"]),
            ("removed_notnull=1", &["1s3"]),
            ("sort=name", &["1s9", "1s10"]),
            ("sort=name&order=desc", &["1s10", "1s9"]),
            ("sort=id&order=desc", &["1s10", "1s9"]),
            ("sort=created", &["1s10", "1s9"]),
            ("sort=nonsense", &["1s9", "1s10"]),
        ] {
            assert_eq!(ids(query), want, "{query}");
        }
    }
}
