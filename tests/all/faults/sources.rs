//! Files that change at any moment while the real program reads them: the archive is a valid one
//! for every program that people have, each member is what the manifest says, and the run tells
//! what changed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::full;
use crate::walk::instance::{Instance, sh};

const FILES: usize = 48;
/// Several times the size of any buffer, so that it cannot be read in one piece.
const HOT: u64 = 16 << 20;

/// What happens to a file, by turns.
fn meddle(dir: &Path, turn: usize) -> std::io::Result<()> {
    // Steps that are prime to each other: every file meets every change.
    let path = dir.join(format!("d{}/f{}", turn * 7 % 4, turn * 7 % FILES));
    let open = || OpenOptions::new().write(true).open(&path);
    match turn % 11 {
        0 => open()?.write_all_at(&vec![b'g'; 70_000], 200_000),
        1 => open()?.set_len(3),
        2 => {
            let new = path.with_extension("new");
            fs::write(&new, vec![b'r'; 90_000])?;
            fs::rename(&new, &path)
        }
        3 => fs::remove_file(&path),
        4 | 7 => fs::write(&path, vec![b'w'; 150_000]),
        5 => open()?.set_len(400_000),
        6 => {
            fs::remove_file(&path)?;
            std::os::unix::fs::symlink("/etc/passwd", &path)
        }
        8 => {
            fs::remove_file(&path)?;
            fs::create_dir(&path)?;
            fs::write(path.join("inside"), "x")
        }
        9 => fs::remove_dir_all(&path),
        _ => open()?.write_all_at(b"other", 1),
    }
}

/// One file hardly ever holds still: it grows and shrinks, and the number of the turn is written
/// near its beginning first and further on then.
fn meddle_with_the_hot_one(file: &File, turn: u64) -> std::io::Result<()> {
    file.set_len(if turn.is_multiple_of(2) { HOT / 2 } else { HOT })?;
    file.write_all_at(&turn.to_be_bytes(), 0)?;
    file.write_all_at(&turn.to_be_bytes(), HOT / 2 - 8)
}

/// Whether the hot file changed between the reading of its beginning and of what follows.
fn was_torn(content: &[u8]) -> bool {
    let end = usize::try_from(HOT / 2).unwrap();
    content.len() < end || content[..8] < content[end - 8..end]
}

fn tree(instance: &Instance) {
    for number in 0..FILES {
        instance.source(&format!("src/d{}/f{number}", number % 4), &vec![b'0'; 150_000]);
    }
    instance.source("src/hot", &vec![b'h'; usize::try_from(HOT).unwrap()]);
    instance.source("src/still", b"this one never changes");
}

/// The names, sizes and contents that a program sees, as a text.
fn seen_by_tar(program: &str, archive: &Path, size: usize, name: usize) -> String {
    let columns = format!("awk '{{ print ${name}, $1 ~ /^-/ ? ${size} : 0 }}'");
    let path = archive.display();
    let dir = archive.parent().unwrap();
    sh(&format!("{program} -tvf {path} | {columns}; {program} -xOf {path} | sha256sum"), dir)
}

/// What Python sees, in the same form, and each file's hash by its name.
fn seen_by_python(archive: &Path) -> (String, BTreeMap<String, String>) {
    let program = "import hashlib, sys, tarfile\n\
        total = hashlib.sha256()\n\
        with tarfile.open(sys.argv[1]) as archive:\n\
        \x20   for member in archive:\n\
        \x20       name, size, hash = member.name + ('/' if member.isdir() else ''), 0, '-'\n\
        \x20       if member.isreg():\n\
        \x20           content, size = archive.extractfile(member).read(), member.size\n\
        \x20           total.update(content)\n\
        \x20           hash = hashlib.sha256(content).hexdigest()\n\
        \x20       print(name, size, hash)\n\
        print(total.hexdigest(), '', '-')\n";
    let script = archive.with_extension("py");
    fs::write(&script, program).unwrap();
    let line = format!("python3 {} {}", script.display(), archive.display());
    let printed = sh(&line, archive.parent().unwrap());
    fs::remove_file(script).unwrap();
    let rows: Vec<Vec<&str>> = printed.lines().map(|line| line.split(' ').collect()).collect();
    let (total, members) = rows.split_last().unwrap();
    let mut seen = String::new();
    for member in members {
        writeln!(seen, "{} {}", member[0], member[1]).unwrap();
    }
    writeln!(seen, "{}  -", total[0]).unwrap();
    let hash = |row: &Vec<&str>| (row[0].trim_end_matches('/').to_owned(), row[2].to_owned());
    (seen, members.iter().map(hash).collect())
}

/// The content of a member.
fn member(archive: &Path, name: &str) -> Vec<u8> {
    let arguments = ["-xOf", archive.to_str().unwrap(), name];
    Command::new("tar").args(arguments).output().unwrap().stdout
}

fn manifest(archive: &Path) -> Vec<serde_json::Value> {
    let lines = zstd::decode_all(&member(archive, "manifest.jsonl.zst")[..]).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Everything that is wrong with an archive and with what was said about it.
fn violations(archive: &Path, log: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let gnu = seen_by_tar("tar", archive, 3, 6);
    let (python, hashes) = seen_by_python(archive);
    for (program, seen) in [("bsdtar", seen_by_tar("bsdtar", archive, 5, 9)), ("python", python)] {
        if seen != gnu {
            wrong.push(format!("{program} and GNU tar disagree:\n{seen}\n{gnu}"));
        }
    }
    for line in manifest(archive) {
        let path = line["path"].as_str().unwrap().trim_end_matches('/');
        let Some(hash) = hashes.get(path) else {
            wrong.push(format!("{path} is in the manifest only"));
            continue;
        };
        if line["sha256"].as_str().is_some_and(|recorded| recorded != hash) {
            wrong.push(format!("{path} is not what the manifest says"));
        }
        let below = path.split_once("/src/").map_or(path, |(_, below)| below);
        if line["state"] != "ok" && !log.contains(&format!("`{below}`")) {
            wrong.push(format!("nobody said that {path} is {}", line["state"]));
        }
    }
    wrong
}

#[test]
fn files_that_change_while_they_are_read_make_a_valid_archive_that_says_so() {
    let toml =
        "[job.one]\ntype = \"custom_dir\"\nsource_path = \"../src\"\nshrink_alarm = \"99%\"\n";
    let instance = Instance::below(crate::support::dir(), toml);
    let rounds = if full() { 40 } else { 3 };
    let (mut wrong, mut changed, mut hot) = (Vec::new(), 0, 0);
    let turns = AtomicUsize::new(0);
    for round in 0..rounds {
        let _ = fs::remove_dir_all(instance.path("src"));
        tree(&instance);
        let (over, dir) = (AtomicBool::new(false), instance.path("src"));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut turn = round * 1_000;
                while !over.load(Ordering::Relaxed) {
                    // What one turn took away the next one does not find.
                    let _ = meddle(&dir, turn);
                    turn += 1;
                }
                turns.fetch_add(turn - round * 1_000, Ordering::Relaxed);
            });
            scope.spawn(|| {
                let hot = OpenOptions::new().write(true).open(dir.join("hot")).unwrap();
                let mut turn = 0;
                while !over.load(Ordering::Relaxed) {
                    meddle_with_the_hot_one(&hot, turn).unwrap();
                    turn += 1;
                }
            });
            let output = instance.larder(&["run", "one"]);
            over.store(true, Ordering::Relaxed);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(0), "{said}");
        });
        let run = instance.runs().into_iter().find(|run| run["kind"] == "backup").unwrap();
        let log = instance.ok(&["log", &run["id"].to_string()]);
        let name = run["archive_name"].as_str().unwrap();
        let archive = instance.path(&format!("archives/{name}.tar"));
        for what in violations(&archive, &log) {
            println!("round {round}: {what}");
            wrong.push(what);
        }
        if log.contains("`hot`") {
            hot += 1;
        } else if was_torn(&member(&archive, &format!("data/custom{}/hot", dir.display()))) {
            wrong.push(format!("nobody said that the hot file changed:\n{log}"));
        }
        let still = format!("data/custom{}/still", dir.display());
        assert_eq!(member(&archive, &still), b"this one never changes");
        changed += log.lines().filter(|line| line.contains("`: ")).count();
        instance.ok(&["archive", "verify", name]);
    }
    let turns = turns.into_inner();
    println!("{rounds} archives under {turns} changes: {changed} told, {} violations", wrong.len());
    assert!(hot * 2 > rounds, "the hot file was told in {hot} of {rounds} rounds only");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
