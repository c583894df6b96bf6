//! TOML as a tree whose every value knows where it stands.
//!
//! The tree owns its texts and can be stored: the last good form of an object is its tree.
//! **Invariant:** this is the only module that knows the `toml` crate's parser.

use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};

/// Where something stands in its file: a line, and columns in characters. What reaches over
/// several lines is cut at the end of its first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Span {
    /// 1-based; 0 for what stands nowhere (a default).
    pub(crate) line: u32,
    /// 1-based.
    pub(crate) column: u32,
    /// The column behind the last character.
    pub(crate) end: u32,
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) at: Span,
    pub(crate) value: Value,
}

/// A value as TOML knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Value {
    /// `plain`: the text stands in its line as it is, right behind one quote, so that places
    /// inside it can be shown.
    Text {
        text: String,
        plain: bool,
    },
    Integer(i64),
    /// A float, or an integer beyond 64 bits.
    Number(String),
    Bool(bool),
    Date(String),
    Array(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table with its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: Span,
    pub(crate) node: Node,
}

/// What is wrong with a text as TOML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) at: Span,
    pub(crate) message: String,
    pub(crate) hint: Option<&'static str>,
}

impl Value {
    /// What it is, in words for people.
    pub(crate) fn words(&self) -> &'static str {
        match self {
            Value::Text { .. } => "a text",
            Value::Integer(_) => "a whole number",
            Value::Number(_) => "a number",
            Value::Bool(_) => "true or false",
            Value::Date(_) => "a date",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

impl Node {
    /// The value of `key`, where this is a table that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|entry| entry.key == key),
            Value::Text { .. }
            | Value::Integer(_)
            | Value::Number(_)
            | Value::Bool(_)
            | Value::Date(_)
            | Value::Array(_) => None,
        }
    }
}

/// Most syntax errors that are told of one file: behind them the parser only guesses.
const MOST_ERRORS: usize = 20;

/// Reads a text: the top-level entries in the order of the file, and every syntax error, at most
/// one a line. With errors the entries are what could be understood.
pub(crate) fn parse(text: &str) -> (Vec<Entry>, Vec<SyntaxError>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let lines = Lines::of(text);
    let entries = lines.entries(table.get_ref());
    if errors.is_empty() {
        return (entries, Vec::new());
    }
    let conflicts = merge_conflicts(text);
    if !conflicts.is_empty() {
        return (entries, conflicts);
    }
    let mut found: Vec<SyntaxError> = errors
        .iter()
        .map(|error| {
            let span = error.span().unwrap_or(0..0);
            let message = error.message().lines().next().unwrap_or("invalid TOML").to_owned();
            SyntaxError { at: lines.span(&span), hint: hint(&message), message }
        })
        .collect();
    found.sort_by_key(|error| (error.at.line, error.at.column));
    found.dedup_by_key(|error| error.at.line);
    found.truncate(MOST_ERRORS);
    (entries, found)
}

fn hint(message: &str) -> Option<&'static str> {
    if message.contains("invalid basic string") {
        Some("is the closing quote missing?")
    } else if message.contains("must be quoted") {
        Some("texts stand in quotes: key = \"text\"")
    } else if message.starts_with("duplicate key") {
        Some("a key, and a table, is written once; add to the first one")
    } else {
        None
    }
}

fn merge_conflicts(text: &str) -> Vec<SyntaxError> {
    let markers = text.lines().zip(1..).filter(|(line, _)| {
        line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ") || *line == "======="
    });
    markers
        .map(|(line, number)| SyntaxError {
            at: Span { line: number, column: 1, end: columns(line) + 1 },
            message: "a merge conflict was left in this file".to_owned(),
            hint: Some("keep one side of it and delete the marker lines"),
        })
        .collect()
}

fn columns(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX - 1)
}

/// Where the lines of a text begin.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    fn span(&self, bytes: &std::ops::Range<usize>) -> Span {
        let from = self.floor(bytes.start);
        let to = self.floor(bytes.end).max(from);
        let index = self.starts.partition_point(|start| *start <= from).saturating_sub(1);
        let start = self.starts[index];
        let line_end = self.starts.get(index + 1).map_or(self.text.len(), |next| next - 1);
        let column = columns(&self.text[start..from]) + 1;
        let end = column + columns(&self.text[from..to.min(line_end).max(from)]);
        Span { line: u32::try_from(index + 1).unwrap_or(u32::MAX), column, end }
    }

    fn floor(&self, byte: usize) -> usize {
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        byte
    }

    fn entries(&self, table: &DeTable<'_>) -> Vec<Entry> {
        let mut pairs: Vec<_> = table.iter().collect();
        pairs.sort_by_key(|(key, _)| key.span().start);
        pairs
            .into_iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().to_string(),
                at: self.span(&key.span()),
                node: self.node(value.get_ref(), &value.span()),
            })
            .collect()
    }

    fn node(&self, value: &DeValue<'_>, span: &std::ops::Range<usize>) -> Node {
        let value = match value {
            DeValue::String(text) => {
                let inside = span.start + 1..span.end.saturating_sub(1);
                let plain = self.text.get(inside) == Some(text.as_ref());
                Value::Text { text: text.to_string(), plain }
            }
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| Value::Number(number.to_string()), Value::Integer),
            DeValue::Float(number) => Value::Number(number.as_str().to_owned()),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Datetime(date) => Value::Date(date.to_string()),
            DeValue::Array(items) => Value::Array(
                items.iter().map(|item| self.node(item.get_ref(), &item.span())).collect(),
            ),
            DeValue::Table(table) => Value::Table(self.entries(table)),
        };
        Node { at: self.span(span), value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<(String, u32, u32, u32)> {
        let (entries, errors) = parse(text);
        assert_eq!(errors, [], "{text}");
        entries
            .iter()
            .map(|entry| {
                (entry.key.clone(), entry.node.at.line, entry.node.at.column, entry.node.at.end)
            })
            .collect()
    }

    #[test]
    fn places_count_characters_and_not_bytes() {
        assert_eq!(
            places("\u{feff}a = 'é'\n\u{e9} = 1"[..].trim_end_matches("\n\u{e9} = 1")),
            [("a".to_owned(), 1, 5, 8)]
        );
        assert_eq!(places("\"é\" = 'x'"), [("é".to_owned(), 1, 7, 10)]);
        assert_eq!(places("\r\na = 1\r\n"), [("a".to_owned(), 2, 5, 6)]);
    }

    #[test]
    fn a_value_over_several_lines_is_shown_by_its_first_one() {
        assert_eq!(places("a = [\n 1,\n]"), [("a".to_owned(), 1, 5, 6)]);
    }

    #[test]
    fn merge_markers_are_named_as_what_they_are() {
        let (_, errors) = parse("<<<<<<< HEAD\na = 1\n=======\na = 2\n>>>>>>> other\n");
        let lines: Vec<_> = errors.iter().map(|error| error.at.line).collect();
        assert_eq!(lines, [1, 3, 5]);
    }

    #[test]
    fn garbage_is_reported_briefly() {
        let (_, errors) = parse(&"[a]\n".repeat(10_000));
        assert_eq!(errors.len(), MOST_ERRORS);
    }
}
