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
    let (offset, limit) = (query.offset(), query.limit());
    let passing = select(list(&only), &filters);
    let First { rows, total, order } = first_of(passing, query, offset.saturating_add(limit));
    let partial = offset > 0 || total > limit;
    let page = |at: usize| json!(format!("{own_url}?{}", query.at(at)));
    let next = (offset.saturating_add(limit) < total).then(|| page(offset + limit));
    let previous = (offset > 0).then(|| page(offset.saturating_sub(limit)));
    let first = (offset > 0).then(|| page(0));
    let shown = rows.into_iter().skip(offset);
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
fn select<'a>(rows: Rows<'a>, filters: &[Filter<'_>]) -> impl Iterator<Item = Box<dyn Row + 'a>> {
    let wants_removed = filters.iter().any(Filter::wants_removed);
    let living =
        move |row: &dyn Row| wants_removed || row.get("removed").is_none_or(|at| at.is_null());
    let passes =
        move |row: &dyn Row| filters.iter().all(|filter| filter.passes(row)) && living(row);
    rows.filter(move |row| passes(row.as_ref()))
}

/// The first rows of a list in the order asked for.
struct First<'a> {
    rows: Vec<Box<dyn Row + 'a>>,
    /// How many there are in all.
    total: usize,
    /// As a collection tells it.
    order: Value,
}

/// Puts rows in the order asked for; equal ones, and all of them without an order, by id. No more than twice as many are held
/// at a time as are wanted.
fn first_of<'a>(
    rows: impl Iterator<Item = Box<dyn Row + 'a>>,
    query: &Query,
    wanted: usize,
) -> First<'a> {
    let by = query.get("sort");
    let down = query.get("order").is_some_and(|order| order.eq_ignore_ascii_case("desc"));
    // `id` is the order of equal ones already.
    let first = by.filter(|name| *name != "id");
    let (mut held, mut total, mut is_known) = (Vec::new(), 0_usize, by == Some("id"));
    let ahead = |a: &Keyed<'_>, b: &Keyed<'_>| {
        let by_key = if down { b.key.cmp(&a.key) } else { a.key.cmp(&b.key) };
        by_key.then(a.place.cmp(&b.place))
    };
    for row in rows {
        let key = first.map(|name| {
            let member = row.get(name);
            is_known |= member.is_some();
            Key::of(member.as_deref().unwrap_or(&Value::Null))
        });
        held.push(Keyed { key: (key, Id::of(row.as_ref())), place: total, row });
        total += 1;
        if held.len() >= wanted.saturating_mul(2) {
            held.select_nth_unstable_by(wanted, ahead);
            held.truncate(wanted);
        }
    }
    held.sort_unstable_by(ahead);
    held.truncate(wanted);
    let direction = if down { "desc" } else { "asc" };
    // Nothing is in the order of what no row has.
    let order = by
        .filter(|_| is_known && total > 0)
        .map_or(Value::Null, |name| json!({ "name": name, "order": direction, "reverse": null }));
    First { rows: held.into_iter().map(|held| held.row).collect(), total, order }
}

/// A row and what it is ordered by.
struct Keyed<'a> {
    key: (Option<Key>, Id),
    /// How many came before it.
    place: usize,
    row: Box<dyn Row + 'a>,
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
        let filters = filter::read(&query);
        let rows = first_of(select(plain(rows()), &filters), &query, 10).rows;
        rows.into_iter().map(|row| row.render()["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Pages hold what they would if all rows had been put in order first.
    #[test]
    fn pages_of_many_rows() {
        let rows = || (0..97_i64).map(|n| row(&format!("1s{}", n * 37 % 97), "x", n % 5)).collect();
        for order in ["", "sort=n", "sort=n&order=desc", "sort=id&order=desc", "sort=nothing"] {
            let query = Query::parse(order);
            let ids = |wanted| -> Vec<Value> {
                let first = first_of(plain(rows()), &query, wanted);
                assert_eq!(first.total, 97);
                first.rows.into_iter().map(|row| row.render()["id"].clone()).collect()
            };
            let all = ids(1_000);
            for wanted in [1, 2, 10, 48, 49, 96, 97] {
                assert_eq!(ids(wanted), all[..wanted], "{order} {wanted}");
            }
        }
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
