//! A peer's table from words: `hostname=nas`, `accept.location=received`.

use serde_json::{Map, Value};

use super::{EditError, MARK};
use crate::config::keys::{Form, Key, Kind, Need, Table};
use crate::config::nearest::nearest;
use crate::config::show;
use crate::model::name::PlaceName;

/// What a table holds, its keys in their order.
pub type Fields = Map<String, Value>;

/// Reads `KEY=VALUE` words; a key with dots stands in a table. Lists are written with commas.
///
/// # Errors
/// A word is not understood, or names what this kind of peer does not have.
pub fn fields<'a>(
    kind: &str,
    words: impl IntoIterator<Item = &'a str>,
) -> Result<Fields, EditError> {
    known_kind(kind)?;
    let mut fields = Fields::new();
    for word in words {
        let Some((path, value)) = word.split_once('=') else {
            return Err(EditError::Fields {
                what: format!("`{word}` is not of the form KEY=VALUE"),
                hint: keys_of(Kind::Peer.table(), Some(kind)),
            });
        };
        set(&mut fields, Kind::Peer.table(), Some(kind), path.trim(), value.trim(), path.trim())?;
    }
    Ok(fields)
}

/// The file of a peer with these fields, which must be those of its kind. Their values are judged
/// with the whole configuration.
///
/// # Errors
/// There is no such kind, something that it needs is missing, or it does not have such a field.
pub fn render(name: &PlaceName, kind: &str, fields: &Fields) -> Result<String, EditError> {
    known_kind(kind)?;
    let table = Kind::Peer.table();
    for field in fields.keys().filter(|field| *field != "kind") {
        known_key(table, Some(kind), field, field)?;
    }
    let is_missing = |key: &&Key| is_needed(key, kind) && !fields.contains_key(key.name);
    let missing: Vec<&str> = table.keys.iter().filter(is_missing).map(|key| key.name).collect();
    if !missing.is_empty() {
        return Err(EditError::Fields {
            what: format!("a peer of kind `{kind}` needs `{}`", missing.join("`, `")),
            hint: keys_of(table, Some(kind)),
        });
    }
    let header = format!("peer.{}", show::key(name.as_str()));
    let mut text = format!("{MARK}\n[{header}]\nkind = \"{kind}\"\n");
    let mut below = String::new();
    for (key, value) in fields.iter().filter(|(key, _)| *key != "kind") {
        match value {
            Value::Object(inner)
                if matches!(table.key(key).map(|k| &k.form), Some(Form::Table(_))) =>
            {
                below.push_str("\n[");
                below.push_str(&header);
                below.push('.');
                below.push_str(key);
                below.push_str("]\n");
                below.extend(inner.iter().map(|(key, value)| line(key, value)));
            }
            _ => text.push_str(&line(key, value)),
        }
    }
    Ok(text + &below)
}

/// What stands on a line of what [`render`] made: `hostname`, `ssh.path`, `ssh` for the table itself,
/// and `name` for the peer's own.
#[must_use]
pub fn field_at(toml: &str, line: usize) -> Option<String> {
    let mut below = "";
    let mut found = None;
    for text in toml.lines().take(line) {
        if let Some(header) = text.strip_prefix('[') {
            let inner = ["ssh", "accept"].into_iter().find(|one| {
                header
                    .strip_suffix(']')
                    .and_then(|all| all.strip_suffix(one))
                    .is_some_and(|rest| rest.ends_with('.'))
            });
            below = inner.unwrap_or_default();
            found = Some(if below.is_empty() { "name" } else { below }.to_owned());
        } else {
            let key = text.split_once('=').map(|(key, _)| key.trim());
            found =
                key.map(
                    |key| {
                        if below.is_empty() { key.to_owned() } else { format!("{below}.{key}") }
                    },
                );
        }
    }
    found
}

/// Whether a peer of this kind is nothing without a key.
fn is_needed(key: &Key, kind: &str) -> bool {
    let needed = matches!(key.need, Need::Required) && key.belongs_to(kind);
    // A host that is nothing but SSH is nothing without it.
    (needed || (key.name == "ssh" && kind.starts_with("direct-ssh"))) && key.name != "kind"
}

/// Whether a peer of this kind is nothing without a key of one of its tables.
fn is_needed_below(key: &Key, below: &Key, kind: &str) -> bool {
    // What the host of a kind needs that is nothing but SSH: see `config::build`.
    let of_kind = match below.name {
        "path" => kind.starts_with("direct-ssh"),
        "relay" => kind == "direct-ssh-via-relay",
        _ => false,
    };
    matches!(below.need, Need::Required) || (key.name == "ssh" && of_kind)
}

/// Which keys a peer of this kind still needs, each by itself: `hostname`, `ssh.path`.
#[must_use]
pub fn missing(kind: &str, fields: &Fields) -> Vec<String> {
    let is_there = |value: Option<&Value>| {
        value.is_some_and(|value| value.as_str().is_none_or(|text| !text.trim().is_empty()))
    };
    let mut missing = Vec::new();
    for key in Kind::Peer.table().keys {
        let Form::Table(inner) = &key.form else {
            if is_needed(key, kind) && !is_there(fields.get(key.name)) {
                missing.push(key.name.to_owned());
            }
            continue;
        };
        let given = fields.get(key.name).and_then(Value::as_object);
        if given.is_none() && !is_needed(key, kind) {
            continue;
        }
        let below = inner.keys.iter().filter(|below| {
            is_needed_below(key, below, kind)
                && !is_there(given.and_then(|given| given.get(below.name)))
        });
        missing.extend(below.map(|below| format!("{}.{}", key.name, below.name)));
    }
    missing
}

fn line(key: &str, value: &Value) -> String {
    format!("{} = {}\n", show::key(key), inline(value))
}

fn inline(value: &Value) -> String {
    match value {
        Value::Object(inner) => {
            let all: Vec<String> = inner
                .iter()
                .map(|(key, value)| format!("{} = {}", show::key(key), inline(value)))
                .collect();
            format!("{{ {} }}", all.join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        // TOML has no null; what it stands for is judged as an empty text.
        Value::Null => "\"\"".to_owned(),
        Value::String(_) | Value::Bool(_) | Value::Number(_) => show::inline_json(value),
    }
}

fn known_kind(kind: &str) -> Result<(), EditError> {
    let kinds = Kind::Peer.table().variants();
    if kinds.contains(&kind) {
        return Ok(());
    }
    let near = nearest(kind, kinds.iter().copied());
    let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
    Err(EditError::Fields {
        what: format!("`{kind}` is not a kind of peer"),
        hint: format!("{near}there are: {}", kinds.join(", ")),
    })
}

/// The key of a table, if this kind of peer has it.
fn known_key(
    table: &'static Table,
    kind: Option<&str>,
    name: &str,
    path: &str,
) -> Result<&'static Key, EditError> {
    let belongs = |key: &&Key| kind.is_none_or(|kind| key.belongs_to(kind));
    if let Some(key) = table.key(name).filter(belongs) {
        return Ok(key);
    }
    let known = table.keys.iter().filter(belongs).map(|key| key.name);
    let near = nearest(name, known);
    let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
    let whose = kind.map_or_else(|| format!("[{}]", table.title), |kind| format!("kind `{kind}`"));
    Err(EditError::Fields {
        what: format!("`{path}` is no key of {whose}"),
        hint: format!("{near}{}", keys_of(table, kind)),
    })
}

/// What there is, with what must be there first.
fn keys_of(table: &Table, kind: Option<&str>) -> String {
    let belongs = |key: &&Key| kind.is_none_or(|kind| key.belongs_to(kind)) && key.name != "kind";
    let of_kind = kind.unwrap_or_default();
    let (mut needed, mut other) = (Vec::new(), Vec::new());
    for key in table.keys.iter().filter(belongs) {
        let is_key_needed = is_needed(key, of_kind);
        match &key.form {
            Form::Table(inner) => {
                for below in inner.keys {
                    // Only where a relay is in between.
                    if below.name == "relay" && of_kind != "direct-ssh-via-relay" {
                        continue;
                    }
                    let is_needed = is_key_needed && is_needed_below(key, below, of_kind);
                    let list = if is_needed { &mut needed } else { &mut other };
                    list.push(format!("{}.{}", key.name, below.name));
                }
            }
            Form::Secret => {
                let list = if is_key_needed { &mut needed } else { &mut other };
                list.push(format!("{}.file", key.name));
            }
            _ => {
                let list = if is_key_needed { &mut needed } else { &mut other };
                list.push(key.name.to_owned());
            }
        }
    }
    let (needs, may) = (needed.join(", "), other.join(", "));
    match (needed.is_empty(), other.is_empty()) {
        (true, _) => format!("there are: {may}"),
        (false, true) => format!("it needs: {needs}"),
        (false, false) => format!("it needs: {needs}; it may have: {may}"),
    }
}

/// Puts a value to its key, whose form says what the text means.
fn set(
    fields: &mut Fields,
    table: &'static Table,
    kind: Option<&str>,
    path: &str,
    text: &str,
    whole: &str,
) -> Result<(), EditError> {
    let (name, below) = match path.split_once('.') {
        Some((name, below)) => (name, Some(below)),
        None => (path, None),
    };
    let key = known_key(table, kind, name, whole)?;
    let wrong = |what: String, hint: String| Err(EditError::Fields { what, hint });
    match (&key.form, below) {
        (Form::Table(inner) | Form::NameOr(inner), Some(below)) => {
            let Some(inner_fields) = object(fields, name) else {
                return wrong(format!("`{name}` is given twice"), "give it once".to_owned());
            };
            set(inner_fields, inner, None, below, text, whole)
        }
        (Form::Secret, Some(below @ ("file" | "env" | "credential"))) => {
            let Some(inner_fields) = object(fields, name) else {
                return wrong(format!("`{name}` is given twice"), "give it once".to_owned());
            };
            put(inner_fields, below, Value::from(text), whole)
        }
        (Form::Secret, _) => wrong(
            format!("`{whole}` cannot be given like this"),
            format!("a secret stands in a file: `{name}.file=PATH`"),
        ),
        (Form::Table(inner), None) => wrong(
            format!("`{name}` is a table"),
            format!("write `{name}.KEY=VALUE`; {}", keys_of(inner, None)),
        ),
        (_, Some(below)) => wrong(
            format!("`{name}` is no table, and has no `{below}`"),
            format!("write `{name}=VALUE`"),
        ),
        (form, None) => {
            let value = read(form, text).ok_or_else(|| EditError::Fields {
                what: format!("`{text}` is no value of `{whole}`"),
                hint: format!("for instance `{whole}={}`", key.example.trim_matches('"')),
            })?;
            put(fields, name, value, whole)
        }
    }
}

fn object<'a>(fields: &'a mut Fields, name: &str) -> Option<&'a mut Fields> {
    fields.entry(name).or_insert_with(|| Value::Object(Fields::new())).as_object_mut()
}

fn put(fields: &mut Fields, name: &str, value: Value, whole: &str) -> Result<(), EditError> {
    if fields.insert(name.to_owned(), value).is_some() {
        return Err(EditError::Fields {
            what: format!("`{whole}` is given twice"),
            hint: "give it once".to_owned(),
        });
    }
    Ok(())
}

/// A text as the form has it; what is a text there is judged with the configuration.
fn read(form: &Form, text: &str) -> Option<Value> {
    match form {
        Form::Bool => text.parse::<bool>().ok().map(Value::from),
        Form::Integer(..) => text.parse::<i64>().ok().map(Value::from),
        Form::List(item) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            items.map(|text| read(item, text)).collect::<Option<Vec<_>>>().map(Value::Array)
        }
        Form::Text
        | Form::Name
        | Form::Size
        | Form::Duration
        | Form::DurationOrAuto
        | Form::Percent
        | Form::Schedule
        | Form::Path
        | Form::Url
        | Form::Timezone
        | Form::OctalMode
        | Form::Codec
        | Form::Recipient
        | Form::Hash
        | Form::Listen
        | Form::Word(_)
        | Form::Secret
        | Form::Command
        | Form::Table(_)
        | Form::NameOr(_) => Some(Value::from(text)),
    }
}
