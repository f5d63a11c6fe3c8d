//! What stands between `{{` and `}}`: words into a pipeline of commands.

use std::iter::Peekable;
use std::vec::IntoIter;

use serde_json::Value;

use super::Wrong;

/// Parentheses within each other, at most.
const DEEPEST: usize = 50;

/// `$a, $b := command | command`
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pipeline {
    pub(super) at: usize,
    /// Variables it sets.
    pub(super) sets: Vec<String>,
    /// With `:=`: they are new.
    pub(super) declares: bool,
    pub(super) commands: Vec<Command>,
}

/// A function with its arguments, or a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Command {
    pub(super) at: usize,
    pub(super) words: Vec<Operand>,
}

/// One word of a command.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operand {
    pub(super) at: usize,
    pub(super) what: What,
    /// `.a.b` behind it.
    pub(super) fields: Vec<String>,
}

/// What a word is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Dot,
    Variable(String),
    Literal(Value),
    Function(String),
    Nested(Box<Pipeline>),
}

#[derive(Clone, Debug, PartialEq)]
enum Word {
    Field(String),
    Dot,
    Variable(String),
    Name(String),
    Literal(Value),
    Pipe,
    Open,
    Close,
    Declare,
    Assign,
    Comma,
    Space,
}

/// Read a pipeline; `text` stands at byte `at` of the whole.
pub(super) fn pipeline(text: &str, at: usize) -> Result<Pipeline, Wrong> {
    let words = words(text, at)?;
    let end = at + text.len();
    let mut reader = Reader { words: words.into_iter().peekable(), end };
    let pipeline = reader.pipeline(0)?;
    match reader.words.next() {
        None => Ok(pipeline),
        Some((at, _)) => Err(Wrong::at(at, "this stands where the action should end")),
    }
}

struct Reader {
    words: Peekable<IntoIter<(usize, Word)>>,
    end: usize,
}

impl Reader {
    fn pipeline(&mut self, depth: usize) -> Result<Pipeline, Wrong> {
        self.skip();
        let at = self.here();
        if depth > DEEPEST {
            return Err(Wrong::at(at, "parentheses are nested too deep"));
        }
        let (sets, declares) = self.sets();
        let mut commands = vec![self.command(depth)?];
        while self.words.next_if(|(_, word)| *word == Word::Pipe).is_some() {
            commands.push(self.command(depth)?);
        }
        Ok(Pipeline { at, sets, declares, commands })
    }

    /// `$a :=`, `$a, $b :=`, `$a =`; nothing if it is something else.
    fn sets(&mut self) -> (Vec<String>, bool) {
        let ahead: Vec<Word> = self
            .words
            .clone()
            .map(|(_, word)| word)
            .filter(|word| *word != Word::Space)
            .take(4)
            .collect();
        let (names, declares, count) = match ahead.as_slice() {
            [Word::Variable(a), Word::Declare, ..] => (vec![a.clone()], true, 2),
            [Word::Variable(a), Word::Assign, ..] => (vec![a.clone()], false, 2),
            [Word::Variable(a), Word::Comma, Word::Variable(b), Word::Declare] => {
                (vec![a.clone(), b.clone()], true, 4)
            }
            _ => return (Vec::new(), false),
        };
        for _ in 0..count {
            self.skip();
            self.words.next();
        }
        (names, declares)
    }

    fn command(&mut self, depth: usize) -> Result<Command, Wrong> {
        self.skip();
        let at = self.here();
        let mut words = Vec::new();
        loop {
            self.skip();
            match self.words.peek() {
                None | Some((_, Word::Pipe | Word::Close)) => break,
                Some(_) => words.push(self.operand(depth)?),
            }
        }
        if words.is_empty() {
            return Err(Wrong::at(at, "a value or a function is missing here"));
        }
        Ok(Command { at, words })
    }

    fn operand(&mut self, depth: usize) -> Result<Operand, Wrong> {
        let Some((at, word)) = self.words.next() else {
            return Err(Wrong::at(self.end, "a value is missing here"));
        };
        let mut fields = Vec::new();
        let what = match word {
            Word::Dot => What::Dot,
            Word::Field(name) => {
                fields.push(name);
                What::Dot
            }
            Word::Variable(name) => What::Variable(name),
            Word::Name(name) => What::Function(name),
            Word::Literal(value) => What::Literal(value),
            Word::Open => {
                let nested = self.pipeline(depth + 1)?;
                match self.words.next() {
                    Some((_, Word::Close)) => What::Nested(Box::new(nested)),
                    _ => return Err(Wrong::at(at, "this parenthesis is not closed")),
                }
            }
            Word::Pipe | Word::Close | Word::Declare | Word::Assign | Word::Comma | Word::Space => {
                return Err(Wrong::at(at, "a value is expected here"));
            }
        };
        while let Some((_, Word::Field(name))) =
            self.words.next_if(|(_, word)| matches!(word, Word::Field(_)))
        {
            fields.push(name);
        }
        Ok(Operand { at, what, fields })
    }

    fn skip(&mut self) {
        while self.words.next_if(|(_, word)| *word == Word::Space).is_some() {}
    }

    fn here(&mut self) -> usize {
        self.words.peek().map_or(self.end, |(at, _)| *at)
    }
}

/// Take a text apart. Blanks count: `.a .b` are two words, `.a.b` is one.
fn words(text: &str, base: usize) -> Result<Vec<(usize, Word)>, Wrong> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let at = base + (text.len() - rest.len());
        let (word, length) = match first {
            c if c.is_whitespace() => {
                (Word::Space, rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len()))
            }
            '|' => (Word::Pipe, 1),
            '(' => (Word::Open, 1),
            ')' => (Word::Close, 1),
            ',' => (Word::Comma, 1),
            '=' => (Word::Assign, 1),
            ':' if rest.starts_with(":=") => (Word::Declare, 2),
            '"' | '`' | '\'' => quoted(rest, first, at)?,
            '$' => {
                let name = name(&rest[1..]);
                (Word::Variable(name.to_owned()), 1 + name.len())
            }
            '.' => match name(&rest[1..]) {
                "" => (Word::Dot, 1),
                name => (Word::Field(name.to_owned()), 1 + name.len()),
            },
            c if c.is_ascii_digit() || "+-".contains(c) => number(rest, at)?,
            _ => match name(rest) {
                "" => return Err(Wrong::at(at, format!("`{first}` has no meaning here"))),
                "true" => (Word::Literal(true.into()), 4),
                "false" => (Word::Literal(false.into()), 5),
                "nil" => (Word::Literal(Value::Null), 3),
                name => (Word::Name(name.to_owned()), name.len()),
            },
        };
        words.push((at, word));
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(words)
}

fn name(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    let name = &text[..end];
    if name.starts_with(|c: char| c.is_ascii_digit()) { "" } else { name }
}

fn number(rest: &str, at: usize) -> Result<(Word, usize), Wrong> {
    let end = rest[1..].find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_'));
    let end = end.map_or(rest.len(), |end| end + 1);
    let text = rest[..end].replace('_', "");
    let number = text.strip_prefix('+').unwrap_or(&text);
    if let Ok(whole) = number.parse::<i64>() {
        return Ok((Word::Literal(whole.into()), end));
    }
    match number.parse::<f64>().ok().and_then(serde_json::Number::from_f64) {
        Some(number) => Ok((Word::Literal(Value::Number(number)), end)),
        None => Err(Wrong::at(at, format!("`{text}` is no number"))),
    }
}

/// A text in quotes, or a character, which is a number.
fn quoted(rest: &str, quote: char, at: usize) -> Result<(Word, usize), Wrong> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((i, c)) = chars.next() {
        match c {
            _ if c == quote => {
                let end = i + 1;
                if quote != '\'' {
                    return Ok((Word::Literal(text.into()), end));
                }
                let mut held = text.chars();
                return match (held.next(), held.next()) {
                    (Some(one), None) => Ok((Word::Literal(u32::from(one).into()), end)),
                    _ => Err(Wrong::at(at, "a text stands in double quotes, not in single ones")),
                };
            }
            '\\' if quote != '`' => match chars.next().map(|(_, c)| c) {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some(c) if "\\\"'".contains(c) => text.push(c),
                _ => return Err(Wrong::at(at, "`\\` stands before n, t, r, a quote or itself")),
            },
            '\n' if quote != '`' => break,
            c => text.push(c),
        }
    }
    Err(Wrong::at(at, "this text has no closing quote"))
}
