//! Somebody who has a keyboard only.

use super::browser::{Looks, Tab, browser_or_skip};
use super::{TOKEN, is_quiet, open_up};
use crate::walk::instance::{Instance, sh};

/// Whether one sees where one is.
#[track_caller]
fn is_seen(tab: &Tab) {
    let seen = tab.eval(
        "(() => { const it = document.activeElement, style = getComputedStyle(it), box = it.getBoundingClientRect(); \
         return it !== document.body && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 \
           && box.width > 0 && box.height > 0 && box.left >= 0 && box.right <= innerWidth + 1; })()",
    );
    assert_eq!(seen, true, "{}", tab.eval("document.activeElement.outerHTML"));
}

#[test]
fn a_keyboard_is_enough_to_log_in_to_run_a_job_and_to_cancel_it() {
    let browser = browser_or_skip!();
    let instance = Instance::new(
        "[job.web]\ntype = \"custom_dir\"\nsource_path = \"../www\"\nlocation = \"slow\"\nenabled = false\n\
         [location.slow]\npath = \"../slow\"\nmin_free = \"1 MiB\"\ncompress = \"zstd:19\"\n",
    );
    instance.source("www/a.txt", b"a");
    sh("head -c 150000000 /dev/urandom > www/big.bin", &instance.path("."));
    open_up(&instance);
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let tab = browser.tab(&Looks { width: 360, ..Looks::USUAL });
    tab.has_the_keys();
    tab.open(&format!("{ui}overview"));
    tab.tab_to("input[name=token]");
    is_seen(&tab);
    tab.write(TOKEN);
    tab.enter();
    assert_eq!(tab.eval("location.pathname"), "/ui/overview", "{}", tab.text());

    // The first stop leads past the navigation, and can be seen.
    tab.press("Tab");
    assert_eq!(tab.eval("document.activeElement.className"), "skip");
    is_seen(&tab);
    tab.press("Enter");
    tab.wait("document.activeElement.id === 'main'");
    assert!(tab.tab_to("#jobs form button") < 12, "{}", tab.text());
    is_seen(&tab);
    tab.enter();
    assert_eq!(tab.eval("location.pathname"), "/ui/run", "{}", tab.text());
    tab.wait("document.querySelector('#run form button.danger') !== null && document.querySelector('progress') !== null");
    // The part of the page around it is fetched anew meanwhile: one does not lose one's place.
    tab.tab_to("#run form button.danger");
    is_seen(&tab);
    let moved = "document.querySelector('progress + div').innerText";
    let before = tab.eval(moved);
    tab.wait(&format!("{moved} !== {before}"));
    assert_eq!(tab.eval("document.activeElement.matches('#run form button.danger')"), true);
    tab.enter();
    tab.wait("document.querySelector('#run .tag').innerText.includes('cancelled')");
    is_quiet(&tab);
}

#[test]
fn every_stop_of_every_page_can_be_seen_and_none_is_a_trap() {
    let browser = browser_or_skip!();
    let instance = Instance::new("[job.web]\ntype = \"custom_dir\"\nsource_path = \"../www\"\n");
    instance.source("www/a.txt", b"a");
    instance.ok(&["run", "web"]);
    open_up(&instance);
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let tab = super::logged_in(browser, &ui, &Looks::USUAL);
    tab.has_the_keys();
    for page in [
        "overview",
        "jobs",
        "job?name=web",
        "archives",
        "runs",
        "plan",
        "configuration",
        "new-job",
        "new-job?change=web",
    ] {
        tab.open(&format!("{ui}{page}"));
        let mut stops = 0;
        loop {
            tab.press("Tab");
            // Behind the last one there is nothing, and then the first one again.
            let is_over = tab.eval("document.activeElement === document.body || (window.first ??= document.activeElement, window.turns = (window.turns ?? 0) + 1, window.turns > 1 && document.activeElement === window.first)");
            if is_over == true {
                break;
            }
            is_seen(&tab);
            stops += 1;
            assert!(stops < 200, "{page}: no way out");
        }
        assert!(stops > 8, "{page}: {stops} stops");
    }
    is_quiet(&tab);
}
