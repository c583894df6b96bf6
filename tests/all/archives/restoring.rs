//! Archives are restored by people without this program, and by YunoHost with our hook.

use std::fs;
use std::path::Path;

use larder::archive::{Content, HOOK, Reader, Spec, identity, read_member, verify};
use larder::model::archive::Sha256;
use larder::model::location::Codec;
use larder::progress::Progress;
use larder::source::directory::Directory;
use larder::stop::Stop;

use super::{archive_source, job, scratch, sh, spec};

fn tree(root: &Path) {
    fs::create_dir(root).unwrap();
    sh(root, "
        mkdir -p d/e; printf hello > a; ln a d/b; ln -s ../a d/e/l; truncate -s 1M holes
        head -c 200000 /dev/urandom > random; setfattr -n user.k -v v a; chmod 750 d; chmod 4711 random
        touch -d '2001-02-03 04:05:06.7' a
    ");
}

fn list_of(tree: &Path) -> String {
    sh(tree, "find . -printf '%p %M %u %n %s %T@ %l\n' | sort")
}

/// Follows the same `RESTORE.txt` with copies that have other names and endings. What cannot be
/// opened fails, whatever the last program of the pipe says.
fn follow_copies(directory: &Path, archive: &Path, is_encrypted: bool, root: &Path) {
    // Whoever has no identity makes no encrypted copy.
    let mut endings = vec![("", "cat"), (".gz", "gzip -c"), (".zst", "zstd -qc")];
    if is_encrypted {
        endings.push((".age", "age -R to"));
        endings.push((".zst.age", "zstd -qc | age -R to"));
        endings.push((".gz.age", "gzip -c | age -R to"));
        sh(directory, "age-keygen -y identity.txt > to");
    }
    let plain = "case $A in *.age) age -d -i identity.txt \"$A\" ;; *) cat \"$A\" ;; esac |
        case ${A%.age} in *.gz) gzip -dc ;; *.zst) zstd -dc ;; *) cat ;; esac > plain";
    sh(directory, &format!("mkdir copies; A='{}'; {plain}", archive.display()));
    for (at, (ending, encode)) in endings.iter().enumerate() {
        let copy = format!("copies/a copy {at}");
        let script = format!(
            "cat plain | {encode} > '{copy}.tar{ending}'
            sha256sum < '{copy}.tar{ending}' > '{copy}.larder.json'
            ARCHIVE='{copy}.tar{ending}' TO=from-copy sh RESTORE.txt > /dev/null"
        );
        sh(directory, &script);
        let out = directory.join(format!("from-copy{}", root.display()));
        assert_eq!(list_of(root), list_of(&out), "{ending}");
        fs::remove_dir_all(directory.join("from-copy")).unwrap();
    }
    // Where nothing says which hash is right, the programs have to.
    let mut wrong = "try() { if (sh RESTORE.txt; exit $?) > /dev/null 2> said; then echo opened; fi
            grep -q 'was not read to its end' said; }
        export ARCHIVE IDENTITY=other.txt SIDECAR=none TO=from-copy
        ARCHIVE=nowhere.tar; try; ARCHIVE=nowhere.tar.zst; try; mkdir -p d.tar; ARCHIVE=d.tar; try"
        .to_owned();
    if is_encrypted {
        wrong.push_str(
            "
            age-keygen > other.txt 2> /dev/null; for ARCHIVE in copies/*.age; do try; done",
        );
    }
    assert_eq!(sh(directory, &wrong), "");
    assert!(!directory.join("from-copy").exists());
}

/// Follows `RESTORE.txt` to the letter, as somebody who has the two files and nothing else.
fn follow(spec: &Spec, secret: Option<&str>) {
    let scratch = scratch();
    let root = scratch.path().join("it's here");
    tree(&root);
    let mut spec = spec.clone();
    spec.content = Content::Directory(root.clone());
    let source = Directory::open(&job(&root)).unwrap();
    let (written, path) = archive_source(Box::new(source), &spec, scratch.path()).unwrap();
    let text = read_member(&path, spec.codec, secret, "RESTORE.txt", 1 << 20).unwrap().unwrap();
    fs::write(scratch.path().join("RESTORE.txt"), text).unwrap();
    if let Some(secret) = secret {
        fs::write(scratch.path().join("identity.txt"), secret).unwrap();
    }
    let sidecar = scratch.path().join("jerry_hermes-agent_20260508.larder.json");
    fs::write(&sidecar, format!("{{\"file_sha256\":\"{}\"}}", written.file_sha256)).unwrap();
    sh(scratch.path(), "TO=out sh -e RESTORE.txt > listed");
    let out = scratch.path().join(format!("out{}", root.display()));
    assert_eq!(list_of(&root), list_of(&out));
    assert_eq!(
        sh(
            &root,
            &format!(
                "diff -r --no-dereference . '{}'",
                out.display().to_string().replace('\'', "'\\''")
            )
        ),
        ""
    );
    assert_eq!(sh(&out, "getfattr -n user.k --only-values a"), "v");
    follow_copies(scratch.path(), &path, secret.is_some(), &root);
    // The same steps notice damage, before anything is written.
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(
        sh(scratch.path(), "! TO=other sh -e RESTORE.txt 2> message; cat message"),
        format!("{} is damaged\n", path.file_name().unwrap().to_str().unwrap())
    );
    assert!(!scratch.path().join("other").exists());
}

#[test]
fn restore_txt_is_followed_literally() {
    let plain = spec(Path::new("/x"));
    for codec in [Codec::None, Codec::Gzip(6), Codec::Zstd(3)] {
        follow(&Spec { codec, ..plain.clone() }, None);
    }
}

#[cfg(feature = "encrypt")]
#[test]
fn an_encrypted_archive_opens_with_the_age_tool() {
    use secrecy::ExposeSecret as _;
    let (mine, other) = (identity::new().unwrap(), identity::new().unwrap());
    let plain = spec(Path::new("/x"));
    for codec in [Codec::None, Codec::Zstd(3)] {
        let recipients = vec![other.recipient.clone(), mine.recipient.clone()];
        let spec = Spec { codec, recipients, ..plain.clone() };
        follow(&spec, Some(mine.secret.expose_secret()));
    }
}

#[cfg(feature = "encrypt")]
#[test]
fn an_encrypted_archive_opens_with_no_other_identity_and_not_when_cut() {
    use larder::archive::OpenError;
    use secrecy::ExposeSecret as _;
    let scratch = scratch();
    let root = scratch.path().join("tree");
    tree(&root);
    let (mine, other) = (identity::new().unwrap(), identity::new().unwrap());
    let spec =
        Spec { codec: Codec::Zstd(1), recipients: vec![mine.recipient.clone()], ..spec(&root) };
    let source = Directory::open(&job(&root)).unwrap();
    let (_, path) = archive_source(Box::new(source), &spec, scratch.path()).unwrap();
    let open = |secret: &str| Reader::open(fs::File::open(&path)?, spec.codec, Some(secret));
    assert!(matches!(open(other.secret.expose_secret()), Err(OpenError::WrongIdentity)));
    let read_all = || -> Result<usize, String> {
        let mut reader = open(mine.secret.expose_secret()).map_err(|error| error.to_string())?;
        let mut count = 0;
        while reader.next_entry().map_err(|error| error.to_string())?.is_some() {
            count += 1;
        }
        Ok(count)
    };
    assert_eq!(read_all(), Ok(14));
    let length = fs::metadata(&path).unwrap().len();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 100).unwrap();
    assert!(read_all().is_err());
}

#[test]
fn both_hashes_are_those_of_the_plain_stream_and_of_the_file() {
    let scratch = scratch();
    let root = scratch.path().join("tree");
    tree(&root);
    for codec in [Codec::None, Codec::Gzip(1), Codec::Zstd(3)] {
        let spec = Spec { codec, ..spec(&root) };
        let source = Directory::open(&job(&root)).unwrap();
        let (written, path) = archive_source(Box::new(source), &spec, scratch.path()).unwrap();
        let (decode, name) = match codec {
            Codec::None => ("cat", path.display()),
            Codec::Gzip(_) => ("gzip -dc", path.display()),
            Codec::Zstd(_) => ("zstd -qdc", path.display()),
        };
        let hash = |command: &str| {
            sh(scratch.path(), &format!("{command} '{name}' | sha256sum"))[..64].to_owned()
        };
        assert_eq!(hash("cat"), written.file_sha256.to_string());
        assert_eq!(hash(decode), written.stream_sha256.to_string());
        let size = sh(scratch.path(), &format!("{decode} '{name}' | wc -c"));
        assert_eq!(size.trim(), written.stream_size.to_string());
        let file = fs::File::open(&path).unwrap();
        let is = |hash| verify(&file.try_clone().unwrap(), hash, &Stop::new(), &Progress::new());
        assert!(is(written.file_sha256).unwrap());
        let file = fs::File::open(&path).unwrap();
        assert!(!verify(&file, Sha256([0; 32]), &Stop::new(), &Progress::new()).unwrap());
    }
}

/// Runs the hook as YunoHost does, in an extracted archive.
fn run_hook(source: &Path, then: &str) {
    let scratch = scratch();
    let spec = spec(source);
    let read = Directory::open(&job(source)).unwrap();
    let (_, path) = archive_source(Box::new(read), &spec, scratch.path()).unwrap();
    sh(scratch.path(), &format!("mkdir work; tar -xpf '{}' -C work", path.display()));
    sh(source.parent().unwrap(), then);
    for _ in 0..2 {
        sh(scratch.path(), "bash -x work/hooks/restore/50-data_custom \"$PWD/work\" 2> trace");
    }
}

#[test]
fn the_hook_puts_a_directory_back_and_may_run_again() {
    let scratch = scratch();
    let root = scratch.path().join("a \"b\", c's $HOME");
    tree(&root);
    let list = "find . -printf '%p %M %u %n %s %T@ %l\n' | sort";
    let before = sh(&root, list);
    run_hook(&root, "rm -rf -- a*");
    assert_eq!(sh(&root, list), before);
    // Other files of a directory that is there stay.
    run_hook(&root, "cd -- a*; rm a; : > stays");
    assert_eq!(sh(&root, "rm stays; cat a"), "hello");
}

#[test]
fn the_hook_puts_a_single_file_back() {
    let scratch = scratch();
    let file = scratch.path().join("single.conf");
    fs::write(&file, "x=1").unwrap();
    sh(scratch.path(), "chmod 640 single.conf");
    run_hook(&file, "rm single.conf; ln -s elsewhere single.conf");
    assert_eq!(sh(scratch.path(), "stat -c %A%s single.conf"), "-rw-r-----3\n");
}

#[test]
fn the_hook_touches_nothing_that_its_table_does_not_name() {
    let scratch = scratch();
    fs::write(scratch.path().join("hook"), HOOK).unwrap();
    let target = scratch.path().join("target");
    let row = |source: &str, member: &str| format!("\"{source}\",\"{member}\"\n");
    let table = [
        row(&target.display().to_string(), "apps/other"),
        row("relative", "data/custom/x"),
        row(&format!("{}/../escaped", target.display()), "data/custom/x"),
        row(&target.display().to_string(), "data/custom/../x"),
        "not a row at all\n".to_owned(),
    ];
    sh(
        scratch.path(),
        "mkdir -p work/data/custom work/apps/other; : > work/data/custom/x; : > work/x",
    );
    fs::write(scratch.path().join("work/backup.csv"), table.concat()).unwrap();
    assert_eq!(sh(scratch.path(), "bash hook work; ls"), "hook\nwork\n");
}
