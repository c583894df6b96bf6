//! `docs/DISASTER.md`, followed word for word on an empty root: `/etc`, `/srv`, `/var/lib`, `/mnt`
//! and `/run` of a mount namespace of its own, in which systemd is a stand-in.

use std::fs;
use std::io::BufRead as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::peers::world::World;
use crate::support::{root_or_skip, skipped};
use crate::walk::instance::{binary, text};

const SETUP: &str = r#"
set -e
mount -t tmpfs tmpfs "$DIR/over"
mkdir "$DIR/over/u" "$DIR/over/w"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$DIR/over/u,workdir=$DIR/over/w" /etc
for dir in /srv /var/lib /mnt /run; do mount -t tmpfs tmpfs $dir; done
mkdir /mnt/archives /run/mysqld
mount --bind "$DIR/disk" /mnt/archives
"#;

/// The server before it burned.
const SERVER: &str = r#"
useradd --system --home-dir /srv/app --shell /bin/false larder-day
mkdir -p /srv/app/data /srv/notes /etc/larder /run/systemd/system
echo "one" > /srv/notes/one; ln -s one /srv/notes/link
printf '[Service]\nExecStart=/bin/true\n' > /srv/app/app.service
head -c 300000 /dev/urandom > /srv/app/data/blob
chown -R larder-day:larder-day /srv/app; chmod 750 /srv/app
cat > /etc/larder/all.toml <<TOML
[instance]
name = "jerry"
timezone = "Europe/Paris"
[defaults]
schedule = "0 2 * * *"
retention = { mode = "count", value = 7 }
location = "disk"
[location.disk]
path = "/mnt/archives"
min_free = "1 MiB"
[job.notes]
type = "custom_dir"
source_path = "/srv/notes"
[job.app]
type = "custom_dir"
source_path = "/srv/app"
[job.app.restore]
system_user = { name = "larder-day", home = "/srv/app", shell = "/bin/false" }
systemd_service = { name = "larder-day", service_file = "/srv/app/app.service" }
permissions = { owner = "larder-day:larder-day", mode = "750" }
post_restore_commands = ["echo started > /srv/app/started"]
TOML
larder apply
"#;

const LOOK: &str = r"
{ cd /srv && find . -not -name started -printf '%p %y %m %u %g %l\n' | sort
  find . -type f -not -name started -exec sha256sum {} + | sort; }
";

fn inside(dir: &Path, script: &str) -> Output {
    let path = format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").unwrap());
    Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c"])
        .arg(format!("{SETUP}{script}"))
        .env("DIR", dir)
        .env("PATH", path)
        .env("LC_ALL", "C.UTF-8")
        .env_remove("INVOCATION_ID")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The headline of the part that is for those whose archives rest at a peer alone.
const FROM_A_PEER: &str = "## From a peer\n";

/// The commands of that part of the page, or of the others, in their order.
fn commands_of_the_page(is_from_a_peer: bool) -> Vec<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/DISASTER.md");
    let page = fs::read_to_string(page).unwrap();
    let (before, rest) = page.split_once(FROM_A_PEER).unwrap();
    let (part, after) = rest.split_once("\n## ").unwrap();
    let text = if is_from_a_peer { part.to_owned() } else { format!("{before}{after}") };
    let blocks = text.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().trim().to_owned()).collect()
}

fn stand_in(path: &Path, body: &str) {
    fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_page_for_the_day_of_a_disaster_brings_an_empty_root_back() {
    root_or_skip!();
    let dir = tempfile::Builder::new().prefix("larder-disaster-").tempdir().unwrap();
    let dir = dir.path();
    for name in ["bin", "over", "disk"] {
        fs::create_dir(dir.join(name)).unwrap();
    }
    std::os::unix::fs::symlink(binary(), dir.join("bin/larder")).unwrap();
    stand_in(&dir.join("bin/systemctl"), "echo \"$@\" >> \"$DIR/systemctl.calls\"");
    let probe = inside(dir, "true");
    if !probe.status.success() {
        skipped!("no mount namespace with an overlay here: {}", text(&probe.stderr));
    }

    let before = inside(dir, &format!("{{ {SERVER}\n}} >&2\n{LOOK}"));
    assert!(before.status.success(), "{}", text(&before.stderr));

    // The server burned: only the disk is left. A new machine, and the page.
    let blocks = commands_of_the_page(false);
    assert!(blocks.len() >= 6, "{blocks:?}");
    let name = fs::read_dir(dir.join("disk"))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .find_map(|name| Some(name.strip_suffix(".tar")?.to_owned()))
        .unwrap();
    let page: Vec<String> = blocks
        .iter()
        .map(|block| {
            // What fails is named with what it said.
            let block = block.replace("NAME", &name);
            format!(
                "{{ {block}\n}} >&2 || {{ echo 'failed: {}' >&2; exit 1; }}",
                block.replace('\'', "")
            )
        })
        .collect();
    let script = format!(
        "mkdir -p /run/systemd/system\n{}\nrm -r /srv/.larder-aside-*\n{LOOK}\ncat /srv/app/started >&2\n",
        page.join("\n")
    );
    let after = inside(dir, &script);
    let said = text(&after.stderr);
    assert!(after.status.success(), "{said}");
    assert_eq!(text(&after.stdout), text(&before.stdout), "{said}");
    assert!(said.contains("everything is back"), "{said}");
    assert!(said.contains("without larder"), "RESTORE.txt was not shown: {said}");
    let calls = fs::read_to_string(dir.join("systemctl.calls")).unwrap();
    assert!(calls.contains("enable larder-day.service"), "{calls}");
    assert!(calls.contains("enable --now larder"), "{calls}");
}

/// The server that keeps its archives at tom, and burned with its disk.
const FAR_SERVER: &str = r#"
mkdir -p /srv/notes /etc/larder /run/systemd/system
echo "one" > /srv/notes/one; ln -s one /srv/notes/link; chmod 640 /srv/notes/one
cat > /etc/larder/all.toml <<TOML
[instance]
name = "jerry"
timezone = "Europe/Paris"
[defaults]
schedule = "0 2 * * *"
retention = { mode = "count", value = 7 }
location = "disk"
[location.disk]
path = "/mnt/archives"
min_free = "1 MiB"
[location.received]
path = "/srv/received"
min_free = "1 MiB"
[job.notes]
type = "custom_dir"
source_path = "/srv/notes"
TOML
larder peer accept "$CODE" --write
echo 'send_to = ["tom"]' >> /etc/larder/all.toml
larder run notes
larder archive send notes@latest tom
rm -rf /srv/received
"#;

#[test]
fn the_page_for_the_day_of_a_disaster_brings_back_what_a_peer_kept() {
    root_or_skip!();
    let dir = tempfile::Builder::new().prefix("larder-disaster-").tempdir().unwrap();
    let dir = dir.path();
    for name in ["bin", "over", "disk"] {
        fs::create_dir(dir.join(name)).unwrap();
    }
    std::os::unix::fs::symlink(binary(), dir.join("bin/larder")).unwrap();
    stand_in(&dir.join("bin/systemctl"), "true");
    let probe = inside(dir, "true");
    if !probe.status.success() {
        skipped!("no mount namespace with an overlay here: {}", text(&probe.stderr));
    }
    let world = World::of(&["tom"]);
    let tom = world.instance("tom");
    let code = tom.ok(&["peer", "invite", "jerry", "--write", "--no-wait"]);
    let server = FAR_SERVER.replace("$CODE", code.trim());
    let before = inside(dir, &format!("{{ {server}\n}} >&2\n{LOOK}"));
    assert!(before.status.success(), "{}", text(&before.stderr));
    assert!(!tom.keeps_for("jerry").is_empty(), "{}", text(&before.stderr));

    // The server burned, and its disk with it. What is to be done at tom is done there.
    fs::remove_dir_all(dir.join("disk")).unwrap();
    fs::create_dir(dir.join("disk")).unwrap();
    let blocks = commands_of_the_page(true);
    let [invite, look, bring, confirm] = blocks.as_slice() else { panic!("{blocks:?}") };
    let at_tom = |line: &str| -> Vec<String> {
        let words = line.strip_prefix("larder ").unwrap().split(' ');
        words.map(str::to_owned).collect()
    };
    let invite = at_tom(invite);
    let words: Vec<&str> = invite.iter().map(String::as_str).collect();
    let mut invite = tom.command(&words);
    let mut invite = invite.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(invite.stdout.take().unwrap()).lines();
    let code = lines.next().unwrap().unwrap();
    let as_it_is =
        |line: &str| line.replace("https://tom.example.org", &tom.url()).replace("CODE", &code);
    let after = inside(
        dir,
        &format!(
            // The peer takes a moment until the new token is in force: run it again, as the page says.
            "{{ set -e; n=0; until {}; do n=$((n+1)); test $n -lt 100; sleep 0.1; done; test ! -e /srv/notes; {}; larder status || true; rm -rf /srv/received; }} >&2\n{LOOK}",
            as_it_is(look),
            as_it_is(bring)
        ),
    );
    let said = text(&after.stderr);
    assert!(after.status.success(), "{said}");
    assert_eq!(text(&after.stdout), text(&before.stdout), "{said}");
    assert!(said.contains("everything is back") && said.contains("new token"), "{said}");
    assert!(invite.wait().unwrap().success());
    let confirm = at_tom(confirm);
    let words: Vec<&str> = confirm.iter().map(String::as_str).collect();
    let file = tom.path("etc/peers/jerry.toml");
    assert!(fs::read_to_string(&file).unwrap().contains("read_only"));
    tom.ok(&words);
    assert!(!fs::read_to_string(&file).unwrap().contains("read_only"));
}
