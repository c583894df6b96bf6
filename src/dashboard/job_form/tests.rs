//! A job, the form that it fills, and the TOML that comes of it: the same job.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::fields::{FIELDS, Field, Part, Shape};
use super::filled::{Around, Filled, TICKED};
use super::{input_of, written};
use crate::api::dto;
use crate::config::keys::{Form, Key, Kind, Need, Table};
use crate::config::{self, Files};
use crate::dashboard::words::Words;
use crate::model::job::{Job, JobType};

/// What a job may refer to.
const AROUND: &str = r#"
[instance]
name = "jerry"
timezone = "Europe/Paris"
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
[retention.week]
mode = "daily"
value = 7
min_days = 0
[location.main]
path = "/srv/archives"
[location.usb]
path = "/media/usb"
[peer.tom]
kind = "instance"
url = "https://tom.example.org"
token = { file = "/etc/larder/secrets/tom" }
"#;

/// Jobs with every key.
const JOBS: &str = r#"
[job.dir]
type = "custom_dir"
source_path = "/opt/dir"
excludes = ["cache/", "!a#", " b ", "\"c\"", "\\ ", "*.tmp"]
one_file_system = false
source_mount = "any"
label = "other"
schedule = "0 3 * * *"
retention = "week"
location = "usb"
send_to = ["tom", "main"]
before = [["systemctl", "stop", "a b"], "[ -f /x ] && y", "echo 'a\nb'", "\"my prog\" x"]
after = ["systemctl start x"]
enabled = false
timeout = "90 min"
catch_up = "now"
retries = 0
allow_partial = true
shrink_alarm = "30%"
suspect_keep = "60d"
manual_keep = "1d 12h"
hold_max = "1h"
formerly = ["old", "older"]
protect = { max_age = "36h", copies = 2, offsite = 1, proven = "45d" }
drill = { schedule = "0 5 1 * *" }
[job.dir.restore]
system_user = { name = "me", home = "/home/me", shell = "/bin/false" }
systemd_service = { name = "me", service_file = "/opt/me.service" }
permissions = { owner = "me:me", mode = "0750" }
firewall_ports = [{ port = 8080, protocol = "tcp" }, { port = 53, protocol = "both" }]
post_restore_commands = ["a", ["b", "c d"]]

[job.plain]
type = "custom_dir"
source_path = "/opt/plain"
protect = {}

[job.copies]
type = "custom_dir"
source_path = "/opt/copies"
retention = { mode = "gfs", weekly = 4, min_days = 0 }
[[job.copies.send_to]]
to = "usb"
retention = { mode = "count", value = 3 }
[[job.copies.send_to]]
to = "tom"
via = "http"
encrypt_to = ["age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg"]

[job.ended]
type = "ynh_app"
app_id = "wiki"
state = "absent"
archives = "expire"

[job.mine]
type = "mysql"
database = "*"
except = ["a", "b"]
host = "db.example.org"
port = 3307
user = "me"
password = { command = ["pass", "show", "a b"] }
options = ["--hex-blob"]

[job.theirs]
type = "postgresql"
database = "theirs"
socket = "/run/pg"
password = { file = "/etc/larder/secrets/theirs" }
drill = { schedule = "0 5 1 * *", assert = ["SELECT count(*) > 0 FROM \"users\""] }

[job.apps]
type = "ynh_app"
app_id = "*"
except = ["my_webapp"]
core_only = true

[job.system]
type = "ynh_system"
parts = ["conf_ssh", "data_mail"]
"#;

fn around() -> Files {
    Files::default().with("around.toml", AROUND)
}

fn dir() -> PathBuf {
    PathBuf::from("/etc/larder")
}

/// The jobs of a configuration, and its effective form.
fn read(files: &Files, dir: &Path) -> Option<(Vec<Job>, serde_json::Value)> {
    let desired = config::parse(files, dir).desired?.declared();
    let effective = config::show::json(&desired);
    Some((desired.jobs.into_values().filter(|job| !job.is_built_in()).collect(), effective))
}

/// Each job becomes a form, the form TOML, and that the same job.
fn check(files: &Files, dir: &Path) -> usize {
    let (jobs, effective) = read(files, dir).expect("a configuration without mistakes");
    let around = Around::of(&effective);
    for job in &jobs {
        let name = job.name.as_str();
        let filled = Filled::of_job(name, &effective["job"][name], &around).expect("a job");
        let text = written::text("job", name, filled.through_a_browser().table());
        let with = files.clone().with("form.toml", text.as_str());
        let with = Files { instead: Some("form.toml".to_owned()), ..with };
        let judged = config::parse(&with, dir);
        let again = judged.desired.unwrap_or_else(|| panic!("{text}\n{:#?}", judged.diagnostics));
        let again = again.declared().jobs.remove(&job.name).expect("the job");
        assert_eq!(Job { place: job.place.clone(), ..again }, *job, "{text}");
    }
    jobs.len()
}

#[test]
fn every_job_of_the_examples_comes_back_from_its_form_as_it_was() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut jobs = 0;
    for entry in std::fs::read_dir(examples).expect("the examples") {
        let dir = entry.expect("an example").path();
        match config::read_dir(&dir) {
            Ok((files, _)) => jobs += check(&files, &dir),
            // What is there for other programs.
            Err(config::ConfigError::Empty(_)) => {}
            Err(error) => panic!("{}: {error}", dir.display()),
        }
    }
    assert!(jobs > 12, "{jobs}");
}

#[test]
fn a_job_with_every_key_comes_back_from_its_form_as_it_was() {
    assert_eq!(check(&around().with("jobs.toml", JOBS), &dir()), 8);
}

#[test]
fn what_a_form_leaves_out_is_what_the_defaults_say() {
    let job = "[job.x]\ntype = \"custom_dir\"\nsource_path = \"/x\"\nlocation = \"main\"\nschedule = \"0 2 * * *\"\ntimeout = \"6h\"\n";
    let (_, effective) = read(&around().with("jobs.toml", job), &dir()).expect("right");
    let filled = Filled::of_job("x", &effective["job"]["x"], &Around::of(&effective)).expect("x");
    assert_eq!(
        written::text("job", "x", filled.table()),
        "[job.x]\ntype = \"custom_dir\"\nsource_path = \"/x\"\n"
    );
}

#[test]
fn a_mistake_is_told_at_its_input() {
    let of = |inputs: &[(&str, &str)]| {
        let values: BTreeMap<String, String> =
            inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let filled = Filled::fresh(JobType::CustomDir, values);
        let text = written::text("job", filled.name(), filled.table());
        let judged = config::parse(&around().with("form.toml", text.as_str()), &dir());
        let told = judged.diagnostics.iter().map(dto::Diagnostic::from);
        told.map(|one| input_of(&text, &one)).collect::<Vec<_>>()
    };
    assert_eq!(of(&[("name", "x"), ("source_path", "/x")]), Vec::<String>::new());
    assert_eq!(of(&[("name", "x")]), ["source_path"]);
    let with = |name: &str, value: &str| {
        of(&[("name", "x"), ("source_path", "/x"), (name, value)]).concat()
    };
    assert_eq!(with("schedule", "61 * * * *"), "schedule");
    assert_eq!(with("timeout", "6"), "timeout");
    assert_eq!(with("retries", "many"), "retries");
    assert_eq!(with("protect.copies", "0"), "protect.copies");
    assert_eq!(with("restore.permissions.mode", "9"), "restore.permissions.mode");
    assert_eq!(with("restore.firewall_ports", "http/tcp"), "restore.firewall_ports");
    assert_eq!(with("send_to:nobody", TICKED), "send_to");
    assert_eq!(with("location", "nowhere"), "location");
    let policy = [("name", "x"), ("source_path", "/x"), ("retention:how", "count")];
    assert!(of(&policy).concat().starts_with("retention"), "{:?}", of(&policy));
    assert_eq!(of(&[("name", "a b"), ("source_path", "/x")]).concat(), "name");
}

#[test]
fn every_input_has_a_name_in_every_language() {
    let policy = ["value", "daily", "weekly", "monthly", "yearly", "min_days"];
    let policy = policy.map(|key| format!("retention.{key}"));
    let others = ["name", "send_to.via", "send_to.encrypt_to"].map(str::to_owned);
    let keys = FIELDS.iter().map(|field| field.key.to_owned());
    for key in keys.chain(policy).chain(others) {
        for words in Words::ALL {
            assert!(!words.field(&key).0.is_empty(), "{key}");
        }
    }
}

/// The keys of a job as the configuration describes them, with dots into the tables below; but for
/// those of a list of tables, which is one input.
fn described() -> BTreeMap<String, &'static Key> {
    fn below(table: &'static Table, before: &str, found: &mut BTreeMap<String, &'static Key>) {
        for key in table.keys {
            match &key.form {
                Form::Table(table) => below(table, &format!("{before}{}.", key.name), found),
                _ => {
                    found.insert(format!("{before}{}", key.name), key);
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    below(Kind::Job.table(), "", &mut found);
    found
}

/// A default of the configuration as an input shows it.
fn as_input(toml: &str) -> String {
    toml.trim_matches('"').to_owned()
}

#[test]
fn the_form_has_each_key_of_a_job_with_the_words_and_the_default_that_hold() {
    // What a job is of is chosen before there is a form.
    const CHOSEN_BEFORE: [&str; 1] = ["type"];
    // A goal that is written counts as declared, so the usual one is never left out.
    let is_goal = |field: &Field| field.part == Part::Goal;
    let mut keys = described();
    for chosen in CHOSEN_BEFORE {
        assert!(keys.remove(chosen).is_some(), "{chosen}");
    }
    for field in FIELDS {
        let key = keys.remove(field.key);
        let key = key.unwrap_or_else(|| panic!("`{}` is no key, or stands twice", field.key));
        match (field.shape, &key.form) {
            (Shape::Word(offered), Form::Word(known)) => assert_eq!(&offered, known),
            (Shape::Flag, Form::Bool)
            | (Shape::Number, Form::Integer(..))
            | (Shape::Secret, Form::Secret)
            | (Shape::Lines | Shape::Commands | Shape::Ports | Shape::Copies, Form::List(_))
            | (Shape::Retention, Form::NameOr(_))
            | (Shape::Location, Form::Name) => {}
            (Shape::Text, form) => assert!(
                !matches!(form, Form::Bool | Form::Integer(..) | Form::Word(_) | Form::List(_)),
                "`{}` is filled in as text",
                field.key
            ),
            (shape, form) => panic!("`{}` is filled in as {shape:?}, and is {form:?}", field.key),
        }
        let default = match key.need {
            Need::Default(toml) if !is_goal(field) && toml != "[]" => as_input(toml),
            Need::Default(_) | Need::Required | Need::Optional(_) => String::new(),
        };
        assert_eq!(field.default, default, "`{}`", field.key);
        // The page asks for no SQL where there is no database to run it in.
        let types = JobType::ALL.into_iter().filter(|_| field.key != "drill.assert");
        for job_type in types {
            let belongs = key.belongs_to(job_type.word());
            assert_eq!(field.belongs_to(job_type), belongs, "`{}`", field.key);
        }
    }
    assert!(keys.is_empty(), "the form lacks {:?}", keys.keys());
}

fn value_of(shape: Shape, is_odd: bool, text: &str) -> String {
    match shape {
        Shape::Flag if is_odd => TICKED.to_owned(),
        Shape::Number => text.len().to_string(),
        Shape::Word(words) => words[text.len() % words.len()].to_owned(),
        Shape::Lines | Shape::Commands => format!("{text}\n{text}x"),
        Shape::Ports => "8080/tcp\n53/udp".to_owned(),
        Shape::Flag | Shape::Secret | Shape::Retention | Shape::Location | Shape::Copies => {
            String::new()
        }
        // An input of one line has no line breaks.
        Shape::Text => text.replace('\n', " ").trim().to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_is_filled_in_becomes_a_job_whose_form_makes_it_again(
        job_type in 0..5_usize,
        inputs in proptest::collection::vec((0..FIELDS.len(), any::<bool>(), "[ -~é\n]{1,12}"), 0..6),
    ) {
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        let needed =
            [("name", "x"), ("source_path", "/x"), ("database", "x"), ("app_id", "x")];
        values.extend(needed.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for (number, is_odd, text) in inputs {
            let field = &FIELDS[number];
            let is_free = matches!(field.shape, Shape::Lines | Shape::Commands | Shape::Flag | Shape::Number);
            if is_free || is_odd {
                values.insert(field.key.to_owned(), value_of(field.shape, is_odd, &text));
            }
        }
        let filled = Filled::fresh(JobType::ALL[job_type], values);
        let text = written::text("job", "x", filled.through_a_browser().table());
        prop_assert!(text.parse::<toml::Table>().is_ok(), "{}", text);
        let files = around().with("jobs.toml", text);
        // What is judged to be wrong is not written.
        if read(&files, &dir()).is_some() {
            prop_assert_eq!(check(&files, &dir()), 1);
        }
    }
}
