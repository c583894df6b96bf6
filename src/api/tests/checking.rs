//! `POST /config/check`: as `larder check` judges.

use super::*;

/// Asks with a text.
async fn check(router: &Router, query: &str, text: impl Into<Body>) -> Answer {
    let path = format!("/api/v1/config/check{query}");
    send(router, Method::POST, &path, "application/toml", text.into()).await
}

fn lines(answer: &Answer) -> Vec<String> {
    let found = answer.body["diagnostics"].as_array().unwrap().iter();
    found
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            format!("{}:{} {}: {}", text("file"), one["line"], text("severity"), text("message"))
        })
        .collect()
}

/// A directory in force, with two files.
fn in_force() -> (tempfile::TempDir, Router) {
    let dir = tempfile::tempdir().unwrap();
    let base = "[instance]\nname = \"jerry\"\n[location.main]\npath = \"/srv/a\"\n\
                [defaults]\nlocation = \"main\"\nschedule = \"@daily\"\n\
                retention = { mode = \"count\", value = 7 }\n";
    std::fs::write(dir.path().join("base.toml"), base).unwrap();
    std::fs::write(dir.path().join("web.toml"), "").unwrap();
    let mut view = view(Vec::new());
    let mut report = view.config.as_ref().clone();
    report.dir = dir.path().to_owned();
    view.config = Arc::new(report);
    (dir, still(view))
}

#[tokio::test]
async fn a_text_alone_is_judged_as_the_whole_configuration() {
    let (_dir, router) = in_force();
    let good = check(&router, "", TOML).await;
    assert_eq!((good.status, &good.body["valid"]), (StatusCode::OK, &json!(true)));
    let bad = check(&router, "", "[job.web]\ntype = 'custom_dir'\nscheduel = '@daily'\n").await;
    assert_eq!((bad.status, &bad.body["valid"]), (StatusCode::OK, &json!(false)));
    let lines = lines(&bad);
    assert!(
        lines.iter().any(|line| line.starts_with("larder.toml:3 error: unknown key")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_text_with_a_place_is_judged_as_if_it_stood_there() {
    let (dir, router) = in_force();
    let job = "[job.web]\ntype = 'custom_dir'\nsource_path = '/srv/web'\n";
    assert_eq!(check(&router, "?as=web.toml", job).await.body["valid"], true);
    // Alone it has no place for its archives.
    assert_eq!(check(&router, "", job).await.body["valid"], false);
    let twice = check(&router, "?as=more.toml", "[location.main]\npath = '/srv/b'\n").await;
    assert_eq!(twice.body["valid"], false, "{}", twice.body);
    // Nothing was written.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    assert_eq!(std::fs::read_to_string(dir.path().join("web.toml")).unwrap(), "");
}

#[tokio::test]
async fn what_cannot_be_judged_is_refused() {
    let (dir, router) = in_force();
    for (query, text, status) in [
        ("?as=../web.toml", "".into(), 400),
        ("?as=/etc/passwd", "".into(), 400),
        ("?as=web.txt", "".into(), 400),
        ("?as=.hidden/web.toml", "".into(), 400),
        ("?as=", "".into(), 400),
        ("", Body::from(vec![0xff, 0xfe]), 400),
        ("", Body::from("#".repeat(1024 * 1024 + 1)), 413),
        ("", Body::from("#".repeat(8 * 1024 * 1024)), 413),
    ] {
        let answer = check(&router, query, text).await;
        assert_eq!(answer.status.as_u16(), status, "{query}: {}", answer.body);
    }
    std::fs::remove_dir_all(dir.path()).unwrap();
    let gone = check(&router, "?as=web.toml", "").await;
    assert_eq!(gone.status, StatusCode::CONFLICT, "{}", gone.body);
}

#[tokio::test]
async fn no_answer_repeats_what_may_be_secret() {
    let (_dir, router) = in_force();
    let text = "[job.db]\ntype = 'mysql'\ndatabase = 'x'\npassword = 'canary-7341'\n";
    let answer = check(&router, "?as=web.toml", text).await;
    assert_eq!(answer.body["valid"], false);
    assert!(!answer.body.to_string().contains("canary"), "{}", answer.body);
}
