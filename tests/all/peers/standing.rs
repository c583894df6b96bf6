//! What the other tests of peers stand on does what it says.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::address::Address;
use super::http::{Body, Request};
use super::sshd::{Sshd, key, sshd_or_skip};
use super::wire::{Way, Wire};
use super::world::{Terms, World};
use crate::support::{sample, wait_for};
use crate::walk::instance::text;

#[test]
fn instances_answer_over_tls_each_at_its_own_address() {
    let world = World::of(&["jerry", "tom"]);
    for member in world.members() {
        assert_eq!(member.get("/healthz", None).text(), "ok");
        assert_eq!(member.get("/api/v1/health", None).status, 401);
        assert_eq!(member.health()["instance"], member.name());
        let listening = &member.health()["listening"];
        assert_eq!(listening, &json!([member.address().to_string()]));
    }
    let [jerry, tom] = world.members() else { panic!() };
    assert_ne!(jerry.home().ip(), tom.home().ip());
    // Nobody shows a certificate that is for another.
    let request = Request::get("/healthz");
    assert!(jerry.ask_at(jerry.address(), &request).is_ok());
    assert!(jerry.ask_at(tom.address(), &request).is_err());
    let stranger = World::cold(&["tom"]);
    assert!(stranger.instance("tom").ask_at(tom.address(), &request).is_err());
}

#[test]
fn an_instance_follows_its_files_and_starts_again_where_it_was() {
    let mut world = World::cold(&["jerry"]);
    world.add("tom").start();
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    let token = tom.token("grafana", &["status"]);
    tom.job("web", "");
    tom.settled();
    assert_eq!(tom.tars().len(), 1);
    assert_eq!(tom.get("/api/v1/jobs", &*token).ok(200)[0]["name"], "web");
    tom.remove("tokens/grafana.toml");
    assert_eq!(tom.get("/api/v1/jobs", &*token).status, 401);
    tom.restart();
    tom.kill();
    assert!(!tom.is_running() && tom.ask_at(tom.address(), &Request::get("/healthz")).is_err());
    tom.start();
    assert_eq!(tom.ok(&["jobs"]).lines().filter(|line| line.contains("web")).count(), 1);
    assert_eq!(tom.log().matches("INFO listening").count(), 3);
    let before = std::fs::read(tom.path("tls/cert.pem")).unwrap();
    let pin = tom.renew(&world.authority);
    assert_eq!(pin.len(), 64);
    assert_ne!(std::fs::read(tom.path("tls/cert.pem")).unwrap(), before);
    tom.restart();
    tom.stop();
    assert!(!jerry.is_running());
    tom.write_as_is("broken.toml", "[job.x");
    assert!(tom.fails(1, &["check"]).contains("broken.toml:1"));
}

#[test]
#[should_panic(expected = "scheduel")]
fn a_mistake_in_what_a_test_writes_ends_it() {
    World::cold(&["jerry"]).instance("jerry").job("web", "scheduel = '0 2 * * *'");
}

#[test]
fn paired_instances_store_with_each_other_and_with_nobody_else() {
    let world = World::of(&["jerry", "tom", "bob"]);
    world.pair("jerry", "tom");
    let small = Terms::accept("quota = '1 KiB'\nlocation = 'main'");
    world.pair_with(
        ("bob", Terms { peer: "offsite = false".to_owned(), ..small }),
        ("tom", Terms::nothing()),
    );
    let [jerry, tom, bob] = world.members() else { panic!() };

    let bytes = sample::content(1, 5000);
    let start = json!({
        "filename": "web.tar",
        "total_size": bytes.len(),
        "checksum": sample::sha256(&bytes).to_string(),
    });
    let begin = Request::post("/api/v1/archives/upload/start", Body::Json(&start));
    for (from, to) in [(jerry, tom), (tom, jerry)] {
        let token = from.token_for(to.name());
        let id = to.ask(&begin.with_token(&token)).ok(201)["upload_id"].clone();
        let path = format!("/api/v1/archives/upload/{}", id.as_str().unwrap());
        let chunk = format!("{path}/chunk/0");
        to.ask(&Request::post(&chunk, Body::Bytes(&bytes)).with_token(&token)).ok(200);
        let finish = format!("{path}/finish");
        to.ask(&Request::post(&finish, Body::Empty).with_token(&token)).ok(200);
        assert!(to.keeps_for(from.name()).contains(&"web.tar".to_owned()));
        assert_eq!(bob.ask(&begin.with_token(&token)).status, 401);
    }
    // What bob wrote counts, and tom takes nothing of bob.
    let token = tom.token_for("bob");
    assert_eq!(bob.ask(&begin.with_token(&token)).status, 507);
    assert!(!bob.path("etc/secrets/tom").exists());
    let peers = bob.control_get("/api/v1/peers");
    assert_eq!(peers[0]["name"], "tom", "{peers}");
}

/// Both ends of a connection over a wire.
fn connection(wire: &Wire, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let near = TcpStream::connect(wire.address()).unwrap();
    let (far, _) = listener.accept().unwrap();
    for stream in [&near, &far] {
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    }
    (near, far)
}

fn wire() -> (Wire, TcpListener) {
    let home = Address::claim();
    let listener = TcpListener::bind(home.with_port()).unwrap();
    (Wire::between(&home, listener.local_addr().unwrap()), listener)
}

fn is_broken(mut stream: &TcpStream) -> bool {
    matches!(stream.read(&mut [0]), Err(error) if error.kind() == ErrorKind::ConnectionReset)
}

#[test]
fn a_wire_passes_all_on_and_is_cut_at_the_byte_that_was_asked_for() {
    let (wire, listener) = wire();
    let (mut near, mut far) = connection(&wire, &listener);
    near.write_all(b"question").unwrap();
    near.shutdown(std::net::Shutdown::Write).unwrap();
    let mut words = String::new();
    far.read_to_string(&mut words).unwrap();
    far.write_all(b"answer").unwrap();
    drop(far);
    near.read_to_string(&mut words).unwrap();
    assert_eq!(words, "questionanswer");
    assert_eq!((wire.passed(Way::There), wire.passed(Way::Back)), (8, 6));

    let (mut near, mut far) = connection(&wire, &listener);
    let (other, _far) = connection(&wire, &listener);
    wire.cut_after(Way::Back, 100_000);
    let writer = std::thread::spawn(move || while far.write_all(&[7; 10_000]).is_ok() {});
    let mut bytes = Vec::new();
    assert!(near.read_to_end(&mut bytes).is_err() && bytes.len() <= 100_000);
    writer.join().unwrap();
    assert!(is_broken(&other));
    assert_eq!((wire.cuts(), wire.passed(Way::Back)), (1, 100_006));

    let (near, far) = connection(&wire, &listener);
    wire.cut();
    assert!(is_broken(&near) && is_broken(&far));
    let (mut near, mut far) = connection(&wire, &listener);
    near.write_all(b"x").unwrap();
    far.read_exact(&mut [0]).unwrap();
    assert_eq!((wire.cuts(), wire.connections()), (2, 5));
    drop(wire);
    assert!(is_broken(&near) || near.read(&mut [0]).unwrap() == 0);
}

#[test]
fn a_wire_stalls_refuses_and_is_slow() {
    let (wire, listener) = wire();
    let (mut near, mut far) = connection(&wire, &listener);
    wire.stall();
    near.write_all(b"late").unwrap();
    far.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert_eq!(far.read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
    wire.refuse();
    let refused = TcpStream::connect(wire.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    far.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    wire.resume();
    let mut word = [0; 4];
    far.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"late");
    wire.admit();
    wire.limit(Some(100_000));
    let begun = Instant::now();
    let (mut near, mut far) = connection(&wire, &listener);
    near.write_all(&vec![0; 50_000]).unwrap();
    far.read_exact(&mut vec![0; 50_000]).unwrap();
    assert!(begun.elapsed() > Duration::from_millis(450), "{:?}", begun.elapsed());
    wire.limit(None);
}

#[test]
fn an_instance_is_reached_over_a_wire_under_its_own_certificate() {
    let world = World::of(&["jerry", "tom"]);
    let tom = world.instance("tom");
    let wire = Wire::to(tom);
    let over = Terms::peer(format!("url = '{}'\nbandwidth = '1 MiB'", wire.url()));
    world.pair_with(("jerry", over), ("tom", Terms::default()));
    let config = world.instance("jerry").ok(&["config", "show"]);
    assert!(config.contains(&wire.address().to_string()) && config.contains("bandwidth"));
    let answer = tom.ask_at(wire.address(), &Request::get("/healthz")).unwrap();
    assert_eq!(answer.text(), "ok");
    wire.cut_after(Way::There, 10);
    assert!(tom.ask_at(wire.address(), &Request::get("/healthz")).is_err());
    assert!(tom.ask_at(wire.address(), &Request::get("/healthz")).is_ok());
}

#[test]
fn a_real_ssh_server_runs_commands_and_takes_files() {
    let sshd = sshd_or_skip!();
    let done = sshd.ssh().arg("true").output().unwrap();
    assert!(done.status.success(), "{}\n{}", text(&done.stderr), sshd.log());
    let dir = crate::support::dir();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    std::fs::write(&from, sample::content(1, 100_000)).unwrap();
    let target = format!("{}:{}", sshd.target(), to.display());
    let done = sshd.rsync().arg(&from).arg(target).output().unwrap();
    assert!(done.status.success(), "{}\n{}", text(&done.stderr), sshd.log());
    assert_eq!(std::fs::read(&to).unwrap(), sample::content(1, 100_000));

    // A session that is cut, and a server that nobody reaches any more.
    let mut session = sshd.ssh();
    session.arg("echo begun; exec sleep 600").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut session = session.spawn().unwrap();
    session.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
    sshd.cut();
    assert_eq!(session.wait().unwrap().code(), Some(255));
    let address = sshd.address();
    drop(sshd);
    wait_for("the server is gone", || TcpStream::connect(address).is_err());
}

#[test]
fn an_ssh_server_lets_in_whom_it_is_told_and_runs_what_it_is_told() {
    let sshd = sshd_or_skip!();
    sshd.authorize(&format!("command=\"echo forced\",restrict {}", sshd.public_key()));
    let done = sshd.ssh().arg("true").output().unwrap();
    assert_eq!(text(&done.stdout), "forced\n");
    let dir = crate::support::dir();
    key(&dir.path().join("other"));
    let other = std::fs::read_to_string(dir.path().join("other.pub")).unwrap();
    sshd.authorize(&other);
    let done = sshd.ssh().arg("true").output().unwrap();
    assert_eq!(done.status.code(), Some(255));
    assert!(text(&done.stderr).contains("Permission denied"));
    sshd.authorize(&sshd.public_key());
    let wire = Wire::between(sshd.home(), sshd.address());
    let mut ssh = Command::new("ssh");
    ssh.args(sshd.options_at(wire.address().port())).arg(sshd.target());
    let done = ssh.arg("true").output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(wire.passed(Way::Back) > 1000);
    let toml = sshd.toml(dir.path(), ", relay = \"x@y:1\"");
    let parsed: toml::Table = format!("ssh = {toml}").parse().unwrap();
    assert_eq!(parsed["ssh"]["user"].as_str(), Some(&*Sshd::user()));
}
