//! Peers that are asked: what is remembered of them, and when they are asked again.

use axum::Router;
use axum::routing::get;
use serde_json::json;

use super::*;
use crate::engine::peers::contacts;
use crate::engine::peers::contacts::check_now;
use crate::model::contact::{Contact, Presence};
use crate::model::name::PlaceName;
use tokio::task::JoinSet;

const ID: &str = "0198c0de-0000-7000-8000-000000000001";

fn tom() -> PlaceName {
    "tom".parse().unwrap()
}

/// Another instance with one archive of ours.
fn instance() -> Router {
    let health = json!({"instance": "tom", "version": "1.2", "api_min": 1, "api_max": 1});
    let archives = json!([{
        "id": ID, "name": "jerry_notes_20260508", "origin": "jerry", "job": "notes",
        "location": "received/jerry", "created_at": "2026-05-08T03:00:00Z", "file_size": 7,
        "good": true, "condition": "present",
    }]);
    let network = json!([{
        "name": "tom", "self": true, "status": "online", "problems": [],
        "jobs": [{"name": "db", "type": "mysql", "enabled": true, "expected_by": "2026-05-09T04:00:00Z"}],
    }]);
    let saying = |value: serde_json::Value| get(move || async move { value.to_string() });
    Router::new()
        .route("/api/v1/health", saying(health))
        .route("/api/v1/archives", saying(archives))
        .route("/api/v1/network", saying(network))
}

impl Bench {
    fn peer(&self, url: &str, more: &str) {
        self.write("tom.toml", &format!("[peer.tom]\nkind = \"instance\"\n{url}\n{more}"));
    }

    /// Serves a peer on a port of its own; ends when the stop is dropped.
    fn serve(&self, router: Router) -> (String, tokio::task::JoinHandle<()>) {
        let listener = self.runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("url = \"http://{}\"", listener.local_addr().unwrap());
        let served = self.runtime.spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        (url, served)
    }

    fn check(&self) -> Arc<Contact> {
        self.runtime.block_on(check_now(self.core(), &tom())).unwrap()
    }

    /// Lets every peer that is due be asked; how many were.
    fn ask_where_due(&self) -> usize {
        self.runtime.block_on(async {
            let mut asking = JoinSet::new();
            contacts::begin_where_due(self.core(), &mut asking);
            let number = asking.len();
            while asking.join_next().await.is_some() {}
            number
        })
    }

    fn contact(&self) -> Option<Arc<Contact>> {
        contacts::known(self.core()).remove(&tom())
    }
}

#[test]
fn what_a_peer_said_is_known_and_stays_known_while_it_is_off_and_over_a_restart() {
    let mut bench = Bench::new("");
    let (url, served) = bench.serve(instance());
    bench.peer(&url, "");
    bench.start(Autonomy::Daemon);
    let before = bench.core().now();
    let met = bench.check();
    assert_eq!(met.presence, Presence::Online, "{met:?}");
    assert!(met.last_seen >= Some(before) && met.check_at > met.last_seen.unwrap());
    assert_eq!(met.holdings.as_ref().unwrap().copies.len(), 1);
    let told = met.told.as_ref().unwrap();
    assert_eq!((&*told.version, told.expected.len()), ("1.2", 1));

    served.abort();
    let _ = bench.runtime.block_on(served);
    let gone = bench.check();
    assert_eq!((gone.presence, gone.failures), (Presence::Offline, 1), "{gone:?}");
    assert!(gone.why.is_some() && gone.last_seen == met.last_seen);
    assert_eq!((&gone.holdings, &gone.told), (&met.holdings, &met.told));
    assert_eq!(bench.check().failures, 2);

    bench.start(Autonomy::Daemon);
    let known = bench.contact().unwrap();
    assert_eq!((known.failures, &known.told), (2, &met.told));
    assert_eq!(known.created_at, met.created_at);
}

#[test]
fn a_peer_is_asked_when_it_is_due_when_the_process_is_new_and_when_its_table_changed() {
    let mut bench = Bench::new("");
    let (url, _served) = bench.serve(instance());
    bench.peer(&url, "");
    bench.start(Autonomy::Daemon);
    assert_eq!((bench.ask_where_due(), bench.ask_where_due()), (1, 0));
    bench.start(Autonomy::Daemon);
    assert_eq!((bench.ask_where_due(), bench.ask_where_due()), (1, 0));
    let at = |at| contacts::change(bench.core(), &tom(), |contact| contact.check_at = at).unwrap();
    at(bench.core().now());
    assert_eq!((bench.ask_where_due(), bench.ask_where_due()), (1, 0));
    // A clock that went back.
    at(ago(bench.core().now(), -48));
    assert_eq!(bench.ask_where_due(), 1);
    bench.peer(&url, "offsite = false\n");
    crate::engine::configuration::reload(bench.core()).unwrap();
    assert_eq!((bench.ask_where_due(), bench.ask_where_due()), (1, 0));
    assert_eq!(bench.contact().unwrap().presence, Presence::Online);
}

#[test]
fn nobody_is_asked_by_a_command_and_only_who_is_needed_once_by_apply() {
    let mut bench = Bench::new(&format!("{JOB}send_to = [\"tom\"]\n"));
    let (url, _served) = bench.serve(instance());
    bench.peer(&url, "");
    bench.write("bob.toml", "[peer.bob]\nkind = \"instance\"\nurl = \"http://127.0.0.1:1\"\n");
    bench.start(Autonomy::OnRequest);
    assert_eq!(bench.ask_where_due(), 0);
    bench.start(Autonomy::Apply);
    assert!(contacts::is_busy(bench.core()));
    assert_eq!((bench.ask_where_due(), bench.ask_where_due()), (1, 0));
    assert!(!contacts::is_busy(bench.core()));
    assert!(bench.contact().is_some());
    bench.start(Autonomy::Daemon);
    assert_eq!(bench.ask_where_due(), 2);
}

#[test]
fn a_peer_without_an_address_is_seen_when_it_comes_and_missed_after_a_day() {
    let mut bench = Bench::new("");
    bench.peer("", "");
    bench.start(Autonomy::Daemon);
    let refused = bench.runtime.block_on(check_now(bench.core(), &tom())).unwrap_err();
    assert!(refused.to_string().contains("comes to us"), "{refused}");
    assert_eq!((bench.ask_where_due(), bench.ask_where_due()), (1, 0));
    assert_eq!(bench.contact().unwrap().presence, Presence::Unknown);
    bench.runtime.block_on(async {
        contacts::came(bench.core(), &tom());
        while bench.contact().unwrap().presence != Presence::Online {
            tokio::task::yield_now().await;
        }
    });
    let seen = bench.contact().unwrap().last_seen.unwrap();
    // What it does within the minute is not written.
    bench.runtime.block_on(async { contacts::came(bench.core(), &tom()) });
    assert_eq!(bench.contact().unwrap().last_seen, Some(seen));
    let yesterday = ago(bench.core().now(), 25);
    contacts::change(bench.core(), &tom(), |contact| {
        (contact.last_seen, contact.check_at) = (Some(yesterday), yesterday);
    })
    .unwrap();
    assert_eq!((bench.ask_where_due(), bench.ask_where_due()), (1, 0));
    let missed = bench.contact().unwrap();
    assert_eq!(missed.presence, Presence::Offline);
    assert!(missed.why.as_ref().unwrap().contains("has not come since"), "{missed:?}");
}

#[test]
fn what_arrived_while_a_peer_was_asked_is_not_forgotten_by_its_answer() {
    let mut bench = Bench::new("");
    let (url, _served) = bench.serve(instance());
    bench.peer(&url, "");
    bench.start(Autonomy::Daemon);
    let known = bench.check().holdings.clone().unwrap();
    // A transfer that ended after the question was asked.
    let mut copy = known.copies[0].clone();
    copy.id = crate::model::archive::ArchiveId(uuid::Uuid::from_u128(7));
    let later = ago(bench.core().now(), -1);
    contacts::change(bench.core(), &tom(), |contact| {
        let holdings = contact.holdings.as_mut().unwrap();
        (holdings.at, holdings.copies) = (later, vec![copy.clone()]);
    })
    .unwrap();
    let ids = |contact: &Contact| contact.holdings.as_ref().unwrap().copies.len();
    assert_eq!(ids(&bench.check()), 2);
    // The next answer counts alone.
    assert_eq!(ids(&bench.check()), 1);
}

#[test]
fn a_peer_that_left_is_remembered_for_a_month() {
    let mut bench = Bench::new("");
    let (url, _served) = bench.serve(instance());
    bench.peer(&url, "");
    bench.start(Autonomy::Daemon);
    let created = bench.check().created_at;
    std::fs::remove_file(bench.path("etc/tom.toml")).unwrap();
    crate::engine::configuration::reload(bench.core()).unwrap();
    contacts::forget_departed(bench.core()).unwrap();
    assert!(bench.contact().is_none());
    bench.peer(&url, "");
    crate::engine::configuration::reload(bench.core()).unwrap();
    assert_eq!(bench.contact().unwrap().created_at, created);
    let heard = |days: i64| {
        let at = Some(ago(bench.core().now(), 24 * days));
        contacts::change(bench.core(), &tom(), |contact| {
            (contact.checked_at, contact.last_seen) = (at, at);
        })
        .unwrap();
        contacts::forget_departed(bench.core()).unwrap();
        bench.core().state.contacts().unwrap().len()
    };
    assert_eq!(heard(31), 1, "it is in the configuration");
    std::fs::remove_file(bench.path("etc/tom.toml")).unwrap();
    crate::engine::configuration::reload(bench.core()).unwrap();
    assert_eq!((heard(29), heard(31)), (1, 0));
}

#[test]
fn an_instance_of_our_own_name_is_no_peer() {
    let mut bench = Bench::new("");
    let health = || async { "{\"instance\":\"jerry\",\"version\":\"1\"}" };
    let (url, _served) = bench.serve(Router::new().route("/api/v1/health", get(health)));
    bench.peer(&url, "");
    bench.start(Autonomy::Daemon);
    let met = bench.check();
    assert_eq!(met.presence, Presence::Error);
    assert!(met.why.as_ref().unwrap().contains("as this instance does"), "{met:?}");
}

#[test]
fn archives_of_ours_at_a_peer_that_a_new_state_never_knew_stop_everything() {
    let recovery = |bench: &Bench| {
        let freezes = bench.core().state.freezes().unwrap();
        freezes.into_iter().any(|freeze| matches!(freeze, crate::model::observed::Freeze::Recovery(reason) if reason.contains("`tom`")))
    };
    let mut bench = Bench::new("");
    let (url, _served) = bench.serve(instance());
    bench.peer(&url, "");
    bench.start(Autonomy::Daemon);
    bench.look();
    assert!(!recovery(&bench));
    bench.check();
    assert!(recovery(&bench));
    assert!(bench.ask(Request::EndRecovery).unwrap());
    bench.check();
    assert!(!recovery(&bench));
    // What was known to be there is nothing new, whatever its date.
    bench.core().state.put_value("born-at", &bench.core().now().as_second().to_string()).unwrap();
    bench.check();
    assert!(!recovery(&bench));
}
