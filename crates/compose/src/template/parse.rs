//! A text with actions into a tree of what is written, chosen and repeated.

use super::Wrong;
use super::action::{Pipeline, pipeline};

/// Blocks within each other, at most.
const DEEPEST: usize = 50;

/// One part of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    /// Written out, unless it sets a variable.
    Value(Pipeline),
    Block(Block),
}

/// `{{if …}} then {{else}} otherwise {{end}}`, and the others that look like it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    pub(super) kind: Kind,
    pub(super) on: Pipeline,
    pub(super) then: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

/// Which block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    If,
    With,
    Range,
}

/// A text, or the inside of an action with its place.
enum Piece<'a> {
    Text(&'a str),
    Action(&'a str, usize),
}

/// Read a whole template.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, Wrong> {
    let pieces = pieces(text)?;
    let mut reader = Reader { pieces: pieces.into_iter(), end: text.len() };
    let (nodes, ended) = reader.nodes(0)?;
    match ended {
        Ended::AtTheEnd => Ok(nodes),
        Ended::End(at) => Err(Wrong::at(at, "`end` has nothing to end")),
        Ended::Else(at, _) => Err(Wrong::at(at, "`else` has no `if` before it")),
    }
}

/// Texts and actions in their order, with what trim markers take away taken away, and without comments.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Wrong> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut trims = false;
    loop {
        let rest = &text[at..];
        let Some(open) = rest.find("{{") else {
            pieces.push(Piece::Text(if trims { rest.trim_start() } else { rest }));
            return Ok(pieces);
        };
        let mut before = &rest[..open];
        if trims {
            before = before.trim_start();
        }
        let start = at + open + 2;
        let close = closing(text, start)
            .ok_or_else(|| Wrong::at(at + open, "this action has no closing `}}`"))?;
        let (mut inside, mut inner) = (&text[start..close], start);
        if let Some(rest) = inside.strip_prefix('-')
            && rest.starts_with(char::is_whitespace)
        {
            before = before.trim_end();
            (inside, inner) = (rest, inner + 1);
        }
        trims = false;
        if let Some(rest) = inside.strip_suffix('-')
            && (rest.ends_with(char::is_whitespace))
        {
            inside = rest;
            trims = true;
        }
        pieces.push(Piece::Text(before));
        if !inside.trim_start().starts_with("/*") {
            pieces.push(Piece::Action(inside, inner));
        }
        at = close + 2;
    }
}

/// Where the action that begins here is closed: not within a text in quotes, nor within a comment.
fn closing(text: &str, start: usize) -> Option<usize> {
    let inside = &text[start..];
    let body = inside.trim_start_matches(['-', ' ', '\t']);
    if body.starts_with("/*") {
        let end = inside.find("*/")?;
        return inside[end..].find("}}").map(|close| start + end + close);
    }
    let mut quote: Option<char> = None;
    let mut chars = inside.char_indices();
    while let Some((i, c)) = chars.next() {
        match quote {
            Some('`') if c == '`' => quote = None,
            Some('`') => {}
            Some(_) if c == '\\' => {
                chars.next();
            }
            Some(open) if c == open => quote = None,
            None if "\"`'".contains(c) => quote = Some(c),
            None if inside[i..].starts_with("}}") => return Some(start + i),
            None | Some(_) => {}
        }
    }
    None
}

/// What a list of nodes ended with.
enum Ended<'a> {
    AtTheEnd,
    End(usize),
    /// With what follows `else`, if anything.
    Else(usize, Option<(&'a str, usize)>),
}

struct Reader<'a> {
    pieces: std::vec::IntoIter<Piece<'a>>,
    end: usize,
}

impl<'a> Reader<'a> {
    fn nodes(&mut self, depth: usize) -> Result<(Vec<Node>, Ended<'a>), Wrong> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let (inside, at) = match piece {
                Piece::Text("") => continue,
                Piece::Text(text) => {
                    nodes.push(Node::Text(text.to_owned()));
                    continue;
                }
                Piece::Action(inside, at) => (inside, at),
            };
            let (word, rest, rest_at) = split(inside, at);
            let word_at = rest_at - word.len();
            match word {
                "if" | "with" | "range" => nodes.push(self.block(word, (rest, rest_at), depth)?),
                "end" => return Ok((nodes, Ended::End(word_at))),
                "else" => {
                    let more = Some((rest, rest_at)).filter(|(rest, _)| !rest.trim().is_empty());
                    return Ok((nodes, Ended::Else(word_at, more)));
                }
                "define" | "template" | "block" | "break" | "continue" => {
                    let why = format!("`{word}` is not supported in compose files");
                    return Err(Wrong::at(word_at, why));
                }
                _ => nodes.push(Node::Value(pipeline(inside, at)?)),
            }
        }
        Ok((nodes, Ended::AtTheEnd))
    }

    fn block(
        &mut self,
        word: &str,
        (rest, rest_at): (&'a str, usize),
        depth: usize,
    ) -> Result<Node, Wrong> {
        let at = rest_at - word.len();
        if depth > DEEPEST {
            return Err(Wrong::at(at, "blocks are nested too deep"));
        }
        let kind = match word {
            "with" => Kind::With,
            "range" => Kind::Range,
            _ => Kind::If,
        };
        let on = pipeline(rest, rest_at)?;
        let (then, ended) = self.nodes(depth + 1)?;
        let otherwise = match ended {
            Ended::End(_) => Vec::new(),
            Ended::Else(_, None) => match self.nodes(depth + 1)? {
                (nodes, Ended::End(_)) => nodes,
                (_, Ended::Else(at, _)) => {
                    return Err(Wrong::at(at, "there is an `else` before this one already"));
                }
                (_, Ended::AtTheEnd) => return Err(self.unended(word, at)),
            },
            // `else if` is an `if` in the `else`, whose end is the end of both.
            Ended::Else(_, Some((rest, rest_at))) => {
                let (word, rest, rest_at) = split(rest, rest_at);
                if !matches!(word, "if" | "with") {
                    let why = "after `else` comes `if`, `with`, or nothing";
                    return Err(Wrong::at(rest_at - word.len(), why));
                }
                vec![self.block(word, (rest, rest_at), depth + 1)?]
            }
            Ended::AtTheEnd => return Err(self.unended(word, at)),
        };
        Ok(Node::Block(Block { kind, on, then, otherwise }))
    }

    fn unended(&self, word: &str, at: usize) -> Wrong {
        Wrong::at(at.min(self.end), format!("this `{word}` has no `end`"))
    }
}

/// The first word of an action, and what follows it, with its place.
fn split(inside: &str, at: usize) -> (&str, &str, usize) {
    let body = inside.trim_start();
    let start = at + (inside.len() - body.len());
    let end = body.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(body.len());
    (&body[..end], &body[end..], start + end)
}
