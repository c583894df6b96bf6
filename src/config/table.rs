//! The reader of one table: each object's parser reads as the list of its keys.
//!
//! **Invariant:** every key of a table is either read through its description, or reported.

use super::context::Context;
use super::diagnostic::Severity;
use super::keys::{Form, Key, Need, Table};
use super::nearest;
use super::tree::{self, Entry, Node, Span, Value};
use super::value::{FromNode, wrong_type};
use crate::model::desired::SecretRef;
use crate::model::words::Worded;

/// Reads one table by its description.
pub(crate) struct Reader<'n> {
    table: &'static Table,
    entries: &'n [Entry],
    /// Where the table stands: what is missing is reported here.
    pub(crate) at: Span,
    /// The value of the table's switch.
    variant: Option<&'static str>,
    errors_before: usize,
}

impl<'n> Reader<'n> {
    /// Begins a table: reads its switch and reports every key that does not belong.
    pub(crate) fn open(
        table: &'static Table,
        node: &'n Node,
        at: Span,
        cx: &mut Context<'_>,
    ) -> Option<Self> {
        let errors_before = cx.errors();
        let Value::Table(entries) = &node.value else {
            return wrong_type(node, &Form::Table(table), cx);
        };
        let mut reader = Self { table, entries, at, variant: None, errors_before };
        if let Some(switch) = table.switch {
            reader.variant = reader.get(switch, cx);
        }
        for entry in entries {
            reader.check_belongs(entry, cx);
        }
        Some(reader)
    }

    fn check_belongs(&self, entry: &Entry, cx: &mut Context<'_>) {
        let name = entry.key.as_str();
        let Some(key) = self.table.key(name) else {
            let here: Vec<&str> = self
                .table
                .keys
                .iter()
                .filter(|key| self.variant.is_none_or(|variant| key.belongs_to(variant)))
                .map(|key| key.name)
                .collect();
            let hint = match self.elsewhere(name) {
                Some(hint) => Some(hint),
                None => nearest::suggestion(name, &here, "known here"),
            };
            let hint = hint.or_else(|| {
                Some(format!("`docs/configuration.md` lists every key of `[{}]`", self.table.title))
            });
            cx.report(entry.at, Severity::Error, format!("unknown key `{name}`"), hint);
            return;
        };
        let (Some(variant), Some(switch)) = (self.variant, self.table.switch) else { return };
        if !key.belongs_to(variant) {
            let only: Vec<_> = key.only.iter().map(|word| format!("`{word}`")).collect();
            cx.error_with(
                entry.at,
                format!("`{name}` does not belong to `{switch} = \"{variant}\"`"),
                format!("it belongs to {}", only.join(", ")),
            );
        }
    }

    /// A key below the wrong header is the commonest slip in TOML.
    fn elsewhere(&self, name: &str) -> Option<String> {
        let (parent, _) = self.table.title.split_once(".NAME.")?;
        let kind = super::keys::Kind::from_word(parent)?;
        kind.table().key(name)?;
        Some(format!("it belongs to `[{parent}.…]`: move it above this header"))
    }

    /// What the table's switch says; `None` after a report.
    pub(crate) fn switch<T: Worded>(&self) -> Option<T> {
        let words = self.table.variants();
        debug_assert!(
            words.iter().all(|word| T::from_word(word).is_some()),
            "the switch of `{}` has words that its reader does not know",
            self.table.title
        );
        self.variant.and_then(T::from_word)
    }

    /// The entry of a key, where it is written.
    pub(crate) fn entry(&self, name: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == name)
    }

    /// Where a key's value is written; where the table is, without.
    pub(crate) fn place(&self, name: &str) -> Span {
        self.entry(name).map_or(self.at, |entry| entry.node.at)
    }

    fn key(&self, name: &str) -> &'static Key {
        self.table.key(name).expect("every key that is read is described")
    }

    /// A key that is required or has a default; `None` after a report.
    pub(crate) fn get<T: FromNode>(&self, name: &str, cx: &mut Context<'_>) -> Option<T> {
        let key = self.key(name);
        debug_assert!(T::reads(&key.form), "`{name}` is read as another form than described");
        cx.subject = format!("`{name}`");
        if let Some(entry) = self.entry(name) {
            return T::from_node(&entry.node, &key.form, cx);
        }
        match key.need {
            Need::Default(text) => T::from_node(&fragment(text), &key.form, cx),
            Need::Required => {
                self.missing(name, cx);
                None
            }
            Need::Optional(_) => None,
        }
    }

    /// A key that has a default, which also stands in for what was reported: whoever reads on finds
    /// no second mistake in it, and [`Reader::finish`] discards it.
    pub(crate) fn value<T: FromNode>(&self, name: &str, cx: &mut Context<'_>) -> T {
        self.get(name, cx).unwrap_or_else(|| {
            let key = self.key(name);
            let Need::Default(text) = key.need else {
                unreachable!("`{name}` is read as a key with a default, and has none")
            };
            let default = T::from_node(&fragment(text), &key.form, cx);
            default.expect("every default is what its key takes")
        })
    }

    /// A key that need not be there; also `None` after a report.
    pub(crate) fn maybe<T: FromNode>(&self, name: &str, cx: &mut Context<'_>) -> Option<T> {
        let key = self.key(name);
        debug_assert!(T::reads(&key.form), "`{name}` is read as another form than described");
        cx.subject = format!("`{name}`");
        self.entry(name).and_then(|entry| T::from_node(&entry.node, &key.form, cx))
    }

    /// A table below this one; `None` when it is not written or is not a table.
    pub(crate) fn table(&self, name: &str, cx: &mut Context<'_>) -> Option<Reader<'n>> {
        let entry = self.entry(name)?;
        cx.subject = format!("`{name}`");
        match &self.key(name).form {
            Form::Table(table) => Reader::open(table, &entry.node, entry.at, cx),
            form => wrong_type(&entry.node, form, cx),
        }
    }

    /// The items of a list of tables, or of names and tables.
    pub(crate) fn items(&self, name: &str, cx: &mut Context<'_>) -> (&'n [Node], &'static Form) {
        let Form::List(form) = &self.key(name).form else { return (&[], &Form::Text) };
        cx.subject = format!("`{name}`");
        match self.entry(name).map(|entry| (&entry.node.value, &entry.node)) {
            Some((Value::Array(items), _)) => {
                cx.subject = format!("each item of `{name}`");
                (items, form)
            }
            Some((_, node)) => {
                let _ = wrong_type::<()>(node, &self.key(name).form, cx);
                (&[], form)
            }
            None => (&[], form),
        }
    }

    /// Reports that a key is missing, unless it may have been lost with a syntax error.
    pub(crate) fn missing(&self, name: &str, cx: &mut Context<'_>) {
        if cx.object.torn {
            cx.lacks.get_or_insert_with(|| "its file has syntax errors".to_owned());
            return;
        }
        let example = self.key(name).example;
        cx.error_with(
            self.at,
            format!("`{name}` is missing"),
            format!("for instance `{name} = {example}`"),
        );
    }

    /// Ends the table: `None` when anything in it was wrong.
    pub(crate) fn finish(self, cx: &Context<'_>) -> Option<()> {
        (cx.errors() == self.errors_before).then_some(())
    }
}

/// A default as a node that stands nowhere.
fn fragment(text: &str) -> Node {
    let (mut entries, errors) = tree::parse(&format!("x={text}"));
    debug_assert!(errors.is_empty(), "the default `{text}` is not TOML");
    let mut node = entries.remove(0).node;
    node.at = Span::default();
    node
}

const SECRET_KEYS: [&str; 4] = ["file", "credential", "env", "command"];

impl FromNode for SecretRef {
    fn reads(form: &Form) -> bool {
        matches!(form, Form::Secret)
    }
    fn from_node(node: &Node, form: &Form, cx: &mut Context<'_>) -> Option<Self> {
        const HINT: &str = "put it into a file that only its owner reads, and write `{ file = \"secrets/name\" }`; or use `credential`, `env` or `command`";
        let Value::Table(entries) = &node.value else {
            if matches!(node.value, Value::Text { .. } | Value::Integer(_) | Value::Number(_)) {
                cx.error_secret(node.at, "a secret must not stand in the configuration", HINT);
                return None;
            }
            return wrong_type(node, form, cx);
        };
        let is_unknown = |entry: &&Entry| !SECRET_KEYS.contains(&entry.key.as_str());
        if let Some(entry) = entries.iter().find(is_unknown) {
            let hint = nearest::suggestion(&entry.key, &SECRET_KEYS, "a secret is one of");
            cx.report(entry.at, Severity::Error, format!("unknown key `{}`", entry.key), hint);
            return None;
        }
        let [entry] = entries.as_slice() else {
            cx.error(node.at, "a secret is exactly one of `file`, `credential`, `env`, `command`");
            return None;
        };
        let value = &entry.node;
        match entry.key.as_str() {
            "file" => FromNode::from_node(value, &Form::Path, cx).map(SecretRef::File),
            "command" => super::value::argv(value, cx).map(SecretRef::Command),
            key => {
                let name = String::from_node(value, &Form::Text, cx)?;
                let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
                if !plain || name.starts_with('.') {
                    cx.error(value.at, "this name has letters, digits, `_`, `-` and `.` only");
                    return None;
                }
                Some(if key == "env" { SecretRef::Env(name) } else { SecretRef::Credential(name) })
            }
        }
    }
}
