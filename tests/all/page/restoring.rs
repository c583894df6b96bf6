//! What is in an archive, and the way back from it: the wizard to its end, in place and elsewhere.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use super::browser::{Looks, Tab, browser_or_skip};
use super::looking::{CANARY, axe, is_accessible, is_well_made};
use super::{is_quiet, logged_in, open_up};
use crate::support::root_or_skip;
use crate::walk::instance::{Instance, sh};

const JOB: &str = "[job.web]\ntype = \"custom_dir\"\nsource_path = \"../data\"\nenabled = false\n";
const PHONE: Looks = Looks { width: 360, language: "fr", ..Looks::USUAL };

/// An instance with one archive of a small tree.
fn saved() -> Instance {
    let instance = Instance::new(JOB);
    instance.source("data/index.html", b"hello");
    instance.source("data/etc/app.toml", b"port = 1");
    instance.source("data/etc/empty", b"");
    instance.source(&format!("data/etc/{CANARY}.txt"), b"a file");
    std::os::unix::fs::symlink("index.html", instance.path("data/link")).unwrap();
    fs::set_permissions(instance.path("data/etc"), fs::Permissions::from_mode(0o750)).unwrap();
    sh(
        "chown 1234:4321 data/etc/app.toml; touch -d '2001-02-03 04:05:06.789' data/index.html data/etc",
        &instance.path("."),
    );
    instance.ok(&["run", "web"]);
    open_up(&instance);
    instance
}

/// Everything below a directory, with what there is to know of it.
fn tree(dir: &Path) -> String {
    sh(
        "find . -printf '%P %y %m %U:%G %l %T@\\n' | sort; find . -type f -print0 | sort -z | xargs -0r sha256sum",
        dir,
    )
}

/// The archive's name, and its pages.
struct Scene {
    tab: Tab,
    ui: String,
    name: String,
    this: String,
}

impl Scene {
    fn new(instance: &Instance, looks: &Looks) -> Result<Self, String> {
        let browser = super::browser::browser()?;
        let archive = instance.archives().pop().unwrap();
        let text = |key: &str| archive[key].as_str().unwrap().to_owned();
        let ui = super::address(instance);
        let tab = logged_in(browser, &ui, looks);
        let this = format!("?id={}&location=main", text("id"));
        Ok(Self { tab, ui, name: text("name"), this })
    }

    fn open(&self, page: &str) {
        self.tab.open(&format!("{}{page}{}", self.ui, self.this));
    }

    /// Fills the form in and has the plan shown.
    #[track_caller]
    fn plan(&self, fields: &[(&str, &str)]) {
        for (selector, text) in fields {
            self.tab.fill(selector, text);
        }
        self.tab.follow("form.wizard button.main");
        assert!(self.sees("#plan"), "{}", self.tab.text());
    }

    #[track_caller]
    fn confirm(&self, typed: &str) {
        self.tab.fill("#confirmation", typed);
        self.tab.follow("form.wizard button.danger");
    }

    /// The run that was led to ends well.
    #[track_caller]
    fn succeeds(&self) {
        assert_eq!(self.tab.eval("location.pathname"), "/ui/run", "{}", self.tab.text());
        self.tab.wait("document.querySelector('#run .tag').innerText.includes('success')");
        is_quiet(&self.tab);
    }

    fn sees(&self, selector: &str) -> bool {
        let selector = Value::from(selector);
        self.tab.eval(&format!("document.querySelector({selector}) !== null")) == true
    }

    /// The names that are listed, in their order.
    fn names(&self) -> Vec<String> {
        let names =
            self.tab.eval("[...document.querySelectorAll('#members th')].map(it => it.innerText)");
        names.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
    }

    fn picture(&self, name: &str) {
        if std::env::var_os("LARDER_SCREENSHOTS").is_some_and(|value| value == "1") {
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screenshots");
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join(format!("{name}.png")), self.tab.picture()).unwrap();
        }
    }

    /// Looks at the open page in both sizes and languages, and judges it.
    fn judge(&self) {
        let axe = axe();
        for looks in [
            Looks::USUAL,
            Looks { is_dark: true, ..Looks::USUAL },
            Looks { width: 360, ..Looks::USUAL },
        ] {
            self.tab.look(&looks);
            // Colours fade into each other; they are judged when they have.
            self.tab
                .eval("Promise.all(document.getAnimations().map(it => it.finished)).then(() => 1)");
            is_well_made(&self.tab);
            if let Some(axe) = &axe {
                is_accessible(&self.tab, axe);
            }
        }
        self.tab.look(&Looks::USUAL);
    }
}

#[test]
fn what_is_in_an_archive_is_browsed_searched_and_led_back_from() {
    browser_or_skip!();
    root_or_skip!();
    let instance = saved();
    let _daemon = instance.daemon();
    let scene = Scene::new(&instance, &Looks::USUAL).unwrap();
    let tab = &scene.tab;
    scene.open("archive");
    tab.follow("a[href^='contents?']");
    // The way leads past directories that hold one other only.
    let data = instance.path("data").display().to_string();
    assert!(scene.names().contains(&format!("data/custom{data}/")), "{:?}", scene.names());
    tab.follow("#members a[href*='custom']");
    assert_eq!(scene.names(), ["etc/", "index.html", "link → index.html"]);
    tab.follow("#members th a");
    assert_eq!(scene.names(), [&format!("{CANARY}.txt"), "app.toml", "empty"]);
    scene.judge();
    // Back by the names above.
    tab.follow("nav.way li:nth-last-child(2) a");
    assert_eq!(scene.names().len(), 3);

    tab.fill("input[name=search]", "IMG SRC");
    tab.follow("form.filter button");
    assert_eq!(scene.names(), [format!("etc/{CANARY}.txt")]);
    is_well_made(tab);
    tab.fill("input[name=search]", "nowhere");
    tab.follow("form.filter button");
    assert!(tab.text().contains("Nothing has this in its name."), "{}", tab.text());
    tab.fill("input[name=search]", "app.toml");
    tab.follow("form.filter button");
    tab.follow("#members td:last-child a");
    assert_eq!(tab.eval("location.pathname"), "/ui/restore");
    let filled = tab.eval("document.querySelector('#paths').value");
    assert_eq!(filled, format!("{data}/etc/app.toml"));
    is_quiet(tab);

    // What is not there is said, and the way up is still there.
    tab.open(&format!("{}contents{}&path=no%2Fwhere", scene.ui, scene.this));
    assert!(tab.text().contains("`no/where` is not in"), "{}", tab.text());
    assert!(scene.sees("nav.way a"));
    assert!(tab.complaints().iter().all(|one| one.contains("404")), "a 404 is said by the browser");
}

#[test]
fn a_long_directory_is_turned_over() {
    browser_or_skip!();
    let instance = Instance::new(JOB);
    for number in 0..450 {
        instance.source(&format!("data/{number:03}"), b"");
    }
    instance.ok(&["run", "web"]);
    open_up(&instance);
    let _daemon = instance.daemon();
    let scene = Scene::new(&instance, &Looks { has_script: false, ..Looks::USUAL }).unwrap();
    let data = instance.path("data").display().to_string().replace('/', "%2F");
    scene.tab.open(&format!("{}contents{}&path={data}", scene.ui, scene.this));
    let mut seen = scene.names();
    for _ in 0..2 {
        scene.tab.follow("a.next");
        seen.extend(scene.names());
    }
    assert!(!scene.sees("a.next"));
    assert_eq!(seen, (0..450).map(|number| format!("{number:03}")).collect::<Vec<_>>());
    scene.tab.follow("main > p.actions a");
    assert_eq!(scene.names().len(), 200);
    is_quiet(&scene.tab);
}

#[test]
fn a_wiped_tree_comes_back_in_place_once_the_name_is_typed_and_it_can_be_undone() {
    browser_or_skip!();
    root_or_skip!();
    let instance = saved();
    let data = instance.path("data");
    let before = tree(&data);
    sh(
        "rm -r data/etc data/link; echo hacked > data/index.html; touch -d 2020-01-01 data",
        &instance.path("."),
    );
    let ruined = tree(&data);
    let _daemon = instance.daemon();
    let scene = Scene::new(&instance, &Looks::USUAL).unwrap();
    let tab = &scene.tab;
    scene.open("archive");
    tab.follow("a[href^='restore?']");
    scene.judge();
    scene.plan(&[]);
    for words in
        ["What would be done", "Files", "Space needed", "Set aside", ".larder-aside-", "index.html"]
    {
        assert!(tab.text().contains(words), "{words}: {}", tab.text());
    }
    scene.picture("restore-plan");
    scene.judge();

    // The browser does not even send another name, and the server does not take one.
    let is_enough = "document.querySelector('#confirmation').form.checkValidity()";
    for (typed, fits) in [("", false), ("yes", false), (scene.name.as_str(), true)] {
        tab.fill("#confirmation", typed);
        assert_eq!(tab.eval(is_enough), fits, "{typed}");
    }
    let runs = instance.runs().len();
    for wrong in ["", "yes", &scene.name.to_uppercase(), &format!("{}x", scene.name)] {
        tab.eval("document.querySelector('#confirmation').form.noValidate = true");
        scene.confirm(wrong);
        assert_eq!(tab.eval("location.pathname"), "/ui/restore", "{wrong}");
        assert!(tab.text().contains("The name that was typed is not"), "{}", tab.text());
        assert!(scene.sees("#plan"), "the plan is shown again");
    }
    assert!(tab.complaints().iter().all(|one| one.contains("400")), "a 400 is said by the browser");
    assert_eq!((tree(&data), instance.runs().len()), (ruined.clone(), runs), "nothing was touched");

    scene.confirm(&scene.name);
    scene.succeeds();
    assert_eq!(tree(&data), before);
    tab.wait("document.querySelector('#restored details') !== null");
    assert!(tab.text().contains("What was done"), "{}", tab.text());
    scene.picture("restore-run");
    scene.judge();
    let restored = tab.eval("location.href");

    // Nothing is put back while the box is not ticked.
    tab.eval("document.querySelector('#restored details').open = true");
    assert_eq!(
        tab.eval("document.querySelector('#restored input[name=sure]').form.checkValidity()"),
        false
    );
    tab.eval("document.querySelector('#restored input[name=sure]').click()");
    tab.follow("#restored form button");
    scene.succeeds();
    tab.wait("document.querySelector('#restored').innerText.includes('It undoes')");
    assert!(!scene.sees("#restored details"), "an undoing is not undone");
    assert_eq!(tree(&data), ruined);
    tab.open(restored.as_str().unwrap());
    assert!(tab.text().contains("This restore was undone."), "{}", tab.text());
    assert!(!scene.sees("#restored details"));
    is_quiet(tab);
}

#[test]
fn without_a_script_one_path_comes_back_elsewhere_and_mistakes_are_told_at_the_form() {
    browser_or_skip!();
    root_or_skip!();
    let instance = saved();
    let _daemon = instance.daemon();
    let scene = Scene::new(&instance, &Looks { has_script: false, ..Looks::USUAL }).unwrap();
    let tab = &scene.tab;
    let (data, back) = (instance.path("data"), instance.path("back"));
    let before = tree(&data);
    let path = data.join("etc").display().to_string();
    tab.open(&format!("{}restore{}&path={}", scene.ui, scene.this, path.replace('/', "%2F")));
    assert_eq!(tab.eval("document.querySelector('#paths').value"), path);

    // What cannot be is said, and what was filled in is still there.
    tab.fill("#target", "not/absolute");
    tab.eval("document.querySelector('input[name=step-files]').click()");
    tab.eval("document.querySelector('input[name=safety]').click()");
    tab.follow("form.wizard button.main");
    assert!(tab.text().contains("which is not absolute"), "{}", tab.text());
    let kept = "[document.querySelector('#target').value, document.querySelector('#paths').value,\
                document.querySelector('input[name=step-files]').checked,\
                document.querySelector('input[name=safety]').checked]";
    assert_eq!(tab.eval(kept), serde_json::json!(["not/absolute", path, true, false]));
    assert!(!scene.sees("#confirmation"));
    tab.fill("#paths", "/etc/passwd");
    tab.fill("#target", "");
    tab.follow("form.wizard button.main");
    assert!(tab.text().contains("is not below"), "{}", tab.text());
    assert!(tab.complaints().iter().all(|one| one.contains("40")), "it is said by the browser");

    scene.plan(&[("#paths", &path), ("#target", &back.display().to_string())]);
    assert!(tab.text().contains("It goes elsewhere"), "{}", tab.text());
    scene.confirm(&scene.name);
    tab.wait("location.pathname === '/ui/run'");
    let ended = |run: &Value| run["kind"] == "restore" && run["status"] == "success";
    instance.wait("the restore", || instance.runs().iter().any(ended));
    let lines = |tree: &str| -> Vec<String> {
        // What leads there is made anew.
        tree.lines().filter(|line| line.contains("etc/")).map(str::to_owned).collect()
    };
    assert_eq!(lines(&tree(&back)), lines(&before));
    assert!(!back.join("index.html").exists(), "only the path that was named");
    assert_eq!(tree(&data), before, "where it was nothing is touched");
    is_quiet(tab);
}

#[test]
fn one_file_comes_back_in_place_and_the_rest_stays_as_it_is() {
    browser_or_skip!();
    root_or_skip!();
    let instance = saved();
    fs::write(instance.path("data/index.html"), "mine").unwrap();
    fs::write(instance.path("data/etc/app.toml"), "port = 2").unwrap();
    let _daemon = instance.daemon();
    // In French, on a phone.
    let scene = Scene::new(&instance, &PHONE).unwrap();
    let tab = &scene.tab;
    scene.open("restore");
    is_well_made(tab);
    assert!(tab.text().contains("Seulement ces chemins"), "{}", tab.text());
    scene.plan(&[("#paths", "etc/app.toml")]);
    assert!(tab.text().contains("Ce qui serait fait"), "{}", tab.text());
    is_well_made(tab);
    scene.picture("restore-plan-phone");
    if let Some(axe) = axe() {
        is_accessible(tab, &axe);
    }
    scene.confirm(&scene.name);
    tab.wait("document.querySelector('#run .tag').innerText.includes('succès')");
    tab.wait("document.querySelector('#restored').innerText.includes('Ce qui a été fait')");
    is_well_made(tab);
    assert_eq!(fs::read(instance.path("data/etc/app.toml")).unwrap(), b"port = 1");
    assert_eq!(fs::read(instance.path("data/index.html")).unwrap(), b"mine");
}

#[test]
fn an_encrypted_archive_asks_for_the_file_that_opens_it() {
    browser_or_skip!();
    root_or_skip!();
    let instance = Instance::new("");
    let identity = instance.ok(&["identity", "new"]);
    let recipient = identity.lines().find_map(|line| line.split("age1").nth(1)).unwrap();
    let recipient = format!("age1{}", recipient.split(['"', ' ', '\'']).next().unwrap().trim());
    fs::write(instance.path("key.txt"), &identity).unwrap();
    let base = fs::read_to_string(instance.path("etc/base.toml")).unwrap();
    instance.write("base.toml", &format!("{base}encrypt_to = [\"{recipient}\"]\n"));
    instance.write("jobs.toml", JOB);
    instance.source("data/etc/app.toml", b"port = 1");
    instance.ok(&["run", "web"]);
    open_up(&instance);
    fs::remove_file(instance.path("data/etc/app.toml")).unwrap();
    let _daemon = instance.daemon();
    let scene = Scene::new(&instance, &Looks::USUAL).unwrap();
    let tab = &scene.tab;
    scene.open("contents");
    assert!(tab.text().contains("is encrypted, and no identity was given"), "{}", tab.text());
    assert!(tab.complaints().iter().all(|one| one.contains("409")), "a 409 is said by the browser");
    let key = instance.path("key.txt").display().to_string();
    tab.fill("input[name=identity]", &key);
    tab.follow("form.filter:has(input[name=identity]) button");
    tab.fill("input[name=search]", "app.toml");
    tab.follow("form[role=search] button");
    tab.follow("#members td:last-child a");
    // The identity is named once.
    assert_eq!(tab.eval("document.querySelector('#identity').value"), key);
    scene.plan(&[]);
    scene.confirm(&scene.name);
    scene.succeeds();
    assert_eq!(fs::read(instance.path("data/etc/app.toml")).unwrap(), b"port = 1");
    assert!(!tab.text().contains("AGE-SECRET"));
}
