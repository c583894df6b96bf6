//! A receiver of webhooks and pings that can be told to misbehave.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::walk::instance::Instance;

/// What it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// This status.
    Says(u16),
    /// A redirect to itself, under `/elsewhere`.
    Redirects,
    /// Nothing, for as long as the other side waits.
    Silent,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) path: String,
    pub(super) head: String,
    pub(super) body: String,
}

impl Received {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The event of a webhook's message.
    pub(super) fn event(&self) -> String {
        self.json()["event"].as_str().unwrap().to_owned()
    }
}

/// An HTTP server in this process.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    mood: Mutex<Mood>,
    received: Mutex<Vec<Received>>,
}

impl Receiver {
    pub(super) fn new(mood: Mood) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), mood).unwrap()
    }

    /// At an address that may be taken.
    pub(super) fn at(address: SocketAddr, mood: Mood) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { mood: Mutex::new(mood), received: Mutex::new(Vec::new()) });
        let for_all = Arc::clone(&shared);
        // Ends with the test.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&for_all);
                std::thread::spawn(move || answer(&shared, stream));
            }
        });
        Ok(Self { address, shared })
    }

    /// An address where nobody listens.
    pub(super) fn nobody() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    pub(super) fn set(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    /// What came so far.
    pub(super) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    pub(super) fn events(&self) -> Vec<String> {
        self.received().iter().map(Received::event).collect()
    }

    /// Waits until so many requests came.
    pub(super) fn wait_for(&self, instance: &Instance, number: usize) -> Vec<Received> {
        instance.wait(&format!("{number} requests"), || self.received().len() >= number);
        self.received()
    }
}

fn answer(shared: &Shared, stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let body = String::from_utf8(body).unwrap();
    shared.received.lock().unwrap().push(Received { path, head, body });
    let mood = *shared.mood.lock().unwrap();
    let mut stream = stream;
    let reply = match mood {
        Mood::Says(status) => format!("HTTP/1.1 {status} X\r\n"),
        Mood::Redirects => "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\n".to_owned(),
        Mood::Silent => {
            // Until the other side gives up.
            let _ = reader.read(&mut [0]);
            return;
        }
    };
    let _ = write!(stream, "{reply}content-length: 0\r\nconnection: close\r\n\r\n");
}

/// An instance with a target `ops` at this address, whose path is a secret, and with these jobs,
/// each of which fails until the file `ok-NAME` is there.
pub(super) fn with_hook(address: SocketAddr, jobs: &[&str]) -> Instance {
    let instance = Instance::new("");
    secret(&instance, "hook", &format!("http://{address}/canary-7f3a9?token=canary-51c0d"));
    instance.write("notify.toml", "[notify.ops]\nurl = { file = \"../hook\" }\n");
    with_jobs(&instance, jobs);
    instance
}

/// Writes jobs, each of which fails until the file `ok-NAME` is there.
pub(super) fn with_jobs(instance: &Instance, jobs: &[&str]) {
    let dir = instance.path("").display().to_string();
    let dir = dir.trim_end_matches('/');
    let job = |name: &&str| {
        instance.source(&format!("src-{name}/file"), b"content");
        format!(
            "[job.{name}]\ntype = \"custom_dir\"\nsource_path = \"../src-{name}\"\nretries = 0\n\
             catch_up = \"now\"\nbefore = [\"test -e {dir}/ok-{name}\"]\n"
        )
    };
    instance.write("jobs.toml", &jobs.iter().map(job).collect::<String>());
}

/// Lets a job succeed from now on.
pub(super) fn heal(instance: &Instance, job: &str) {
    std::fs::write(instance.path(&format!("ok-{job}")), "").unwrap();
}

/// Writes a secret that only we can read.
pub(super) fn secret(instance: &Instance, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = instance.path(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
