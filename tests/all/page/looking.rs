//! Every page, as different people see it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::browser::{Looks, Tab, browser_or_skip};
use super::{is_quiet, logged_in, open_up};
use crate::support::say_skipped;
use crate::walk::instance::Instance;

/// Markup in a name: it must stay text wherever it comes to.
pub(super) const CANARY: &str = "<img src=x onerror=\"window.canary=1\">";

/// An instance with something on every page.
fn furnished() -> Instance {
    let instance = Instance::new(
        "[job.web]\ntype = \"custom_dir\"\nsource_path = \"../www\"\nretention = { mode = \"gfs\", daily = 7, weekly = 4, monthly = 3 }\nsend_to = [\"usb\"]\n\
         before = [[\"printf\", '%s\\n', '<script>window.canary=1</script>']]\n\
         [job.canary]\ntype = \"custom_dir\"\nsource_path = '../<img src=x onerror=\"window.canary=1\">'\n\
         [location.usb]\npath = \"../usb\"\nmin_free = \"1 MiB\"\n\
         [peer.nas]\nkind = \"backup-channel\"\nhostname = \"nas.example.org\"\nlocation = \"main\"\n\
         [peer.tom]\nkind = \"instance\"\n[peer.tom.accept]\nlocation = \"main\"\nquota = \"200 GiB\"\ntoken_hash = \"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"\n",
    );
    instance.source("www/index.html", "x".repeat(30_000).as_bytes());
    instance.source(&format!("www/{CANARY}.txt"), b"a file");
    open_up(&instance);
    instance.ok(&["run", "web"]);
    std::fs::write(instance.path("archives/nas.example.org_web_20260508.tar"), b"?").unwrap();
    // The other job has nothing to read.
    instance.fails(1, &["apply"]);
    std::fs::write(instance.path(&format!("archives/{}.tar", CANARY.replace('/', "_"))), b"?")
        .unwrap();
    instance
}

/// The source of the job `web`, as a query names it.
fn www(instance: &Instance) -> String {
    instance.path("www").display().to_string().replace('/', "%2F")
}

/// The pages by name, with a query where they have one.
fn pages(instance: &Instance) -> Vec<(&'static str, String)> {
    let archives = instance.archives();
    let archive = archives.iter().find(|one| one["location"] == "main").unwrap();
    let (id, runs) = (archive["id"].as_str().unwrap(), instance.runs());
    let run_of = |job: &str| runs.iter().find(|run| run["job_id"] == job).unwrap()["id"].clone();
    vec![
        ("overview", "overview".into()),
        ("jobs", "jobs".into()),
        ("job", "job?name=web".into()),
        ("job-failing", "job?name=canary".into()),
        ("location", "location?name=main".into()),
        ("archives", "archives?condition=".into()),
        ("archives-foreign", "archives?condition=foreign".into()),
        ("archive", format!("archive?id={id}&location=main")),
        ("contents", format!("contents?id={id}&location=main&path={}", www(instance))),
        ("contents-search", format!("contents?id={id}&location=main&search=IMG%20src")),
        ("restore", format!("restore?id={id}&location=main&path=%2Fopt%2Fapp%2Fetc")),
        ("runs", "runs".into()),
        ("run", format!("run?id={}", run_of("web"))),
        ("run-failed", format!("run?id={}", run_of("canary"))),
        ("network", "network".into()),
        ("peers", "peers".into()),
        ("add-peer", "add-peer".into()),
        ("remove-peer", "remove-peer?name=nas".into()),
        ("invite", "invite".into()),
        ("plan", "plan?days=3".into()),
        ("configuration", "configuration".into()),
        ("new-job", "new-job".into()),
        ("job-form", "new-job?type=custom_dir&name=photos&source_path=/srv/photos".into()),
        ("job-form-wrong", "new-job?type=mysql&name=db&schedule=often".into()),
        ("job-change", "new-job?change=web".into()),
        (
            "search",
            "archives?search=%3Cimg%20src%3Dx%20onerror%3D%22window.canary%3D1%22%3E".into(),
        ),
    ]
}

/// The judge of accessibility.
pub(super) fn axe() -> Option<String> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| Path::new(&std::env::var("HOME").unwrap()).join(".cache"));
    std::fs::read_to_string(cache.join("larder-tests/axe.min.js")).ok()
}

#[track_caller]
pub(super) fn is_accessible(tab: &Tab, axe: &str) {
    tab.eval(&format!("{axe}; 1"));
    // Whatever it weighs: there is nothing to be left as it is.
    let found = tab.eval(
        "axe.run(document, { resultTypes: ['violations'], rules: { 'target-size': { enabled: true } } }).then(found => found.violations\
         .map(one => one.impact + ' ' + one.id + ': ' + one.nodes.map(node => node.html + ' ' + node.failureSummary).join('; ')))",
    );
    assert_eq!(found, Value::Array(Vec::new()), "{}: {found:#}", tab.eval("location.href"));
}

/// The same of a page that is seen elsewhere, where the judge is there.
#[track_caller]
pub(super) fn is_accessible_if_known(tab: &Tab) {
    if let Some(axe) = axe() {
        is_accessible(tab, &axe);
    }
}

#[track_caller]
pub(super) fn is_well_made(tab: &Tab) {
    is_quiet(tab);
    let href = tab.eval("location.href");
    assert_eq!(tab.eval("window.canary === undefined"), true, "{href}: markup came to life");
    assert_eq!(tab.eval("document.querySelectorAll('img:not(header img)').length"), 0, "{href}");
    let wide = tab.eval("document.documentElement.scrollWidth - window.innerWidth").as_i64();
    assert!(wide.unwrap() <= 0, "{href}: {wide:?} pixels too wide");
    let one = tab.eval("document.querySelectorAll('h1').length === 1 && document.querySelectorAll('main').length === 1");
    assert_eq!(one, true, "{href}");
    // Every link leads somewhere.
    let links = "[...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href'))\
                 .filter(href => !/^(#|https:|(overview|jobs|job|new-job|location|archives|archive|contents|restore|download|runs|run|log|peers|add-peer|remove-peer|invite|network|plan|configuration)([?#]|$))/.test(href))";
    assert_eq!(tab.eval(links), Value::Array(Vec::new()), "{href}");
}

/// On a phone rows are cards: neither the page nor a table in it is wider than the screen.
#[track_caller]
fn has_no_wide_table(tab: &Tab) {
    let wide = tab.eval(
        "[...document.querySelectorAll('.wide')].filter(one => one.scrollWidth > one.clientWidth + 1)\
         .map(one => one.getAttribute('aria-label') + ' ' + one.scrollWidth)",
    );
    assert_eq!(wide, Value::Array(Vec::new()), "{}", tab.eval("location.href"));
    let unnamed = "[...document.querySelectorAll('.cards td')].filter(cell => cell.checkVisibility() && !cell.dataset.head).length";
    assert_eq!(tab.eval(unnamed), 0, "{}", tab.eval("location.href"));
}

#[test]
fn on_paper_there_is_what_is_read_and_nothing_to_press() {
    let browser = browser_or_skip!();
    let instance = furnished();
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let tab = logged_in(browser, &ui, &Looks { is_dark: true, ..Looks::USUAL });
    tab.open(&format!("{ui}job?name=web"));
    tab.call("Emulation.setEmulatedMedia", serde_json::json!({ "media": "print" }));
    let seen = |selector: &str| {
        tab.eval(&format!(
            "[...document.querySelectorAll('{selector}')].some(it => it.checkVisibility())"
        ))
    };
    for selector in ["nav", "button", "footer", ".skip"] {
        assert_eq!(seen(selector), false, "{selector}");
    }
    assert_eq!(seen("h1"), true);
    assert_eq!(seen("#history table"), true);
    let colours =
        "(style => [style.color, style.backgroundColor].join())(getComputedStyle(document.body))";
    assert_eq!(tab.eval(colours), "rgb(0, 0, 0),rgb(255, 255, 255)");
}

#[test]
fn every_page_is_well_made_accessible_and_harmless_for_everybody() {
    let browser = browser_or_skip!();
    let instance = furnished();
    let pages = pages(&instance);
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let axe = axe();
    if axe.is_none() {
        say_skipped("axe-core is not there, so accessibility is not judged");
    }
    // `1`: those of the documentation. A directory: every page in every look, in full length.
    let shots = std::env::var_os("LARDER_SCREENSHOTS");
    let album = shots.as_ref().map(PathBuf::from).filter(|dir| dir.is_dir());
    let shots = shots.is_some_and(|value| value == "1");
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screenshots");
    let everybody = [
        ("", Looks::USUAL),
        ("-dark", Looks { is_dark: true, ..Looks::USUAL }),
        ("-phone", Looks { width: 360, language: "fr", ..Looks::USUAL }),
    ];
    let tab = logged_in(browser, &ui, &Looks::USUAL);
    for (kind, looks) in everybody {
        tab.look(&looks);
        for (name, page) in &pages {
            tab.open(&format!("{ui}{page}"));
            is_well_made(&tab);
            assert_eq!(tab.eval("document.documentElement.lang"), looks.language);
            if let Some(axe) = &axe {
                is_accessible(&tab, axe);
            }
            if looks.width < 600 {
                has_no_wide_table(&tab);
            }
            if let Some(dir) = &album {
                std::fs::write(dir.join(format!("{name}{kind}.png")), tab.whole_picture()).unwrap();
            }
            // One instance alone says little: two are shown by a test of their own.
            let is_shown = name != &"network" && kind.is_empty()
                || ["overview", "job", "peers"].contains(name);
            if shots && is_shown && !name.contains("search") {
                std::fs::create_dir_all(&dir).unwrap();
                std::fs::write(dir.join(format!("{name}{kind}.png")), tab.picture()).unwrap();
            }
        }
        let ground = tab.eval("getComputedStyle(document.body).backgroundColor");
        let ground = ground.as_str().unwrap();
        assert_eq!(ground.starts_with("rgb(20,"), looks.is_dark, "{ground}");
        if looks.language == "fr" {
            tab.open(&format!("{ui}overview"));
            let text = tab.text();
            for word in ["Vue d’ensemble", "Tâche", "non protégée", "Exécuter"] {
                assert!(text.contains(word), "{word}: {text}");
            }
        }
    }
    // What was to be markup can be read.
    tab.look(&Looks::USUAL);
    for page in
        ["contents", "contents-search", "archives-foreign", "run-failed", "job-failing", "search"]
    {
        let (_, path) = pages.iter().find(|(name, _)| *name == page).unwrap();
        tab.open(&format!("{ui}{path}"));
        let text = tab.eval(
            "document.body.innerText + [...document.querySelectorAll('input')].map(i => i.value)",
        );
        assert!(text.as_str().unwrap().contains("<img src=x"), "{page}: {text}");
    }
}

#[test]
fn the_first_view_is_light_and_the_second_fetches_no_asset_again() {
    let browser = browser_or_skip!();
    let instance = furnished();
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let tab = logged_in(browser, &ui, &Looks::USUAL);
    tab.call("Network.enable", serde_json::json!({}));
    tab.call("Network.clearBrowserCache", serde_json::json!({}));
    let bytes = "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]\
                 .filter(one => !/events$/.test(one.name)).reduce((sum, one) => sum + one.transferSize, 0)";
    tab.open(&format!("{ui}overview"));
    let first = tab.eval(bytes).as_u64().unwrap();
    assert!((10_000..150_000).contains(&first), "{first} bytes");
    tab.open(&format!("{ui}overview"));
    let asset = "performance.getEntriesByType('resource').filter(one => /\\?[0-9a-f]{16}$/.test(one.name)).map(one => one.transferSize)";
    let again = tab.eval(asset);
    assert!(again.as_array().unwrap().iter().all(|size| size == 0), "{again}");
}

#[test]
fn without_a_script_everything_can_be_read_and_asked_for() {
    let browser = browser_or_skip!();
    let instance = furnished();
    let pages = pages(&instance);
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let tab = logged_in(browser, &ui, &Looks { has_script: false, ..Looks::USUAL });
    for (_, page) in &pages {
        tab.open(&format!("{ui}{page}"));
        is_well_made(&tab);
    }
    tab.open(&format!("{ui}job?name=web"));
    tab.follow("form[action=act] button");
    assert_eq!(tab.eval("location.pathname"), "/ui/run", "{}", tab.text());
    is_quiet(&tab);
}
