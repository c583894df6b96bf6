//! A host that can be reached by way of a relay only: three network namespaces, of which the two
//! at the ends have no way to each other.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::peers::sshd::key;
use crate::support::{root_or_skip, skipped, wait_for};
use crate::walk::instance::Instance;

/// Three namespaces in a row; all that runs in them ends with it.
struct Row {
    tag: String,
    children: Vec<Child>,
}

const NEAR: &str = "10.211.1.1";
const RELAY_NEAR: &str = "10.211.1.2";
const RELAY_FAR: &str = "10.211.2.1";
const FAR: &str = "10.211.2.2";

fn ip(words: &str) -> Result<(), String> {
    let out = Command::new("ip").args(words.split(' ')).stdin(Stdio::null()).output();
    match out {
        Err(error) => Err(format!("`ip` cannot be run: {error}")),
        Ok(out) if out.status.success() => Ok(()),
        Ok(out) => Err(format!("ip {words}: {}", String::from_utf8_lossy(&out.stderr))),
    }
}

impl Row {
    fn new() -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let row = Self { tag: format!("{}-{count}", std::process::id()), children: Vec::new() };
        let [near, relay, far] = ["near", "relay", "far"].map(|place| row.name(place));
        for name in [&near, &relay, &far] {
            ip(&format!("netns add {name}"))?;
            ip(&format!("-n {name} link set lo up"))?;
        }
        for (one, other, from, to) in
            [(&near, &relay, NEAR, RELAY_NEAR), (&relay, &far, RELAY_FAR, FAR)]
        {
            // Made within, so that the network of this host has nothing of it.
            let (a, b) = if from == NEAR { ("n0", "n1") } else { ("f0", "f1") };
            ip(&format!("-n {one} link add {a} type veth peer name {b} netns {other}"))?;
            for (name, device, address) in [(one, a, from), (other, b, to)] {
                ip(&format!("-n {name} addr add {address}/24 dev {device}"))?;
                ip(&format!("-n {name} link set {device} up"))?;
            }
        }
        Ok(row)
    }

    fn name(&self, place: &str) -> String {
        format!("larder-{}-{place}", self.tag)
    }

    /// A program in one of them.
    fn command(&self, place: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name(place), program]);
        command
    }

    /// An SSH server in one of them, with the host key and the authorized keys of `dir`.
    fn serve(&mut self, place: &str, address: &str, dir: &Path) {
        let at = dir.display();
        let configuration = format!(
            "ListenAddress {address}:22\nHostKey {at}/host_key\nAuthorizedKeysFile {at}/authorized_keys\n\
             PidFile none\nUsePAM no\nStrictModes no\nUseDNS no\nPermitRootLogin yes\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nLogLevel VERBOSE\n"
        );
        std::fs::write(dir.join("sshd_config"), configuration).unwrap();
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let mut command = self.command(place, "/usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(dir.join("sshd_config"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        self.children.push(child.unwrap());
        wait_for("the SSH server listens", || {
            std::fs::read_to_string(dir.join("log")).unwrap().contains("Server listening on")
        });
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        for place in ["near", "relay", "far"] {
            let _ = ip(&format!("netns del {}", self.name(place)));
        }
    }
}

#[test]
fn a_host_behind_a_relay_gets_archives_that_the_relay_cannot_read() {
    root_or_skip!();
    if !Path::new("/usr/sbin/sshd").exists() {
        skipped!("there is no SSH server");
    }
    let mut row = match Row::new() {
        Ok(row) => row,
        Err(why) => skipped!("no network namespaces: {why}"),
    };
    let _ = std::fs::create_dir("/run/sshd");
    let jerry = Instance::new("");
    let place = |name: &str| {
        let dir = jerry.path(name);
        std::fs::create_dir(&dir).unwrap();
        key(&dir.join("host_key"));
        dir
    };
    let (relay, far) = (place("relay"), place("far"));
    let folder = far.join("srv");
    std::fs::create_dir(&folder).unwrap();
    let identity = jerry.path("identity");
    key(&identity);
    let public = keys::public(&identity, &Stop::new()).unwrap();
    // The relay lets it pass to one place, and do nothing.
    let through = format!("restrict,port-forwarding,permitopen=\"{FAR}:22\" {public}\n");
    std::fs::write(relay.join("authorized_keys"), through).unwrap();
    let line = keys::authorized_line(&public, Let::Hold(&folder));
    std::fs::write(far.join("authorized_keys"), line).unwrap();
    row.serve("relay", RELAY_NEAR, &relay);
    row.serve("far", FAR, &far);

    let host_key = |dir: &Path| std::fs::read_to_string(dir.join("host_key.pub")).unwrap();
    let known = format!("{RELAY_NEAR} {}{FAR} {}", host_key(&relay), host_key(&far));
    let user = Sshd::user();
    jerry.source("src/web/a", &sample::content(1, 500_000));
    jerry.write(
        "cabin.toml",
        &format!(
            "[peer.cabin]\nkind = \"direct-ssh-via-relay\"\n[peer.cabin.ssh]\nhost = \"{FAR}\"\n\
             user = \"{user}\"\npath = \"{}\"\nidentity = \"{}\"\nrelay = \"{user}@{RELAY_NEAR}\"\n\
             known_hosts = \"\"\"\n{known}\"\"\"\n\
             [job.web]\ntype = \"custom_dir\"\nsource_path = \"../src/web\"\nsend_to = [\"cabin\"]\n\
             schedule = \"0 2 1 1 *\"\nretention = {{ mode = \"count\", value = 7 }}\nlocation = \"main\"\n",
            folder.display(),
            identity.display(),
        ),
    );
    jerry.ok(&["check"]);

    // There is no way past the relay.
    let options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=3", "-F", "none"];
    let mut direct = row.command("near", "ssh");
    let direct = direct.args(options).args([&format!("{user}@{FAR}"), "id"]).output().unwrap();
    assert_eq!(direct.status.code(), Some(255));

    let mut daemon = row.command("near", crate::walk::instance::binary());
    let log = std::fs::File::create(jerry.path("daemon.log")).unwrap();
    let daemon = daemon.arg("--config").arg(jerry.path("etc")).arg("daemon");
    row.children
        .push(daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
    let arrived = || {
        let entries = std::fs::read_dir(&folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.strip_suffix(".tar").is_some()).collect::<Vec<_>>()
    };
    jerry.wait("the archive arrived", || !arrived().is_empty());
    let name = &arrived()[0];
    assert_eq!(
        std::fs::read(folder.join(name)).unwrap(),
        std::fs::read(jerry.path("archives").join(name)).unwrap()
    );
    // The end shook hands itself: the relay only passed on what it could not read.
    let log = std::fs::read_to_string(far.join("log")).unwrap();
    assert!(log.contains("Accepted publickey") && log.contains(RELAY_FAR), "{log}");
}
