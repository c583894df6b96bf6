//! What a host without a larder keeps stays, whatever our key tries.

use std::io::Write as _;
use std::process::{Command, Stdio};

use larder::peer::PeerError;
use larder::stop::Stopped;

use super::*;
use crate::peers::wire::Wire;
use crate::support::wait_for;

/// Keeps a file there as larder does.
fn keep(host: &Host, name: &str, seed: u8, bytes: usize) -> Result<(), PeerError> {
    let file = host.file(seed, bytes);
    let sha256 = sample::sha256(&std::fs::read(&file).unwrap());
    let ssh = host.ssh();
    let hold = ssh.hold(&Stop::new())?;
    hold.keep(&file, name, sha256, &Stop::new(), &Progress::new())
}

fn rrsync(folder: &Path, public: &str) -> String {
    format!("restrict,command=\"rrsync -no-del -no-overwrite {}\" {public}\n", folder.display())
}

/// What every way of keeping archives must do.
fn keeps_what_it_gets(host: &Host) {
    keep(host, "a.tar", 1, 300_000).unwrap();
    let there = std::fs::read(host.folder().join("a.tar")).unwrap();
    assert_eq!(there, sample::content(1, 300_000));
    // The same again is fine, something else is not, and changes nothing.
    keep(host, "a.tar", 1, 300_000).unwrap();
    let error = keep(host, "a.tar", 2, 300_000).unwrap_err();
    assert!(error.line().contains("`a.tar` is there with other content"), "{}", error.line());
    assert_eq!(std::fs::read(host.folder().join("a.tar")).unwrap(), there);
    keep(host, "b.info.json", 3, 100).unwrap();

    let (ssh, stop) = (host.ssh(), Stop::new());
    let hold = ssh.hold(&stop).unwrap();
    let listed = hold.list(&stop).unwrap();
    let shown: Vec<_> = listed.iter().map(|file| (file.name.as_str(), file.size)).collect();
    assert_eq!(shown, [("a.tar", 300_000), ("b.info.json", 100)]);
    let taken = dir();
    let wanted = ["b.info.json".to_owned()];
    hold.take(&wanted, taken.path(), &stop).unwrap();
    assert_eq!(std::fs::read(taken.path().join("b.info.json")).unwrap(), sample::content(3, 100));
}

#[test]
fn with_a_shell_archives_are_kept_and_can_be_deleted() {
    let host = Host::new(sshd_or_skip!());
    keeps_what_it_gets(&host);
    let (ssh, stop) = (host.ssh(), Stop::new());
    let hold = ssh.hold(&stop).unwrap();
    assert!(hold.can_delete(&stop).unwrap());
    let taken = dir();
    hold.take(&["a.tar".to_owned(), "gone.tar".to_owned()], taken.path(), &stop).unwrap();
    assert!(taken.path().join("a.tar").exists() && !taken.path().join("gone.tar").exists());
    hold.remove(&["a.tar".to_owned(), "gone.tar".to_owned()], &stop).unwrap();
    assert_eq!(host.names(), ["b.info.json"]);
}

#[test]
fn under_the_printed_line_archives_are_kept_and_cannot_be_deleted() {
    let host = Host::with(sshd_or_skip!(), |folder| Let::Hold(folder));
    keeps_what_it_gets(&host);
    let (ssh, stop) = (host.ssh(), Stop::new());
    let hold = ssh.hold(&stop).unwrap();
    assert!(!hold.can_delete(&stop).unwrap());
    let error = hold.remove(&["a.tar".to_owned()], &stop).unwrap_err();
    assert!(error.line().contains("may not remove"), "{}", error.line());
    assert!(error.hint().unwrap().contains("larder peer key"), "{:?}", error.hint());
    assert_eq!(host.names(), ["a.tar", "b.info.json"]);
}

#[test]
fn the_line_for_pruning_lets_archives_be_removed_and_nothing_else() {
    let host = Host::with(sshd_or_skip!(), |folder| Let::Prune(folder));
    keeps_what_it_gets(&host);
    let (ssh, stop) = (host.ssh(), Stop::new());
    let hold = ssh.hold(&stop).unwrap();
    assert!(hold.can_delete(&stop).unwrap());
    hold.remove(&["a.tar".to_owned()], &stop).unwrap();
    assert_eq!(host.names(), ["b.info.json"]);
    assert!(!run(&host, "id").0);
}

#[test]
fn under_a_restricted_rsync_archives_are_kept() {
    if !Path::new("/usr/bin/rrsync").exists() {
        crate::support::skipped!("rrsync is not installed");
    }
    let host = Host::new(sshd_or_skip!());
    host.sshd.authorize(&rrsync(&host.folder(), &host.sshd.public_key()));
    keeps_what_it_gets(&host);
    // Whatever it says: it must be what is true of this rrsync.
    let (ssh, stop) = (host.ssh(), Stop::new());
    let can = ssh.hold(&stop).unwrap().can_delete(&stop).unwrap();
    let probe = std::fs::read(host.folder().join(".larder-probe"));
    let is_as_written =
        probe.is_ok_and(|text| text.starts_with(b"larder tries") && text.len() == 41);
    assert_eq!(can, !is_as_written);
}

#[test]
fn a_restricted_rsync_that_can_delete_is_found_out() {
    if !Path::new("/usr/bin/rrsync").exists() {
        crate::support::skipped!("rrsync is not installed");
    }
    let host = Host::new(sshd_or_skip!());
    let open = format!(
        "restrict,command=\"rrsync {}\" {}",
        host.folder().display(),
        host.sshd.public_key()
    );
    host.sshd.authorize(&open);
    keep(&host, "a.tar", 1, 1000).unwrap();
    let (ssh, stop) = (host.ssh(), Stop::new());
    assert!(ssh.hold(&stop).unwrap().can_delete(&stop).unwrap());
    assert_eq!(host.names(), ["a.tar"]);
}

/// Whether a command went well there, and all that was said.
fn run(host: &Host, command: &str) -> (bool, String) {
    let out = host.sshd.ssh().arg(command).output().unwrap();
    let said = [out.stdout, out.stderr].concat();
    (out.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// What somebody with the key would have done there.
fn hostile(folder: &Path) -> Vec<String> {
    let full = folder.display();
    vec![
        "rm -f a.tar".to_owned(),
        format!("rm -rf {full}"),
        format!("sh -c 'rm {full}/a.tar'"),
        String::new(),
        "larder-hold remove a.tar".to_owned(),
        "larder-hold probe".to_owned(),
        "larder-hold publish ../outside 00".to_owned(),
        "larder-hold publish .larder-incoming 00".to_owned(),
        "larder-hold hello; rm a.tar".to_owned(),
        "larder-hold hello\nrm a.tar".to_owned(),
        "larder-hold publish $(rm${IFS}a.tar) 00".to_owned(),
        "larder-hold publish `rm a.tar` 00".to_owned(),
        "rsync --server -te.LsfxCIvu --delete . .larder-incoming/x".to_owned(),
        "rsync --server -te.LsfxCIvu --inplace . .larder-incoming/a.tar".to_owned(),
        "rsync --server -te.LsfxCIvu --append . .larder-incoming/a.tar".to_owned(),
        "rsync --server -te.LsfxCIvu --log-file=a.tar . .larder-incoming/x".to_owned(),
        "rsync --server -te.LsfxCIvu --partial-dir .. . .larder-incoming/a.tar".to_owned(),
        "rsync --server -te.LsfxCIvu --temp-dir=.. . .larder-incoming/a.tar".to_owned(),
        "rsync --server -te.LsfxCIvu --backup-dir=.. -b . .larder-incoming/a.tar".to_owned(),
        "rsync --server -lte.LsfxCIvu . .larder-incoming/x".to_owned(),
        "rsync --server -rte.LsfxCIvu . .larder-incoming/x".to_owned(),
        "rsync --server -Rte.LsfxCIvu . .larder-incoming/x".to_owned(),
        "rsync --server -te.LsfxCIvu . a.tar".to_owned(),
        "rsync --server -te.LsfxCIvu . .".to_owned(),
        "rsync --server -te.LsfxCIvu . .larder-incoming/../a.tar".to_owned(),
        "rsync --server -te.LsfxCIvu . .larder-incoming/ a.tar".to_owned(),
        format!("rsync --server -te.LsfxCIvu . {full}/a.tar"),
        "rsync --server --sender -te.LsfxCIvu --remove-source-files . a.tar".to_owned(),
        "rsync --server --sender -te.LsfxCIvu . ../outside".to_owned(),
        "rsync --server --sender -te.LsfxCIvu . /etc/passwd".to_owned(),
        "rsync --server --daemon .".to_owned(),
        "rsync --version".to_owned(),
        "scp -t a.tar".to_owned(),
        "/usr/lib/openssh/sftp-server".to_owned(),
    ]
}

#[test]
fn who_has_the_key_alone_can_neither_delete_nor_replace_nor_read_elsewhere() {
    let host = Host::with(sshd_or_skip!(), |folder| Let::Hold(folder));
    keep(&host, "a.tar", 1, 100_000).unwrap();
    keep(&host, "a.larder.json", 2, 100).unwrap();
    let folder = host.folder();
    let outside = host.dir.path().join("outside");
    std::fs::write(&outside, "outside").unwrap();
    let before = std::fs::read(folder.join("a.tar")).unwrap();
    let inode = |path: &Path| {
        use std::os::unix::fs::MetadataExt as _;
        path.metadata().unwrap().ino()
    };
    let first = inode(&folder.join("a.tar"));

    let full = folder.display();
    for command in hostile(&folder) {
        // Nothing is said to it: what would wait for rsync's words ends at once.
        let (went_well, said) = run(&host, &command);
        assert!(
            !went_well || command.starts_with("larder-hold hello"),
            "{command:?} was done: {said}"
        );
    }

    // What somebody with rsync, scp, sftp and ssh would do.
    let target = host.sshd.target();
    let empty = dir();
    let evil = host.file(9, 100_000);
    let evil = evil.display().to_string();
    let at = |path: &str| format!("{target}:{path}");
    let empty = format!("{}/", empty.path().display());
    for words in [
        vec!["-r", "--delete", &empty, &at("")],
        vec!["-r", "--delete", &empty, &at(".")],
        vec!["-r", "--delete", &empty, &at(".larder-incoming/")],
        vec!["-t", &evil, &at("a.tar")],
        vec!["-t", "--inplace", &evil, &at("a.tar")],
        vec!["-t", &evil, &at(&format!("{full}/a.tar"))],
        vec!["-t", "--remove-source-files", &at("a.tar"), &empty],
        vec!["-t", "--backup", "--suffix=x", &evil, &at("a.tar")],
        vec!["-t", "-M--log-file=a.tar", &evil, &at(".larder-incoming/y")],
        vec!["-a", &evil, &at(".larder-incoming/z")],
    ] {
        let out = host.sshd.rsync().args(&words).output().unwrap();
        assert!(!out.status.success(), "{words:?} was done");
    }
    let mut options = host.sshd.options();
    options.push("-q".to_owned());
    let mut sftp = Command::new("sftp")
        .args(&options)
        .args(["-b", "-", &target])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _ = sftp.stdin.take().unwrap().write_all(b"rm a.tar\n");
    assert!(!sftp.wait().unwrap().success());
    let scp = Command::new("scp")
        .args(&options)
        .args([&*evil, &at("a.tar")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!scp.success());
    // No way through it to elsewhere either.
    let port = host.sshd.address();
    let forward = Command::new("ssh")
        .args(&options)
        .args(["-W", &port.to_string(), &target])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!forward.status.success());

    assert_eq!(std::fs::read(folder.join("a.tar")).unwrap(), before);
    assert_eq!(inode(&folder.join("a.tar")), first);
    assert_eq!(std::fs::read(folder.join("a.larder.json")).unwrap(), sample::content(2, 100));
    assert_eq!(host.names(), ["a.larder.json", "a.tar"]);
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "outside");
}

#[test]
fn what_was_cut_goes_on_where_it_stopped() {
    let host = Host::with(sshd_or_skip!(), |folder| Let::Hold(folder));
    let size = 48 << 20;
    let file = host.file(5, size);
    let content = std::fs::read(&file).unwrap();
    let sha256 = sample::sha256(&content);
    let wire = Wire::between(host.sshd.home(), host.sshd.address());
    let access = Access { port: wire.address().port(), ..host.access() };
    let slow = Peer { bandwidth: Some(Bytes(8 << 20)), ..peer(access) };
    let ssh = Ssh::open(&slow, host.dir.path()).unwrap();
    let (stop, progress) = (Stop::new(), Progress::new());
    std::thread::scope(|scope| {
        let sending =
            scope.spawn(|| ssh.hold(&stop)?.keep(&file, "big.tar", sha256, &stop, &progress));
        wait_for("a part arrived", || progress.snapshot().bytes > 4 << 20);
        wire.cut();
        let error = sending.join().unwrap().unwrap_err();
        assert!(error.is_offline(), "{}", error.line());
    });
    let partial = host.folder().join(".larder-incoming/.larder-partial/big.tar");
    wait_for("what arrived is kept", || partial.exists());
    let kept = partial.metadata().unwrap().len();
    assert!(kept > 1 << 20, "{kept} bytes were kept");
    assert!(host.names().is_empty());

    // Somebody who asks to stop is heard at once; nothing is lost by it.
    let (stop, progress) = (Stop::new(), Progress::new());
    std::thread::scope(|scope| {
        let sending =
            scope.spawn(|| ssh.hold(&stop)?.keep(&file, "big.tar", sha256, &stop, &progress));
        wait_for("more arrived", || progress.snapshot().bytes > 6 << 20);
        stop.request(Stopped::Cancelled);
        assert!(matches!(sending.join().unwrap(), Err(PeerError::Stopped(_))));
    });

    let fast = host.ssh();
    let (stop, progress) = (Stop::new(), Progress::new());
    fast.hold(&stop).unwrap().keep(&file, "big.tar", sha256, &stop, &progress).unwrap();
    assert_eq!(std::fs::read(host.folder().join("big.tar")).unwrap(), content);
    assert!(!partial.exists());
    assert_eq!(host.names(), ["big.tar"]);
}

#[test]
fn another_host_key_is_refused_and_said_so() {
    let host = Host::new(sshd_or_skip!());
    let other = sshd_or_skip!();
    let stop = Stop::new();
    let lines = std::fs::read_to_string(other.known_hosts()).unwrap();
    let key = lines.split_once(' ').unwrap().1;
    let wrong = format!("[{}]:{} {key}", host.sshd.home().ip(), host.sshd.address().port());
    for known_hosts in [wrong, format!("elsewhere.example.org {key}")] {
        let access = Access { known_hosts: Some(known_hosts), ..host.access() };
        let ssh = Ssh::open(&peer(access), host.dir.path()).unwrap();
        let error = ssh.hold(&stop).unwrap_err();
        assert!(error.line().contains("host key"), "{}", error.line());
        assert!(!error.is_offline());
    }
    // The text of the right line is as good as a file.
    let right = std::fs::read_to_string(host.sshd.known_hosts()).unwrap();
    let access = Access { known_hosts: Some(right), ..host.access() };
    Ssh::open(&peer(access), host.dir.path()).unwrap().hold(&stop).unwrap();
}

#[test]
fn who_does_not_let_us_in_or_is_not_there_is_told_apart() {
    let host = Host::new(sshd_or_skip!());
    let stop = Stop::new();
    std::fs::remove_dir(host.folder()).unwrap();
    let error = host.ssh().hold(&stop).unwrap_err();
    assert!(error.line().contains("cannot be used") && !error.is_offline(), "{}", error.line());
    std::fs::create_dir(host.folder()).unwrap();
    host.sshd.authorize("");
    let error = host.ssh().hold(&stop).unwrap_err();
    assert!(error.line().contains("does not let our key in"), "{}", error.line());
    assert!(!error.is_offline());
    let access = Access { identity: None, ..host.access() };
    let error = Ssh::open(&peer(access), host.dir.path()).unwrap_err();
    assert!(error.hint().unwrap().contains("larder peer key vps"));
    let access = Access { port: host.sshd.home().with_port().port(), ..host.access() };
    let error = Ssh::open(&peer(access), host.dir.path()).unwrap().hold(&stop).unwrap_err();
    assert!(error.is_offline(), "{}", error.line());
    let mode =
        |name: &str| host.dir.path().join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("ssh"), mode("ssh/vps.config")), (0o700, 0o600));
}
