//! Tests that need what is not public: above all, that what is refused for now is understood.

use std::path::Path;

use super::*;
use crate::model::desired::Event;
use crate::model::job::JobSource;
use crate::model::peer::PeerKind;
use crate::model::token::Scope;

/// One configuration that has every kind of object, job and peer.
const EVERYTHING: &str = r#"
[instance]
name = "jerry"
url = "https://jerry.example.org/larder"
timezone = "Europe/Paris"
listen = ["127.0.0.1:8470", "[::1]:8470", "unix:/run/larder/web.sock"]
tls = { cert = "/etc/ssl/crt.pem", key = "key.pem" }
formerly = ["ben"]
page_edits_peers = true
page = { user_header = "YNH_USER", users = ["alice", "bob"] }

[recovery]
recipients = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]

[defaults]
schedule = "0 2 * * *"
retention = "standard"
location = "main"

[retention.standard]
mode = "gfs"
daily = 7
weekly = 4
monthly = 3

[location.main]
path = "/home/yunohost.backup/archives"
compress = "none"
encrypt_to = []

[location.usb]
path = "/media/usb/larder"
removable = true
compress = "zstd:19"
encrypt_to = ["age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg"]
identity = { credential = "identity" }

[location.received]
path = "../received"

[job.hermes-agent]
type = "custom_dir"
source_path = "/opt/hermes-agent"
excludes = ["cache/", "logs/", "*.tmp"]
schedule = "0 3 * * *"
retention = { mode = "count", value = 7 }
send_to = ["tom", "usb"]
before = [["systemctl", "stop", "hermes-agent"]]
after = ["systemctl start hermes-agent"]
protect = { max_age = "auto", copies = 2, offsite = 1, proven = "30d" }
drill = { schedule = "0 5 1 * *" }

[job.hermes-agent.restore]
system_user = { name = "hermes-agent", home = "/opt/hermes-agent", shell = "/bin/false" }
systemd_service = { name = "hermes-agent", service_file = "/opt/hermes-agent/hermes-agent.service" }
permissions = { owner = "hermes-agent:hermes-agent", mode = "750" }
firewall_ports = [{ port = 8080, protocol = "tcp" }]
post_restore_commands = ["systemctl restart hermes-agent"]

[job.db]
type = "mysql"
database = "mabase"
user = "mabase_user"
password = { file = "/etc/larder/secrets/mabase" }
timeout = "90 min"
[[job.db.send_to]]
to = "tom"
via = "rsync"
encrypt_to = ["age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg"]
[[job.db.send_to]]
to = "usb"
retention = "standard"

[job.pg]
type = "postgresql"
database = "*"
except = ["template1"]
socket = "/run/postgresql"
password = { command = ["pass", "pg"] }
drill = { schedule = "0 5 1 * *", assert = ["SELECT true"] }

[job.apps]
type = "ynh_app"
app_id = "*"
except = ["my_webapp"]
catch_up = "next"

[job.system]
type = "ynh_system"
parts = ["conf_ssh"]

[job.old]
type = "custom_dir"
source_path = "/opt/old"
state = "absent"
archives = "expire"
formerly = ["older"]

[peer.tom]
kind = "instance"
url = "https://tom.example.org/larder"
token = { env = "TOM_TOKEN" }
ssh = { host = "tom.example.org", user = "larder", known_hosts = "tom ssh-ed25519 AAAA" }
bandwidth = "5 MiB"
fetch_from = ["web"]
[peer.tom.accept]
token_hash = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
location = "received"
quota = "200 GB"
retention = "standard"

[peer.nas]
kind = "backup-channel"
hostname = "nas"
location = "main"

[peer.vps]
kind = "direct-ssh-direct"
ssh = { host = "vps.example.org", user = "backup", path = "/srv/backup/jerry", identity = "id" }
prune = true

[peer.cabin]
kind = "direct-ssh-via-relay"
ssh = { host = "cabin.internal", user = "backup", path = "/srv/jerry", relay = "relay@relay.example.org:22" }

[token.grafana]
hash = "$2b$12$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzABCDC"
scopes = ["status"]

[notify.ops]
url = { file = "/etc/larder/secrets/hook" }
on = ["failure", "recovery", "overdue", "blocked"]
[notify.alive]
ping_url = { file = "secrets/ping" }
[notify.mail]
mail_to = "admin@example.org"
"#;

fn understood(text: &str) -> Desired {
    let files = Files::default().with("jobs/all.toml", text);
    let parsed = parse(&files, Path::new("/etc/larder"));
    let shown = render(&parsed.diagnostics, false);
    let Some(desired) = parsed.desired else { panic!("{shown}") };
    assert_eq!(shown, "");
    desired
}

#[test]
fn every_kind_of_object_is_understood() {
    let desired = understood(EVERYTHING);
    assert_eq!(desired.jobs.values().filter(|job| !job.is_built_in()).count(), 6);
    assert_eq!(desired.peers.len(), 4);
    let offsite = desired.peers.values().filter(|peer| peer.offsite);
    let offsite: Vec<&str> = offsite.map(|peer| peer.name.as_str()).collect();
    assert_eq!(offsite, ["cabin", "tom", "vps"], "what only names a host keeps nothing of ours");
    let location = |name: &str| &desired.locations[&name.parse().unwrap()];
    assert_eq!(location("received").path, Path::new("/etc/larder/received"));
    assert!(location("main").encrypt_to.is_empty(), "recovery alone encrypts nothing");
    assert_eq!(location("usb").encrypt_to.len(), 2, "recovery opens what is encrypted");
    let job = |name: &str| &desired.jobs[&name.parse().unwrap()];
    assert_eq!(job("db").label.as_str(), "mysql_mabase");
    assert_eq!(job("pg").label.as_str(), "pg");
    assert_eq!(job("system").label.as_str(), "system");
    assert_eq!(job("db").send_to[0].encrypt_to.len(), 2);
    assert!(matches!(&job("apps").source, JobSource::YnhApp { app_id, .. } if app_id == "*"));
    let vps = &desired.peers[&"vps".parse().unwrap()];
    assert!(matches!(&vps.kind, PeerKind::SshDirect(ssh) if ssh.port == 22));
    let tls = desired.instance.tls.unwrap();
    assert_eq!(tls.key, Path::new("/etc/larder/jobs/key.pem"));
}

#[test]
fn what_is_shown_reads_back_as_the_same() {
    let desired = understood(EVERYTHING);
    let shown = show::toml(&desired);
    let again = understood(&shown);
    assert_eq!(show::toml(&again).replace(|c: char| c.is_ascii_digit(), "").len(), {
        shown.replace(|c: char| c.is_ascii_digit(), "").len()
    });
    assert_eq!(without_places(&desired), without_places(&again), "{shown}");
}

fn without_places(desired: &Desired) -> Desired {
    let mut desired = desired.clone();
    let nowhere = crate::model::desired::Place::default();
    desired.hash.clear();
    desired.jobs.values_mut().for_each(|job| job.place = nowhere.clone());
    desired.locations.values_mut().for_each(|location| location.place = nowhere.clone());
    desired.peers.values_mut().for_each(|peer| peer.place = nowhere.clone());
    desired.tokens.values_mut().for_each(|token| token.place = nowhere.clone());
    desired.notify.values_mut().for_each(|notify| notify.place = nowhere.clone());
    desired
}

/// Each default and each example, as if somebody had written it.
#[test]
fn every_default_and_every_example_is_what_its_key_takes() {
    let mut checked = 0;
    for kind in keys::Kind::ALL {
        checked += check_examples(kind.table());
    }
    assert!(checked > 100, "{checked}");
}

fn check_examples(table: &'static keys::Table) -> usize {
    let mut checked = 0;
    for key in table.keys {
        let default = match key.need {
            keys::Need::Default(text) => Some(text),
            keys::Need::Required | keys::Need::Optional(_) => None,
        };
        for text in default.into_iter().chain([key.example]) {
            let (entries, errors) = tree::parse(&format!("x = {text}"));
            assert_eq!(errors, [], "{} {text}", key.name);
            assert!(fits(&entries[0].node, &key.form), "{}: {} = {text}", table.title, key.name);
            checked += 1;
        }
        let below = key.form.below();
        checked += below.map_or(0, check_examples);
    }
    checked
}

fn fits(node: &tree::Node, form: &keys::Form) -> bool {
    use keys::Form;
    use tree::Value;
    match (form, &node.value) {
        (Form::Bool, value) => matches!(value, Value::Bool(_)),
        (Form::Integer(least, most), Value::Integer(n)) => (least..=most).contains(&n),
        (Form::Word(words), Value::Text { text, .. }) => words.contains(&text.as_str()),
        (Form::List(item), Value::Array(items)) => items.iter().all(|node| fits(node, item)),
        (Form::Table(table) | Form::NameOr(table), Value::Table(entries)) => entries
            .iter()
            .all(|entry| table.key(&entry.key).is_some_and(|key| fits(&entry.node, &key.form))),
        (Form::Secret, value) => matches!(value, Value::Table(_)),
        (Form::Command, value) => matches!(value, Value::Array(_) | Value::Text { .. }),
        (Form::Integer(..) | Form::List(_) | Form::Table(_), _) => false,
        (_, value) => matches!(value, Value::Text { .. }),
    }
}

/// The documentation tells them in an order of its own, which must not lose one.
#[test]
fn each_scope_and_each_event_can_be_written() {
    let words = |kind: keys::Kind, key: &str| {
        let keys::Form::List(keys::Form::Word(words)) = kind.table().key(key).unwrap().form else {
            panic!("`{key}` is no list of words")
        };
        words.iter().copied().collect::<BTreeSet<_>>()
    };
    assert_eq!(words(keys::Kind::Token, "scopes"), BTreeSet::from(Scope::WORDS));
    assert_eq!(words(keys::Kind::Notify, "on"), BTreeSet::from(Event::WORDS));
}

/// No key takes a date: one that does not complain about it is described and not read.
#[test]
fn every_key_that_is_described_is_read() {
    let mut checked = 0;
    for kind in keys::Kind::ALL {
        let table = kind.table();
        let header = if kind.is_single() {
            format!("[{}]\n", kind.word())
        } else {
            format!("[{}.x]\n", kind.word())
        };
        for key in table.keys {
            let variants = if key.only.is_empty() { table.variants() } else { key.only };
            let switch = match (table.switch, variants.first()) {
                (Some(switch), Some(variant)) if switch != key.name => {
                    format!("{switch} = \"{variant}\"\n")
                }
                _ => String::new(),
            };
            checked += complains(&format!("{header}{switch}"), key, key.name);
        }
    }
    assert!(checked > 100, "{checked}");
}

/// Checks one key and those below it, each as a dotted key behind `before`.
fn complains(before: &str, key: &'static keys::Key, path: &str) -> usize {
    let text = format!("{before}{path} = 1979-05-27\n");
    let line = text.lines().count();
    let files = Files::default().with("a.toml", text.as_str());
    let parsed = parse(&files, Path::new("/etc/larder"));
    let mut told = parsed.diagnostics.iter().filter(|d| d.line as usize == line);
    let is_read = told.any(|d| d.is_error() && d.message.contains("a date"));
    assert!(is_read, "nobody reads `{path}` in\n{text}");
    let Some(table) = key.form.below() else { return 1 };
    let below = table.keys.iter().map(|below| match key.form {
        keys::Form::Table(_) => complains(before, below, &format!("{path}.{}", below.name)),
        _ => complains_in_list(before, path, below.name),
    });
    1 + below.sum::<usize>()
}

fn complains_in_list(before: &str, path: &str, name: &str) -> usize {
    let text = format!("{before}{path} = [\n{{ {name} = 1979-05-27 }}\n]\n");
    let line = text.lines().count() - 1;
    let files = Files::default().with("a.toml", text.as_str());
    let parsed = parse(&files, Path::new("/etc/larder"));
    let told =
        parsed.diagnostics.iter().any(|d| d.line as usize == line && d.message.contains("a date"));
    assert!(told, "nobody reads `{name}` of `{path}`");
    1
}

#[test]
fn this_host_is_compared_with_what_is_wanted() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("open-secret");
    std::fs::write(&secret, "x").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    let text = r#"
[instance]
name = "jerry"
timezone = "UTC"
state_dir = "DIR/state"
publish_dir = "DIR/public"
[defaults]
schedule = "0 2 * * *"
retention = { mode = "count", value = 7 }
location = "main"
[location.main]
path = "DIR/open-secret/archives"
[location.usb]
path = "/proc/version/usb"
removable = true
[job.web]
type = "custom_dir"
source_path = "DIR/none"
before = [["no-such-program-anywhere"], ["sh", "-c", "true"]]
[job.off]
type = "custom_dir"
source_path = "DIR/none"
enabled = false
[job.db]
type = "mysql"
database = "shop"
password = { file = "DIR/open-secret" }
before = ["true"]
"#;
    let desired = understood(&text.replace("DIR", &dir.path().display().to_string()));
    let found = check_live(&desired);
    let told: Vec<String> = found
        .iter()
        .filter(|d| !d.message.contains("mariadb-dump"))
        .map(|d| {
            let message = d.message.replace(&dir.path().display().to_string(), "DIR");
            format!("{} {}:{} {message}", d.severity.word(), d.file, d.line)
        })
        .collect();
    // Only root must not use a secret that others can read.
    let told = told.join("\n").replace("error jobs/all.toml:24", "warning jobs/all.toml:24");
    insta::assert_snapshot!(told, @r"
    error jobs/all.toml:11 `DIR/open-secret` is not a directory
    warning jobs/all.toml:13 `/proc/version` is not a directory
    error jobs/all.toml:16 the program `no-such-program-anywhere` is not there
    error jobs/all.toml:16 the source `DIR/none` does not exist
    warning jobs/all.toml:24 the secret `DIR/open-secret` has mode 644: others can read or write it
    ");
}

#[test]
fn diagnostics_as_json_have_the_promised_keys() {
    let files = Files::default().with("a.toml", "[job.a]\ncolor = 1\ntype = 'custom_dir'\n");
    let parsed = parse(&files, Path::new("/etc/larder"));
    let first = &to_json(&parsed.diagnostics)[0];
    insta::assert_snapshot!(first, @r#"{"column":6,"file":"a.toml","hint":"write `location = \"main\"` here or into `[defaults]`","line":1,"message":"`location` is missing, and `[defaults]` has none","severity":"error"}"#);
}

#[test]
fn what_stands_in_for_an_object_leaves_the_rest_of_its_file_as_it_is() {
    let jobs = "[job.a]\ntype = \"custom_dir\"\nsource_path = \"/a\"\n[job.b]\ntype = \"custom_dir\"\nsource_path = \"/b\"\n";
    let other = "[defaults]\nschedule = \"0 2 * * *\"\nretention = { mode = \"count\", value = 1 }\nlocation = \"main\"\n[location.main]\npath = \"/m\"\n";
    let files = Files::default().with("jobs.toml", jobs).with("other.toml", other);
    let new = "[job.b]\ntype = \"custom_dir\"\nsource_path = \"/new\"\n";
    let twice = parse(&files.clone().with("new.toml", new), Path::new("/c"));
    assert!(twice.desired.is_none(), "one object stands in two files");
    let files = Files { instead: Some("new.toml".to_owned()), ..files.with("new.toml", new) };
    let parsed = parse(&files, Path::new("/c"));
    assert_eq!(parsed.diagnostics, []);
    let jobs = parsed.desired.unwrap().jobs;
    let source =
        |name: &str| match &jobs[&name.parse::<crate::model::name::JobName>().unwrap()].source {
            JobSource::CustomDir(dir) => dir.source_path.display().to_string(),
            other => panic!("{other:?}"),
        };
    assert_eq!((source("a"), source("b")), ("/a".to_owned(), "/new".to_owned()));
}
