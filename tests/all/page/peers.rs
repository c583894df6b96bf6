//! The pages of peers, against real instances that reach each other.

use serde_json::{Value, json};

use super::browser::{Browser, Looks, Tab, browser_or_skip};
use super::looking::{axe, is_accessible, is_well_made};
use super::{TOKEN, is_quiet, log_in, token_table};
use crate::peers::impostor::Impostor;
use crate::peers::member::{Member, write_secret};
use crate::peers::world::World;

/// Markup in what somebody else says.
const CANARY: &str = "<img src=x onerror=\"window.canary=1\"><script>window.canary=1</script>";

/// An instance, and whether its page may edit peers.
fn edits(member: &Member, may: bool) {
    let base = std::fs::read_to_string(member.path("etc/base.toml")).unwrap();
    let base = base.replace("page_edits_peers = true\n", "");
    let keys = if may { "[instance]\npage_edits_peers = true\n" } else { "[instance]\n" };
    member.write("base.toml", &base.replacen("[instance]\n", keys, 1));
}

/// Where the page of an instance is.
fn ui(member: &Member) -> String {
    format!("{}/ui/", member.url())
}

/// Somebody who has logged in there, on the page of peers. The certificates of these instances are
/// from an authority that browsers do not know.
pub(super) fn visit(browser: &'static Browser, member: &Member, looks: &Looks) -> Tab {
    member.write("token.toml", &token_table("boss", TOKEN, "admin"));
    let tab = browser.tab(looks);
    tab.call("Security.setIgnoreCertificateErrors", json!({ "ignore": true }));
    log_in(&tab, &ui(member));
    tab.open(&format!("{}peers", ui(member)));
    tab
}

fn peers(member: &Member) -> Value {
    member.control_get("/api/v1/peers")
}

/// What a person reads of something.
#[track_caller]
pub(super) fn read(tab: &Tab, selector: &str) -> String {
    let text = tab.eval(&format!("document.querySelector({})?.innerText", Value::from(selector)));
    text.as_str().unwrap_or_else(|| panic!("{selector} is not there: {}", tab.text())).to_owned()
}

fn choose(tab: &Tab, kind: &str) {
    tab.eval(&format!("document.querySelector('[name=kind][value={kind}]').click()"));
}

/// Opens the form, fills it in and sends it.
#[track_caller]
fn add(tab: &Tab, member: &Member, kind: &str, fields: &[(&str, &str)]) {
    tab.open(&format!("{}add-peer", ui(member)));
    choose(tab, kind);
    for (name, value) in fields {
        tab.fill(&format!("[name=\"{name}\"]"), value);
    }
    tab.follow("form.peer button.main");
}

/// A field of the form, and what is filled in.
type Filled = (&'static str, &'static str);

const HOST: [Filled; 3] =
    [("ssh.host", "vps.example.org"), ("ssh.user", "backup"), ("ssh.path", "/srv/backup/jerry")];

/// A peer of each kind, as somebody fills it in, and what its table holds then.
fn of_every_kind() -> Vec<(&'static str, &'static str, Vec<Filled>, Value)> {
    let with = |more: &[Filled]| [&HOST[..], more].concat();
    vec![
        (
            "nas",
            "backup-channel",
            vec![("hostname", "nas.local"), ("location", "main")],
            json!({ "hostname": "nas.local", "location": "main" }),
        ),
        (
            "ann",
            "instance",
            vec![
                ("url", "https://ann.example.org/larder"),
                ("secret", "larder_what_ann_gave"),
                ("bandwidth", "5 MiB"),
            ],
            json!({ "url": "https://ann.example.org/larder", "token": { "file": "secrets/peer-ann" } }),
        ),
        (
            "vps",
            "direct-ssh-direct",
            with(&[("ssh.port", "2222")]),
            json!({ "ssh": { "host": "vps.example.org", "port": 2222, "path": "/srv/backup/jerry" } }),
        ),
        (
            "cabin",
            "direct-ssh-via-relay",
            with(&[("ssh.relay", "relay@relay.example.org:22")]),
            json!({ "ssh": { "relay": "relay@relay.example.org:22" } }),
        ),
    ]
}

/// Whether a table holds what is expected, and whatever else; paths by their end.
fn holds(table: &Value, expected: &Value) -> bool {
    match (table, expected) {
        (Value::Object(table), Value::Object(expected)) => expected
            .iter()
            .all(|(key, value)| table.get(key).is_some_and(|table| holds(table, value))),
        (Value::String(table), Value::String(expected)) => table.ends_with(expected.as_str()),
        (table, expected) => table == expected,
    }
}

#[test]
fn cards_tell_who_is_there_what_each_side_holds_and_what_a_check_found() {
    let browser = browser_or_skip!();
    let world = World::of(&["jerry", "tom"]);
    let [jerry, tom] = world.members() else { panic!() };
    world.pair("jerry", "tom");
    jerry.job("web", "send_to = ['tom']");
    tom.job("db", "send_to = ['jerry']");
    jerry.settled();
    tom.settled();
    jerry.control(&crate::peers::http::Request::post(
        "/api/v1/peers/tom/check",
        crate::peers::http::Body::Empty,
    ));
    let tab = visit(browser, jerry, &Looks::USUAL);
    let card = read(&tab, "#peer-tom");
    for words in ["online", "another instance", "1 archive,", "Next look", "received", "30d"] {
        assert!(card.contains(words), "{words}: {card}");
    }
    assert!(card.contains(&tom.address().to_string()), "its host name: {card}");
    assert_eq!(tab.eval("document.querySelectorAll('#peer-tom .box').length"), 0, "{card}");
    // Both ways, the archives can be looked at.
    let rows = "document.querySelectorAll('#archives tbody tr').length";
    tab.follow("#peer-tom a[href='archives?held_by=tom']");
    assert!(tab.eval(rows) == 1 && tab.text().contains("jerry_web_"), "{}", tab.text());
    tab.open(&format!("{}peers", ui(jerry)));
    tab.follow("#peer-tom a[href='archives?peer=tom']");
    assert!(tab.eval(rows) == 1 && tab.text().contains("tom_db_"), "{}", tab.text());

    tom.stop();
    tab.open(&format!("{}peers", ui(jerry)));
    tab.follow("#peer-tom form button");
    assert_eq!(tab.eval("location.pathname + location.search"), "/ui/peers?checked=tom");
    assert_eq!(tab.eval("document.querySelector('.card:target').id"), "peer-tom");
    let news = read(&tab, "#peer-tom [role=status]");
    assert!(news.contains("Checked") && news.contains("offline"), "{news}");
    let card = read(&tab, "#peer-tom");
    for words in ["It does not answer.", "What to do:", "switched on"] {
        assert!(card.contains(words), "{words}: {card}");
    }
    // It comes back by itself, and nobody loads the page.
    tab.eval("window.same = true");
    tom.start();
    tab.wait("document.querySelector('#peer-tom .tag').innerText.includes('online')");
    assert_eq!(tab.eval("window.same"), true);

    // A token that is worth nothing any more is told in plain words as well.
    tom.remove("jobs/db.toml");
    tom.remove("peers/jerry.toml");
    tab.follow("#peer-tom form button");
    let card = read(&tab, "#peer-tom");
    for words in ["error", "refuses us", "401", "pair anew"] {
        assert!(card.contains(words), "{words}: {card}");
    }
    is_quiet(&tab);
}

#[test]
fn a_peer_of_every_kind_is_written_and_removed_where_the_page_edits_peers() {
    let browser = browser_or_skip!();
    let world = World::of(&["jerry"]);
    let jerry = world.instance("jerry");
    edits(jerry, true);
    let tab = visit(browser, jerry, &Looks::USUAL);
    assert!(tab.text().contains("There are no peers yet"), "{}", tab.text());
    for (name, kind, fields, expected) in of_every_kind() {
        let fields = [&[("name", name)], &fields[..]].concat();
        add(&tab, jerry, kind, &fields);
        assert_eq!(tab.eval("location.pathname"), "/ui/peers", "{}", tab.text());
        assert!(read(&tab, &format!("#peer-{name} [role=status]")).contains("Added"));
        assert!(jerry.path(&format!("etc/peers/{name}.toml")).exists());
        let peers = peers(jerry);
        let peer = peers.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
        assert_eq!(peer["kind"], kind);
        assert!(holds(&peer["config"], &expected), "{peer:#}");
    }
    let secret = std::fs::read_to_string(jerry.path("etc/secrets/peer-ann")).unwrap();
    assert_eq!(secret, "larder_what_ann_gave\n");
    jerry.ok(&["check"]);
    is_quiet(&tab);

    // What something sends to stays, and it is said what.
    jerry.job("web", "enabled = false\nsend_to = ['ann']");
    tab.open(&format!("{}remove-peer?name=ann", ui(jerry)));
    assert!(tab.text().contains("job `web` sends to it (jobs/web.toml:1:"), "{}", tab.text());
    assert_eq!(tab.eval("document.querySelector('main form')"), Value::Null);
    jerry.remove("jobs/web.toml");
    for (name, ..) in of_every_kind() {
        tab.open(&format!("{}peers", ui(jerry)));
        tab.follow(&format!("#peer-{name} a.danger"));
        assert!(tab.text().contains(&format!("peers/{name}.toml")), "{}", tab.text());
        let is_enough = "document.querySelector('input[name=sure]').form.checkValidity()";
        assert_eq!(tab.eval(is_enough), false);
        tab.eval("document.querySelector('input[name=sure]').click()");
        tab.follow("main form button.danger");
        assert_eq!(tab.eval("location.pathname"), "/ui/peers", "{}", tab.text());
        assert!(read(&tab, "main > [role=status]").contains(name));
        assert!(!jerry.path(&format!("etc/peers/{name}.toml")).exists());
    }
    assert!(!jerry.path("etc/secrets/peer-ann").exists());
    assert_eq!(peers(jerry), json!([]));
    is_quiet(&tab);
}

#[test]
fn elsewhere_the_page_shows_what_to_commit_and_which_lines_to_take_out() {
    let browser = browser_or_skip!();
    let world = World::of(&["jerry"]);
    let jerry = world.instance("jerry");
    let tab = visit(browser, jerry, &Looks::USUAL);
    for (name, kind, fields, expected) in of_every_kind() {
        let fields = [&[("name", name)], &fields[..]].concat();
        add(&tab, jerry, kind, &fields);
        let file = read(&tab, "#main figure figcaption");
        assert_eq!(file, format!("peers/{name}.toml"));
        assert!(!jerry.path("etc").join(&file).exists(), "nothing is written");
        // What was filled in is still there, but for a token.
        assert_eq!(tab.eval("document.querySelector('[name=name]').value"), name);
        assert_eq!(tab.eval("document.querySelector('[name=secret]').value"), "");
        assert!(
            !tab.eval("document.documentElement.outerHTML").to_string().contains("larder_what")
        );
        if name == "ann" {
            assert!(read(&tab, "section.good").contains("secrets/peer-ann"));
            write_secret(&jerry.path("etc/secrets/peer-ann"), "larder_what_ann_gave\n");
        }
        jerry.write(&file, &read(&tab, "#main figure pre"));
        jerry.ok(&["check"]);
        let peers = peers(jerry);
        let peer = peers.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
        assert!(holds(&peer["config"], &expected), "{peer:#}");
    }
    // One that stands among others, written by somebody.
    jerry.write("all.toml", "# mine\n[token.x]\nhash = \"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"\nscopes = [\"status\"]\n\n[peer.old]\nkind = \"backup-channel\"\nhostname = \"old\"\n");
    tab.open(&format!("{}peers", ui(jerry)));
    tab.follow("#peer-old a.danger");
    assert!(tab.text().contains("Take these lines out of all.toml:6-8"), "{}", tab.text());
    assert_eq!(
        read(&tab, "#main figure pre").trim(),
        "[peer.old]\nkind = \"backup-channel\"\nhostname = \"old\""
    );
    tab.open(&format!("{}remove-peer?name=nas", ui(jerry)));
    assert!(tab.text().contains("Remove the file peers/nas.toml"), "{}", tab.text());
    // Also where the page edits, what somebody else wrote is not touched.
    edits(jerry, true);
    tab.open(&format!("{}remove-peer?name=old", ui(jerry)));
    assert!(tab.text().contains("all.toml:6-8"), "{}", tab.text());
    assert_eq!(tab.eval("document.querySelector('main form')"), Value::Null);
    is_quiet(&tab);
}

#[test]
fn mistakes_are_told_at_their_field_and_what_was_filled_in_stays() {
    let browser = browser_or_skip!();
    let world = World::of(&["jerry"]);
    let jerry = world.instance("jerry");
    edits(jerry, true);
    jerry.write("nas.toml", "[peer.nas]\nkind = \"backup-channel\"\nhostname = \"nas\"\n");
    let tab = visit(browser, jerry, &Looks::USUAL);
    let wrong = |field: &str| {
        let id = field.replace('.', "-");
        let marked = tab.eval(&format!(
            "document.getElementById('f-{id}').getAttribute('aria-describedby').split(' ')\
             .map(id => document.getElementById(id).innerText).join(' ')"
        ));
        let invalid =
            tab.eval(&format!("document.getElementById('f-{id}').getAttribute('aria-invalid')"));
        assert_eq!(invalid, "true", "{field}: {}", tab.text());
        marked.as_str().unwrap().to_owned()
    };
    let cases: &[(&str, &[Filled], &str, &str)] = &[
        ("backup-channel", &[("name", "a b"), ("hostname", "x")], "name", "for instance"),
        ("backup-channel", &[("name", "nas"), ("hostname", "x")], "name", "already"),
        ("backup-channel", &[("name", "main"), ("hostname", "x")], "name", "location already"),
        ("backup-channel", &[("name", "b"), ("hostname", "")], "hostname", "is needed"),
        (
            "direct-ssh-direct",
            &[("name", "b"), ("ssh.host", "h"), ("ssh.user", "u")],
            "ssh.path",
            "is needed",
        ),
        (
            "direct-ssh-via-relay",
            &[("name", "b"), HOST[0], HOST[1], HOST[2]],
            "ssh.relay",
            "is needed",
        ),
        (
            "direct-ssh-direct",
            &[("name", "b"), HOST[1], HOST[2], ("ssh.host", "-oProxyCommand=x")],
            "ssh.host",
            "cannot be used",
        ),
        (
            "direct-ssh-direct",
            &[("name", "b"), HOST[0], HOST[1], HOST[2], ("ssh.port", "many")],
            "ssh.port",
            "number",
        ),
        ("instance", &[("name", "b"), ("url", "http://b.example.org")], "url", "https://"),
        (
            "instance",
            &[("name", "b"), ("url", "https://b.example.org"), ("pin", "12")],
            "pin",
            "SHA-256",
        ),
        ("instance", &[("name", "b"), ("secret", "a token")], "secret", "no token"),
        (
            "instance",
            &[("name", "b"), ("accept.location", "received")],
            "accept.token_hash",
            "is needed",
        ),
        ("instance", &[("name", "b"), ("bandwidth", CANARY)], "bandwidth", "<img"),
    ];
    for (kind, fields, field, words) in cases {
        add(&tab, jerry, kind, fields);
        assert_eq!(tab.eval("location.pathname"), "/ui/add-peer", "{kind} {fields:?}");
        let said = wrong(field);
        assert!(said.contains(words), "{field}: {said}");
        assert!(read(&tab, "[role=alert]").contains("not added"));
        let way = format!("[role=alert] a[href='#f-{}']", field.replace('.', "-"));
        read(&tab, &way);
        for (name, value) in *fields {
            let kept = tab.eval(&format!("document.querySelector('[name=\"{name}\"]').value"));
            assert_eq!(kept, if *name == "secret" { "" } else { value }, "{kind} {name}");
        }
        let chosen = tab.eval("document.querySelector('[name=kind]:checked').value");
        assert_eq!(chosen, *kind);
        // Where it is folded, it is open.
        let seen =
            format!("document.getElementById('f-{}').checkVisibility()", field.replace('.', "-"));
        assert_eq!(tab.eval(&seen), true, "{field}");
    }
    assert_eq!(tab.eval("window.canary === undefined"), true);
    assert_eq!(peers(jerry).as_array().unwrap().len(), 1);
    assert!(!jerry.path("etc/peers").exists() && !jerry.path("etc/secrets").exists());
    is_quiet(&tab);
}

#[test]
fn what_this_host_cannot_do_is_offered_and_disabled_with_the_reason() {
    let browser = browser_or_skip!();
    let world = World::cold(&["jerry"]);
    let jerry = world.instance("jerry");
    let base = std::fs::read_to_string(jerry.path("etc/base.toml")).unwrap();
    // A host without SSH, and without any place for archives.
    jerry.run_by(vec!["env".to_owned(), "PATH=/nowhere".to_owned()]);
    jerry.write_as_is("base.toml", base.split("[defaults]").next().unwrap());
    jerry.write_as_is("token.toml", &token_table("boss", TOKEN, "admin"));
    jerry.start();
    let tab = visit(browser, jerry, &Looks::USUAL);
    tab.open(&format!("{}add-peer", ui(jerry)));
    let state = |kind: &str| {
        let disabled = tab.eval(&format!("document.querySelector('[value={kind}]').disabled"));
        (disabled.as_bool().unwrap(), read(&tab, &format!("#kind-{kind}")))
    };
    let ssh = "the programs are not on this host: `ssh`, `rsync`";
    let reasons = [
        ("instance", None),
        ("backup-channel", Some("no location is configured")),
        ("direct-ssh-direct", Some(ssh)),
        ("direct-ssh-via-relay", Some(ssh)),
    ];
    for (kind, reason) in reasons {
        let (is_disabled, said) = state(kind);
        assert_eq!(is_disabled, reason.is_some(), "{kind}: {said}");
        assert!(reason.is_none_or(|reason| said.contains(reason)), "{kind}: {said}");
        assert_eq!(said.contains("Not on this host"), is_disabled, "{kind}: {said}");
    }
    // Whoever asks all the same is told so as well.
    let refused = jerry.control(&crate::peers::http::Request::post(
        "/api/v1/peers",
        crate::peers::http::Body::Json(&json!({ "name": "vps", "kind": "direct-ssh-direct",
            "config": { "ssh": { "host": "h", "user": "u", "path": "/p" } } })),
    ));
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("`rsync`"), "{}", refused.text());
    is_quiet(&tab);
    drop(tab);

    jerry.stop();
    jerry.run_by(Vec::new());
    jerry.write_as_is("base.toml", &base);
    jerry.start();
    let tab = visit(browser, jerry, &Looks::USUAL);
    tab.open(&format!("{}add-peer", ui(jerry)));
    assert_eq!(tab.eval("document.querySelectorAll('[name=kind]').length"), 4);
    assert_eq!(tab.eval("document.querySelectorAll('[name=kind]:disabled').length"), 0);
    // What belongs to another kind is out of the way.
    let shown = "[...document.querySelectorAll('.field > input')].filter(it => it.checkVisibility()).map(it => it.name)";
    choose(&tab, "backup-channel");
    assert_eq!(tab.eval(shown), json!(["name", "hostname"]));
    choose(&tab, "direct-ssh-via-relay");
    assert!(tab.eval(shown).as_array().unwrap().contains(&"ssh.relay".into()));
}

#[test]
fn what_a_hostile_peer_says_stays_text() {
    let browser = browser_or_skip!();
    let world = World::of(&["jerry"]);
    let jerry = world.instance("jerry");
    let health = json!({ "status": CANARY, "instance": "tom", "version": CANARY,
                         "api_min": 1, "api_max": 1 });
    let itself = json!([{ "self": true, "name": CANARY, "version": CANARY, "status": CANARY,
                          "problems": [CANARY], "jobs": [{ "name": CANARY, "type": CANARY,
                          "enabled": true }] }]);
    let talkative = Impostor::telling(
        &world.authority,
        vec![
            ("GET /api/v1/health", health),
            ("GET /api/v1/archives", json!([])),
            ("GET /api/v1/network", itself),
        ],
    );
    let rude = Impostor::new(&world.authority, |_, _| {
        let problem = json!({ "type": CANARY, "title": CANARY, "status": 403, "detail": CANARY,
                              "hint": CANARY });
        (403, problem.to_string().into_bytes())
    });
    write_secret(&jerry.path("etc/secrets/tom"), "a token");
    for (name, url) in [("tom", talkative.url()), ("eve", rude.url())] {
        jerry.write(
            &format!("peers/{name}.toml"),
            &format!(
                "[peer.{name}]\nkind = \"instance\"\nurl = \"{url}\"\nca = \"../ca.pem\"\n\
                 token = {{ file = \"../secrets/tom\" }}\n"
            ),
        );
    }
    // Somebody comes with a code, and says what it likes of its keys.
    let code = jerry.ok(&["peer", "invite", "--no-wait", "ann"]);
    let code = larder::model::pairing::Code::decode(code.trim()).unwrap();
    let offer = json!({ "secret": code.secret.hex(), "instance": "ann", "ssh_keys": [CANARY] });
    let request = crate::peers::http::Request::post(
        "/api/v1/pairing",
        crate::peers::http::Body::Json(&offer),
    );
    jerry.ask(&request).ok(200);
    jerry.wait("both were asked", || {
        let peers = peers(jerry);
        let status = |name: &str| {
            let peers = peers.as_array().unwrap();
            peers.iter().find(|one| one["name"] == name).unwrap()["status"].clone()
        };
        status("tom") == "online" && status("eve") == "error"
    });
    let axe = axe();
    let tab = visit(browser, jerry, &Looks::USUAL);
    let everybody = [
        Looks::USUAL,
        Looks { is_dark: true, ..Looks::USUAL },
        Looks { width: 360, language: "fr", ..Looks::USUAL },
        Looks { has_script: false, ..Looks::USUAL },
    ];
    for looks in everybody {
        tab.look(&looks);
        for page in
            ["peers?checked=%3Cimg&added=%3Cimg&removed=%3Cimg%20src=x%3E", "peers?removed=bob"]
        {
            tab.open(&format!("{}{page}", ui(jerry)));
            tab.eval("document.querySelectorAll('details').forEach(it => it.open = true)");
            is_well_made(&tab);
            if let Some(axe) = axe.as_ref().filter(|_| looks.has_script) {
                is_accessible(&tab, axe);
            }
        }
        let text = tab.text();
        assert!(text.matches("<img src=x onerror").count() >= 4, "{text}");
        if looks.language == "fr" {
            for words in ["Pairs", "en ligne", "erreur", "Prochaine vérification", "autre instance"]
            {
                assert!(text.contains(words), "{words}: {text}");
            }
        }
    }
}

#[test]
fn an_instance_is_invited_comes_and_another_invitation_is_withdrawn() {
    let browser = browser_or_skip!();
    let world = World::of(&["jerry", "tom"]);
    let [jerry, tom] = world.members() else { panic!() };
    edits(jerry, true);
    let tab = visit(browser, jerry, &Looks::USUAL);
    let invite = |name: &str, fields: &[(&str, &str)]| {
        tab.open(&format!("{}peers", ui(jerry)));
        tab.follow("main a[href=invite]");
        tab.fill("[name=name]", name);
        for (field, value) in fields {
            tab.fill(&format!("[name={field}]"), value);
        }
        tab.follow("form.peer button.main");
    };
    invite("tom", &[("ttl", "3600"), ("quota", "1 GiB"), ("location", "received")]);
    let code = read(&tab, "pre.copy");
    assert!(code.starts_with("larder1."), "{}", tab.text());
    tab.follow("main a[href='peers#invitations']");
    assert!(
        read(&tab, "#invitations").contains("tom") && read(&tab, "#invitations").contains("open")
    );
    assert!(!tab.text().contains(&code), "it is shown once");
    tab.eval("window.same = true");
    tom.ok(&["peer", "accept", &code, "--write"]);
    tab.wait("document.querySelector('#invitations').innerText.includes('Its file is written')");
    tab.wait("document.querySelector('#peer-tom') !== null");
    assert_eq!(tab.eval("window.same"), true);
    assert!(read(&tab, "#peer-tom").contains("1.0\u{a0}GiB"));
    tab.follow("#invitations form button");
    assert_eq!(tab.eval("document.querySelector('#invitations').innerText.trim()"), "");

    // A mistake keeps what was filled in.
    invite("a b", &[("quota", "7 GiB")]);
    assert!(read(&tab, "[role=alert]").contains("No code was made"));
    assert_eq!(tab.eval("document.querySelector('[name=quota]').value"), "7 GiB");
    assert_eq!(tab.eval("document.querySelector('#f-name').getAttribute('aria-invalid')"), "true");
    invite("tom", &[]);
    assert!(read(&tab, "[role=alert]").contains("there is a peer `tom` already"));

    // Nobody came, and nobody can any more.
    invite("ann", &[]);
    let code = read(&tab, "pre.copy");
    tab.open(&format!("{}peers", ui(jerry)));
    tab.follow("#invitations form button");
    assert_eq!(jerry.control_get("/api/v1/invitations"), json!([]));
    assert!(tom.fails(1, &["peer", "accept", &code, "--as", "again"]).contains("401"));
    // Without the right to write, what to commit is shown when somebody came.
    edits(jerry, false);
    invite("ann", &[]);
    let code = read(&tab, "pre.copy");
    tom.ok(&["peer", "accept", &code, "--as", "again"]);
    tab.open(&format!("{}peers", ui(jerry)));
    let toml = tab.eval("document.querySelector('#invitations figure pre').textContent");
    assert!(toml.as_str().unwrap().contains("[peer.ann.accept]"), "{toml}");
    is_quiet(&tab);
}
