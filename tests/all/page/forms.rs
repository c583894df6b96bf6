//! The form that makes a job, and text that is judged while it is typed.

use super::browser::{Looks, Tab, browser_or_skip};
use super::{is_quiet, logged_in, open_up};
use crate::walk::instance::Instance;

const WEB: &str = "[job.other]\ntype = \"custom_dir\"\nsource_path = \"../www\"\n\
    [job.web]\ntype = \"custom_dir\"\nsource_path = \"../www\"\nschedule = \"0 3 * * *\"\nenabled = false\n\
    before = [[\"true\", \"a b\"]]\nretention = \"week\"\nsend_to = [\"usb\"]\n\
    [retention.week]\nmode = \"daily\"\nvalue = 7\n[location.usb]\npath = \"../usb\"\nmin_free = \"1 MiB\"\n";

fn of(tab: &Tab, selector: &str) -> String {
    let found = tab.eval(&format!("document.querySelector('{selector}')?.innerText ?? ''"));
    found.as_str().unwrap().to_owned()
}

#[test]
fn a_new_job_is_filled_in_judged_at_its_inputs_and_runs_once_it_is_committed() {
    let browser = browser_or_skip!();
    let instance = Instance::new(WEB);
    instance.source("www/a.txt", b"alpha");
    instance.source("notes/a.txt", b"alpha");
    open_up(&instance);
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let tab = logged_in(browser, &ui, &Looks::USUAL);
    tab.open(&format!("{ui}jobs"));
    tab.follow("a[href=new-job]");
    assert_eq!(tab.eval("document.querySelectorAll('ul.cards a').length"), 5);
    tab.follow("ul.cards a[href*=custom_dir]");
    assert_eq!(tab.eval("document.querySelector('input[name=database]')"), serde_json::Value::Null);
    tab.eval("window.same = true");

    // What is missing is said at its input.
    tab.fill("input[name=name]", "notes");
    tab.wait("document.querySelector('#e-source_path').innerText.includes('missing')");
    assert_eq!(
        tab.eval("document.querySelector('#f-source_path').getAttribute('aria-invalid')"),
        "true"
    );
    let notes = instance.path("notes");
    tab.fill("input[name=source_path]", notes.to_str().unwrap());
    tab.wait("document.querySelector('#verdict').innerText.includes('No mistakes')");
    assert_eq!(
        tab.eval("document.querySelector('#f-source_path').hasAttribute('aria-invalid')"),
        false
    );

    // A schedule is said in words while it is typed, and so is a mistake in it.
    assert!(of(&tab, "#times").contains("02:00"), "{}", of(&tab, "#times"));
    tab.fill("input[name=schedule]", "30 4 * * 0");
    tab.wait("document.querySelector('#times').innerText.includes('04:30')");
    tab.fill("input[name=schedule]", "61 4 * * 0");
    tab.wait("document.querySelector('#e-schedule .error') !== null");
    tab.fill("input[name=schedule]", "30 4 * * 0");

    // What a policy would keep; and only its own numbers are to be seen.
    let shown = |name: &str| {
        tab.eval(&format!(
            "document.querySelector('[name=\"retention:{name}\"]').checkVisibility()"
        ))
    };
    assert_eq!((shown("value"), shown("daily")), (false.into(), false.into()));
    tab.fill("select[name=\"retention:how\"]", "gfs");
    assert_eq!((shown("value"), shown("daily")), (false.into(), true.into()));
    tab.fill("input[name=\"retention:daily\"]", "5");
    tab.fill("input[name=\"retention:weekly\"]", "2");
    tab.wait("document.querySelector('#keeps').innerText.includes('5 daily, 2 weekly')");
    assert_eq!(tab.eval("document.querySelectorAll('#keeps .strip li.kept').length > 5"), true);

    tab.eval("document.querySelector('input[name=\"send_to:usb\"]').click()");
    tab.fill("textarea[name=excludes]", "cache/\n*.tmp\n");
    tab.fill("textarea[name=before]", "[\"true\", \"a b\"]\necho hello");
    tab.wait("document.querySelector('#toml-text').innerText.includes('echo hello')");
    assert!(of(&tab, "#judged").contains("jobs/notes.toml"), "{}", of(&tab, "#judged"));
    assert!(of(&tab, "#verdict").contains("No mistakes"), "{}", tab.text());
    assert_eq!(tab.eval("window.same"), true, "the page was loaded again");
    is_quiet(&tab);

    // The page has written nothing; somebody commits what it made.
    assert!(!instance.path("etc/jobs/notes.toml").exists());
    std::fs::create_dir(instance.path("etc/jobs")).unwrap();
    instance.write("jobs/notes.toml", &of(&tab, "#toml-text"));
    instance.wait("the job", || instance.larder(&["run", "notes"]).status.success());
    let archive = instance.archives().into_iter().find(|one| one["job"] == "notes").unwrap();
    assert_eq!(archive["location"], "main");
    let job = instance.json(&["jobs"]);
    let job = job.as_array().unwrap().iter().find(|job| job["name"] == "notes").unwrap().clone();
    assert_eq!(job["config"]["excludes"], serde_json::json!(["cache/", "*.tmp"]));
    assert_eq!(job["config"]["before"], serde_json::json!([["true", "a b"], "echo hello"]));
    assert_eq!(job["send_to"], serde_json::json!(["usb"]));
    assert_eq!(job["retention"]["weekly"], 2);
}

#[test]
fn a_job_is_changed_without_a_script_and_stands_in_for_itself_alone() {
    let browser = browser_or_skip!();
    let instance = Instance::new(WEB);
    instance.source("www/a.txt", b"alpha");
    open_up(&instance);
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let tab = logged_in(browser, &ui, &Looks { has_script: false, ..Looks::USUAL });
    tab.open(&format!("{ui}job?name=web"));
    tab.follow("a[href^=\"new-job\"]");
    let text = of(&tab, "#toml-text");
    for line in [
        "[job.web]",
        "schedule = \"0 3 * * *\"",
        "enabled = false",
        "retention = \"week\"",
        "before = [[\"true\", \"a b\"]]",
        "send_to = [\"usb\"]",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    // What the defaults say is left to them.
    assert!(!text.contains("location") && !text.contains("timeout"), "{text}");
    assert!(of(&tab, "#judged").contains("jobs.toml:4"), "{}", of(&tab, "#judged"));
    assert!(of(&tab, "#verdict").contains("No mistakes"), "{}", tab.text());

    // A text area ends lines as browsers do; what comes back is the same.
    tab.follow("form.making button.main");
    assert_eq!(of(&tab, "#toml-text"), text);
    tab.fill("input[name=timeout]", "soon");
    tab.fill("select[name=\"retention:how\"]", "count");
    tab.follow("form.making button.main");
    assert!(of(&tab, "#e-timeout").contains("soon"), "{}", tab.text());
    assert!(of(&tab, "#verdict").contains("There are mistakes"), "{}", tab.text());
    assert_eq!(tab.eval("document.querySelector('details.part:has([name=timeout])').open"), true);
    tab.fill("input[name=timeout]", "90 min");
    tab.fill("input[name=\"retention:value\"]", "3");
    tab.follow("form.making button.main");
    assert!(of(&tab, "#verdict").contains("No mistakes"), "{}", tab.text());
    assert!(of(&tab, "#toml-text").contains("timeout = \"90 min\""));
    assert!(of(&tab, "#keeps").contains("3 newest"), "{}", of(&tab, "#keeps"));
    is_quiet(&tab);
}

#[test]
fn every_type_of_job_has_a_form_of_its_own_keys() {
    let browser = browser_or_skip!();
    let instance = Instance::new(WEB);
    instance.source("www/a.txt", b"alpha");
    open_up(&instance);
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let tab = logged_in(browser, &ui, &Looks::USUAL);
    let own = [
        ("custom_dir", "source_path", "&source_path=/x"),
        ("mysql", "database", "&database=x"),
        ("postgresql", "database", "&database=x"),
        ("ynh_app", "app_id", "&app_id=x"),
        ("ynh_system", "parts", ""),
    ];
    for (word, key, prefilled) in own {
        tab.open(&format!("{ui}new-job?type={word}&name=new{prefilled}"));
        for (_, other, _) in own {
            let there = tab.eval(&format!("document.querySelector('[name={other}]') !== null"));
            assert_eq!(there, other == key, "{word}: {other}");
        }
        assert!(of(&tab, "#toml-text").contains(&format!("type = \"{word}\"")), "{}", tab.text());
        assert!(of(&tab, "#verdict").contains("No mistakes"), "{word}: {}", tab.text());
    }
    // A name that is taken is said with the place of the other.
    tab.open(&format!("{ui}new-job?type=custom_dir&name=web&source_path=/x"));
    assert!(of(&tab, "#verdict").contains("There are mistakes"), "{}", tab.text());
    is_quiet(&tab);
    tab.open(&format!("{ui}new-job?look=yes"));
    assert_eq!(tab.eval("document.querySelector('#uncovered') !== null"), true);
    is_quiet(&tab);
    tab.open(&format!("{ui}new-job?type=ship"));
    assert!(tab.text().contains("is not a type of job"), "{}", tab.text());
}

#[test]
fn every_mistake_of_a_text_is_shown_in_its_line_and_leads_there() {
    let browser = browser_or_skip!();
    let instance = Instance::new(WEB);
    instance.source("www/a.txt", b"alpha");
    open_up(&instance);
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let tab = logged_in(browser, &ui, &Looks::USUAL);
    tab.open(&format!("{ui}configuration"));
    tab.fill("input[name=as]", "new.toml");
    let text = "[job.é]\ntype = \"custom_dir\"\n[job.new]\ntype = \"custom_dri\"\nsource_path = \"/x\"\nscheduel = \"0 3 * * *\"\n\
                send_to = [\"usb\", \"nowhere\"]\npassword = \"hunter2\"\n[job.more]\ntype = \"mysql\"\ndatabase = \"x\"\npassword = \"hunter2\"\nschedule = \"0 0 31 2 *\"\n";
    tab.fill("textarea", text);
    tab.wait("document.querySelectorAll('#judged .mistakes li').length >= 5");
    let marks =
        tab.eval("[...document.querySelectorAll('#judged mark')].map(one => one.textContent)");
    let marks: Vec<&str> =
        marks.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    for wrong in ["\"custom_dri\"", "\"nowhere\""] {
        assert!(marks.contains(&wrong), "{wrong}: {marks:?}");
    }
    assert!(of(&tab, "#judged").contains("new.toml:4:8"), "{}", of(&tab, "#judged"));
    assert!(!of(&tab, "#judged").contains("hunter2"), "{}", of(&tab, "#judged"));
    // From the place to the text.
    tab.eval("document.querySelector('#judged a[data-at=\"4:8\"]').click()");
    assert_eq!(tab.eval("document.activeElement.id"), "toml");
    assert_eq!(
        tab.eval("document.activeElement.value.slice(document.activeElement.selectionStart, document.activeElement.selectionStart + 12)"),
        "\"custom_dri\""
    );
    // Each keystroke is judged, the last one counts.
    for broken in ["[job", "[job.a", "[job.a]\n", "x = [1,\n", "type = \"\"\"\n"] {
        tab.fill("textarea", broken);
    }
    tab.wait("document.querySelector('#judged').innerText.includes('new.toml:1')");
    tab.fill("textarea", "[job.new]\ntype = \"custom_dir\"\nsource_path = \"/x\"\n");
    tab.wait("document.querySelector('#judged').innerText.includes('No mistakes')");
    assert_eq!(tab.eval("document.querySelectorAll('#judged .mistakes').length"), 0);
    is_quiet(&tab);
}
