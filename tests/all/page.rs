//! The web page: who is let in, and what a person sees and does there, in a real browser against a
//! real daemon.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod browser;
mod entry;
mod looking;
mod doing;
mod restoring;
mod network;
mod peers;
mod forms;
mod keys;
mod plots;
mod rights;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use larder::model::token::TokenHash;
use sha2::{Digest as _, Sha256};

use crate::walk::instance::Instance;
use browser::{Browser, Looks, Tab};

/// A token with the scope `admin`.
const TOKEN: &str = "larder_the_token_of_the_tests_of_the_page";

fn hash(token: &str) -> String {
    TokenHash::Sha256(Sha256::digest(token).into()).to_string()
}

/// Lets an instance listen, and whoever has [`TOKEN`] in.
fn open_up(instance: &Instance) {
    let base = std::fs::read_to_string(instance.path("etc/base.toml")).unwrap();
    let base = base.replacen("[instance]\n", "[instance]\nlisten = [\"127.0.0.1:0\"]\n", 1);
    instance.write("base.toml", &base);
    instance.write("token.toml", &token_table("boss", TOKEN, "admin"));
}

fn token_table(name: &str, token: &str, scope: &str) -> String {
    format!("[token.{name}]\nhash = \"{}\"\nscopes = [\"{scope}\"]\n", hash(token))
}

/// Where the page of a running daemon is, with the `/` at the end.
fn address(instance: &Instance) -> String {
    let mut stream = UnixStream::connect(instance.path("control.sock")).unwrap();
    let request = "GET /api/v1/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let health = answer.split_once("\r\n\r\n").unwrap().1;
    let health: serde_json::Value = serde_json::from_str(health).unwrap();
    format!("http://{}/ui/", health["listening"][0].as_str().unwrap())
}

/// A tab of somebody who has logged in, on the overview.
fn logged_in(browser: &'static Browser, ui: &str, looks: &Looks) -> Tab {
    let tab = browser.tab(looks);
    log_in(&tab, ui);
    tab
}

#[track_caller]
fn log_in(tab: &Tab, ui: &str) {
    tab.open(&format!("{ui}overview"));
    tab.fill("input[name=token]", TOKEN);
    tab.follow("form button");
    assert_eq!(tab.eval("location.pathname"), "/ui/overview", "{}", tab.text());
}

/// Fails the test when something went wrong in a tab.
#[track_caller]
fn is_quiet(tab: &Tab) {
    let complaints = tab.complaints();
    assert!(complaints.is_empty(), "{}: {complaints:#?}", tab.eval("location.href"));
}
