//! Reads `[retention.*]` and `[location.*]`.

use super::World;
use super::reference::own_name;
use crate::config::context::{Context, Object};
use crate::config::keys::Kind;
use crate::config::table::Reader;
use crate::config::tree::{Node, Span};
use crate::model::location::Location;
use crate::model::name::ObjectName;
use crate::model::retention::{Counting, Mode, Policy};

pub(super) fn retention(object: &Object, cx: &mut Context<'_>) -> Option<Policy> {
    let name: Option<ObjectName> = own_name(object, cx);
    let policy = policy(&object.node, object.at, cx);
    name.and(policy)
}

/// A policy, wherever it is written.
pub(super) fn policy(node: &Node, at: Span, cx: &mut Context<'_>) -> Option<Policy> {
    let r = Reader::open(Kind::Retention.table(), node, at, cx)?;
    let mode = match r.switch()? {
        Counting::Count => r.get("value", cx).map(Mode::Count),
        Counting::Daily => r.get("value", cx).map(Mode::Daily),
        Counting::Gfs => {
            let numbers = ["daily", "weekly", "monthly", "yearly"].map(|key| r.get(key, cx));
            if numbers.iter().all(|number| *number == Some(0)) {
                cx.error_with(
                    at,
                    "this policy keeps nothing: `daily`, `weekly`, `monthly` and `yearly` are all 0",
                    "for instance `daily = 7`, `weekly = 4`, `monthly = 3`",
                );
            }
            let [daily, weekly, monthly, yearly] = numbers;
            (|| {
                Some(Mode::Gfs {
                    daily: daily?,
                    weekly: weekly?,
                    monthly: monthly?,
                    yearly: yearly?,
                })
            })()
        }
    };
    let min_days = r.get("min_days", cx);
    r.finish(cx)?;
    Some(Policy { mode: mode?, min_days: min_days? })
}

pub(super) fn location(
    object: &Object,
    world: &World<'_>,
    cx: &mut Context<'_>,
) -> Option<Location> {
    let name = own_name(object, cx);
    let r = Reader::open(Kind::Location.table(), &object.node, object.at, cx)?;
    let path = r.get("path", cx);
    let location = Location {
        codec: r.value("compress", cx),
        encrypt_to: with_recovery(r.value("encrypt_to", cx), &world.recovery),
        removable: r.value("removable", cx),
        require_mount: r.value("require_mount", cx),
        min_free: r.value("min_free", cx),
        offsite: r.value("offsite", cx),
        identity: r.maybe("identity", cx),
        trash: r.value("trash", cx),
        owner: None,
        place: object.place(),
        // What may be missing comes last, so that every mistake was found before one ends it here.
        name: name?,
        path: path?,
    };
    r.finish(cx)?;
    Some(location)
}

/// Where anything is encrypted, the recovery recipients can open it too.
pub(super) fn with_recovery(mut recipients: Vec<String>, recovery: &[String]) -> Vec<String> {
    if !recipients.is_empty() {
        recipients.extend(recovery.iter().cloned());
    }
    let mut seen = std::collections::BTreeSet::new();
    recipients.retain(|recipient| seen.insert(recipient.clone()));
    recipients
}
