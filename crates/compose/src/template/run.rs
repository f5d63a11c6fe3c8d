//! Carrying a template out, within bounds.

use serde_json::Value;

use super::action::{Command, Operand, Pipeline, What};
use super::parse::{Block, Kind, Node};
use super::{LARGEST, Wrong, functions, kind, shown, truth};

/// Steps of one template, at most.
const STEPS: usize = 200_000;

/// Write a template out.
pub(super) fn run(nodes: &[Node], root: &Value) -> Result<String, Wrong> {
    let variables = vec![(String::new(), root.clone())];
    let mut run = Run { out: String::new(), variables, steps: 0 };
    run.nodes(nodes, root)?;
    Ok(run.out)
}

struct Run {
    out: String,
    /// Later ones hide earlier ones. `$` is the first.
    variables: Vec<(String, Value)>,
    steps: usize,
}

impl Run {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<(), Wrong> {
        let outer = self.variables.len();
        for node in nodes {
            match node {
                Node::Text(text) => self.write(text, 0)?,
                Node::Value(pipeline) => {
                    let value = self.pipeline(pipeline, dot)?;
                    if pipeline.sets.is_empty() {
                        self.write(&shown(&value), pipeline.at)?;
                    } else {
                        self.set(pipeline, value)?;
                    }
                }
                Node::Block(block) => self.block(block, dot)?,
            }
        }
        self.variables.truncate(outer);
        Ok(())
    }

    fn block(&mut self, block: &Block, dot: &Value) -> Result<(), Wrong> {
        let outer = self.variables.len();
        let value = self.pipeline(&block.on, dot)?;
        match block.kind {
            Kind::Range => self.range(block, value, dot)?,
            Kind::If | Kind::With => {
                let holds = truth(&value);
                let inner = if block.kind == Kind::With { value.clone() } else { Value::Null };
                if !block.on.sets.is_empty() {
                    self.set(&block.on, value)?;
                }
                match (holds, block.kind) {
                    (true, Kind::With) => self.nodes(&block.then, &inner)?,
                    (true, Kind::If | Kind::Range) => self.nodes(&block.then, dot)?,
                    (false, _) => self.nodes(&block.otherwise, dot)?,
                }
            }
        }
        self.variables.truncate(outer);
        Ok(())
    }

    fn range(&mut self, block: &Block, over: Value, dot: &Value) -> Result<(), Wrong> {
        let items: Vec<(Value, Value)> = match over {
            Value::Null => Vec::new(),
            Value::Array(items) => {
                items.into_iter().enumerate().map(|(i, item)| (i.into(), item)).collect()
            }
            Value::Object(members) => {
                let mut members: Vec<(String, Value)> = members.into_iter().collect();
                members.sort_by(|(a, _), (b, _)| a.cmp(b));
                members.into_iter().map(|(name, value)| (name.into(), value)).collect()
            }
            other => {
                let why = format!("`range` goes over a list or a map, not over {}", kind(&other));
                return Err(Wrong::at(block.on.at, why));
            }
        };
        if items.is_empty() {
            return self.nodes(&block.otherwise, dot);
        }
        for (key, item) in items {
            let outer = self.variables.len();
            self.step(block.on.at)?;
            match block.on.sets.as_slice() {
                [one] => self.variables.push((one.clone(), item.clone())),
                [one, two] => {
                    self.variables.push((one.clone(), key));
                    self.variables.push((two.clone(), item.clone()));
                }
                _ => {}
            }
            self.nodes(&block.then, &item)?;
            self.variables.truncate(outer);
        }
        Ok(())
    }

    fn set(&mut self, pipeline: &Pipeline, value: Value) -> Result<(), Wrong> {
        let [name] = pipeline.sets.as_slice() else {
            return Err(Wrong::at(pipeline.at, "only `range` sets two variables"));
        };
        if pipeline.declares {
            self.variables.push((name.clone(), value));
            return Ok(());
        }
        match self.variables.iter_mut().rev().find(|(held, _)| held == name) {
            Some((_, held)) => *held = value,
            None => return Err(no_variable(pipeline.at, name)),
        }
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, Wrong> {
        let mut value: Option<Value> = None;
        for command in &pipeline.commands {
            value = Some(self.command(command, dot, value)?);
        }
        Ok(value.unwrap_or(Value::Null))
    }

    /// A function with arguments, of which the last may come out of the command before; or a value alone.
    fn command(
        &mut self,
        command: &Command,
        dot: &Value,
        last: Option<Value>,
    ) -> Result<Value, Wrong> {
        self.step(command.at)?;
        let Some((first, rest)) = command.words.split_first() else { return Ok(Value::Null) };
        let What::Function(name) = &first.what else {
            if rest.is_empty() && last.is_none() {
                return self.operand(first, dot);
            }
            let why = "this is a value and takes no arguments: a function comes first";
            return Err(Wrong::at(first.at, why));
        };
        let value = match name.as_str() {
            "and" | "or" => self.chosen(name == "and", rest, dot, last, first.at)?,
            _ => {
                let mut arguments = Vec::with_capacity(rest.len() + 1);
                for word in rest {
                    arguments.push(self.operand(word, dot)?);
                }
                arguments.extend(last);
                functions::call(name, arguments).map_err(|why| Wrong::at(first.at, why))?
            }
        };
        fields(value, &first.fields, first.at)
    }

    /// `and` and `or` look no further than they have to.
    fn chosen(
        &mut self,
        and: bool,
        words: &[Operand],
        dot: &Value,
        last: Option<Value>,
        at: usize,
    ) -> Result<Value, Wrong> {
        let mut value = None;
        for word in words {
            let now = self.operand(word, dot)?;
            if truth(&now) != and {
                return Ok(now);
            }
            value = Some(now);
        }
        last.or(value).ok_or_else(|| Wrong::at(at, "`and` and `or` need at least one value"))
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, Wrong> {
        let at = operand.at;
        let value = match &operand.what {
            What::Dot => dot.clone(),
            What::Literal(value) => value.clone(),
            What::Variable(name) => {
                let held = self.variables.iter().rev().find(|(held, _)| held == name);
                held.map(|(_, value)| value.clone()).ok_or_else(|| no_variable(at, name))?
            }
            What::Function(name) => {
                self.step(at)?;
                functions::call(name, Vec::new()).map_err(|why| Wrong::at(at, why))?
            }
            What::Nested(pipeline) => self.pipeline(pipeline, dot)?,
        };
        fields(value, &operand.fields, at)
    }

    fn write(&mut self, text: &str, at: usize) -> Result<(), Wrong> {
        self.step(at)?;
        if self.out.len() + text.len() > LARGEST {
            return Err(Wrong::at(at, "what comes out is larger than 4 MB"));
        }
        self.out.push_str(text);
        Ok(())
    }

    fn step(&mut self, at: usize) -> Result<(), Wrong> {
        self.steps += 1;
        if self.steps > STEPS {
            return Err(Wrong::at(at, "the template has no end: too much is repeated"));
        }
        Ok(())
    }
}

fn no_variable(at: usize, name: &str) -> Wrong {
    Wrong::at(at, format!("there is no variable `${name}` here"))
}

/// What is not there has nothing in it.
fn fields(mut value: Value, fields: &[String], at: usize) -> Result<Value, Wrong> {
    for field in fields {
        value = match value {
            Value::Object(mut members) => members.remove(field).unwrap_or(Value::Null),
            Value::Null => Value::Null,
            other => {
                return Err(Wrong::at(at, format!("{} has no `.{field}` in it", kind(&other))));
            }
        };
    }
    Ok(value)
}
