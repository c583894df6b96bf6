//! The shapes of what is answered: other programs read them.

use super::*;
use crate::api::dto;
use crate::model::run::{Cause, Run, RunId, RunStatus, Work};
use crate::progress::Snapshot;

fn keys(value: &Value) -> String {
    let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.join(" ")
}

#[test]
fn a_moment_carries_the_offset_of_the_instances_zone_through_both_directions() {
    let zone = jiff::tz::TimeZone::get("Europe/Paris").unwrap();
    for (at, text) in [
        ("2026-05-08T01:00:00Z", "2026-05-08T03:00:00+02:00"),
        ("2026-01-08T02:00:00Z", "2026-01-08T03:00:00+01:00"),
        ("2026-05-08T01:00:00.123456Z", "2026-05-08T03:00:00.123+02:00"),
    ] {
        let moment = dto::Moment::new(at.parse().unwrap(), &zone);
        let json = serde_json::to_string(&moment).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<dto::Moment>(&json).unwrap(), moment);
    }
}

#[test]
fn a_job_has_the_fields_of_the_specification_and_ours_behind_them() {
    let view = view(vec![archive(1, "jerry_web_20260508", 8)]);
    let job = &view.desired.jobs[&"notes".parse().unwrap()];
    let mut json = json!(dto::Job::new(&view, job, &view.verdicts, None));
    json["config"] = Value::Null;
    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap(), @r#"
    {
      "config": null,
      "core_only": false,
      "created_at": null,
      "cron_expr": "30 4 * * 0",
      "enabled": true,
      "id": "notes",
      "label": "notes",
      "last_drill": null,
      "last_run": null,
      "location": "main",
      "name": "notes",
      "next_run": "2026-05-08T12:00:00+02:00",
      "next_scheduled": "2026-05-10T04:30:00+02:00",
      "place": "larder.toml:21:6",
      "retention": {
        "daily": 7,
        "min_days": 3,
        "mode": "gfs",
        "monthly": 3,
        "weekly": 4,
        "yearly": 0
      },
      "retention_mode": "gfs",
      "retention_value": null,
      "schedule": "every Sunday at 04:30",
      "send_to": [],
      "state": "present",
      "type": "custom_dir",
      "updated_at": null,
      "verdict": {
        "copies": [],
        "job": "notes",
        "last_proven": null,
        "last_success": null,
        "next_drill": null,
        "next_run": "2026-05-08T12:00:00+02:00",
        "next_scheduled": "2026-05-10T04:30:00+02:00",
        "offsite": [],
        "overdue": false,
        "reasons": [
          "no good archive"
        ],
        "verdict": "unprotected"
      }
    }
    "#);
}

#[test]
fn a_run_has_the_fields_of_the_specification_and_says_what_it_does() {
    let view = view(vec![archive(1, "jerry_web_20260508", 8)]);
    let at: Timestamp = "2026-05-08T01:00:00Z".parse().unwrap();
    let run = Run {
        id: RunId(7),
        work: Work::Verify {
            archive: ArchiveId(uuid::Uuid::from_u128(1)),
            location: "main".parse().unwrap(),
        },
        cause: Cause::Due { due: at, attempt: 1 },
        status: RunStatus::Running,
        queued_at: at,
        started_at: Some(at),
        finished_at: None,
        summary: String::new(),
        hint: None,
        archive: None,
        size_bytes: None,
        config_hash: None,
    };
    let progress = Snapshot { bytes: 1, expected_bytes: 2, members: 3, phase: "reading" };
    let json = json!(dto::Run::new(&view, &run, Some(progress)));
    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap(), @r#"
    {
      "archive_id": "00000000-0000-0000-0000-000000000001",
      "archive_name": null,
      "attempt": 1,
      "cause": "due",
      "config_hash": null,
      "due": "2026-05-08T03:00:00+02:00",
      "finished_at": null,
      "hint": null,
      "id": 7,
      "job_id": "web",
      "kind": "verify",
      "location": "main",
      "log_text": null,
      "progress": {
        "bytes": 1,
        "expected_bytes": 2,
        "members": 3,
        "phase": "reading"
      },
      "queued_at": "2026-05-08T03:00:00+02:00",
      "size_bytes": null,
      "started_at": "2026-05-08T03:00:00+02:00",
      "status": "running",
      "summary": "",
      "to": null,
      "what": "verify jerry_web_20260508 at main"
    }
    "#);
    let back: dto::Run = serde_json::from_value(json).unwrap();
    assert!(!back.is_final() && back.job_id.as_deref() == Some("web"));
}

#[test]
fn an_archive_says_everything_but_its_jobs_table() {
    let view = view(Vec::new());
    let json = json!(dto::Archive::new(&view, &copied(&archive(1, "jerry_web_20260508", 8)), None));
    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap(), @r#"
    {
      "codec": "zstd:3",
      "condition": "present",
      "config_commit": null,
      "config_hash": null,
      "content_size": 1000,
      "counts": {
        "changed": 0,
        "directories": 1,
        "files": 3,
        "others": 0,
        "skipped_sockets": 0,
        "unreadable": 0,
        "vanished": 0
      },
      "created_at": "2026-05-08T03:00:00+02:00",
      "day": "2026-05-08",
      "encrypted": false,
      "file_name": "jerry_web_20260508.tar.zst",
      "file_size": 10240,
      "from": "main",
      "good": true,
      "how": "copied",
      "id": "00000000-0000-0000-0000-000000000001",
      "job": "web",
      "label": "web",
      "location": "usb",
      "name": "jerry_web_20260508",
      "origin": "jerry",
      "outcome": "good",
      "own": true,
      "peer": null,
      "pinned": false,
      "reasons": [],
      "received_at": null,
      "recipients": [],
      "refuted": null,
      "retention": null,
      "sha256": "abababababababababababababababababababababababababababababababab",
      "stream_sha256": "abababababababababababababababababababababababababababababababab",
      "stream_size": 10240,
      "trashed_until": null,
      "type": "custom_dir",
      "verified_at": null
    }
    "#);
}

#[tokio::test]
async fn the_other_resources_keep_their_keys() {
    let router = still(view(vec![archive(1, "jerry_web_20260508", 8)]));
    let health = get(&router, "/api/v1/health").await.body;
    insta::assert_snapshot!(keys(&health), @"api_max api_min at config executor instance notices problems status uptime_s version");
    insta::assert_snapshot!(keys(&health["config"]), @"applied commit dir generation hash stale valid");
    insta::assert_snapshot!(keys(&health["executor"]), @"blocked queued running");
    insta::assert_snapshot!(keys(&get(&router, "/api/v1/status").await.body[0]), @"copies job last_proven last_success next_drill next_run next_scheduled offsite overdue reasons verdict");
    insta::assert_snapshot!(keys(&get(&router, "/api/v1/locations").await.body[0]), @"archives compress encrypted forecast foreign free held min_free name offsite path place reason removable require_mount size state total trashed type");
    let plan = get(&router, "/api/v1/plan").await.body;
    insta::assert_snapshot!(keys(&plan), @"actions at blocked hash notes text wake_at");
    insta::assert_snapshot!(keys(&plan["actions"][0]), @"cause frees_bytes job kind needs_bytes reasons what");
    let config = get(&router, "/api/v1/config").await.body;
    insta::assert_snapshot!(keys(&config), @"applied commit diagnostics dir effective generation hash stale toml valid");
    assert_eq!(config["effective"]["job"]["web"]["source_path"], "/var/www");
}
