//! A whole exposition of a moment that is made by hand.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use jiff::SignedDuration;
use tower::ServiceExt as _;

use super::*;
use crate::api::tests::{archive, copied, view};
use crate::model::archive::{Archive, ArchiveId, Condition};
use crate::model::contact::{Contact, Holdings, Presence};
use crate::model::name::PlaceName;
use crate::model::observed::{DrillFacts, DrillOutcome, LastDrill, LocationState};
use crate::model::run::{Cause, Run, RunId, RunStatus, Work};

fn place(name: &str) -> PlaceName {
    name.parse().unwrap()
}

/// Runs of the moment before noon.
fn run(id: u64, work: Work, status: RunStatus) -> Run {
    let begin = "2026-05-08T03:00:00+02:00".parse().unwrap();
    let end = "2026-05-08T03:01:30.25+02:00".parse().unwrap();
    Run {
        id: RunId(id),
        work,
        cause: Cause::Manual,
        status,
        queued_at: begin,
        started_at: (status != RunStatus::Queued).then_some(begin),
        finished_at: status.is_final().then_some(end),
        summary: "a secret of the summary".to_owned(),
        hint: None,
        archive: None,
        size_bytes: None,
        config_hash: None,
    }
}

fn backup(id: u64, status: RunStatus) -> Run {
    run(id, Work::Backup { job: "web".parse().unwrap() }, status)
}

/// A moment at which there is something of everything.
fn moment(mut archives: Vec<Archive>) -> View {
    let mut trashed = archive(90, "jerry_web_20260430", 1);
    trashed.condition = Condition::Trashed { until: "2026-05-09T00:00:00Z".parse().unwrap() };
    let theirs = Archive {
        origin: "tom".parse().unwrap(),
        job: "named-by-tom".parse().unwrap(),
        condition: Condition::Corrupt,
        ..archive(91, "tom_x_20260501", 1)
    };
    archives.extend([trashed, theirs]);
    let mut view = view(archives);
    let mut observed = view.observed.as_ref().clone();
    let (free, total) = (40_000_000_000, 100_000_000_000);
    observed.locations.insert(place("main"), LocationState::Available { free, total });
    let gone = LocationState::Unavailable("/media/usb is not mounted".to_owned());
    observed.locations.insert(place("usb"), gone);
    observed.open_runs = vec![backup(8, RunStatus::Running), backup(9, RunStatus::Queued)];
    let at = "2026-05-02T05:00:00Z".parse().unwrap();
    let last = LastDrill {
        run: RunId(5),
        archive: "jerry_web_20260501".parse().unwrap(),
        location: place("main"),
        at,
        took: SignedDuration::from_millis(12_500),
        outcome: DrillOutcome::Proven("3 files".to_owned()),
    };
    let facts = DrillFacts { last: Some(last), proven_at: Some(at), ..DrillFacts::default() };
    observed.drills.insert("web".parse().unwrap(), facts);
    for (nth, peer) in view.desired.peers.keys().enumerate() {
        let mut contact = Contact::new("2026-05-01T00:00:00Z".parse().unwrap());
        let presences = [Presence::Online, Presence::Offline, Presence::Unknown];
        contact.presence = presences[nth % presences.len()];
        contact.last_seen = Some("2026-05-08T08:00:00Z".parse().unwrap());
        contact.holdings =
            Some(Holdings { at: "2026-05-08T08:00:00Z".parse().unwrap(), copies: Vec::new() });
        observed.contacts.insert(peer.clone(), Arc::new(contact));
    }
    let plan = crate::reconcile::plan(&view.desired, &observed, &view.at);
    view.verdicts = Arc::new(crate::status::judge_with(&view.desired, &observed, &plan));
    view.plan = Arc::new(plan);
    view.observed = Arc::new(observed);
    let mut config = view.config.as_ref().clone();
    (config.generation, config.applied_at) = (3, "2026-05-01T00:00:00Z".parse().unwrap());
    view.config = Arc::new(config);
    view
}

fn exposition(format: Format, view: &View) -> String {
    let mut counted = Counted { resident: Some(12_345_678), ..Counted::default() };
    counted.tally.note(&backup(1, RunStatus::Success));
    counted.tally.note(&backup(2, RunStatus::Error));
    let newest = dto::Run::new(view, &backup(2, RunStatus::Error), None);
    let last_runs = LastRuns::from([("web".parse().unwrap(), newest)]);
    let text = everything(format, view, &last_runs, Some(&counted));
    text.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

fn some() -> Vec<Archive> {
    let (older, newest) =
        (archive(1, "jerry_web_20260507", 7), archive(2, "jerry_web_20260508", 8));
    vec![older, copied(&newest), newest]
}

#[test]
fn the_whole_exposition() {
    insta::assert_snapshot!(exposition(Format::Plain, &moment(some())));
}

#[test]
fn both_formats_have_the_same_samples() {
    let view = moment(some());
    let samples = |format| {
        let text = exposition(format, &view);
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(samples(Format::Plain), samples(Format::OpenMetrics));
    assert!(exposition(Format::OpenMetrics, &view).ends_with("\n# EOF\n"));
}

#[test]
fn no_metric_tells_a_path_a_reason_or_what_others_named() {
    let text = exposition(Format::Plain, &moment(some()));
    let said = text.lines().filter(|line| !line.starts_with('#'));
    for line in said {
        for secret in ["/var", "/media", "/srv", "secret", "mounted", "named-by", "jerry_web"] {
            assert!(!line.contains(secret), "{line}");
        }
    }
}

#[test]
fn a_peer_sees_its_own_name_space_and_no_job() {
    let view = moment(some());
    let text = of_name_space(Format::Plain, &view, Some(&place("usb")));
    assert!(text.contains("larder_location_archives{location=\"usb\",condition=\"present\"} 1\n"));
    assert!(!text.contains("job_id") && !text.contains("\"main\""), "{text}");
    let nothing = of_name_space(Format::Plain, &view, None);
    assert!(nothing.contains("larder_build_info") && !nothing.contains("location"), "{nothing}");
}

#[tokio::test]
async fn the_root_and_the_api_answer_in_the_format_that_is_asked_for() {
    let router = crate::api::still(moment(some()));
    for path in ["/metrics", "/api/v1/metrics"] {
        for (accept, expected) in [
            ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
            (
                "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            ),
        ] {
            let request = Request::get(path).header(header::ACCEPT, accept);
            let request = request.body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], expected, "{path}");
        }
    }
}

#[test]
fn ten_thousand_archives_are_as_many_series_as_a_few() {
    let many = (0..10_000_u128).map(|number| Archive {
        id: ArchiveId(uuid::Uuid::from_u128(number)),
        ..archive(number, "jerry_web_20260507", 7)
    });
    let many = moment(many.collect());
    let begin = std::time::Instant::now();
    let text = exposition(Format::Plain, &many);
    eprintln!("10 000 archives: {:?}", begin.elapsed());
    let few = exposition(Format::Plain, &moment(some()));
    assert!(text.lines().count() <= few.lines().count());
}
