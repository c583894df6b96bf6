//! The web page: what an instance does and has, and what may be asked of it, for people.
//!
//! Every page is made here, on the server, from the answers of the API, which is asked in this
//! process ([`ask`]): what a page shows is what a script reads, and what a button does is what a
//! request does. Pages can be read and used without a script; the one there is fetches parts anew
//! when something happens. **Invariants:** nothing is decided here; every text goes through `maud`,
//! which escapes it; whoever is not let in ([`entry`]) gets the form to log in and the assets, and
//! nothing else; every answer has the headers of [`harden`].
//!
//! All pages lie side by side below `/ui/` and lead to each other by name alone, so that they work
//! behind a proxy that strips a path as well as without one.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::api;
use crate::api::access::Gate;
use crate::engine::Handle;

mod words;
mod entry;
mod sessions;
mod forms;
mod harden;
mod ask;
mod assets;
mod frame;
mod parts;
mod login;
mod overview;
mod jobs;
mod job;
mod job_form;
mod calendar;
mod plots;
mod location;
mod archives;
mod archive;
mod contents;
mod restoring;
mod runs;
mod peers;
mod network;
mod ages;
mod plan;
mod configuration;
mod act;
mod live;

#[cfg(test)]
mod tests;

use sessions::Sessions;

/// What all pages share.
#[derive(Clone)]
struct Site(Arc<Shared>);

struct Shared {
    handle: Handle,
    /// The API, for callers who are known.
    api: Router,
    gate: Arc<Gate>,
    sessions: Sessions,
    /// What the tokens in forms are made with; of this process alone.
    secret: [u8; 32],
}

impl std::ops::Deref for Site {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// The page, and `rest` for every other path.
///
/// # Panics
/// When the system has no random numbers.
pub fn around(rest: Router, handle: Handle, gate: Arc<Gate>) -> Router {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).expect("the system has random numbers");
    let sessions = Sessions::default();
    let site =
        Site(Arc::new(Shared { api: api::inner(handle.clone()), handle, gate, sessions, secret }));
    pages().with_state(site).fallback_service(rest)
}

fn pages() -> Router<Site> {
    let pages = Router::new()
        .route("/", get(live::root))
        .route("/ui", get(live::root))
        .route("/ui/", get(live::overview))
        .route("/ui/login", get(login::form).post(login::enter))
        .route("/ui/logout", post(login::leave))
        .route("/ui/overview", get(overview::page))
        .route("/ui/jobs", get(jobs::page))
        .route("/ui/job", get(job::page))
        .route("/ui/new-job", get(job_form::page).post(job_form::judge))
        .route("/ui/location", get(location::page))
        .route("/ui/archives", get(archives::page))
        .route("/ui/archive", get(archive::page))
        .route("/ui/contents", get(contents::page))
        .route("/ui/restore", get(restoring::begin).post(restoring::go_on))
        .route("/ui/download", get(archive::download))
        .route("/ui/runs", get(runs::page))
        .route("/ui/run", get(runs::one))
        .route("/ui/log", get(runs::log))
        .route("/ui/peers", get(peers::page))
        .route("/ui/add-peer", get(peers::add::page).post(peers::add::add))
        .route("/ui/remove-peer", get(peers::remove::page))
        .route("/ui/invite", get(peers::invite::page).post(peers::invite::invite))
        .route("/ui/network", get(network::page))
        .route("/ui/plan", get(plan::page))
        .route("/ui/configuration", get(configuration::page).post(configuration::check))
        .route("/ui/act", post(act::act))
        .route("/ui/events", get(live::events))
        .route("/ui/style.css", get(assets::style))
        .route("/ui/page.js", get(assets::script))
        .route("/ui/icon.svg", get(assets::icon))
        .route("/ui/{page}", get(live::nothing))
        .route("/ui/{page}/{*rest}", get(live::deeper));
    harden::harden(pages)
}
