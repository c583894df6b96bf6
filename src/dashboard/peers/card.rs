//! One peer, on a card.

use maud::{Markup, html};
use serde_json::Value;

use super::removal_page;
use crate::api::dto::{Peer, Retention};
use crate::dashboard::act::Act;
use crate::dashboard::ask::with_query;
use crate::dashboard::entry::Visitor;
use crate::dashboard::jobs::kept;
use crate::dashboard::parts::{bytes, maybe_time, order, tag, time, told};
use crate::dashboard::words::Words;

/// The card; `news` is what came of what was asked for a moment ago.
pub(super) fn card(visitor: &Visitor, peer: &Peer, news: Option<&Markup>) -> Markup {
    let words = visitor.words;
    let (id, title) = (format!("peer-{}", peer.name), format!("name-{}", peer.name));
    html! {
        article.card id=(id) data-live aria-labelledby=(title) {
            div.head {
                h2 id=(title) { (peer.name) }
                (tag(words, &peer.status))
            }
            p.faint {
                (words.term(&peer.kind))
                @if let Some(host) = host(peer) { " · " (host) }
            }
            @if let Some(news) = news { p.news role="status" { (news) } }
            (trouble(words, peer))
            dl {
                dt { (words.last_seen) }
                dd { @match &peer.last_seen { Some(at) => (time(at)), None => (words.never) } }
                dt { (words.last_checked) } dd { (maybe_time(peer.checked_at.as_ref())) }
                dt { (words.next_look) }
                dd { @match &peer.next_check { Some(at) => (time(at)), None => (no_look(words, peer)) } }
                dt { (words.holds_of_ours) } dd { (holds(words, peer)) }
                dt { (words.we_hold) } dd { (stored(words, peer)) }
                @if peer.stores_at.is_some() || peer.kind == "instance" {
                    dt { (words.may_store) } dd { (rules(words, peer)) }
                }
            }
            (more(words, peer))
            div.actions {
                @if is_asked(peer) {
                    (order(visitor, Act::CheckPeer, &[("peer", &peer.name)], &html! {
                        button aria-label=(format!("{}: {}", words.check_peer, peer.name)) {
                            (words.check_peer)
                        }
                    }))
                }
                a.button.danger href=(removal_page(&peer.name))
                    aria-label=(format!("{}: {}", words.remove_peer, peer.name)) {
                    (words.remove_peer) "…"
                }
            }
        }
    }
}

/// Whether this instance asks it: one without an address comes to us.
fn is_asked(peer: &Peer) -> bool {
    peer.kind != "instance" || peer.config["url"].is_string()
}

fn no_look(words: &Words, peer: &Peer) -> &'static str {
    // What is not known yet is asked for at once.
    if is_asked(peer) { words.soon } else { words.comes_to_us }
}

/// Under which name it is found.
fn host(peer: &Peer) -> Option<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let config = &peer.config;
    let url = || {
        let rest = config["url"].as_str()?.split_once("://")?.1;
        rest.split('/').next().map(str::to_owned)
    };
    text(&config["hostname"]).or_else(url).or_else(|| text(&config["ssh"]["host"]))
}

/// What is wrong with it, and what to do.
fn trouble(words: &Words, peer: &Peer) -> Markup {
    let (class, plain) = match (peer.status.as_str(), peer.kind.as_str()) {
        ("offline", "backup-channel") => ("box warn", words.is_unseen),
        ("offline", _) => ("box warn", words.is_offline),
        ("error", _) => ("box bad", words.is_refusing),
        _ => ("", ""),
    };
    html! {
        @if !plain.is_empty() {
            div class=(class) {
                p { strong { (plain) } }
                @if let Some(why) = &peer.why { p { (told(words, why)) } }
                @if let Some(hint) = &peer.hint {
                    p { (words.hint) " " (told(words, hint)) }
                }
            }
        }
        @if peer.sender_can_delete == Some(true) {
            div.box.warn {
                p { strong { (words.can_delete) } }
                p { (words.can_delete_hint) " " code { "larder peer key " (peer.name) } }
            }
        }
        @if peer.config["accept"]["read_only"] == true {
            div.box.warn {
                p { (words.reads_only) " " code { "larder peer confirm " (peer.name) } }
            }
        }
    }
}

fn counted(words: &Words, number: u64) -> String {
    format!("{number} {}", if number == 1 { words.archive_of } else { words.archives_of })
}

/// What it holds of ours.
fn holds(words: &Words, peer: &Peer) -> Markup {
    if peer.kind == "backup-channel" {
        return html! { (words.holds_nothing) };
    }
    html! {
        @match &peer.holdings {
            Some(held) => {
                a href=(with_query("archives", &[("held_by", &peer.name)])) {
                    (counted(words, held.copies))
                }
                ", " (bytes(words, held.bytes))
                @if held.good < held.copies {
                    " " (tag(words, "suspect")) " " (held.copies - held.good) " " (words.not_good)
                }
                div.faint { (words.as_of) " " (time(&held.known_at)) }
            }
            None => (words.not_known),
        }
    }
}

/// What is here of its own.
fn stored(words: &Words, peer: &Peer) -> Markup {
    let stored = &peer.stored;
    html! {
        a href=(with_query("archives", &[("peer", &peer.name)])) {
            (counted(words, stored.archives))
        }
        ", " (bytes(words, stored.bytes))
        @if let Some(quota) = peer.quota {
            " / " (bytes(words, quota))
            div { meter aria-label=(format!("{} {}", words.quota_used, peer.name))
                min="0" value=(stored.bytes.min(quota)) max=(quota.max(1)) high=(quota / 10 * 9)
                optimum="0" {} }
        }
        @if peer.kind == "backup-channel" && peer.status == "online" && stored.archives == 0 {
            @let name = peer.config["hostname"].as_str().unwrap_or_default();
            @let query = [("condition", "foreign"), ("search", &*format!("{name}_"))];
            div { a href=(with_query("archives", &query)) { (words.foreign_files) } }
        }
        @if peer.offered > 0 { div.faint { (words.offers) " " (peer.offered) } }
    }
}

/// What it may do here.
fn rules(words: &Words, peer: &Peer) -> Markup {
    let accept = &peer.config["accept"];
    let Some(place) = &peer.stores_at else { return html! { (words.stores_nothing) } };
    html! {
        (words.at_location) " "
        a href=(with_query("archives", &[("location", &format!("{place}/{}", peer.name))])) { (place) }
        @match peer.quota {
            Some(quota) => { ", " (words.up_to) " " (bytes(words, quota)) }
            None => { ", " (words.no_quota) }
        }
        @if let Some(policy) = policy(&accept["retention"]) {
            div.faint { (words.keeps) ": " (kept(words, &policy)) }
        }
        @if let Some(time) = accept["immutable_for"].as_str() {
            div.faint { (words.immutable_for) " " (time) }
        }
        @if let Some(scopes) = listed(&accept["scopes"]) {
            div.faint { (words.scopes) ": " (scopes) }
        }
        @if accept["trust"] == "restore" { div.faint { (words.may_restore) } }
    }
}

fn policy(table: &Value) -> Option<Retention> {
    let mut table = table.as_object()?.clone();
    table.entry("min_days").or_insert(0.into());
    serde_json::from_value(Value::Object(table)).ok()
}

fn listed(items: &Value) -> Option<String> {
    let items: Vec<&str> = items.as_array()?.iter().filter_map(Value::as_str).collect();
    (!items.is_empty()).then(|| items.join(", "))
}

/// How it is reached, and where that is written.
fn more(words: &Words, peer: &Peer) -> Markup {
    let config = &peer.config;
    let ssh = &config["ssh"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let address = ssh["host"].as_str().map(|host| {
        let user = ssh["user"].as_str().unwrap_or_default();
        let port = ssh["port"].as_u64().filter(|port| *port != 22);
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{user}@{host}{port}")
    });
    let facts: [(&str, Option<String>); 12] = [
        (words.address, text(&config["url"])),
        (words.host_name, text(&config["hostname"])),
        (words.looked_for_at, text(&config["location"])),
        ("SSH", address),
        (words.folder_there, text(&ssh["path"])),
        (words.relay, text(&ssh["relay"])),
        (words.host_key, text(&ssh["known_hosts"])),
        (words.pinned_certificate, text(&config["pin"])),
        (words.authority, text(&config["ca"])),
        (words.bandwidth, text(&config["bandwidth"])),
        (words.fetched_from_it, listed(&config["fetch_from"])),
        (words.version, peer.version.clone()),
    ];
    html! {
        details {
            summary { (words.more_of_it) }
            dl {
                @for (label, fact) in facts {
                    @if let Some(fact) = fact { dt { (label) } dd { code { (fact) } } }
                }
                @if peer.kind != "backup-channel" {
                    dt { (words.counts_offsite) }
                    dd { @if peer.offsite { (words.yes) } @else { (words.no) } }
                }
                @if let Some(at) = &peer.created_at { dt { (words.known_since) } dd { (time(at)) } }
                dt { (words.written_in) } dd { code { (peer.place) } }
            }
        }
    }
}
