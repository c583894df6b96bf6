//! Who is told about failures, and how that goes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Moment;
use crate::engine;
use crate::engine::{TestedNotice, View};
use crate::model::desired::{Event, NotifyTarget};

/// How telling people goes; part of `GET /health`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Notices {
    /// What somebody should know of it, one line each: nobody is told, or a target cannot be reached.
    pub remarks: Vec<String>,
    /// Each target of the configuration.
    pub targets: Vec<NoticeTarget>,
}

/// How telling one target goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoticeTarget {
    /// `[notify.NAME]`.
    pub name: String,
    /// `url`, `ping_url` or `mail_to`.
    pub kind: String,
    /// The events that it is told; none for a `ping_url`, which is told of every backup.
    pub events: Vec<String>,
    /// When something was delivered last.
    pub last_success: Option<Moment>,
    /// Since when nothing can be delivered.
    pub failing_since: Option<Moment>,
    /// How much waits to be delivered.
    pub pending: usize,
    /// How much was given up since something was delivered.
    pub lost: u64,
}

/// What came of a test message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NoticeTest {
    /// `[notify.NAME]`.
    pub name: String,
    /// `url`, `ping_url` or `mail_to`.
    pub kind: String,
    /// Whether the target took it.
    pub delivered: bool,
    /// How long it took.
    pub seconds: f64,
    /// Why not.
    pub error: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Which targets get a test message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticeTestRequest {
    /// This one only; all of them without.
    #[serde(default)]
    pub name: Option<String>,
}

impl Notices {
    /// How it goes at the view's moment.
    #[must_use]
    pub fn new(view: &View) -> Self {
        let moment = |at: Timestamp| Moment::new(at, view.at.time_zone());
        let target = |target: &engine::NoticeTarget| NoticeTarget {
            name: target.name.to_string(),
            kind: target.kind.to_owned(),
            events: target.events.iter().map(|event| event.word().to_owned()).collect(),
            last_success: target.last_success.map(moment),
            failing_since: target.failing_since.map(moment),
            pending: target.pending,
            lost: target.lost,
        };
        Self { remarks: remarks(view), targets: view.notices.iter().map(target).collect() }
    }
}

fn remarks(view: &View) -> Vec<String> {
    let mut lines = Vec::new();
    let mut all = view.desired.notify.values();
    let hears = all.any(|notify| match notify.target {
        NotifyTarget::PingUrl(_) => true,
        NotifyTarget::Url(_) | NotifyTarget::MailTo(_) => notify.on.contains(&Event::Failure),
    });
    if view.desired.notify.is_empty() {
        lines.push("nobody is told about failures: write a `[notify.NAME]`".to_owned());
    } else if !hears {
        lines.push(
            "nobody is told about failures: no `[notify.NAME]` has `failure` in its `on`"
                .to_owned(),
        );
    }
    for target in view.notices.iter() {
        let Some(since) = target.failing_since else { continue };
        let since = Moment::new(since, view.at.time_zone()).short();
        let why = target.last_error.as_deref().unwrap_or("unknown");
        let lost = match target.lost {
            0 => String::new(),
            1 => "; 1 message was given up".to_owned(),
            number => format!("; {number} messages were given up"),
        };
        lines.push(format!(
            "`[notify.{}]` could not be told since {since}: {why}{lost}",
            target.name
        ));
    }
    lines
}

impl From<TestedNotice> for NoticeTest {
    fn from(tested: TestedNotice) -> Self {
        Self {
            name: tested.name.to_string(),
            kind: tested.kind.to_owned(),
            delivered: tested.error.is_none(),
            seconds: (tested.took.as_secs_f64() * 1e3).round() / 1e3,
            error: tested.error,
            hint: tested.hint,
        }
    }
}
