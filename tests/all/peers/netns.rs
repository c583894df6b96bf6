//! Networks of a test's own: namespaces, and links between them that are slow, lossy or down.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A network namespace; it goes when it is dropped, once nothing runs in it any more.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
    ip: Ipv4Addr,
}

/// A cable between two namespaces, made of two devices. It goes with either of them.
#[derive(Debug)]
pub(crate) struct Link {
    /// The namespace and the device of each end.
    ends: [(String, String); 2],
}

/// Namespaces with these last numbers of their addresses, or the end of the test with a remark.
macro_rules! namespaces_or_skip {
    ($($host:expr),+) => {
        match $crate::peers::netns::Namespace::all([$($host),+]) {
            Ok(namespaces) => namespaces,
            Err(why) => $crate::support::skipped!("{why}"),
        }
    };
}
pub(crate) use namespaces_or_skip;

/// What the names of all namespaces of tests begin with; the number of the process follows.
const PREFIX: &str = "larder-test-";

impl Namespace {
    /// Namespaces without any link, one for each number; the reason where there can be none.
    pub(crate) fn all<const N: usize>(hosts: [u8; N]) -> Result<[Self; N], String> {
        crate::support::root()?;
        sweep();
        let made: Result<Vec<Self>, String> = hosts.into_iter().map(Self::new).collect();
        Ok(made?.try_into().unwrap())
    }

    fn new(host: u8) -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        run("ip", &["netns", "add", &name]).map_err(|why| format!("no namespaces here: {why}"))?;
        let namespace = Self { name, ip: Ipv4Addr::new(10, 77, 0, host) };
        run("ip", &["-n", &namespace.name, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Its address, on every link of it.
    pub(crate) fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    /// What runs the command that follows in it.
    pub(crate) fn words(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.name].map(str::to_owned).to_vec()
    }

    /// A program that runs in it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Whether an address can be reached from it at all.
    pub(crate) fn reaches(&self, ip: Ipv4Addr) -> bool {
        run("ip", &["-n", &self.name, "route", "get", &ip.to_string()]).is_ok()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = run("ip", &["netns", "del", &self.name]);
    }
}

impl Link {
    /// A cable between two namespaces: each reaches exactly the other over it.
    pub(crate) fn between(one: &Namespace, other: &Namespace) -> Self {
        let end = |own: &Namespace, other: &Namespace| {
            (own.name.clone(), format!("to{}", other.ip.octets()[3]))
        };
        let link = Self { ends: [end(one, other), end(other, one)] };
        let [(near, device), (far, peer)] = &link.ends;
        let cable = ["link", "add", device, "netns", near, "type", "veth", "peer"];
        let cable: Vec<&str> = cable.into_iter().chain(["name", peer, "netns", far]).collect();
        run("ip", &cable).unwrap();
        for (own, far) in [(one, other), (other, one)] {
            let (name, device) = end(own, far);
            let (ip, far) = (own.ip.to_string(), far.ip.to_string());
            run("ip", &["-n", &name, "addr", "add", &ip, "peer", &far, "dev", &device]).unwrap();
            // What passes is counted, dropped and delayed as on a wire: in packets of its size.
            run("ip", &["-n", &name, "link", "set", &device, "gso_max_segs", "1", "up"]).unwrap();
        }
        link
    }

    /// Nothing passes any more, and both ends know.
    pub(crate) fn down(&self) {
        let (name, device) = &self.ends[0];
        run("ip", &["-n", name, "link", "set", device, "down"]).unwrap();
    }

    /// It is there again. Connections that did not give up meanwhile go on.
    pub(crate) fn up(&self) {
        let (name, device) = &self.ends[0];
        run("ip", &["-n", name, "link", "set", device, "up"]).unwrap();
    }

    /// At most so many bytes a second from now on, in each direction; the reason where the kernel
    /// cannot.
    pub(crate) fn slow(&self, bytes: u32) -> Result<(), String> {
        let rate = format!("{}bit", u64::from(bytes) * 8);
        self.each(|name, device| {
            let tbf = ["root", "tbf", "rate", &rate, "burst", "32kb", "latency", "200ms"];
            let on = ["-n", name, "qdisc", "replace", "dev", device];
            run("tc", &on.into_iter().chain(tbf).collect::<Vec<_>>())
        })
    }

    /// So many of a hundred packets get lost from now on, at random, in each direction; the reason
    /// where the kernel cannot.
    pub(crate) fn lossy(&self, percent: u32) -> Result<(), String> {
        // The kernel's random number; above the mark, a packet passes (0), below, it is shot (2).
        let mark = u32::MAX / 100 * percent;
        let program = format!("4,32 0 0 4294963256,53 0 1 {mark},6 0 0 0,6 0 0 2");
        self.each(|name, device| {
            run("tc", &["-n", name, "qdisc", "replace", "dev", device, "clsact"])?;
            let on = ["-n", name, "filter", "add", "dev", device, "ingress", "bpf", "da"];
            run("tc", &on.into_iter().chain(["bytecode", &program]).collect::<Vec<_>>())
        })
    }

    /// How many packets got lost so far, in both directions.
    pub(crate) fn lost(&self) -> u64 {
        let mut lost = 0;
        let count = self.each(|name, device| {
            let on = ["-n", name, "-s", "-j", "qdisc", "show", "dev", device, "ingress"];
            let shown: serde_json::Value = serde_json::from_str(&run("tc", &on)?).unwrap();
            lost += shown[0]["drops"].as_u64().unwrap_or_default();
            Ok(String::new())
        });
        count.unwrap();
        lost
    }

    fn each(&self, mut on: impl FnMut(&str, &str) -> Result<String, String>) -> Result<(), String> {
        self.ends.iter().try_for_each(|(name, device)| on(name, device).map(|_| ()))
    }
}

/// Namespaces of processes that were killed before they could remove them.
fn sweep() {
    for name in run("ip", &["netns", "list"]).unwrap_or_default().lines() {
        let name = name.split(' ').next().unwrap_or_default();
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let pid = rest.split('-').next().unwrap_or_default();
        if !Path::new("/proc").join(pid).exists() {
            let _ = run("ip", &["netns", "del", name]);
        }
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{program} {}`: {}", arguments.join(" "), said.trim()))
}
