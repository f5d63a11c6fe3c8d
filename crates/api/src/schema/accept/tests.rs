//! Every field of every table against everything its table says of it: what breaks one thing is refused with that thing's code,
//! at that field; its neighbour within the limit passes. New fields are tried by being in a table.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

/// The codes that tables alone decide on.
const CODES: [Code; 11] = [
    Code::InvalidCharacters,
    Code::InvalidDateFormat,
    Code::InvalidFormat,
    Code::InvalidOption,
    Code::InvalidReference,
    Code::MaxLengthExceeded,
    Code::MaxLimitExceeded,
    Code::MinLengthExceeded,
    Code::MinLimitExceeded,
    Code::MissingRequired,
    Code::NotNullable,
];

/// No table that bodies are held to has these; they are tried all the same.
static RARE: Schema = crate::schema::inputs::part(
    "rare",
    &[&[Field::cr("at", "date"), Field::cr("list", "array[array[int]]").length(1, 2)]],
);

/// How a type can be sent.
fn writes(schema: &Schema) -> Vec<Write> {
    let mut writes = vec![];
    if schema.collection.contains(&"POST") {
        writes.push(Write::Create);
    }
    if schema.resource.contains(&"PUT") {
        writes.push(Write::Update);
    }
    if schema.collection.is_empty() || schema.fields().any(|field| field.create) {
        writes.push(Write::Part);
    }
    writes
}

/// The least that passes.
fn sample(schema: &Schema, write: Write) -> Value {
    let needed = schema.fields().filter(|field| write.takes(field) && field.required);
    needed.map(|field| (field.name.to_owned(), value_of(field, field.kind))).collect()
}

fn value_of(field: &Field, kind: &str) -> Value {
    let inner = |prefix: &str| kind.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(']'));
    if let Some(kind) = inner("array[") {
        return vec![value_of(&PLAIN, kind); length(field)].into();
    }
    if let Some(kind) = inner("map[") {
        return json!({ "a": value_of(&PLAIN, kind) });
    }
    match kind {
        "string" | "password" => json!("a".repeat(length(field))),
        "int" => json!(field.min.unwrap_or(1)),
        "boolean" => json!(true),
        "date" => json!("2026-01-31T12:00:00Z"),
        "enum" => json!(field.options[0]),
        "json" => json!([1]),
        kind if inner("reference[").is_some() => json!(kind),
        kind => all().find(|held| held.name == kind).map_or(json!({}), |s| sample(s, Write::Part)),
    }
}

fn length(field: &Field) -> usize {
    field.min_length.unwrap_or(1) as usize
}

/// What is wrong with a field, and what passes just beside it.
fn trials(field: &Field, write: Write) -> (Vec<(Code, Option<Value>)>, Vec<Value>) {
    let (mut wrong, mut right) = (vec![], vec![value_of(field, field.kind)]);
    if field.required && write.makes() {
        wrong.push((Code::MissingRequired, None));
    }
    match (field.required, field.is_nullable(), write.makes()) {
        (true, true, true) => wrong.push((Code::MissingRequired, Some(Value::Null))),
        (_, false, _) => wrong.push((Code::NotNullable, Some(Value::Null))),
        (_, true, _) => right.push(Value::Null),
    }
    let (text, list) = (|n: u32| json!("a".repeat(n as usize)), field.kind.starts_with("array["));
    let item = field.kind.strip_prefix("array[").and_then(|rest| rest.strip_suffix(']'));
    let sized = |n: u32| {
        item.map_or_else(|| text(n), |kind| vec![value_of(&PLAIN, kind); n as usize].into())
    };
    if let Some(min) = field.min_length {
        wrong.push((Code::MinLengthExceeded, Some(sized(min - 1))));
        right.push(sized(min));
    }
    if let Some(max) = field.max_length {
        wrong.push((Code::MaxLengthExceeded, Some(sized(max + 1))));
        right.push(sized(max));
    }
    if let Some(min) = field.min {
        wrong.push((Code::MinLimitExceeded, Some(json!(min - 1))));
        right.extend([json!(min), json!(min.to_string())]);
    }
    if let Some(max) = field.max {
        wrong.push((Code::MaxLimitExceeded, Some(json!(max + 1))));
        right.push(json!(max));
    }
    if !field.valid_chars.is_empty() {
        wrong.push((Code::InvalidCharacters, Some(json!("a/"))));
        right.push(json!("zA9-"));
    }
    for held in field.invalid_chars.chars() {
        wrong.push((Code::InvalidCharacters, Some(json!(format!("a{held}")))));
    }
    if list {
        wrong.push((Code::InvalidFormat, Some(json!({ "a": 1 }))));
        let mut items = sized(field.min_length.unwrap_or(0));
        items.as_array_mut().unwrap().push(Value::Null);
        right.push(items);
    } else if field.kind.starts_with("map[") {
        wrong.push((Code::InvalidFormat, Some(json!(["a"]))));
        right.push(json!({ "a": null }));
    } else if field.kind.starts_with("reference[") {
        wrong.push((Code::InvalidReference, Some(json!(["1s5"]))));
        right.push(json!(5));
    } else {
        match field.kind {
            "string" | "password" => wrong.push((Code::InvalidFormat, Some(json!(["a"])))),
            "int" => {
                wrong.push((Code::InvalidFormat, Some(json!("one"))));
                wrong.push((Code::InvalidFormat, Some(json!(1.5))));
            }
            "boolean" => {
                wrong.push((Code::InvalidFormat, Some(json!("yes"))));
                right.push(json!("False"));
            }
            "date" => wrong.push((Code::InvalidDateFormat, Some(json!("yesterday")))),
            "enum" => {
                wrong.push((Code::InvalidOption, Some(json!("no-such-word"))));
                right.extend(field.options.iter().map(|word| json!(word)));
            }
            "json" => {}
            _ => wrong.push((Code::InvalidFormat, Some(json!("a")))),
        }
    }
    (wrong, right)
}

#[test]
fn each_field_is_held_to_its_table() {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let (mut refused, mut passed, mut wrong) = (0, 0, vec![]);
    for schema in all().chain([&RARE]) {
        for write in writes(schema) {
            let base = sample(schema, write);
            let of = |field: &Field, value: Option<&Value>| {
                let mut body = base.clone();
                let members = body.as_object_mut().unwrap();
                members.shift_remove(field.name);
                members.extend(value.map(|value| (field.name.to_owned(), value.clone())));
                accept(schema, &body, write)
            };
            assert!(accept(schema, &base, write).is_ok(), "{} {write:?}: {base}", schema.name);
            for field in schema.fields() {
                let what = format!("{}.{} {write:?}", schema.name, field.name);
                if !write.takes(field) {
                    let nonsense = json!({ "x": [1] });
                    match of(field, Some(&nonsense)) {
                        Ok(taken) if field.instead.is_empty() || !write.makes() => {
                            assert_eq!(taken[field.name], Value::Null, "{what}");
                        }
                        Err(bad) if !field.instead.is_empty() && write.makes() => {
                            assert_eq!(bad.code, Code::InvalidOption, "{what}");
                            for quiet in [json!(0), json!(""), json!([]), json!(false), Value::Null]
                            {
                                assert!(of(field, Some(&quiet)).is_ok(), "{what} {quiet}");
                            }
                        }
                        other => panic!("{what}: {other:?}"),
                    }
                    continue;
                }
                let (bad, good) = trials(field, write);
                for (code, value) in bad {
                    let got = of(field, value.as_ref())
                        .map_err(|bad| (bad.status(), bad.code, bad.field));
                    if got != Err((422, code, Some(field.name.to_owned()))) {
                        wrong.push(format!("{what} {value:?}: {got:?}, not {code}"));
                    }
                    seen.insert(code.to_string());
                    refused += 1;
                }
                for value in good {
                    if let Err(bad) = of(field, Some(&value)) {
                        wrong.push(format!("{what} {value}: {bad}"));
                    }
                    passed += 1;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(seen, CODES.iter().map(ToString::to_string).collect());
    assert!(refused > 1_000 && passed > 1_000, "{refused} {passed}");
}

/// Broken as deep as it goes: the error says where, and names the field as Rancher did.
#[test]
fn a_place_is_said_in_full() {
    let service = crate::route::schemas().find(|schema| schema.name == "service").unwrap();
    let base = json!({ "name": "web", "stackId": "1st1", "launchConfig": { "imageUuid": "x" } });
    for (pointer, value, want) in [
        (
            "/launchConfig/healthCheck",
            json!({ "port": 80, "interval": "soon" }),
            "InvalidFormat interval `launchConfig.healthCheck.interval` must be a whole number",
        ),
        (
            "/launchConfig/healthCheck",
            json!({ "port": 0 }),
            "MinLimitExceeded port `launchConfig.healthCheck.port` is 0, but at least 1 is needed",
        ),
        (
            "/launchConfig/imageUuid",
            Value::Null,
            "NotNullable imageUuid `launchConfig.imageUuid` must not be null",
        ),
        (
            "/launchConfig/ports",
            json!(["80", ["81"]]),
            "InvalidFormat ports `launchConfig.ports[1]` must be a text",
        ),
        (
            "/launchConfig/labels",
            json!({ "a": {} }),
            "InvalidFormat labels `launchConfig.labels.a` must be a text",
        ),
        (
            "/secondaryLaunchConfigs",
            json!([null, { "name": "a" }]),
            "MissingRequired imageUuid `secondaryLaunchConfigs[1].imageUuid` is required",
        ),
        (
            "/launchConfig/kernelMemory",
            json!(5),
            "InvalidOption kernelMemory `launchConfig.kernelMemory`: Docker dropped this limit: use memory",
        ),
        (
            "/name",
            json!("a_b"),
            "InvalidCharacters name `name` may hold `a-zA-Z0-9-` only, not `_`",
        ),
        (
            "/name",
            json!(""),
            "MinLengthExceeded name `name` has 0 characters, but at least 1 is needed",
        ),
        (
            "/dependsOn",
            json!([{ "serviceId": "1s5", "condition": "soon" }]),
            "InvalidOption condition `dependsOn[0].condition`: `soon` is none of service_started, service_healthy, \
             service_completed_successfully",
        ),
    ] {
        let mut body = base.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[name] = value;
        let bad = accept(service, &body, Write::Create).unwrap_err();
        let field = bad.field.as_deref().unwrap_or_default();
        assert_eq!(format!("{} {field} {bad}", bad.code), want);
    }
    let bad = accept(service, &json!([]), Write::Create).unwrap_err();
    assert_eq!((bad.status(), bad.field), (400, None));
}

/// What real clients send: whole objects with what nobody asked for, and nothing where they mean nothing.
#[test]
fn what_is_not_asked_for_is_left_out() {
    let stack = crate::route::schemas().find(|schema| schema.name == "stack").unwrap();
    let whole = json!({ "name": "s", "description": null, "links": null, "actions": {}, "state": 5, "id": "1st1",
        "healthState": [], "environment": { "A": 1, "B": null }, "startOnCreate": "", "nobody": { "knows": true } });
    let taken = accept(stack, &whole, Write::Create).unwrap();
    let want = json!({ "name": "s", "description": null, "environment": { "A": 1 }, "startOnCreate": null });
    assert_eq!(taken, want);
    let taken = accept(stack, &whole, Write::Update).unwrap();
    assert_eq!(taken, json!({ "name": "s", "description": null }));
    assert_eq!(accept(stack, &Value::Null, Write::Update), Ok(json!({})));
}

#[test]
fn sets_of_characters() {
    for (set, c, want) in [
        ("a-z", 'm', true),
        ("a-z", 'A', false),
        ("a-z", '-', false),
        ("a-zA-Z0-9-", '-', true),
        ("_.-", '.', true),
        ("_.-", '/', false),
        ("/", '/', true),
    ] {
        let found = ranges(set).any(|(first, last)| (first..=last).contains(&c));
        assert_eq!(found, want, "{set} {c}");
    }
}
