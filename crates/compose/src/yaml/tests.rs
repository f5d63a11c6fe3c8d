//! Where values stand, what aliases and merges become, and what is text.

use super::*;

/// A tree on one line: `line:column value`.
fn show(node: &Node) -> String {
    let at = format!("{}:{} ", node.at.line, node.at.column);
    at + &match &node.value {
        Value::Null => "null".to_owned(),
        Value::Scalar(scalar) if scalar.plain => scalar.text.clone(),
        Value::Scalar(scalar) => format!("{:?}", scalar.text),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(show).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) => {
            let entry =
                |e: &Entry| format!("{}:{} {}= {}", e.at.line, e.at.column, e.key, show(&e.value));
            let entries: Vec<_> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

#[test]
fn trees() {
    for (text, want) in [
        ("", "1:1 null"),
        ("a: 1", "1:1 {1:1 a= 1:4 1}"),
        ("a:\n  - x\n  - 'y'\n", "1:1 {1:1 a= 2:3 [2:5 x, 3:5 \"y\"]}"),
        ("\r\na: {b: c}\r\n", "2:1 {2:1 a= 2:4 {2:5 b= 2:8 c}}"),
        ("a: ~\nb:\nc: ''", "1:1 {1:1 a= 1:4 null, 2:1 b= 2:2 null, 3:1 c= 3:4 \"\"}"),
        ("a: !!str 5", "1:1 {1:1 a= 1:10 \"5\"}"),
        ("a: |\n  x\n  y\n", "1:1 {1:1 a= 2:3 \"x\\ny\\n\"}"),
        ("a: &x [1]\nb: *x", "1:1 {1:1 a= 1:7 [1:8 1], 2:1 b= 2:4 [1:8 1]}"),
        (
            "a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3",
            "1:1 {1:1 a= 1:7 {1:8 b= 1:11 1, 1:14 c= 1:17 2}, 2:1 d= 3:3 {4:3 c= 4:6 3, 1:8 b= 1:11 1}}",
        ),
        ("{<<: [{a: 1}, {a: 2, b: 2}]}", "1:1 {1:8 a= 1:11 1, 1:22 b= 1:25 2}"),
        ("ä: ö", "1:1 {1:1 ä= 1:4 ö}"),
        ("\u{feff}a: 1", "1:1 {1:1 a= 1:4 1}"),
    ] {
        let mut report = Report::default();
        let node =
            load(&"f".into(), text, &mut report).unwrap_or_else(|| panic!("{text:?}: {report:?}"));
        assert_eq!(show(&node), want, "{text:?}");
    }
}
