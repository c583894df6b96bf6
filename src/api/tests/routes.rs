//! Paths, pages, problems.

use super::*;

fn router() -> Router {
    let newest = archive(2, "jerry_web_20260508", 8);
    let older = archive(1, "jerry_web_20260507", 7);
    still(view(vec![older, copied(&newest), newest]))
}

#[tokio::test]
async fn every_error_is_a_problem_document() {
    let router = router();
    let cases = [
        (Method::GET, "/nothing", None, 404),
        (Method::GET, "/api/v1/nothing", None, 404),
        (Method::GET, "/api/v2/jobs", None, 404),
        (Method::PUT, "/api/v1/jobs", None, 405),
        (Method::GET, "/api/v1/jobs/nope", None, 404),
        (Method::GET, "/api/v1/jobs?limit=many", None, 400),
        (Method::GET, "/api/v1/jobs?at=tomorrow", None, 400),
        (Method::GET, "/api/v1/runs?status=odd", None, 400),
        (Method::GET, "/api/v1/archives?cursor=odd", None, 400),
        (Method::GET, "/api/v1/archives/nope/info", None, 404),
        (Method::GET, "/api/v1/archives/web@someday/info", None, 400),
        (Method::POST, "/api/v1/plan/approve", None, 400),
        (Method::POST, "/api/v1/plan/approve", Some(json!({"hush": 1})), 400),
        (Method::DELETE, "/api/v1/archives/jerry_web_20260508", None, 409),
        // Nothing can be asked for without a state.
        (Method::POST, "/api/v1/jobs/web/run", None, 503),
        (Method::GET, "/api/v1/runs/1", None, 503),
    ];
    for (method, path, body, status) in cases {
        let answer = ask(&router, method.clone(), path, body).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}: {}", answer.body);
        assert_eq!(answer.media_type, PROBLEM_JSON, "{method} {path}");
        assert_eq!(answer.body["status"], status, "{method} {path}");
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(!detail.is_empty(), "{method} {path}");
    }
}

#[tokio::test]
async fn an_ambiguous_copy_is_answered_with_the_candidates() {
    let path = "/api/v1/archives/jerry_web_20260508";
    let answer = ask(&router(), Method::DELETE, path, None).await;
    let places: Vec<_> =
        answer.body["candidates"].as_array().unwrap().iter().map(|c| &c["location"]).collect();
    assert_eq!(places, ["main", "usb"]);
}

#[tokio::test]
async fn health_is_open_and_says_ok() {
    let answer = get(&router(), "/healthz").await;
    assert_eq!((answer.status, answer.body), (StatusCode::OK, json!("ok")));
}

#[tokio::test]
async fn following_the_cursor_shows_every_archive_once_newest_first() {
    let router = router();
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = get(&router, &format!("/api/v1/archives?limit=1{cursor}")).await;
        for one in answer.body.as_array().unwrap() {
            seen.push(format!("{} {}", one["name"].as_str().unwrap(), one["location"]));
        }
        let Some(link) = answer.link else { break };
        let next = link.split("cursor=").nth(1).unwrap().split('>').next().unwrap();
        cursor = format!("&cursor={next}");
        assert!(seen.len() < 10, "the cursor does not move");
    }
    assert_eq!(
        seen,
        [
            "jerry_web_20260508 \"main\"",
            "jerry_web_20260508 \"usb\"",
            "jerry_web_20260507 \"main\""
        ]
    );
}

#[tokio::test]
async fn filters_narrow_the_list_and_foreign_files_are_there_on_request_only() {
    let router = router();
    let names = async |query: &str| {
        let answer = get(&router, &format!("/api/v1/archives{query}")).await;
        let list = answer.body.as_array().unwrap().clone();
        list.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("?location=usb").await, ["jerry_web_20260508"]);
    assert_eq!(names("?job=notes").await, [""; 0]);
    assert_eq!(names("?condition=trashed").await, [""; 0]);
    assert_eq!(names("?condition=foreign").await, ["old.tar"]);
    assert_eq!(names("?foreign=true").await.len(), 4);
    assert_eq!(names("").await.len(), 3);
}

#[tokio::test]
async fn a_job_with_a_slash_in_its_name_has_a_path() {
    let answer = get(&router(), "/api/v1/jobs/apps%2Fnextcloud").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.body["detail"], "there is no job `apps/nextcloud`");
    let runs = get(&router(), "/api/v1/jobs/apps%2Fnextcloud/runs").await;
    assert_eq!((runs.status, runs.body), (StatusCode::OK, json!([])));
}

#[tokio::test]
async fn next_scheduled_is_strictly_after_the_moment_that_is_asked_for() {
    let router = router();
    let next = async |at: &str| {
        let answer = get(&router, &format!("/api/v1/jobs/web?at={at}")).await;
        answer.body["next_scheduled"].as_str().unwrap().to_owned()
    };
    assert_eq!(next("2026-05-08T02:59:59%2B02:00").await, "2026-05-08T03:00:00+02:00");
    assert_eq!(next("2026-05-08T03:00:00%2B02:00").await, "2026-05-09T03:00:00+02:00");
    // The spring gap is at 02:00: the offset changes with it.
    assert_eq!(next("2026-03-28T12:00:00Z").await, "2026-03-29T03:00:00+02:00");
    assert_eq!(next("2026-03-27T12:00:00Z").await, "2026-03-28T03:00:00+01:00");
}

#[tokio::test]
async fn why_says_what_keeps_an_archive_and_until_when() {
    let answer = get(&router(), "/api/v1/archives/web@latest/why").await;
    let kept = &answer.body["retention"];
    assert_eq!(kept["keep"], true, "{kept}");
    let reasons = kept["reasons"].to_string();
    assert!(reasons.contains("newest"), "{reasons}");
    assert!(kept["leaves_on"].is_string(), "{kept}");
}

#[tokio::test]
async fn a_plan_of_coming_days_is_one_entry_a_day() {
    let answer = get(&router(), "/api/v1/plan?days=3").await;
    let days: Vec<_> =
        answer.body["days"].as_array().unwrap().iter().map(|day| day["day"].clone()).collect();
    assert_eq!(days, ["2026-05-08", "2026-05-09", "2026-05-10"]);
    assert!(answer.body["text"].as_str().unwrap().contains("wake at"), "{}", answer.body);
    let far = get(&router(), "/api/v1/plan?days=100000").await;
    assert_eq!(far.status, StatusCode::BAD_REQUEST);
}
