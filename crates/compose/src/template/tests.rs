//! What templates come to.

use proptest::prelude::*;

use super::*;

fn given() -> Given {
    let values =
        [("image", "nginx:1"), ("lb", "true"), ("off", "false"), ("empty", ""), ("n", "3")];
    Given {
        values: values.map(|(name, value)| (name.into(), value.into())).into(),
        stack: "shop".into(),
        version: "1.2".into(),
        previous_version: "1.1".into(),
        environment: "Default".into(),
    }
}

fn out(text: &str) -> String {
    render(text, &given()).unwrap_or_else(|bad| format!("{}:{}: {bad}", bad.line, bad.column))
}

#[test]
fn what_templates_come_to() {
    for (text, want) in [
        ("image: {{ .Values.image }}", "image: nginx:1"),
        ("{{.Stack.Name}}/{{ .Release.Version }}/{{.Stack.PreviousVersion}}", "shop/1.2/1.1"),
        ("{{ .Environment.Name | upper }}", "DEFAULT"),
        ("{{ .Values.missing }}.", "."),
        ("{{ .Values.missing.deeper }}.", "."),
        ("a {{- .Values.n -}} b", "a3b"),
        ("a {{/* said to nobody }} */}}b", "a b"),
        ("a\n  {{- /* trimmed */ -}}\n  b", "ab"),
        ("{{ \"}}\" }}", "}}"),
        ("{{ `a\"b` }}{{ \"a\\\"b\" }}", "a\"ba\"b"),
        ("{{ 1 }} {{ -2 }} {{ 1.5 }} {{ true }} {{ 'a' }}", "1 -2 1.5 true 97"),
        // Conditions.
        ("{{if eq .Values.lb \"true\"}}y{{else}}n{{end}}", "y"),
        ("{{if eq .Values.off \"true\"}}y{{else}}n{{end}}", "n"),
        ("{{if .Values.off}}y{{end}}", "y"),
        ("{{if .Values.empty}}y{{else}}n{{end}}", "n"),
        ("{{if eq .Values.missing \"true\"}}y{{else}}n{{end}}", "n"),
        ("{{if ne .Values.missing \"true\"}}y{{else}}n{{end}}", "y"),
        ("{{if eq .Values.n \"1\" \"2\" \"3\"}}y{{end}}", "y"),
        ("{{if .Values.empty}}1{{else if eq .Values.n \"3\"}}2{{else}}3{{end}}", "2"),
        ("{{if .Values.empty}}1{{else if .Values.empty}}2{{else}}3{{end}}.", "3."),
        ("{{if and .Values.lb (not .Values.empty)}}y{{end}}", "y"),
        ("{{if or .Values.empty .Values.missing}}y{{else}}n{{end}}", "n"),
        ("{{or .Values.empty \"none\"}}", "none"),
        ("{{with .Values.image}}{{.}}{{else}}n{{end}}", "nginx:1"),
        ("{{with $x := .Values.n}}{{$x}}{{$.Stack.Name}}{{end}}", "3shop"),
        // Variables.
        ("{{$a := \"x\"}}{{$a}}{{$a = \"y\"}}{{$a}}", "xy"),
        ("{{$a := 1}}{{if true}}{{$a = 2}}{{$a := 3}}{{$a}}{{end}}{{$a}}", "32"),
        // Repeated.
        ("{{range $i, $w := splitList \",\" \"a,b\"}}{{$i}}{{$w}} {{end}}", "0a 1b "),
        ("{{range .Values.n | atoi | until}}{{.}}{{end}}", "012"),
        ("{{range splitPreserveQuotes `a \"b c\" d`}}[{{.}}]{{end}}", "[a][\"b c\"][d]"),
        ("{{range list}}x{{else}}none{{end}}", "none"),
        ("{{range $k, $v := dict \"b\" 1 \"a\" 2}}{{$k}}{{$v}}{{end}}", "a2b1"),
        // Functions.
        ("{{ default \"d\" .Values.empty }}{{ .Values.n | default \"d\" }}", "d3"),
        ("{{ printf \"%s-%03d|%-3s|%q%%\" \"a\" 7 \"b\" \"c\" }}", "a-007|b  |\"c\"%"),
        ("{{ len .Values.image }} {{ index (list \"a\" \"b\") 1 }}", "7 b"),
        ("{{ (split \":\" .Values.image)._1 }}", "1"),
        ("{{ .Values.image | replace \"nginx\" \"web\" | quote }}", "\"web:1\""),
        ("{{ add 1 \"2\" }} {{ sub 1 3 }} {{ mul 2 3 }} {{ div 7 2 }} {{ mod 7 2 }}", "3 -2 6 3 1"),
        ("{{if gt (atoi .Values.n) 2}}y{{end}}{{if contains \"gin\" .Values.image}}y{{end}}", "yy"),
        (
            "{{ ternary \"a\" \"b\" true }}{{ coalesce \"\" .Values.n }}{{ join \"-\" (list 1 2) }}",
            "a31-2",
        ),
        ("a:{{ \"x\\ny\" | nindent 2 }}", "a:\n  x\n  y"),
        ("{{ trimSuffix \"-\" \"a-\" }}{{ title \"ab cd\" }}{{ first (list 1 2) }}", "aAb Cd1"),
        // No templates.
        ("# notemplating\na: {{ .Values.image }}", "# notemplating\na: {{ .Values.image }}"),
        ("#notemplating\n{{", "#notemplating\n{{"),
        ("a: ${B}", "a: ${B}"),
    ] {
        assert_eq!(out(text), want, "{text}");
    }
}

#[test]
fn mistakes_have_their_place_and_a_sentence() {
    for (text, want) in [
        ("a\n  {{ .Values.x", "2:3: this action has no closing `}}`"),
        ("a\n{{if .Values.x}}b", "2:3: this `if` has no `end`"),
        ("{{end}}", "1:3: `end` has nothing to end"),
        ("{{if 1}}{{else}}{{else}}{{end}}", "1:19: there is an `else` before this one already"),
        ("{{else}}", "1:3: `else` has no `if` before it"),
        ("{{ nope 1 }}", "1:4: there is no function `nope` in compose files"),
        ("{{ .Values.n 1 }}", "1:4: this is a value and takes no arguments"),
        ("{{ $x }}", "1:4: there is no variable `$x` here"),
        ("{{ if }}{{end}}", "a value or a function is missing here"),
        ("{{ (1 }}", "1:4: this parenthesis is not closed"),
        ("{{ \"a }}", "1:1: this action has no closing `}}`"),
        ("{{ 'ab' }}", "a text stands in double quotes"),
        ("{{ eq 1 \"1\" }}", "a number can't be compared with a text"),
        ("{{ lt \"1\" 2 }}", "`atoi` makes a number of a text"),
        ("{{ .Stack.Name.x }}", "a text has no `.x` in it"),
        ("{{ index (list) 0 }}", "`index` 0 is not in a list of 0"),
        ("{{ template \"a\" }}", "1:4: `template` is not supported in compose files"),
        ("{{ env \"HOME\" }}", "there is no function `env`"),
        ("{{ div 1 0 }}", "divided by 0"),
        ("{{ fail \"choose one\" }}", "choose one"),
        ("{{ printf \"%d\" \"x\" }}", "%d takes a number"),
        ("{{range 5}}{{end}}", "`range` goes over a list or a map"),
    ] {
        let said = out(text);
        assert!(said.contains(want), "{text}: {said}");
    }
}

#[test]
fn what_has_no_end_or_grows_too_large_is_refused() {
    let nested = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
    let blocks = |n: usize| format!("{}x{}", "{{if 1}}".repeat(n), "{{end}}".repeat(n));
    for (text, want) in [
        ("{{range until 90000}}{{range until 90000}}x{{end}}{{end}}".to_owned(), "has no end"),
        ("{{until 1000000}}".to_owned(), "is too long"),
        ("{{repeat 100000000 \"abc\"}}".to_owned(), "larger than 4 MB"),
        ("{{range until 9}}{{repeat 1000000 \"a\"}}{{end}}".to_owned(), "larger than 4 MB"),
        ("{{printf \"%99999999999s\" \"a\"}}".to_owned(), "larger than 4 MB"),
        (format!("{{{{ {} }}}}", nested(5_000)), "nested too deep"),
        (blocks(5_000), "nested too deep"),
    ] {
        let said = out(&text);
        assert!(said.contains(want), "{said}");
    }
}

proptest! {
    #[test]
    fn nothing_panics(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "{{", "}}", "{{-", "-}}", " ", "if", "else", "end", "range", "with", ".", ".Values.n",
                "$", "$a", ":=", "=", "|", "(", ")", "\"", "`", "'", "\\", "1", "-", "%", "é", "\n",
                "printf", "index", "split", "until", "dict", ",", "/*", "*/", "eq", "x",
            ]),
            0..30,
        )
    ) {
        let _ = render(&parts.concat(), &given());
        let _ = render(&format!("{{{{ {} }}}}", parts.concat()), &given());
    }
}
