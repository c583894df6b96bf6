//! Inviting another instance: a code that is shown once.

use axum::http::Method;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::json;

use super::Filled;
use super::fields::Word;
use crate::api::dto::{InvitationCode, Location, PeerKinds};
use crate::api::problem::Problem;
use crate::dashboard::entry::Visitor;
use crate::dashboard::forms::{Order, TOKEN_FIELD};
use crate::dashboard::frame::{self, Page, Tab};
use crate::dashboard::parts::{time, told};
use crate::dashboard::words::Words;
use crate::model::pairing::Code;

/// How long a code may be good, in seconds.
const TIMES: [(&str, Word); 4] = [
    ("900", |words| words.for_15_minutes),
    ("3600", |words| words.for_an_hour),
    ("86400", |words| words.for_a_day),
    ("604800", |words| words.for_a_week),
];

pub(in crate::dashboard) async fn page(visitor: Visitor) -> Response {
    frame::answer(&visitor, form(&visitor, Filled(None), None).await)
}

/// Makes the code. It stands in this answer alone, so there is no other page to go to.
pub(in crate::dashboard) async fn invite(order: Order) -> Response {
    let visitor = &order.visitor;
    let given = |name: &str| Some(order.field(name).trim()).filter(|text| !text.is_empty());
    let body = json!({
        "name": order.field("name").trim(),
        "ttl_s": order.field("ttl").parse::<u32>().ok(),
        "replace": given("replace").is_some(),
        "write": given("write").is_some(),
        "location": given("location"),
        "quota": given("quota"),
        "retention": given("retention"),
    });
    let made = visitor.ask().order(Method::POST, "/invitations", Some(body)).await;
    let made = made.and_then(|made| {
        serde_json::from_value(made).map_err(|error| Problem::bad_request(error.to_string()))
    });
    let page = match &made {
        Ok(code) => Ok(shown(visitor.words, code, given("replace").is_some())),
        Err(problem) => form(visitor, Filled(Some(&order)), Some(problem)).await,
    };
    frame::answer(visitor, page)
}

fn shown(words: &Words, made: &InvitationCode, replaces: bool) -> Page {
    // What was lost has no configuration that could accept anything.
    let url = Code::decode(&made.code).ok().filter(|_| replaces).map(|code| code.url);
    let (there, label, command) = if let Some(url) = url {
        let command = format!("larder recover --peer {url} --code CODE");
        (words.code_there_again, words.on_new_machine, command)
    } else {
        let command = "larder peer accept CODE --write".to_owned();
        (words.code_there, words.on_other_side, command)
    };
    let title = format!("{} – {}", words.invite_peer, made.name);
    let content = html! {
        div.box.good role="status" {
            p { strong { (words.code_once) } }
            pre.copy tabindex="0" aria-label=(words.one_time_code) { (made.code) }
            p { (words.good_until) " " (time(&made.expires_at)) }
            p { (there) }
            pre.copy tabindex="0" aria-label=(label) { (command) }
        }
        p { a href="peers#invitations" { (words.to_peers) } }
    };
    Page::new(Tab::Peers, title, content)
}

async fn form(
    visitor: &Visitor,
    filled: Filled<'_>,
    problem: Option<&Problem>,
) -> Result<Page, Problem> {
    let (ask, words) = (visitor.ask(), visitor.words);
    let kinds: PeerKinds = ask.get("/peer-kinds").await?;
    let (locations, _) = ask.list::<Location>("/locations").await?;
    let places = locations.iter().map(|one| one.name.as_str()).filter(|name| !name.contains('/'));
    let is_name = problem.is_some_and(|problem| problem.status == 400);
    let text = |name: &str, label: &str, example: &str, hint: &str| {
        field(
            name,
            label,
            &html! {
                input type="text" id=(format!("f-{name}")) name=(name) value=(filled.get(name))
                    placeholder=(example) spellcheck="false" autocapitalize="none"
                    aria-describedby=[(!hint.is_empty()).then(|| format!("f-{name}-hint"))];
            },
            hint,
        )
    };
    let content = html! {
        p { (words.invite_means) }
        @if let Some(problem) = problem {
            div #wrong.box.bad role="alert" {
                p { strong { (words.no_code) } " " (told(words, &problem.detail)) }
                @if let Some(hint) = &problem.hint { p { (words.hint) " " (told(words, hint)) } }
            }
        }
        form.peer method="post" action="invite" autocomplete="off" {
            input type="hidden" name=(TOKEN_FIELD) value=(visitor.form_token());
            (field("name", words.peer_name, &html! {
                input type="text" id="f-name" name="name" value=(filled.get("name")) required
                    maxlength="50" placeholder="tom" spellcheck="false" autocapitalize="none"
                    aria-invalid=[is_name.then_some("true")]
                    aria-describedby=(if is_name { "wrong f-name-hint" } else { "f-name-hint" });
            }, words.peer_name_hint))
            (field("ttl", words.good_for, &html! {
                select id="f-ttl" name="ttl" {
                    @for (seconds, label) in TIMES {
                        option value=(seconds) selected[filled.get("ttl") == seconds] { (label(words)) }
                    }
                }
            }, ""))
            (field("location", words.its_archives_go, &html! {
                select id="f-location" name="location" {
                    option value="" { (words.usual_location) }
                    @for place in places {
                        option value=(place) selected[filled.get("location") == place] { (place) }
                    }
                }
            }, ""))
            (text("quota", words.quota, "200 GiB", ""))
            (text("retention", words.policy, "standard", words.policy_hint))
            @if kinds.edits {
                (tick("write", words.invite_writes, !filled.get("write").is_empty() || problem.is_none()))
            } @else { p.faint { (words.invite_shows) } }
            (tick("replace", words.invite_replace, !filled.get("replace").is_empty()))
            p.actions {
                button.main { (words.make_code) }
                a.button href="peers" { (words.to_peers) }
            }
        }
        h2 { (words.accept_code) }
        p { (words.accept_code_hint) }
        pre.copy tabindex="0" aria-label=(words.accept_code) { "larder peer accept CODE --write" }
    };
    Ok(Page::new(Tab::Peers, words.invite_peer, content))
}

fn field(name: &str, label: &str, input: &Markup, hint: &str) -> Markup {
    html! {
        div.field {
            label for=(format!("f-{name}")) { (label) }
            (input)
            @if !hint.is_empty() { span.faint id=(format!("f-{name}-hint")) { (hint) } }
        }
    }
}

fn tick(name: &str, label: &str, is_ticked: bool) -> Markup {
    html! {
        div.field { label {
            input type="checkbox" name=(name) value="yes" checked[is_ticked];
            " " (label)
        } }
    }
}
