//! What a person does on the page.

use std::collections::BTreeMap;

use super::browser::{Looks, browser_or_skip};
use super::{TOKEN, is_quiet, logged_in, open_up, token_table};
use crate::walk::instance::{Instance, sh};
use crate::walk::keeping::with_old_archives;

const WEB: &str = "[job.web]\ntype = \"custom_dir\"\nsource_path = \"../www\"\nretention = { mode = \"count\", value = 9 }\nenabled = false\n";

#[test]
fn a_running_backup_is_followed_without_loading_the_page_and_can_be_cancelled() {
    let browser = browser_or_skip!();
    let instance = Instance::new(
        "[job.web]\ntype = \"custom_dir\"\nsource_path = \"../www\"\nlocation = \"slow\"\nenabled = false\n\
         [location.slow]\npath = \"../slow\"\nmin_free = \"1 MiB\"\ncompress = \"zstd:19\"\n",
    );
    instance.source("www/a.txt", b"a");
    sh("head -c 150000000 /dev/urandom > www/big.bin", &instance.path("."));
    open_up(&instance);
    let daemon = instance.daemon();
    let ui = super::address(&instance);
    let overview = logged_in(browser, &ui, &Looks::USUAL);
    let tab = logged_in(browser, &ui, &Looks::USUAL);
    overview.eval("window.same = true");
    tab.follow("#jobs form button");
    assert_eq!(tab.eval("location.pathname"), "/ui/run", "{}", tab.text());
    tab.eval("window.same = true");
    // It moves, on both pages, and neither was loaded again.
    let moved = "document.querySelector('progress + div')?.innerText ?? ''";
    for one in [&tab, &overview] {
        one.wait(&format!("({moved}).includes('MiB')"));
        let before = one.eval(moved);
        one.wait(&format!("![{before}, ''].includes({moved})"));
        assert_eq!(one.eval("window.same"), true);
    }
    tab.follow("#run form button.danger");
    tab.wait("document.querySelector('#run .tag').innerText.includes('cancelled')");
    overview.wait("document.querySelector('#now progress') === null");
    assert_eq!(overview.eval("window.same"), true);
    is_quiet(&tab);
    is_quiet(&overview);
    // The streams of events do not keep the daemon.
    let took = daemon.terminate();
    assert!(took.as_secs() < 10, "{took:?}");
}

#[test]
fn archives_are_verified_pinned_sent_deleted_and_taken_back() {
    let browser = browser_or_skip!();
    let instance =
        Instance::new(&format!("{WEB}[location.usb]\npath = \"../usb\"\nmin_free = \"1 MiB\"\n"));
    instance.source("www/a.txt", b"alpha");
    instance.ok(&["run", "web"]);
    instance.source("www/a.txt", b"beta");
    instance.ok(&["run", "web"]);
    open_up(&instance);
    let oldest = instance.archives().pop().unwrap();
    let (id, name) = (oldest["id"].as_str().unwrap(), oldest["name"].as_str().unwrap());
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let tab = logged_in(browser, &ui, &Looks::USUAL);
    let page = format!("{ui}archive?id={id}&location=main");
    let button = |act: &str| format!("form:has(input[name=do][value={act}]) button");
    let succeeds = || {
        assert_eq!(tab.eval("location.pathname"), "/ui/run", "{}", tab.text());
        tab.wait("document.querySelector('#run .tag').innerText.includes('success')");
        is_quiet(&tab);
    };

    tab.open(&page);
    assert!(tab.text().contains(name), "{}", tab.text());
    tab.follow(&button("verify"));
    succeeds();
    tab.open(&page);
    tab.follow(&button("pin"));
    assert_eq!(tab.eval("location.pathname"), "/ui/archive");
    assert!(tab.text().contains("pinned"));

    // What the API refuses is said, with what to do.
    tab.eval("document.querySelector('details:last-of-type').open = true");
    tab.eval("document.querySelector('input[name=sure]').click()");
    tab.follow(&button("delete"));
    assert_eq!(tab.eval("location.pathname"), "/ui/act");
    assert!(tab.text().contains("pinned"), "{}", tab.text());
    assert!(tab.complaints().iter().all(|one| one.contains("409")), "a 409 is said by the browser");

    tab.open(&page);
    tab.follow(&button("unpin"));
    tab.fill("select[name=to]", "usb");
    tab.follow(&button("send"));
    succeeds();
    tab.open(&page);
    assert!(tab.text().contains("usb"), "{}", tab.text());

    // What is being read cannot be deleted: new copies are read back.
    instance.wait("everything is read back", || {
        let open = |run: &serde_json::Value| {
            ["queued", "running"].contains(&run["status"].as_str().unwrap())
        };
        !instance.runs().iter().any(open)
    });
    // Nothing is deleted while the box is not ticked: the browser says so.
    let is_enough = "document.querySelector('input[name=sure]').form.checkValidity()";
    assert_eq!(tab.eval(is_enough), false);
    tab.eval("document.querySelector('input[name=sure]').click()");
    tab.follow(&button("delete"));
    succeeds();
    tab.open(&format!("{ui}archives?condition=trashed&search={name}"));
    tab.follow("#archives tbody th a");
    tab.follow(&button("undelete"));
    assert_eq!(tab.eval("location.pathname"), "/ui/archive");
    tab.open(&page);
    assert!(!tab.text().contains("in the trash"), "{}", tab.text());

    // The file itself.
    let length = tab.eval(&format!(
        "fetch('download?id={id}&location=main').then(answer => answer.arrayBuffer()).then(it => it.byteLength)"
    ));
    assert_eq!(length, oldest["file_size"]);
    is_quiet(&tab);
}

#[test]
fn a_blocked_plan_is_read_and_approved() {
    let browser = browser_or_skip!();
    let instance = with_old_archives(8);
    sh("rm -r state", &instance.path("."));
    instance.ok(&["recover", "--done"]);
    open_up(&instance);
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let tab = logged_in(browser, &ui, &Looks::USUAL);
    tab.wait("document.body.innerText.includes('Needs attention')");
    tab.follow("#state a[href=plan]");
    tab.wait("document.querySelectorAll('section.warn li').length === 6");
    assert_eq!(instance.tars().len(), 8);
    tab.eval("document.querySelector('section details').open = true");
    tab.eval("document.querySelector('input[name=sure]').click()");
    tab.follow("section form button");
    assert_eq!(tab.eval("location.pathname"), "/ui/plan", "{}", tab.text());
    instance.wait("the deletions", || instance.tars().len() == 2);
    tab.wait("document.querySelector('section.warn') === null");
    is_quiet(&tab);

    // Their days stand on the calendar of the job.
    tab.open(&format!("{ui}job?name=notes"));
    let days = tab.eval("document.querySelectorAll('.month td.kept').length");
    assert_eq!(days, 2, "{}", tab.text());
    tab.eval("document.querySelector('#archives details').open = true");
    assert!(tab.text().contains("count 1 of 2"), "{}", tab.text());
    assert_eq!(tab.eval("document.querySelectorAll('#archives details time').length >= 4"), true);
}

#[test]
fn toml_is_judged_while_it_is_typed_and_files_are_read_again() {
    let browser = browser_or_skip!();
    let instance = Instance::new(WEB);
    instance.source("www/a.txt", b"alpha");
    open_up(&instance);
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let tab = logged_in(browser, &ui, &Looks::USUAL);
    tab.open(&format!("{ui}configuration"));
    assert!(tab.text().contains("[job.web]") && tab.text().contains("# jobs.toml:1:"));
    assert!(!tab.text().contains(TOKEN));
    tab.eval("window.same = true");
    tab.fill("input[name=as]", "jobs.toml");
    tab.fill("textarea", "[job.web]\nscheduel = \"<script>window.canary=1</script>\"\n");
    tab.wait("document.querySelector('#judged').innerText.includes('did you mean')");
    assert!(tab.text().contains("jobs.toml:2:1"), "{}", tab.text());
    tab.fill("textarea", WEB);
    tab.wait("document.querySelector('#judged').innerText.includes('No mistakes')");
    assert_eq!(tab.eval("window.same === true && window.canary === undefined"), true);
    // The same without a script, and what was typed is still there.
    tab.follow("form[action=configuration] button");
    assert_eq!(tab.eval("document.querySelector('textarea').value.includes('[job.web]')"), true);
    assert!(tab.text().contains("No mistakes"));

    // A broken edit is told wherever somebody looks.
    instance.write(
        "jobs.toml",
        "[job.web]\ntype = \"custom_dir\"\nsource_path = \"../www\"\nretention = 3\n",
    );
    tab.open(&format!("{ui}configuration"));
    tab.follow("form[action=act] button");
    tab.wait("document.querySelector('#state').innerText.includes('jobs.toml:4')");
    tab.open(&format!("{ui}overview"));
    assert!(tab.text().contains("the configuration has mistakes"), "{}", tab.text());
    is_quiet(&tab);
}

#[test]
fn runs_are_narrowed_and_a_long_list_is_turned_over() {
    let browser = browser_or_skip!();
    let instance = with_old_archives(60);
    instance.ok(&["recover", "--done"]);
    open_up(&instance);
    instance.write("jobs.toml", "[job.notes]\ntype = \"custom_dir\"\nsource_path = \"../notes\"\nretention = { mode = \"count\", value = 90 }\n");
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let tab = logged_in(browser, &ui, &Looks::USUAL);
    tab.open(&format!("{ui}archives?job=notes"));
    let rows = "document.querySelectorAll('#archives tbody tr').length";
    assert_eq!(tab.eval(rows), 50);
    tab.follow("main > p.actions a:last-of-type");
    assert_eq!(tab.eval(rows), 10);
    assert!(tab.eval("location.search").as_str().unwrap().contains("job=notes"));
    tab.follow("main > p.actions a");
    assert_eq!(tab.eval(rows), 50);
    let day = instance.archives().last().unwrap()["name"].as_str().unwrap().to_owned();
    tab.fill("input[name=search]", &day.to_uppercase());
    tab.follow("form.filter button");
    assert_eq!(tab.eval(rows), 1, "{}", tab.text());
    tab.open(&format!("{ui}runs?kind=backup&status=success"));
    assert_eq!(tab.eval("document.querySelectorAll('#runs tbody tr').length"), 1);
    tab.fill("select[name=kind]", "drill");
    tab.follow("form.filter button");
    assert!(tab.text().contains("Nothing."), "{}", tab.text());
    is_quiet(&tab);
}

#[test]
fn one_logs_in_with_the_right_token_comes_where_one_wanted_and_out_again() {
    let browser = browser_or_skip!();
    let instance = Instance::new(WEB);
    instance.source("www/a.txt", b"alpha");
    open_up(&instance);
    instance.write("reader.toml", &token_table("reader", "larder_reader", "status"));
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let tab = browser.tab(&Looks::USUAL);
    tab.open(&ui.replace("/ui/", "/"));
    assert_eq!(tab.eval("location.pathname"), "/ui/login");
    tab.open(&format!("{ui}job?name=web"));
    let said: BTreeMap<&str, &str> =
        [("wrong", "Nobody knows this token"), ("larder_reader", "does not have the scope")].into();
    for (token, words) in said {
        tab.fill("input[name=token]", token);
        tab.follow("form button");
        assert!(tab.text().contains(words), "{token}: {}", tab.text());
        assert_eq!(tab.eval("document.querySelector('input[name=token]').value"), "");
    }
    assert!(tab.complaints().iter().all(|one| one.contains("403")), "a 403 is said by the browser");
    tab.fill("input[name=token]", TOKEN);
    tab.follow("form button");
    assert_eq!(tab.eval("location.pathname + location.search"), "/ui/job?name=web");
    assert_eq!(tab.eval("document.cookie"), "", "the script can read the session");
    tab.follow("header form button");
    assert_eq!(tab.eval("location.pathname"), "/ui/login");
    tab.open(&format!("{ui}overview"));
    assert_eq!(tab.eval("location.pathname"), "/ui/login");

    // A token that is taken back takes its sessions with it, also where a page is open.
    super::log_in(&tab, &ui);
    instance.write("token.toml", "");
    tab.wait("location.pathname === '/ui/login'");
    is_quiet(&tab);
}

#[test]
fn a_restore_is_proved_by_a_button() {
    let browser = browser_or_skip!();
    let instance = Instance::new(WEB);
    instance.source("www/a.txt", b"alpha");
    instance.ok(&["run", "web"]);
    open_up(&instance);
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let tab = logged_in(browser, &ui, &Looks::USUAL);
    tab.open(&format!("{ui}job?name=web"));
    tab.follow("form:has(input[value=drill]) button");
    assert_eq!(tab.eval("location.pathname"), "/ui/run", "{}", tab.text());
    tab.wait("document.querySelector('#run .tag').innerText.includes('success')");
    tab.open(&format!("{ui}job?name=web"));
    tab.wait("document.querySelector('#state dl').innerText.includes('proven')");
    is_quiet(&tab);
}

#[test]
fn a_recovery_is_ended_and_what_it_held_back_asks_for_approval() {
    let browser = browser_or_skip!();
    let instance = with_old_archives(8);
    sh("rm -r state", &instance.path("."));
    open_up(&instance);
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let tab = logged_in(browser, &ui, &Looks::USUAL);
    tab.open(&format!("{ui}plan"));
    tab.wait("document.querySelector('#plan .box.bad details') !== null");
    assert_eq!(tab.eval("document.querySelector('#plan section.warn')"), serde_json::Value::Null);
    tab.eval("document.querySelector('#plan .box.bad details').open = true");
    // Without the tick the browser does not send it.
    let is_enough = "document.querySelector('#plan .box.bad form').checkValidity()";
    assert_eq!(tab.eval(is_enough), false);
    tab.eval("document.querySelector('#plan .box.bad input[name=sure]').click()");
    tab.follow("#plan .box.bad form button");
    assert_eq!(tab.eval("location.pathname"), "/ui/plan", "{}", tab.text());
    tab.wait("document.querySelector('#plan .box.bad') === null");
    tab.wait("document.querySelectorAll('section.warn li').length === 6");
    assert_eq!(instance.tars().len(), 8, "nothing goes before somebody says so");
    is_quiet(&tab);
}

#[test]
fn a_foreign_archive_is_adopted_from_the_list() {
    let browser = browser_or_skip!();
    let instance = Instance::new(WEB);
    instance.source("www/a.txt", b"alpha");
    instance.ok(&["run", "web"]);
    sh("tar -cf archives/20250101-120000.tar www", &instance.path("."));
    open_up(&instance);
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let tab = logged_in(browser, &ui, &Looks::USUAL);
    tab.open(&format!("{ui}archives?condition=foreign"));
    tab.wait("document.querySelector('#archives').innerText.includes('20250101-120000')");
    tab.eval("document.querySelector('#archives details').open = true");
    tab.fill("#archives details select[name=job]", "web");
    tab.follow("#archives details form button");
    assert_eq!(tab.eval("location.pathname"), "/ui/run", "{}", tab.text());
    // It was packed with names of its own: what that means is told.
    tab.wait("document.querySelector('#run .tag').innerText.includes('warning')");
    tab.wait(
        "document.querySelector('#run').innerText.includes('restore 20250101-120000 --to DIR')",
    );
    tab.open(&format!("{ui}archives?job=web"));
    tab.wait("document.querySelectorAll('#archives tbody tr').length === 2");
    assert_eq!(instance.archives().len(), 2);
    is_quiet(&tab);
}
