//! Trees of files: proved with everything that they have, or told apart member by member.

use std::fs;
use std::path::{Path, PathBuf};

use larder::archive::{Reader, Tree, compare_tree};
use larder::model::location::Codec;
use larder::progress::Progress;
use larder::stop::Stop;
use serde_json::Value;

use crate::support::root_or_skip;
use crate::walk::instance::{Instance, sh, text};

/// Everything that a directory can have without harming anybody.
fn nasty(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    sh(
        r#"mkdir -p deep/er 'with space' "$(printf 'new\nline')" && chmod 1777 'with space'
        echo one > a && ln a deep/hard && ln -s ../a deep/link && ln -s /nowhere/at/all broken
        mkfifo pipe && printf 'x' > "$(printf 'latin\351')" && : > empty
        truncate -s 20M sparse && printf middle | dd of=sparse bs=1 seek=9000000 conv=notrunc status=none
        printf 'end' | dd of=sparse bs=1 seek=20971517 conv=notrunc status=none
        echo suid > tool && chmod 4755 tool && touch -d '1969-07-20 20:17:40.123456789 UTC' old
        mkdir closed && echo x > closed/in && chmod 000 closed && chown 12345:54321 a"#,
        dir,
    );
}

const JOB: &str = "[job.web]\ntype = \"custom_dir\"\nsource_path = \"../web\"\n\
                   protect = { proven = \"30d\" }\n";

fn drill(instance: &Instance, code: i32) -> Value {
    let output = instance.larder(&["drill", "--format", "json"]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{told}\n{}", text(&output.stderr));
    assert!(!instance.path("state/drill").exists());
    serde_json::from_str::<Value>(&told).unwrap()[0].clone()
}

fn verdict(instance: &Instance, at: Option<&str>) -> (String, String) {
    let mut arguments = vec!["status"];
    arguments.extend(at.iter().flat_map(|at| ["--at", at]));
    let status = instance.json(&arguments)[0].clone();
    let reasons = status["reasons"].as_array().unwrap().iter();
    let reasons: Vec<&str> = reasons.map(|reason| reason.as_str().unwrap()).collect();
    (status["verdict"].as_str().unwrap().to_owned(), reasons.join("; "))
}

#[test]
fn a_nasty_tree_is_proved_and_the_verdict_moves() {
    root_or_skip!();
    let instance = Instance::new(JOB);
    nasty(&instance.path("web"));
    for compress in ["none", "zstd:3"] {
        instance.write("codec.toml", "");
        let base = fs::read_to_string(instance.path("etc/base.toml")).unwrap();
        let line = format!("compress = \"{compress}\"\n");
        instance
            .write("base.toml", &format!("{}{line}", base.replace("compress = \"none\"\n", "")));
        instance.ok(&["run", "web"]);
        if compress == "none" {
            let (word, why) = verdict(&instance, None);
            assert_eq!(word, "at_risk", "{why}");
            assert!(why.contains("no drill has proved a restore of `web` yet"), "{why}");
        }
        let run = drill(&instance, 0);
        assert_eq!(run["status"], "success", "{run}");
        assert_eq!(verdict(&instance, None), ("protected".to_owned(), String::new()));
    }
    let (_, why) = verdict(&instance, Some("2099-01-01T00:00:00Z"));
    assert!(why.contains("a restore of `web` was last proved"), "{why}");
    let table = instance.ok(&["status"]);
    assert!(table.contains("proven"), "{table}");
}

/// An archive of a nasty tree, restored by GNU tar beside its manifest.
fn restored() -> (Instance, PathBuf, PathBuf) {
    let instance = Instance::new(JOB);
    nasty(&instance.path("web"));
    instance.ok(&["run", "web"]);
    let tar = instance.path("archives").join(&instance.tars()[0]);
    let root = instance.path("restored");
    fs::create_dir(&root).unwrap();
    sh(
        &format!("tar --numeric-owner -xpf {} -C {}", tar.display(), root.display()),
        Path::new("/"),
    );
    let below = instance.path("web");
    let content = root.join("data/custom").join(below.strip_prefix("/").unwrap());
    // The directories above are not what the archive has.
    (instance, tar, content)
}

fn differences(instance: &Instance, tar: &Path) -> Vec<String> {
    let root = instance.path("restored");
    let archive = || Reader::open(fs::File::open(tar)?, Codec::None, None);
    let tree = Tree { root: &root, owners: true, archive: &archive };
    let compared = compare_tree(&tree, &Stop::new(), &Progress::new()).unwrap().unwrap();
    let base = format!("data/custom{}/", instance.path("web").display());
    let lines = compared.differences.iter();
    lines.map(|one| format!("{} {}", one.name.replace(&base, ""), one.what)).collect()
}

#[test]
fn whatever_differs_from_the_manifest_is_named() {
    root_or_skip!();
    let (instance, tar, content) = restored();
    assert_eq!(differences(&instance, &tar), Vec::<String>::new());
    // Another layout of the same holes is the same file.
    sh("cp --sparse=never sparse s && touch -r sparse s && mv s sparse", &content);
    let web = instance.path("web");
    sh(&format!("touch -r {} .", web.display()), &content);
    let same_time = |what: &str| format!("touch -h -r {}/{what} {what}", web.display());
    let refresh = |line: &str, touched: &str| {
        sh(line, &content);
        sh(&same_time(touched), &content);
        sh(&format!("touch -r {} .", web.display()), &content);
    };
    refresh("true", "sparse");
    assert_eq!(differences(&instance, &tar), Vec::<String>::new());
    refresh("printf y | dd of=sparse bs=1 seek=4000000 conv=notrunc status=none", "sparse");
    refresh("printf 'two\\n' > a", "a");
    refresh("chmod 755 tool", "tool");
    refresh("rm empty", "a");
    refresh("ln -sf /elsewhere broken", "broken");
    refresh("chown 1 old", "old");
    refresh("echo more > surplus", "a");
    sh("touch pipe", &content);
    let mut found = differences(&instance, &tar);
    found.sort();
    insta::assert_snapshot!(found.join("\n"), @"
    a has other content
    broken leads elsewhere
    empty is missing
    old has another owner
    pipe has another time
    sparse has other content
    surplus was not in the archive
    tool has another mode
    ");
}

#[test]
fn an_encrypted_archive_needs_the_identity_of_its_location() {
    let instance = Instance::new(JOB);
    instance.source("web/a", b"secret");
    let made = instance.ok(&["identity", "new"]);
    let line = |start: &str| {
        let found = made.lines().find_map(|line| line.find(start).map(|at| line[at..].trim()));
        found.unwrap_or_else(|| panic!("no {start} in {made}")).to_owned()
    };
    let (identity, recipient) = (line("AGE-SECRET-KEY-1"), line("age1"));
    let base = fs::read_to_string(instance.path("etc/base.toml")).unwrap();
    let base = format!("{base}encrypt_to = [\"{recipient}\"]\n");
    instance.write("base.toml", &base);
    instance.ok(&["run", "web"]);
    let warned = "drills cannot open what is encrypted at `main`";
    let told = instance.larder(&["check"]);
    assert!(told.status.success() && text(&told.stdout).contains(warned), "{told:?}");
    // The run was carried out, and nothing was proved: whoever asked for a proof is told so.
    let run = drill(&instance, 1);
    assert_eq!(run["status"], "warning");
    let summary = run["summary"].as_str().unwrap();
    assert!(summary.contains("location `main` has no `identity`"), "{summary}");
    let (word, why) = verdict(&instance, None);
    assert_eq!(word, "at_risk");
    assert!(why.contains("cannot be proved here"), "{why}");
    let file = instance.source("identity", identity.as_bytes());
    sh(&format!("chmod 600 {}", file.display()), Path::new("/"));
    instance.write("base.toml", &format!("{base}identity = {{ file = \"../identity\" }}\n"));
    let told = instance.larder(&["check"]);
    assert!(told.status.success() && !text(&told.stdout).contains(warned), "{told:?}");
    assert_eq!(drill(&instance, 0)["status"], "success");
    assert_eq!(verdict(&instance, None).0, "protected");
}

#[test]
fn assertions_need_a_database() {
    let instance = Instance::new(
        "[job.web]\ntype = \"custom_dir\"\nsource_path = \"../web\"\n\
         drill = { schedule = \"0 5 1 * *\", assert = [\"SELECT 1\"] }\n",
    );
    let told = instance.fails(1, &["check"]);
    assert!(told.contains("this job has no database"), "{told}");
}

#[test]
fn an_archive_that_does_not_restore_is_shown_as_such_everywhere() {
    let instance = Instance::new(JOB);
    instance.source("web/a", b"alpha");
    instance.ok(&["run", "web"]);
    let tar = instance.path("archives").join(&instance.tars()[0]);
    let mut bytes = fs::read(&tar).unwrap();
    let at = bytes.windows(5).position(|window| window == b"alpha").unwrap();
    bytes[at..at + 5].copy_from_slice(b"aleph");
    fs::write(&tar, bytes).unwrap();
    // As if it had been written so: every hash is right.
    let sidecar = PathBuf::from(sh("ls $PWD/archives/*.larder.json", &instance.path("")).trim());
    let mut record: Value = serde_json::from_slice(&fs::read(&sidecar).unwrap()).unwrap();
    let hash = sh(&format!("sha256sum < {}", tar.display()), Path::new("/"));
    for key in ["file_sha256", "stream_sha256"] {
        record[key] = hash.split_whitespace().next().into();
    }
    fs::write(&sidecar, record.to_string()).unwrap();
    fs::remove_dir_all(instance.path("state")).unwrap();
    let run = drill(&instance, 1);
    assert!(run["summary"].as_str().unwrap().contains("1 member differ"), "{run}");
    let name = instance.archives()[0]["name"].as_str().unwrap().to_owned();
    assert!(instance.ok(&["archive", "list"]).contains("good, refuted"));
    let shown = instance.ok(&["archive", "show", &name]);
    assert!(shown.contains("drill failed") && shown.contains("has other content"), "{shown}");
    let why = instance.ok(&["why", &name]);
    assert!(why.contains("did not stand its drill: 1 member differ"), "{why}");
    let plan = instance.ok(&["plan"]);
    assert!(plan.contains(&format!("{name} of `web` at `main` did not stand its drill")), "{plan}");
}
