//! References between objects, and names.

use super::World;
use crate::config::context::{Context, Object, ObjectId};
use crate::config::keys::{Form, Kind};
use crate::config::nearest;
use crate::config::table::Reader;
use crate::config::tree::{Node, Span, Value};
use crate::config::value::{FromNode, wrong_type};
use crate::model::name::PlaceName;
use crate::model::retention::Policy;

/// The name of an object, from its table's key.
pub(super) fn own_name<T: FromNode>(object: &Object, cx: &mut Context<'_>) -> Option<T> {
    let text = object.id.name.clone();
    let node = Node { at: object.at, value: Value::Text { text, plain: false } };
    T::from_node(&node, &Form::Name, cx)
}

impl World<'_> {
    fn is_declared(&self, kind: Kind, name: &str) -> bool {
        self.declared.contains(&ObjectId::new(kind, name))
    }

    /// Reports a reference to what no file defines.
    fn undefined(&self, at: Span, kinds: &[Kind], name: &str, cx: &mut Context<'_>) {
        let known = self.declared.iter().filter(|id| kinds.contains(&id.kind));
        let near = nearest::nearest(name, known.map(|id| id.name.as_str()));
        let message = format!("{} uses `{name}`, which no file defines", subject(cx.object));
        let tables: Vec<_> =
            kinds.iter().map(|kind| format!("`[{}.{name}]`", kind.word())).collect();
        let hint = match (near, self.torn) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, [torn, ..]) => {
                format!("`{torn}` has syntax errors and may define it: mend that first")
            }
            (None, []) => format!("define {}", tables.join(" or ")),
        };
        cx.error_with(at, message, hint);
    }

    /// The policy that a key names or holds; `None` when it is not written, or after a report.
    pub(super) fn policy(
        &self,
        reader: &Reader<'_>,
        key: &str,
        cx: &mut Context<'_>,
    ) -> Option<Policy> {
        let node = &reader.entry(key)?.node;
        cx.subject = format!("`{key}`");
        match &node.value {
            Value::Text { text, .. } => {
                let policy = self.policies.get(text).copied();
                if policy.is_none() {
                    if self.is_declared(Kind::Retention, text) {
                        lacks(cx, Kind::Retention, text);
                    } else {
                        self.undefined(node.at, &[Kind::Retention], text, cx);
                    }
                }
                policy
            }
            Value::Table(_) => super::place::policy(node, node.at, cx),
            _ => wrong_type(node, &Form::NameOr(Kind::Retention.table()), cx),
        }
    }

    /// The location that a key names; `None` when it is not written, or after a report.
    pub(super) fn location(
        &self,
        reader: &Reader<'_>,
        key: &str,
        cx: &mut Context<'_>,
    ) -> Option<PlaceName> {
        let name: PlaceName = reader.maybe(key, cx)?;
        self.place(&name, reader.place(key), &[Kind::Location], cx).then_some(name)
    }

    /// Whether a place of one of these kinds can be used.
    pub(super) fn place(
        &self,
        name: &PlaceName,
        at: Span,
        kinds: &[Kind],
        cx: &mut Context<'_>,
    ) -> bool {
        let Some(kind) = kinds.iter().find(|kind| self.is_declared(**kind, name.as_str())) else {
            if self.is_declared(Kind::Peer, name.as_str()) {
                cx.error_with(
                    at,
                    format!("`{name}` is a peer; a location is needed here"),
                    "archives are made at a location of this host, and copied with `send_to`",
                );
            } else {
                self.undefined(at, kinds, name.as_str(), cx);
            }
            return false;
        };
        let usable = match kind {
            Kind::Peer => self.peers.contains(name),
            _ => self.places.contains_key(name) || cx.object.id.kind == Kind::Defaults,
        };
        if !usable {
            lacks(cx, *kind, name.as_str());
        }
        usable
    }
}

fn lacks(cx: &mut Context<'_>, kind: Kind, name: &str) {
    cx.lacks.get_or_insert_with(|| format!("it uses `[{}.{name}]`, which is broken", kind.word()));
}

fn subject(object: &Object) -> String {
    if object.id.name.is_empty() {
        format!("`[{}]`", object.id.kind.word())
    } else {
        format!("{} `{}`", object.id.kind.word(), object.id.name)
    }
}
