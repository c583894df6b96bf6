use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let text = "[instance]\nname = \"jerry\"\n[retention.all]\nmode = \"count\"\nvalue = 7\n\
                [defaults]\nschedule = \"0 2 * * *\"\nretention = \"all\"\nlocation = \"main\"\n\
                [location.main]\npath = \"/srv/main\"\n[location.received]\npath = \"/srv/received\"\n";
    fs::write(dir.path().join("larder.toml"), text).unwrap();
    dir
}

fn name(text: &str) -> PlaceName {
    text.parse().unwrap()
}

fn toml(kind: &str, words: &[&str]) -> Result<String, EditError> {
    render(&name("nas"), kind, &fields(kind, words.iter().copied())?)
}

#[test]
fn words_become_the_table_of_their_kind() {
    let text = toml("backup-channel", &["hostname=nas", "location=main"]).unwrap();
    insta::assert_snapshot!(text, @r#"
    # Written by larder, and removed by `larder peer remove`.
    [peer.nas]
    kind = "backup-channel"
    hostname = "nas"
    location = "main"
    "#);
    let words = [
        "url=https://nas.example.org",
        "token.file=/etc/larder/secrets/nas",
        "offsite=false",
        "accept.token_hash=sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "accept.location=received",
        "accept.retention.mode=count",
        "accept.retention.value=7",
        "accept.scopes=status,send",
        "ssh.host=nas.example.org",
        "ssh.port=2222",
        "ssh.user=backup",
    ];
    let text = toml("instance", &words).unwrap();
    insta::assert_snapshot!(text, @r#"
    # Written by larder, and removed by `larder peer remove`.
    [peer.nas]
    kind = "instance"
    offsite = false
    token = { file = "/etc/larder/secrets/nas" }
    url = "https://nas.example.org"

    [peer.nas.accept]
    location = "received"
    retention = { mode = "count", value = 7 }
    scopes = ["status", "send"]
    token_hash = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

    [peer.nas.ssh]
    host = "nas.example.org"
    port = 2222
    user = "backup"
    "#);
}

#[test]
fn what_is_not_understood_is_told_with_what_there_is() {
    let cases: &[(&str, &[&str])] = &[
        ("backup-chanel", &[]),
        ("backup-channel", &[]),
        ("backup-channel", &["host=nas"]),
        ("backup-channel", &["hostname"]),
        ("backup-channel", &["hostname=a", "hostname=b"]),
        ("backup-channel", &["hostname=a", "url=https://x"]),
        ("instance", &["token=hunter2"]),
        ("instance", &["accept=yes"]),
        ("instance", &["accept.tokn_hash=x"]),
        ("instance", &["offsite=perhaps"]),
        ("instance", &["url.host=x"]),
        ("direct-ssh-direct", &["bandwidth=1 MiB"]),
    ];
    let told = cases.iter().map(|(kind, words)| {
        let error = toml(kind, words).unwrap_err();
        format!("{error}\n  {}", error.hint())
    });
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_peer_is_written_once_and_removed_again() {
    let dir = directory();
    let nas = name("nas");
    let text = toml("backup-channel", &["hostname=nas"]).unwrap();
    let path = add_peer(dir.path(), &nas, &text, None).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    let error = add_peer(dir.path(), &nas, &text, None).unwrap_err();
    assert!(matches!(error, EditError::Exists(_)), "{error}");
    remove_peer(dir.path(), &nas).unwrap();
    assert!(!path.exists());
    assert!(matches!(remove_peer(dir.path(), &nas), Err(EditError::Unknown(_))));
}

#[test]
fn what_would_not_be_valid_is_not_written() {
    let dir = directory();
    let nas = name("nas");
    for (other, words) in [("nas", "location=nowhere"), ("main", "location=main")] {
        let text = render(
            &name(other),
            "backup-channel",
            &fields("backup-channel", ["hostname=nas", words]).unwrap(),
        );
        let error = add_peer(dir.path(), &name(other), &text.unwrap(), Some("x")).unwrap_err();
        assert!(matches!(error, EditError::Invalid { .. }), "{error}");
        assert!(!dir.path().join("peers").exists() && !dir.path().join("secrets").exists());
    }
    assert!(matches!(own_text(dir.path(), &nas), Err(EditError::Unknown(_))));
}

#[test]
fn what_somebody_else_wrote_is_not_removed_but_its_lines_are_named() {
    let dir = directory();
    let text = "# mine\n[peer.other]\nkind = \"backup-channel\"\nhostname = \"o\"\n\n[peer.nas]\n\
                kind = \"backup-channel\"\nhostname = \"nas\"\n";
    fs::write(dir.path().join("all.toml"), text).unwrap();
    let error = remove_peer(dir.path(), &name("nas")).unwrap_err();
    assert_eq!(error.hint(), "remove all.toml:6-8 by hand");
    fs::create_dir(dir.path().join("peers")).unwrap();
    fs::rename(dir.path().join("all.toml"), dir.path().join("peers/nas.toml")).unwrap();
    let error = remove_peer(dir.path(), &name("nas")).unwrap_err();
    assert_eq!(error.hint(), "remove peers/nas.toml:6-8 by hand");
}

#[test]
fn a_peer_that_a_job_sends_to_stays() {
    let dir = directory();
    let words = ["url=https://nas.example.org", "token.file=../secrets/peer-nas"];
    let text = toml("instance", &words).unwrap();
    add_peer(dir.path(), &name("nas"), &text, Some("token")).unwrap();
    let secret = dir.path().join("secrets/peer-nas");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "token\n");
    assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    let job = "[job.web]\ntype = \"custom_dir\"\nsource_path = \"/srv/web\"\nsend_to = [\"nas\"]\n";
    fs::write(dir.path().join("web.toml"), job).unwrap();
    let error = remove_peer(dir.path(), &name("nas")).unwrap_err();
    assert!(error.to_string().contains("job `web` sends to it (web.toml:1:"), "{error}");
    fs::write(dir.path().join("web.toml"), job.replace("send_to", "# send_to")).unwrap();
    let removed = remove_peer(dir.path(), &name("nas")).unwrap();
    assert_eq!(removed.secret, Some(secret.clone()));
    assert!(!secret.exists());
}
