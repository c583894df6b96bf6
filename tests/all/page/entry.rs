//! Who is let in, by which door, and what every answer carries.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use larder::api;
use larder::api::access::{Gate, Remote};
use larder::dashboard;
use larder::engine::{Autonomy, Engine, Handle, Options};
use tower::ServiceExt as _;

use super::{TOKEN, token_table};
use crate::walk::instance::Instance;

const JOB: &str = "[job.web]\ntype = \"custom_dir\"\nsource_path = \"../www\"\nenabled = false\n";
const PAGES: &[&str] = &[
    "/ui/overview",
    "/ui/jobs",
    "/ui/job?name=web",
    "/ui/location?name=main",
    "/ui/archives",
    "/ui/archive?id=x",
    "/ui/contents?id=x",
    "/ui/restore?id=x",
    "/ui/runs",
    "/ui/run?id=1",
    "/ui/log?id=1",
    "/ui/peers",
    "/ui/add-peer",
    "/ui/remove-peer?name=x",
    "/ui/invite",
    "/ui/plan",
    "/ui/configuration",
    "/ui/download?id=x",
    "/ui/events",
    "/ui/nothing",
];
const OPEN: [&str; 4] = ["/ui/login", "/ui/style.css", "/ui/page.js", "/ui/icon.svg"];

/// The proxy's socket.
const PROXY: Remote = Remote::Proxy(None);
const SOMEBODY: Remote = Remote::Direct(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));

struct Served {
    handle: Handle,
    router: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The token of the first form.
    fn form_token(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

impl Served {
    async fn start(instance: &Instance) -> Self {
        let config_dir = instance.path("etc");
        let options = Options { config_dir, autonomy: Autonomy::Daemon, only: Vec::new() };
        let handle = Engine::start(options).await.unwrap();
        let gate = Arc::new(Gate::new());
        let router = api::network(handle.clone(), Arc::clone(&gate));
        Self { router: dashboard::around(router, handle.clone(), gate), handle }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        from: Remote,
        lines: &[(&str, &str)],
    ) -> Answer {
        self.ask_with(method, path, from, lines, "").await
    }

    async fn ask_with(
        &self,
        method: Method,
        path: &str,
        from: Remote,
        lines: &[(&str, &str)],
        form: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).extension(from);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        if !form.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let request = request.body(Body::from(form.to_owned())).unwrap();
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let kind = parts.headers.get(header::CONTENT_TYPE);
        let body = if kind.is_some_and(|kind| kind == "text/event-stream") {
            Vec::new()
        } else {
            axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec()
        };
        let body = String::from_utf8_lossy(&body).into_owned();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str, from: Remote, lines: &[(&str, &str)]) -> Answer {
        self.ask(Method::GET, path, from, lines).await
    }

    /// Logs in; the cookie as browsers send it back.
    async fn log_in(&self, token: &str) -> Answer {
        let here = [("sec-fetch-site", "same-origin")];
        let form = format!("token={token}&next=overview");
        self.ask_with(Method::POST, "/ui/login", SOMEBODY, &here, &form).await
    }

    async fn cookie(&self) -> String {
        let answer = self.log_in(TOKEN).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        let cookie = answer.header(header::SET_COOKIE);
        assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict"), "{cookie}");
        assert!(cookie.starts_with("__Host-larder="), "{cookie}");
        cookie.split(';').next().unwrap().to_owned()
    }
}

fn instance() -> Instance {
    let instance = Instance::new(JOB);
    instance.source("www/a.txt", b"a");
    instance.write("token.toml", &token_table("boss", TOKEN, "admin"));
    instance
}

/// An instance whose page lets users of the proxy in.
fn with_users(users: &str) -> Instance {
    let instance = instance();
    let base = std::fs::read_to_string(instance.path("etc/base.toml")).unwrap();
    let page = format!(
        "[instance]\nlisten = [\"unix:{}\"]\npage = {{ user_header = \"YNH_USER\", users = [{users}] }}\n",
        instance.path("web.sock").display()
    );
    instance.write("base.toml", &base.replacen("[instance]\n", &page, 1));
    instance
}

fn is_careful(path: &str, answer: &Answer) {
    let policy = answer.header(header::CONTENT_SECURITY_POLICY);
    for word in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.split("; ").any(|one| one == word), "{path}: {word} is not in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    let headers: BTreeMap<&str, &str> = [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ]
    .into();
    for (name, value) in headers {
        assert_eq!(answer.header(header::HeaderName::from_static(name)), value, "{path}: {name}");
    }
    let is_kept = answer.header(header::CACHE_CONTROL) != "no-store";
    let is_asset = [".css", ".js", ".svg"].iter().any(|end| path.contains(end));
    assert_eq!(is_kept, is_asset, "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_get_the_form_and_the_assets_and_every_answer_is_careful() {
    let instance = instance();
    let served = Served::start(&instance).await;
    for path in PAGES {
        let answer = served.get(path, SOMEBODY, &[]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
        assert!(answer.header(header::LOCATION).starts_with("login"), "{path}");
        assert!(answer.body.is_empty(), "{path}: {}", answer.body);
        is_careful(path, &answer);
    }
    for path in OPEN {
        let answer = served.get(path, SOMEBODY, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        is_careful(path, &answer);
        // Nobody is told whose machine this is.
        assert!(!answer.body.contains("jerry") && !answer.body.contains("web\""), "{path}");
    }
    for path in ["/", "/ui", "/ui/"] {
        let answer = served.get(path, SOMEBODY, &[]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
        is_careful(path, &answer);
    }
    let deep = served.get("/ui/a/b", SOMEBODY, &[]).await;
    assert_eq!(deep.status, StatusCode::NOT_FOUND);
    is_careful("/ui/a/b", &deep);
    let back = served.get("/ui/job?name=web", SOMEBODY, &[]).await;
    assert_eq!(back.header(header::LOCATION), "login?next=job%3Fname%3Dweb");

    let cookie = served.cookie().await;
    for path in PAGES {
        let answer = served.get(path, SOMEBODY, &[("cookie", &cookie)]).await;
        assert_ne!(answer.status, StatusCode::SEE_OTHER, "{path}");
        is_careful(path, &answer);
    }
    served.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_opens_the_page_and_never_the_api() {
    let instance = instance();
    let served = Served::start(&instance).await;
    let cookie = served.cookie().await;
    let page = served.get("/ui/overview", SOMEBODY, &[("cookie", &cookie)]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("jerry"));
    for path in ["/api/v1/health", "/api/v1/jobs", "/metrics"] {
        for from in [SOMEBODY, PROXY] {
            let answer = served.get(path, from, &[("cookie", &cookie)]).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        }
    }
    for forged in [
        "__Host-larder=",
        "__Host-larder=00",
        &format!("{cookie}0"),
        &format!("{cookie}; {cookie}"),
    ] {
        let answer = served.get("/ui/overview", SOMEBODY, &[("cookie", forged)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{forged}");
    }
    served.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_no_page_of_ours_sent_does_nothing() {
    let instance = instance();
    let served = Served::start(&instance).await;
    let cookie = served.cookie().await;
    let cookie = cookie.as_str();
    let page = served.get("/ui/overview", SOMEBODY, &[("cookie", cookie)]).await;
    let token = page.form_token();
    let good = format!("csrf={token}&do=run&job=web");
    let post = |lines: Vec<(&'static str, String)>, form: String| {
        let served = &served;
        async move {
            let lines: Vec<(&str, &str)> =
                lines.iter().map(|(name, value)| (*name, value.as_str())).collect();
            served.ask_with(Method::POST, "/ui/act", SOMEBODY, &lines, &form).await.status
        }
    };
    let line = |name: &'static str, value: &str| (name, value.to_owned());
    let here = || line("sec-fetch-site", "same-origin");
    let in_session = || line("cookie", cookie);
    for site in ["cross-site", "same-site", "none"] {
        let lines = vec![in_session(), line("sec-fetch-site", site)];
        assert_eq!(post(lines, good.clone()).await, StatusCode::FORBIDDEN, "{site}");
    }
    let elsewhere =
        vec![in_session(), line("origin", "https://evil.example.org"), line("host", "x")];
    assert_eq!(post(elsewhere, good.clone()).await, StatusCode::FORBIDDEN);
    assert_eq!(post(vec![in_session()], good.clone()).await, StatusCode::FORBIDDEN);
    for form in ["do=run&job=web", "csrf=&do=run&job=web", "csrf=00&do=run&job=web"] {
        let lines = vec![in_session(), here()];
        assert_eq!(post(lines, form.to_owned()).await, StatusCode::FORBIDDEN, "{form}");
    }
    assert_eq!(post(vec![here()], good.clone()).await, StatusCode::FORBIDDEN, "without a session");
    // The token of another session.
    let other = served.cookie().await;
    let lines = vec![line("cookie", &other), here()];
    assert_eq!(post(lines, good.clone()).await, StatusCode::FORBIDDEN);
    assert!(served.handle.view().observed.open_runs.is_empty());
    let runs = served.handle.runs(larder::engine::RunFilter { limit: 10, ..Default::default() });
    assert!(runs.await.unwrap().is_empty(), "something was done");

    let lines = vec![in_session(), here()];
    assert_eq!(post(lines, good.clone()).await, StatusCode::SEE_OTHER);
    // Nobody else's page logs anybody in.
    let form = format!("token={TOKEN}");
    let login = [("sec-fetch-site", "cross-site")];
    let login = served.ask_with(Method::POST, "/ui/login", SOMEBODY, &login, &form).await;
    assert_eq!(login.status, StatusCode::FORBIDDEN);
    assert!(!login.headers.contains_key(header::SET_COOKIE));
    served.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_the_proxy_is_let_in_over_its_socket_only_and_never_into_the_api() {
    let instance = with_users("\"alice\"");
    let served = Served::start(&instance).await;
    let alice = [("YNH_USER", "alice")];
    let page = served.get("/ui/overview", PROXY, &alice).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert!(page.body.contains("alice") && !page.body.contains("action=\"logout\""));
    let refused: [(Remote, &[(&str, &str)]); 6] = [
        (SOMEBODY, &alice),
        (PROXY, &[("YNH_USER", "bob")]),
        (PROXY, &[("YNH_USER", "")]),
        (PROXY, &[("YNH_USER", "*")]),
        (PROXY, &[("YNH_USER", "alice"), ("YNH_USER", "alice")]),
        (PROXY, &[("REMOTE_USER", "alice")]),
    ];
    for (from, lines) in refused {
        let answer = served.get("/ui/overview", from, lines).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{from:?} {lines:?}");
    }
    let api = served.get("/api/v1/health", PROXY, &alice).await;
    assert_eq!(api.status, StatusCode::UNAUTHORIZED);
    // Without the extension that the transport sets, nobody is believed.
    let request = Request::get("/ui/overview").header("YNH_USER", "alice").body(Body::empty());
    let answer = served.router.clone().oneshot(request.unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);

    // Her forms need a token as well: the proxy would add her name to whatever comes.
    let lines = [("YNH_USER", "alice"), ("sec-fetch-site", "same-origin")];
    let form = format!("csrf={}&do=run&job=web", page.form_token());
    let forged = served.ask_with(Method::POST, "/ui/act", PROXY, &lines, "do=run&job=web").await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let done = served.ask_with(Method::POST, "/ui/act", PROXY, &lines, &form).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    // She is taken off the list.
    let base = std::fs::read_to_string(instance.path("etc/base.toml")).unwrap();
    instance.write("base.toml", &base.replace("alice", "carol"));
    served.handle.reloaded().await.unwrap();
    let answer = served.get("/ui/overview", PROXY, &alice).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    served.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_let_in_by_a_header_unless_the_configuration_says_so() {
    let instance = instance();
    let served = Served::start(&instance).await;
    for name in ["YNH_USER", "REMOTE_USER", "X-Remote-User", "Auth-User"] {
        let answer = served.get("/ui/overview", PROXY, &[(name, "admin")]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{name}");
    }
    served.handle.shutdown().await;
    let everybody = with_users("\"*\"");
    let served = Served::start(&everybody).await;
    let answer = served.get("/ui/overview", PROXY, &[("ynh_user", "dave")]).await;
    assert_eq!(answer.status, StatusCode::OK);
    served.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_in_the_form_count_with_those_at_the_api() {
    let instance = instance();
    let served = Served::start(&instance).await;
    let mut last = StatusCode::OK;
    for number in 0..25 {
        let answer = served.log_in(&format!("guess{number}")).await;
        last = answer.status;
        if last == StatusCode::TOO_MANY_REQUESTS {
            assert!(answer.headers.contains_key(header::RETRY_AFTER));
        } else {
            assert_eq!(last, StatusCode::FORBIDDEN);
        }
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    let api = served.get("/api/v1/health", SOMEBODY, &[("x-backupmanager-key", "another")]).await;
    assert_eq!(api.status, StatusCode::TOO_MANY_REQUESTS);
    served.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_token_and_when_somebody_logs_out() {
    let instance = instance();
    let served = Served::start(&instance).await;
    let (first, second) = (served.cookie().await, served.cookie().await);
    assert_ne!(first, second);
    let page = served.get("/ui/overview", SOMEBODY, &[("cookie", &first)]).await;
    let lines = [("cookie", first.as_str()), ("sec-fetch-site", "same-origin")];
    let form = format!("csrf={}", page.form_token());
    let out = served.ask_with(Method::POST, "/ui/logout", SOMEBODY, &lines, &form).await;
    assert!(out.header(header::SET_COOKIE).contains("Max-Age=0"), "{:?}", out.headers);
    let gone = served.get("/ui/overview", SOMEBODY, &[("cookie", &first)]).await;
    assert_eq!(gone.status, StatusCode::SEE_OTHER);
    let there = served.get("/ui/overview", SOMEBODY, &[("cookie", &second)]).await;
    assert_eq!(there.status, StatusCode::OK);
    instance.write("token.toml", "");
    served.handle.reloaded().await.unwrap();
    let gone = served.get("/ui/overview", SOMEBODY, &[("cookie", &second)]).await;
    assert_eq!(gone.status, StatusCode::SEE_OTHER);
    served.handle.shutdown().await;
}
