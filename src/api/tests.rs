//! The API over a hand-made moment: no engine, no disk.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp, Zoned};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::problem::PROBLEM_JSON;
use super::{still, view_of_configuration};
use crate::config::{self, Files};
use crate::engine::View;
use crate::model::archive::{Archive, ArchiveId, Condition, How, MemberCounts, Outcome, Sha256};
use crate::model::job::JobType;
use crate::model::location::Codec;
use crate::model::observed::Foreign;

mod access;
mod checking;
mod conformance;
mod described;
mod peers;
mod resolving;
mod scale;
mod routes;
mod shapes;
mod socket;

pub(crate) const TOML: &str = r#"
[instance]
name = "jerry"
timezone = "Europe/Paris"

[location.main]
path = "/var/backups/larder"
[location.usb]
path = "/media/usb/larder"
removable = true
compress = "zstd:3"

[job.web]
type = "custom_dir"
source_path = "/var/www"
schedule = "0 3 * * *"
retention = { mode = "count", value = 7 }
location = "main"
send_to = ["usb"]

[job.notes]
type = "custom_dir"
source_path = "/srv/notes"
schedule = "30 4 * * 0"
retention = { mode = "gfs", daily = 7, weekly = 4, monthly = 3 }
location = "main"
"#;

/// An archive of `jerry/web` at `main`, made at 03:00 in Paris.
pub(crate) fn archive(number: u128, name: &str, day: i8) -> Archive {
    let day = date(2026, 5, day);
    let created_at = day.at(3, 0, 0, 0).in_tz("Europe/Paris").unwrap().timestamp();
    Archive {
        id: ArchiveId(uuid::Uuid::from_u128(number)),
        name: name.parse().unwrap(),
        origin: "jerry".parse().unwrap(),
        job: "web".parse().unwrap(),
        job_type: JobType::CustomDir,
        label: "web".parse().unwrap(),
        location: "main".parse().unwrap(),
        created_at,
        day,
        zone: "Europe/Paris".to_owned(),
        content_size: 1_000,
        stream_size: 10_240,
        file_size: 10_240,
        stream_sha256: Some(Sha256([0xab; 32])),
        file_sha256: Some(Sha256([0xab; 32])),
        codec: Codec::None,
        recipients: Vec::new(),
        outcome: Outcome::Good,
        partial_allowed: false,
        how: How::Scheduled,
        received_at: None,
        pinned: false,
        condition: Condition::Present,
        verified_at: None,
        refuted: None,
        counts: MemberCounts { files: 3, directories: 1, ..MemberCounts::default() },
        config_hash: None,
        config_commit: None,
        job_json: None,
    }
}

/// The copy of an archive at the other location.
pub(crate) fn copied(of: &Archive) -> Archive {
    let from = of.location.clone();
    Archive {
        location: "usb".parse().unwrap(),
        how: How::Copied { from, manual: false },
        codec: Codec::Zstd(3),
        ..of.clone()
    }
}

/// The moment of every test: 8 May 2026, 12:00 in Paris, with these archives.
pub(crate) fn view(archives: Vec<Archive>) -> View {
    let files = Files::default().with("larder.toml", TOML);
    let parsed = config::parse(&files, "/etc/larder".as_ref());
    let desired = parsed.desired.expect("the configuration of the tests is valid");
    let mut view = view_of_configuration("/etc/larder".as_ref(), desired);
    let at: Zoned = "2026-05-08T12:00:00[Europe/Paris]".parse().unwrap();
    let mut observed = crate::model::observed::Observed::nothing(at.timestamp());
    observed.archives = archives;
    observed.foreign = vec![Foreign {
        location: "main".parse().unwrap(),
        file_name: "old.tar".to_owned(),
        size: 512,
        modified: "2026-01-01T00:00:00Z".parse().unwrap(),
        note: None,
    }];
    let plan = crate::reconcile::plan(&view.desired, &observed, &at);
    view.verdicts = Arc::new(crate::status::judge_with(&view.desired, &observed, &plan));
    view.plan = Arc::new(plan);
    view.observed = Arc::new(observed);
    view.started_at = at.timestamp().checked_sub(SignedDuration::from_secs(60)).unwrap();
    view.at = at;
    view
}

/// The document, which every answer must fit.
static DOCUMENT: LazyLock<conformance::Conformance> = LazyLock::new(|| {
    let document = serde_json::to_value(super::openapi()).unwrap();
    conformance::Conformance::new(document)
});

/// What a router answers.
struct Answer {
    status: StatusCode,
    media_type: String,
    link: Option<String>,
    body: Value,
}

async fn ask(router: &Router, method: Method, path: &str, body: Option<Value>) -> Answer {
    match body {
        None => send(router, method, path, "", Body::empty()).await,
        Some(value) => {
            send(router, method, path, "application/json", Body::from(value.to_string())).await
        }
    }
}

/// Asks, and has the answer compared with the document.
async fn send(router: &Router, method: Method, path: &str, media_type: &str, body: Body) -> Answer {
    let mut request = Request::builder().method(method.clone()).uri(path);
    if !media_type.is_empty() {
        request = request.header(header::CONTENT_TYPE, media_type);
    }
    let response = router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let exchange = conformance::Exchange {
        method: method.as_str(),
        path,
        status: status.as_u16(),
        headers: &headers,
        body: &bytes,
    };
    DOCUMENT.check(&exchange).unwrap_or_else(|why| panic!("{why}"));
    let header = |name| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let media_type = header(header::CONTENT_TYPE).unwrap_or_default();
    let body = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    Answer { status, media_type, link: header(header::LINK), body }
}

async fn get(router: &Router, path: &str) -> Answer {
    ask(router, Method::GET, path, None).await
}
