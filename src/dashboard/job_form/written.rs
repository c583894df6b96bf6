//! A table as TOML, in the order of its keys; and which key stands where in it.

use std::ops::Range;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use toml::de::{DeTable, DeValue};

/// A value of TOML.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Flag(bool),
    List(Vec<Value>),
    Table(Table),
}

/// A table whose keys stay in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Table(pub(super) Vec<(String, Value)>);

impl Table {
    /// Puts a value to a key; dots lead into tables below, which are made as they are needed.
    pub(super) fn put(&mut self, key: &str, value: Value) {
        let Some((first, rest)) = key.split_once('.') else {
            self.0.push((key.to_owned(), value));
            return;
        };
        let known = self.0.iter().position(|(name, _)| name == first).unwrap_or_else(|| {
            self.0.push((first.to_owned(), Value::Table(Table::default())));
            self.0.len() - 1
        });
        if let (_, Value::Table(below)) = &mut self.0[known] {
            below.put(rest, value);
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Text(text) => serializer.serialize_str(text),
            Value::Number(number) => serializer.serialize_i64(*number),
            Value::Flag(flag) => serializer.serialize_bool(*flag),
            Value::List(items) => items.serialize(serializer),
            Value::Table(table) => table.serialize(serializer),
        }
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A table ends where the next one begins, so plain values come first.
        let is_table = |value: &Value| match value {
            Value::Table(_) => true,
            Value::List(items) => {
                !items.is_empty() && items.iter().all(|item| matches!(item, Value::Table(_)))
            }
            Value::Text(_) | Value::Number(_) | Value::Flag(_) => false,
        };
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for tables in [false, true] {
            for (key, value) in self.0.iter().filter(|(_, value)| is_table(value) == tables) {
                map.serialize_entry(key, value)?;
            }
        }
        map.end()
    }
}

/// The text of a document with one object.
pub(super) fn text(kind: &str, name: &str, table: Table) -> String {
    let named = Table(vec![(name.to_owned(), Value::Table(table))]);
    let document = Table(vec![(kind.to_owned(), Value::Table(named))]);
    toml::to_string(&document).expect("texts, numbers and tables with texts as keys")
}

/// The key of the object that stands at a line and a column (in characters, from 1): its path with
/// dots, numbers for the items of lists; empty for the object itself.
pub(super) fn key_at(text: &str, line: u32, column: u32) -> String {
    let Ok(document) = DeTable::parse(text) else { return String::new() };
    let (line, column) = (line as usize, column as usize);
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let in_line = text[start..].chars().take(column.saturating_sub(1)).map(char::len_utf8);
    let at = start + in_line.sum::<usize>();
    let mut found = Vec::new();
    table_at(document.get_ref(), at, &mut Vec::new(), &mut found);
    found.get(2..).unwrap_or_default().join(".")
}

/// Keeps the longest path whose key or value is at a byte.
fn table_at(table: &DeTable<'_>, at: usize, path: &mut Vec<String>, found: &mut Vec<String>) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        value_at(value.get_ref(), &[key.span(), value.span()], at, path, found);
        path.pop();
    }
}

fn value_at(
    value: &DeValue<'_>,
    spans: &[Range<usize>],
    at: usize,
    path: &mut Vec<String>,
    found: &mut Vec<String>,
) {
    let is_here = spans.iter().any(|span| span.contains(&at));
    if is_here && path.len() > found.len() {
        found.clone_from(path);
    }
    match value {
        DeValue::Table(table) => table_at(table, at, path, found),
        DeValue::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                path.push(number.to_string());
                value_at(item.get_ref(), &[item.span()], at, path, found);
                path.pop();
            }
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::default();
        let word = |text: &str| Value::Text(text.to_owned());
        table.put("type", word("custom_dir"));
        table.put("protect.copies", Value::Number(2));
        table.put("excludes", Value::List(vec![word("a"), word("é\n\"")]));
        table.put("restore.permissions.mode", word("750"));
        table.put("restore.permissions.owner", word("me"));
        table.put("enabled", Value::Flag(false));
        let mut copy = Table::default();
        copy.put("to", word("usb"));
        table.put("send_to", Value::List(vec![Value::Table(copy)]));
        table
    }

    #[test]
    fn tables_are_written_in_order_and_read_back() {
        let text = text("job", "a b", sample());
        let read: toml::Table = text.parse().expect("TOML");
        let job = &read["job"]["a b"];
        assert_eq!(job["protect"]["copies"].as_integer(), Some(2));
        assert_eq!(job["excludes"][1].as_str(), Some("é\n\""));
        assert_eq!(job["send_to"][0]["to"].as_str(), Some("usb"));
        assert_eq!(job["restore"]["permissions"]["owner"].as_str(), Some("me"));
        assert!(text.starts_with("[job.\"a b\"]\ntype = \"custom_dir\"\n"), "{text}");
    }

    #[test]
    fn a_place_leads_to_its_key() {
        let text = text("job", "web", sample());
        let of = |needle: &str| {
            let at = text.find(needle).expect(needle);
            let line = text[..at].matches('\n').count() + 1;
            let column = text[..at].chars().rev().take_while(|c| *c != '\n').count() + 1;
            key_at(
                &text,
                u32::try_from(line).expect("small"),
                u32::try_from(column).expect("small"),
            )
        };
        assert_eq!(of("custom_dir"), "type");
        assert_eq!(of("enabled"), "enabled");
        assert_eq!(of("copies"), "protect.copies");
        assert_eq!(of("\"750\""), "restore.permissions.mode");
        assert_eq!(of("\"usb\""), "send_to.0.to");
        assert_eq!(key_at(&text, 1, 6), "");
        assert_eq!(key_at("[", 1, 1), "");
        assert_eq!(key_at(&text, 900, 1), "");
    }
}
