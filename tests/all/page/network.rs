//! The network in a real browser: two instances that reach each other over TLS, and what stands in
//! the place of a third.

use std::path::Path;

use serde_json::{Value, json};

use super::browser::{Browser, Looks, Tab, browser_or_skip};
use super::looking::{CANARY, axe, is_accessible, is_well_made};
use super::{TOKEN, is_quiet, log_in, token_table};
use crate::peers::http::{Body, Request};
use crate::peers::impostor::Impostor;
use crate::peers::member::{Member, hash_of, write_secret};
use crate::peers::sender::{Sender, archives_of};
use crate::peers::world::World;
use crate::walk::instance::sh;

/// A tab of somebody who has logged in at a member.
fn looking_at(browser: &'static Browser, member: &Member, looks: &Looks) -> (Tab, String) {
    member.write("token.toml", &token_table("boss", TOKEN, "admin"));
    let ui = format!("{}/ui/", member.url());
    let tab = browser.tab(looks);
    // Its certificate is one of the tests' own authority.
    tab.call("Security.setIgnoreCertificateErrors", json!({ "ignore": true }));
    log_in(&tab, &ui);
    (tab, ui)
}

/// What one instance shows of another in its network.
fn shown(of: &Member, name: &str) -> Value {
    let network = of.control_get("/api/v1/network");
    let members = network.as_array().unwrap();
    members.iter().find(|member| member["name"] == name).cloned().unwrap_or_default()
}

fn check(of: &Member, name: &str) {
    of.control(&Request::post(&format!("/api/v1/peers/{name}/check"), Body::Empty)).ok(200);
}

/// The names of the instances on the page, in their order.
fn order(tab: &Tab) -> Vec<String> {
    let names = tab.eval("[...document.querySelectorAll('.member h2')].map(it => it.innerText)");
    serde_json::from_value(names).unwrap()
}

fn picture(tab: &Tab, name: &str) {
    if std::env::var_os("LARDER_SCREENSHOTS").is_some_and(|value| value == "1") {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screenshots");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(format!("{name}.png")), tab.picture()).unwrap();
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, in its order")]
fn two_instances_see_each_others_jobs_and_what_is_overdue_comes_first_also_of_one_that_is_gone() {
    let browser = browser_or_skip!();
    let world = World::cold(&["jerry", "tom", "nas-01"]);
    let [jerry, tom, nas] = world.members() else { panic!() };
    // A host without a network, whose archives lie in a shared folder.
    nas.job("photos", "");
    nas.ok(&["run", "photos"]);
    jerry.job("web", "");
    jerry.ok(&["run", "web"]);
    sh(&format!("cp -a archives/nas-01_* {}/", jerry.path("archives").display()), &nas.path(""));
    jerry.write_as_is(
        "peers/mums-pi.toml",
        "[peer.mums-pi]\nkind = \"backup-channel\"\nhostname = \"nas-01\"\nlocation = \"main\"\n",
    );
    tom.job("db", "");
    tom.job("mail", "");
    jerry.start();
    tom.start();
    tom.settled();
    world.pair("jerry", "tom");
    jerry.wait("tom told of its jobs", || {
        check(jerry, "tom");
        shown(jerry, "tom")["jobs"].as_array().is_some_and(|jobs| jobs.len() == 2)
    });

    // It may have been asked for before the folder was looked at.
    jerry.wait("archives of the host are seen", || {
        check(jerry, "mums-pi");
        shown(jerry, "mums-pi")["status"] == "online"
    });

    let (tab, ui) = looking_at(browser, jerry, &Looks::USUAL);
    tab.open(&format!("{ui}network"));
    tab.eval("window.same = true");
    assert_eq!(order(&tab), ["jerry", "nas-01 (mums-pi)", "tom"], "{}", tab.text());
    let text = tab.text();
    for word in ["db", "mail", "protected", "success", "this instance", "Last heard of"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    // What runs there came to its page; our own jobs lead to theirs.
    let archive = tom.tars()[0].trim_end_matches(".tar").to_owned();
    assert!(text.contains(&archive), "{archive}: {text}");
    let links = "[...document.querySelectorAll('.member a')].map(a => a.outerHTML).join('\\n')";
    let links = tab.eval(links).as_str().unwrap().to_owned();
    assert!(links.contains("job?name=web") && !links.contains("job?name=db"), "{links}");
    assert!(
        links.contains(&format!("href=\"{}\" rel=\"noopener noreferrer\"", tom.url())),
        "{links}"
    );
    let no_late = "document.getElementById('late') === null";
    assert_eq!(tab.eval(no_late), true, "{text}");

    // A job there does not run in time any more: nobody loads the page again.
    tom.job("db", "[job.db.protect]\nmax_age = \"5s\"\n");
    tom.settled();
    jerry.wait("tom told of the new goal", || {
        check(jerry, "tom");
        shown(jerry, "tom")["jobs"][0]["max_age_s"] == 5
    });
    tab.wait("document.querySelector('.late li')?.innerText.includes('tom: db')");
    assert_eq!(order(&tab)[0], "tom", "{}", tab.text());
    let first = "document.querySelector('.member tbody th').innerText";
    assert!(tab.eval(first).as_str().unwrap().starts_with("db"), "{}", tab.text());
    assert!(
        tab.eval("document.querySelector('.member tbody tr').innerText")
            .as_str()
            .unwrap()
            .contains("overdue")
    );

    // It is gone: what it told stays, and says how old it is.
    tom.stop();
    check(jerry, "tom");
    tab.wait("document.querySelector('.member.away .aged') !== null");
    assert_eq!(tab.eval("window.same"), true, "the page was loaded again");
    let section = "document.querySelector('.member.away').innerText";
    let away = tab.eval(section).as_str().unwrap().to_owned();
    for word in [
        "tom",
        "not there",
        "As it was known",
        "It may have changed since",
        "db",
        "mail",
        "protected",
    ] {
        assert!(away.contains(word), "{word}: {away}");
    }
    let ages = away.matches("ago").count() + away.matches("just now").count();
    assert!(ages >= 4, "{away}");
    is_quiet(&tab);

    // Searched and narrowed on the server; what is shown is said.
    tab.fill("input[name=search]", "WEB");
    tab.follow("form.filter button");
    assert_eq!(order(&tab), ["jerry"]);
    assert!(tab.text().contains("1 of 3 instances · 1 of 3 jobs"), "{}", tab.text());
    tab.open(&format!("{ui}network?search=thumb"));
    assert!(tab.text().contains("0 of 3 instances · 0 of 3 jobs"), "{}", tab.text());
    tab.open(&format!("{ui}network?show=away"));
    assert_eq!(order(&tab), ["tom"]);
    tab.open(&format!("{ui}network?show=overdue"));
    assert_eq!(order(&tab), ["tom"]);
    assert!(!tab.eval(section).as_str().unwrap().contains("mail"), "{}", tab.text());

    // Everybody can read it.
    let axe = axe();
    let everybody = [
        ("network", Looks::USUAL),
        ("network-dark", Looks { is_dark: true, ..Looks::USUAL }),
        ("network-phone", Looks { width: 360, language: "fr", ..Looks::USUAL }),
    ];
    for (name, looks) in everybody {
        tab.look(&looks);
        tab.open(&format!("{ui}network"));
        is_well_made(&tab);
        if let Some(axe) = &axe {
            is_accessible(&tab, axe);
        }
        if looks.language == "fr" {
            let text = tab.text();
            for word in ["en retard", "Dernier contact", "absente", "Selon ce qu’on savait"] {
                assert!(text.contains(word), "{word}: {text}");
            }
        }
        picture(&tab, name);
    }
    tab.look(&Looks { has_script: false, ..Looks::USUAL });
    tab.open(&format!("{ui}network"));
    is_well_made(&tab);
    tab.look(&Looks::USUAL);

    // Where the host name would stand, its name here does as well.
    tab.open(&format!("{ui}archives?origin=mums-pi"));
    let listed = tab.eval("document.querySelector('#archives').innerText");
    let listed = listed.as_str().unwrap();
    assert!(listed.contains("mums-pi: photos") && !listed.contains("web"), "{listed}");
    tab.follow("#archives tbody th a");
    assert!(tab.text().contains("nas-01 (mums-pi)"), "{}", tab.text());
    is_quiet(&tab);
    let list = jerry.ok(&["archive", "list"]);
    assert!(list.contains("mums-pi: photos"), "{list}");
    let name = nas.tars()[0].trim_end_matches(".tar").to_owned();
    assert!(jerry.ok(&["archive", "show", &name]).contains("nas-01 (mums-pi)"));
    let places = jerry.ok(&["location", "list"]);
    assert!(places.contains("1 of nas-01 (mums-pi)"), "{places}");
    let own = shown(jerry, "jerry");
    let held = own["archives"].as_array().unwrap();
    let held = held.iter().find(|held| held["origin"] == "nas-01").unwrap();
    assert_eq!((&held["peer"], &held["own"]), (&"mums-pi".into(), &false.into()), "{own}");
    let dir = jerry.path("archives").display().to_string();
    let said = jerry.fails(2, &["recover", &dir, "--dry-run"]);
    assert!(said.contains("nas-01 (mums-pi)"), "{said}");
}

/// Says of itself what no instance would.
fn hostile() -> impl FnMut(&str, &[u8]) -> (u16, Vec<u8>) {
    |line, _| {
        let moment = "2020-01-01T00:00:00Z";
        let run = json!({ "id": 7, "job_id": CANARY, "status": "error", "started_at": moment,
            "finished_at": moment, "archive_name": CANARY, "size_bytes": 3 });
        let job = json!({ "name": format!("job {CANARY}"), "type": CANARY, "enabled": true,
            "verdict": "at_risk", "last_success": moment, "next_run": moment, "expected_by": moment,
            "last_run": run });
        let answer = match line {
            "GET /api/v1/health" => json!({ "status": CANARY, "instance": format!("host {CANARY}"),
                "version": format!("9 {CANARY}"), "api_min": 1, "api_max": 1, "at": CANARY }),
            "GET /api/v1/network" => json!([{
                "self": true, "name": format!("host {CANARY}"), "kind": CANARY, "url": "javascript:window.canary=1",
                "version": CANARY, "status": CANARY, "why": CANARY, "health": "degraded",
                "problems": [format!("problem {CANARY}")],
                "jobs": [job, { "name": "web", "type": "mysql", "enabled": true, "verdict": CANARY,
                    "last_run": { "id": 8, "status": CANARY } }],
                "archives": [{ "location": format!("place {CANARY}"), "origin": format!("maker {CANARY}"),
                    "peer": CANARY, "own": true, "count": 4, "size_bytes": 5 }],
                "archive_count": 4, "archive_bytes": 5, "last_run": run,
            }]),
            "GET /api/v1/archives" => json!([{
                "id": "0198c4f0-0000-7000-8000-000000000001", "name": format!("offered {CANARY}"),
                "origin": "tom", "job": "web", "location": "main", "created_at": moment,
                "file_size": 3, "good": true, "condition": "present",
            }]),
            _ => {
                let refusal = json!({ "type": "about:blank", "title": CANARY, "status": 422,
                    "detail": format!("refused {CANARY}"), "hint": CANARY });
                return (422, refusal.to_string().into_bytes());
            }
        };
        (200, answer.to_string().into_bytes())
    }
}

#[test]
fn whatever_a_peer_says_of_itself_or_of_an_archive_stays_text_on_every_page() {
    let browser = browser_or_skip!();
    let world = World::of(&["jerry", "eve"]);
    let [jerry, eve] = world.members() else { panic!() };
    let tom = Impostor::new(&world.authority, hostile());
    write_secret(&jerry.path("etc/secrets/tom"), "a token");
    jerry.write(
        "peers/tom.toml",
        &format!(
            "[peer.tom]\nkind = \"instance\"\nurl = \"{}\"\nca = \"../ca.pem\"\nfetch_from = [\"web\"]\n\
             token = {{ file = \"../secrets/tom\" }}\n[peer.tom.accept]\ntoken_hash = \"{}\"\n\
             location = \"received\"\nretention = {{ mode = \"count\", value = 7 }}\nscopes = []\n",
            tom.url(),
            hash_of("another token"),
        ),
    );
    jerry.job("web", "send_to = ['tom']");
    // What comes with an archive, by way of a token that is a good one.
    eve.job("web", "");
    eve.ok(&["run", "web"]);
    world.pair("jerry", "eve");
    let mut made = archives_of(eve).remove(0);
    made.info["outcome"] = "suspect".into();
    made.info["outcome_reasons"] = json!([format!("reason {CANARY}")]);
    made.info["refuted"] = format!("refuted {CANARY}").into();
    made.info["config_commit"] = CANARY.into();
    made.info["config_hash"] = CANARY.into();
    let token = eve.token_for("jerry");
    Sender { to: jerry, token: &token }.send(&made);
    let id = made.info["id"].as_str().unwrap().to_owned();

    let mut failed = None;
    jerry.wait("a copy was refused", || {
        let runs = jerry.runs();
        failed = runs.into_iter().find(|run| run["kind"] == "send" && run["status"] == "error");
        failed.is_some()
    });
    let failed = failed.unwrap()["id"].clone();
    jerry.wait("it told", || shown(jerry, "tom")["jobs"].is_array());
    let mut pages = vec![
        ("network".to_owned(), vec!["host ", "9 ", "problem ", "job ", "place ", "maker "]),
        ("network?instance=tom".to_owned(), vec!["job "]),
        ("network?search=%3Cimg&show=trouble".to_owned(), vec!["job "]),
        (format!("run?id={failed}"), vec!["refused "]),
        ("runs".to_owned(), vec!["refused "]),
        (format!("archive?id={id}&location=received%2Feve"), vec!["reason ", "refuted "]),
        ("overview".to_owned(), vec![]),
        ("archives".to_owned(), vec![]),
        ("job?name=web".to_owned(), vec![]),
        ("peers".to_owned(), vec![]),
        ("plan?days=2".to_owned(), vec![]),
        ("configuration".to_owned(), vec![]),
    ];
    let runs = jerry.runs();
    pages.extend(runs.iter().map(|run| (format!("run?id={}", run["id"]), vec![])));
    let (tab, ui) = looking_at(browser, jerry, &Looks::USUAL);
    for (page, words) in pages {
        tab.open(&format!("{ui}{page}"));
        is_well_made(&tab);
        let text = tab.text();
        for word in words {
            assert!(text.contains(&format!("{word}<img src=x")), "{page}: {word}: {text}");
        }
        let hrefs = "[...document.querySelectorAll('a[href]')].map(a => a.protocol)\
                     .filter(it => it !== 'https:')";
        assert_eq!(tab.eval(hrefs), json!([]), "{page}");
    }
}
