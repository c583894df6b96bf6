//! Forms in words: for diagnostics and for the documentation.

use super::keys::{Form, Table};

impl Form {
    /// What a value of this form is, with its article.
    pub(crate) fn words(&self) -> String {
        match self {
            Form::Text => "a text".to_owned(),
            Form::Name => "a name".to_owned(),
            Form::Bool => "true or false".to_owned(),
            Form::Integer(least, greatest) => format!("a whole number, {least} to {greatest}"),
            Form::Size => "a size".to_owned(),
            Form::Duration => "a duration".to_owned(),
            Form::DurationOrAuto => "a duration or `auto`".to_owned(),
            Form::Percent => "a percentage".to_owned(),
            Form::Schedule => "a schedule".to_owned(),
            Form::Path => "a path".to_owned(),
            Form::Url => "a URL".to_owned(),
            Form::Timezone => "a time zone".to_owned(),
            Form::OctalMode => "an octal mode in quotes".to_owned(),
            Form::Codec => "a compression".to_owned(),
            Form::Recipient => "an age recipient".to_owned(),
            Form::Hash => "a hash".to_owned(),
            Form::Listen => "an address".to_owned(),
            Form::Word(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
                match words.as_slice() {
                    [only] => only.clone(),
                    [some @ .., last] => format!("{} or {last}", some.join(", ")),
                    [] => "a word".to_owned(),
                }
            }
            Form::Secret => "a secret".to_owned(),
            Form::Command => "a command".to_owned(),
            Form::List(item) => format!("a list, each {}", item.words()),
            Form::Table(_) => "a table".to_owned(),
            Form::NameOr(_) => "a name or a table".to_owned(),
        }
    }

    /// How such a value is written, as TOML.
    pub(crate) fn sample(&self) -> Option<&'static str> {
        match self {
            Form::Bool => Some("true"),
            Form::Size => Some("\"10 GiB\""),
            Form::Duration | Form::DurationOrAuto => Some("\"36h\""),
            Form::Percent => Some("\"50%\""),
            Form::Schedule => Some("\"0 3 * * *\""),
            Form::OctalMode => Some("\"750\""),
            Form::Codec => Some("\"zstd:3\""),
            Form::Listen => Some("\"127.0.0.1:8470\""),
            Form::Secret => Some("{ file = \"secrets/name\" }"),
            Form::Command => Some("[\"systemctl\", \"stop\", \"web\"]"),
            Form::List(Form::Command) => Some("[[\"systemctl\", \"stop\", \"web\"]]"),
            Form::List(Form::Listen) => Some("[\"127.0.0.1:8470\"]"),
            Form::List(Form::Table(_)) => Some("[{ … }]"),
            Form::List(_) => Some("[\"…\"]"),
            Form::Text
            | Form::Name
            | Form::Integer(..)
            | Form::Path
            | Form::Url
            | Form::Timezone
            | Form::Recipient
            | Form::Hash
            | Form::Word(_)
            | Form::Table(_)
            | Form::NameOr(_) => None,
        }
    }

    /// The table that only this form has; policies, which stand in many places, are not of these.
    pub(crate) fn below(&'static self) -> Option<&'static Table> {
        match self {
            Form::Table(table) | Form::List(Form::Table(table) | Form::NameOr(table)) => {
                Some(table)
            }
            _ => None,
        }
    }

    /// What a value counts in; empty where it counts nothing.
    pub(crate) fn unit(&self) -> &'static str {
        match self {
            Form::Size => "bytes, with a unit",
            Form::Duration | Form::DurationOrAuto => "time, with a unit",
            Form::Percent => "per cent",
            _ => "",
        }
    }
}
