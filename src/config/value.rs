//! Single values: from a node of the tree to a type that cannot be wrong.
//!
//! Each type names the forms that it is read from; a key read as another type than it was
//! described with fails in every test that reads it.

use std::path::PathBuf;
use std::str::FromStr;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::context::Context;
use super::exposed;
use super::keys::Form;
use super::nearest;
use super::tree::{Node, Span, Value};
use super::units;
use crate::model::desired::Listen;
use crate::model::job::Command;
use crate::model::location::Codec;
use crate::model::name::{InstanceName, JobName, Label, NameError, ObjectName, PlaceName};
use crate::model::protect::MaxAge;
use crate::model::schedule::Schedule;
use crate::model::size::{Bytes, Percent};
use crate::model::words::Worded;

/// A type that a value is read into. Mistakes are reported to the context.
pub(crate) trait FromNode: Sized {
    /// Whether values of this form are read into this type.
    fn reads(form: &Form) -> bool;
    /// The value; `None` after a report.
    fn from_node(node: &Node, form: &Form, cx: &mut Context<'_>) -> Option<Self>;
}

/// Reports that a value is of another type than its key.
pub(crate) fn wrong_type<T>(node: &Node, form: &Form, cx: &mut Context<'_>) -> Option<T> {
    let (wanted, found) = (form.words(), node.value.words());
    let message = match cx.subject.as_str() {
        "" => format!("expected {wanted}, found {found}"),
        subject => format!("{subject} must be {wanted}, not {found}"),
    };
    match form.sample() {
        Some(sample) => cx.error_with(node.at, message, format!("write it like `{sample}`")),
        None => cx.error(node.at, message),
    }
    None
}

fn text<'n>(node: &'n Node, form: &Form, cx: &mut Context<'_>) -> Option<&'n str> {
    match &node.value {
        Value::Text { text, .. } => Some(text),
        _ => wrong_type(node, form, cx),
    }
}

/// A place inside a text, where it stands in its line as it is; the whole text otherwise.
fn inside(node: &Node, from: usize, to: usize) -> Span {
    match &node.value {
        Value::Text { text, plain: true } if from <= text.len() => {
            let columns = |end: usize| {
                let end = (0..=end.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
                u32::try_from(text[..end.unwrap_or(0)].chars().count()).unwrap_or(0)
            };
            let column = node.at.column + 1 + columns(from);
            let end = (node.at.column + 1 + columns(to)).max(column + 1);
            Span { line: node.at.line, column, end }
        }
        _ => node.at,
    }
}

impl<T: FromNode> FromNode for Vec<T> {
    fn reads(form: &Form) -> bool {
        matches!(form, Form::List(item) if T::reads(item))
    }
    fn from_node(node: &Node, form: &Form, cx: &mut Context<'_>) -> Option<Self> {
        let (Form::List(item), Value::Array(items)) = (form, &node.value) else {
            return wrong_type(node, form, cx);
        };
        // Every item is read, so that every mistake is found.
        let list = std::mem::take(&mut cx.subject);
        cx.subject = format!("each item of {list}");
        let read: Vec<Option<T>> = items.iter().map(|node| T::from_node(node, item, cx)).collect();
        cx.subject = list;
        read.into_iter().collect()
    }
}

impl FromNode for bool {
    fn reads(form: &Form) -> bool {
        matches!(form, Form::Bool)
    }
    fn from_node(node: &Node, form: &Form, cx: &mut Context<'_>) -> Option<Self> {
        match node.value {
            Value::Bool(value) => Some(value),
            _ => wrong_type(node, form, cx),
        }
    }
}

impl FromNode for u32 {
    fn reads(form: &Form) -> bool {
        matches!(form, Form::Integer(..))
    }
    fn from_node(node: &Node, form: &Form, cx: &mut Context<'_>) -> Option<Self> {
        let (Form::Integer(least, greatest), Value::Integer(value)) = (form, &node.value) else {
            return wrong_type(node, form, cx);
        };
        if value < least || value > greatest {
            let subject = cx.subject.clone();
            let message =
                format!("{subject} must be between {least} and {greatest}, and is {value}");
            if (*value, *least) == (0, 1) {
                cx.error_with(node.at, message, "write 1 or more");
            } else {
                cx.error(node.at, message);
            }
            return None;
        }
        u32::try_from(*value).ok()
    }
}

impl FromNode for String {
    fn reads(form: &Form) -> bool {
        matches!(form, Form::Text | Form::Url | Form::Recipient | Form::Hash)
    }
    fn from_node(node: &Node, form: &Form, cx: &mut Context<'_>) -> Option<Self> {
        let text = text(node, form, cx)?;
        if text.trim().is_empty() {
            cx.error(node.at, "the text is empty");
            return None;
        }
        if let Some(at) = text.find('\0') {
            cx.error(inside(node, at, at + 1), "the text has a NUL character");
            return None;
        }
        let problem = match form {
            Form::Url => units::check_url(text),
            Form::Recipient => units::check_recipient(text),
            Form::Hash => units::check_hash(text),
            _ if exposed::has_address_with_password(text) => {
                exposed::refuse(node.at, exposed::IN_TEXT, cx);
                return None;
            }
            _ => Ok(()),
        };
        match problem {
            Ok(()) => Some(text.to_owned()),
            // Somebody may have written the token in place of its hash, the identity in place of
            // its recipient, a password into an address.
            Err((message, hint)) => {
                match form {
                    Form::Hash | Form::Recipient => cx.error_secret(node.at, &message, &hint),
                    Form::Url if text.contains('@') => cx.error_secret(node.at, &message, &hint),
                    _ => cx.error_with(node.at, message, hint),
                }
                None
            }
        }
    }
}

impl FromNode for &'static str {
    fn reads(form: &Form) -> bool {
        matches!(form, Form::Word(_))
    }
    fn from_node(node: &Node, form: &Form, cx: &mut Context<'_>) -> Option<Self> {
        let Form::Word(words) = form else { return wrong_type(node, form, cx) };
        let text = text(node, form, cx)?;
        let known = words.iter().find(|word| **word == text).copied();
        if known.is_none() {
            let hint = nearest::suggestion(text, words, "allowed here");
            cx.report(
                node.at,
                super::diagnostic::Severity::Error,
                format!("{} cannot be `{text}`", cx.subject),
                hint,
            );
        }
        known
    }
}

impl<T: Worded> FromNode for T {
    fn reads(form: &Form) -> bool {
        matches!(form, Form::Word(words) if words.iter().all(|word| T::from_word(word).is_some()))
    }
    fn from_node(node: &Node, form: &Form, cx: &mut Context<'_>) -> Option<Self> {
        <&'static str>::from_node(node, form, cx).and_then(T::from_word)
    }
}

impl FromNode for PathBuf {
    fn reads(form: &Form) -> bool {
        matches!(form, Form::Path)
    }
    fn from_node(node: &Node, form: &Form, cx: &mut Context<'_>) -> Option<Self> {
        let text = text(node, form, cx)?;
        if text.is_empty() {
            cx.error(node.at, "a path cannot be empty");
            return None;
        }
        // Paths stand in tables and descriptions that people and shell scripts read line by line.
        if let Some((at, odd)) = text.char_indices().find(|(_, odd)| odd.is_control()) {
            let message =
                format!("a path cannot have the control character `{}`", odd.escape_default());
            cx.error(inside(node, at, at + 1), message);
            return None;
        }
        if text.starts_with('~') {
            cx.error_with(node.at, "`~` is not expanded here", "write the path in full");
            return None;
        }
        Some(cx.absolute(text))
    }
}

/// A text that its type checks itself.
fn parsed<T>(
    node: &Node,
    form: &Form,
    cx: &mut Context<'_>,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let text = text(node, form, cx)?;
    match parse(text) {
        Ok(value) => Some(value),
        Err(message) => {
            match form.sample() {
                Some(sample) => {
                    cx.error_with(node.at, message, format!("write it like `{sample}`"));
                }
                None => cx.error(node.at, message),
            }
            None
        }
    }
}

macro_rules! read_from_text {
    ($($type:ty: $form:pat => $parse:expr;)*) => {$(
        impl FromNode for $type {
            fn reads(form: &Form) -> bool {
                matches!(form, $form)
            }
            fn from_node(node: &Node, form: &Form, cx: &mut Context<'_>) -> Option<Self> {
                parsed(node, form, cx, $parse)
            }
        }
    )*};
}

read_from_text! {
    Bytes: Form::Size => units::bytes;
    SignedDuration: Form::Duration => units::duration;
    Percent: Form::Percent => units::percent;
    Codec: Form::Codec => units::codec;
}

macro_rules! read_names {
    ($($type:ty => $read:expr;)*) => {$(
        impl FromNode for $type {
            fn reads(form: &Form) -> bool {
                matches!(form, Form::Name)
            }
            fn from_node(node: &Node, form: &Form, cx: &mut Context<'_>) -> Option<Self> {
                $read(node, form, cx)
            }
        }
    )*};
}

read_names! {
    InstanceName => name;
    PlaceName => plain_name;
    ObjectName => name;
    JobName => plain_name;
    Label => name;
}

fn name<T: FromStr<Err = NameError>>(node: &Node, form: &Form, cx: &mut Context<'_>) -> Option<T> {
    match text(node, form, cx)?.parse() {
        Ok(name) => Some(name),
        Err(error @ NameError::TooLong { .. }) => {
            cx.error_with(node.at, error.to_string(), "choose a shorter one");
            None
        }
        Err(error) => {
            cx.error(node.at, error.to_string());
            None
        }
    }
}

/// What has a `/` in its name is made by larder itself: the series of a job, the name space of a peer.
fn plain_name<T: FromStr<Err = NameError>>(
    node: &Node,
    form: &Form,
    cx: &mut Context<'_>,
) -> Option<T> {
    if text(node, form, cx)?.contains('/') {
        cx.error(node.at, "a name has letters, digits, `_`, `-` and `.`");
        return None;
    }
    name(node, form, cx)
}

impl FromNode for Listen {
    fn reads(form: &Form) -> bool {
        matches!(form, Form::Listen)
    }
    fn from_node(node: &Node, form: &Form, cx: &mut Context<'_>) -> Option<Self> {
        match &node.value {
            Value::Text { text, .. } if text.starts_with("unix:") => match units::listen(text) {
                Ok(listen) => Some(listen),
                Err(message) => {
                    let hint = "write it like `\"unix:/run/larder/web.sock\"`";
                    cx.error_with(node.at, message, hint);
                    None
                }
            },
            _ => parsed(node, form, cx, units::listen),
        }
    }
}

/// An octal mode.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OctalMode(pub(crate) u32);

impl FromNode for OctalMode {
    fn reads(form: &Form) -> bool {
        matches!(form, Form::OctalMode)
    }
    fn from_node(node: &Node, form: &Form, cx: &mut Context<'_>) -> Option<Self> {
        parsed(node, form, cx, |text| {
            let octal = (3..=5).contains(&text.len()) && text.chars().all(|c| c.is_digit(8));
            match u32::from_str_radix(text, 8) {
                Ok(mode) if octal && mode <= 0o7777 => Ok(OctalMode(mode)),
                _ => Err(format!("`{text}` is not a mode of three or four octal digits")),
            }
        })
    }
}

impl FromNode for MaxAge {
    fn reads(form: &Form) -> bool {
        matches!(form, Form::DurationOrAuto)
    }
    fn from_node(node: &Node, form: &Form, cx: &mut Context<'_>) -> Option<Self> {
        parsed(node, form, cx, |text| match text {
            "auto" => Ok(MaxAge::Auto),
            _ => units::duration(text).map(MaxAge::Fixed),
        })
    }
}

impl FromNode for Schedule {
    fn reads(form: &Form) -> bool {
        matches!(form, Form::Schedule)
    }
    fn from_node(node: &Node, form: &Form, cx: &mut Context<'_>) -> Option<Self> {
        let text = text(node, form, cx)?;
        match Schedule::parse(text) {
            Ok(schedule) => {
                for warning in schedule.warnings() {
                    cx.warning(node.at, warning, None);
                }
                Some(schedule)
            }
            Err(error) => {
                let at = inside(node, error.span.start, error.span.end);
                let severity = super::diagnostic::Severity::Error;
                cx.report(at, severity, error.message, error.hint);
                None
            }
        }
    }
}

impl FromNode for TimeZone {
    fn reads(form: &Form) -> bool {
        matches!(form, Form::Timezone)
    }
    fn from_node(node: &Node, form: &Form, cx: &mut Context<'_>) -> Option<Self> {
        let text = text(node, form, cx)?;
        if let Ok(zone) = jiff::tz::db().get(text) {
            return Some(zone);
        }
        let names: Vec<String> =
            jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
        // `Paris` means `Europe/Paris`, `Europe/Pariss` does too.
        let city = names.iter().map(String::as_str).find(|name| {
            name.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(text))
        });
        let near = city.or_else(|| nearest::nearest(text, names.iter().map(String::as_str)));
        let hint = near.map_or_else(
            || "write an IANA name such as `Europe/Paris`".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        cx.error_with(node.at, format!("no time zone is called `{text}`"), hint);
        None
    }
}

impl FromNode for Command {
    fn reads(form: &Form) -> bool {
        matches!(form, Form::Command)
    }
    fn from_node(node: &Node, form: &Form, cx: &mut Context<'_>) -> Option<Self> {
        match &node.value {
            Value::Text { text, .. } if exposed::has_password(text) => {
                exposed::refuse(node.at, exposed::IN_COMMAND, cx);
                None
            }
            Value::Text { .. } => String::from_node(node, &Form::Text, cx).map(Command::Shell),
            Value::Array(_) => argv(node, cx).map(Command::Argv),
            _ => wrong_type(node, form, cx),
        }
    }
}

/// A program with its arguments.
pub(crate) fn argv(node: &Node, cx: &mut Context<'_>) -> Option<Vec<String>> {
    let Value::Array(items) = &node.value else {
        return wrong_type(node, &Form::List(&Form::Text), cx);
    };
    let read: Vec<Option<String>> = items
        .iter()
        .map(|item| match &item.value {
            Value::Text { text, .. } if exposed::has_password(text) => {
                exposed::refuse(item.at, exposed::IN_COMMAND, cx);
                None
            }
            // An argument may be empty; the program may not.
            Value::Text { text, .. } if !text.contains('\0') => Some(text.clone()),
            _ => wrong_type(item, &Form::Text, cx),
        })
        .collect();
    let words: Vec<String> = read.into_iter().collect::<Option<_>>()?;
    if words.first().is_none_or(|program| program.trim().is_empty()) {
        cx.error_with(
            node.at,
            "the command names no program",
            "write it like `[\"systemctl\", \"stop\", \"web\"]`",
        );
        return None;
    }
    Some(words)
}
