//! The form that adds a peer. What is filled in is judged with the whole configuration, and stays
//! when something is wrong with it.

use axum::http::Method;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::json;

use super::fields::{Field, GROUPS, Group, INSTANCE, Input, form_name, table};
use super::{Filled, block};
use crate::api::dto::{Location, PeerDraft, PeerKinds, PeerMistake};
use crate::api::problem::Problem;
use crate::dashboard::ask::with_query;
use crate::dashboard::entry::{Visitor, to};
use crate::dashboard::forms::{Order, TOKEN_FIELD};
use crate::dashboard::frame::{self, Page, Tab};
use crate::dashboard::parts::told;
use crate::dashboard::words::Words;

/// What became of what was filled in.
#[derive(Default)]
struct Tried {
    mistakes: Vec<PeerMistake>,
    /// What to commit, where nothing is written here.
    commit: Option<PeerDraft>,
}

pub(in crate::dashboard) async fn page(visitor: Visitor) -> Response {
    frame::answer(&visitor, content(&visitor, Filled(None), &Tried::default()).await)
}

pub(in crate::dashboard) async fn add(order: Order) -> Response {
    let visitor = &order.visitor;
    match tried(&order).await {
        Ok(Ok(added)) => to(&added),
        Ok(Err(tried)) => {
            frame::answer(visitor, content(visitor, Filled(Some(&order)), &tried).await)
        }
        Err(problem) => frame::problem(visitor, &problem),
    }
}

/// Has it judged, and added where that is allowed: the page that shows it, or what is in the way.
async fn tried(order: &Order) -> Result<Result<String, Tried>, Problem> {
    let ask = order.visitor.ask();
    let (name, kind) = (order.field("name").trim(), order.field("kind"));
    let secret = order.field("secret").trim();
    let secret = (kind == INSTANCE && !secret.is_empty()).then_some(secret);
    let config = table(kind, |field| order.field(field).to_owned());
    let new = json!({ "name": name, "kind": kind, "config": config, "secret": secret });
    let draft = ask.order(Method::POST, "/peers?dry_run=true", Some(new.clone())).await?;
    let draft: PeerDraft =
        serde_json::from_value(draft).map_err(|error| Problem::bad_request(error.to_string()))?;
    if !draft.valid {
        let mut mistakes = draft.mistakes;
        // Of an instance the form asks for SSH elsewhere.
        for field in mistakes.iter_mut().filter_map(|one| one.field.as_mut()) {
            if kind == INSTANCE && field.starts_with("ssh.") {
                field.insert_str(0, "own.");
            }
        }
        return Ok(Err(Tried { mistakes, commit: None }));
    }
    if !draft.writes {
        return Ok(Err(Tried { mistakes: Vec::new(), commit: Some(draft) }));
    }
    match ask.order(Method::POST, "/peers", Some(new)).await {
        Ok(_) => Ok(Ok(format!("{}#peer-{name}", with_query("peers", &[("added", name)])))),
        Err(problem) => {
            let (message, hint) = (String::from(problem.detail), problem.hint);
            let mistakes = vec![PeerMistake { field: None, message, hint }];
            Ok(Err(Tried { mistakes, commit: None }))
        }
    }
}

/// The field of the form at which a mistake stands.
fn place(mistake: &PeerMistake) -> Option<&str> {
    Some(match mistake.field.as_deref()? {
        "token" => "secret",
        "ssh" => "ssh.host",
        "accept" => "accept.token_hash",
        field => field,
    })
}

async fn content(visitor: &Visitor, filled: Filled<'_>, tried: &Tried) -> Result<Page, Problem> {
    let (ask, words) = (visitor.ask(), visitor.words);
    let kinds: PeerKinds = ask.get("/peer-kinds").await?;
    let (locations, _) = ask.list::<Location>("/locations").await?;
    // The name spaces of peers are no places to choose.
    let places: Vec<String> =
        locations.into_iter().map(|one| one.name).filter(|name| !name.contains('/')).collect();
    let form = Form { words, filled, mistakes: &tried.mistakes, places: &places };
    let content = html! {
        @if let Some(draft) = &tried.commit { (commit(words, draft)) }
        (form.summary())
        p.faint { @if kinds.edits { (words.add_writes) } @else { (words.add_shows) } }
        form.peer method="post" action="add-peer" autocomplete="off" {
            input type="hidden" name=(TOKEN_FIELD) value=(visitor.form_token());
            (form.name())
            (form.kinds(&kinds))
            @for group in GROUPS { (form.group(group)) }
            p.actions {
                button.main { @if kinds.edits { (words.add_peer) } @else { (words.show_toml) } }
                a.button href="peers" { (words.to_peers) }
            }
        }
    };
    Ok(Page::new(Tab::Peers, words.add_peer, content))
}

/// What to commit, and where.
fn commit(words: &Words, draft: &PeerDraft) -> Markup {
    let (file, toml) = (draft.file.as_deref(), draft.toml.as_deref());
    html! {
        section.box.good role="status" aria-labelledby="commit" {
            h2 #commit { (words.to_commit) }
            p { (words.commit_hint) }
            (block(file.unwrap_or_default(), toml.unwrap_or_default()))
            @if let Some(secret) = &draft.secret_file {
                p { (words.token_goes_to) " " code { (secret) } " (0600)" }
            }
        }
    }
}

struct Form<'a> {
    words: &'a Words,
    filled: Filled<'a>,
    mistakes: &'a [PeerMistake],
    places: &'a [String],
}

impl Form<'_> {
    /// How many mistakes there are, with the way to each.
    fn summary(&self) -> Markup {
        let words = self.words;
        html! {
            @if !self.mistakes.is_empty() {
                div.box.bad role="alert" {
                    p { strong { (words.not_added) } }
                    ul { @for mistake in self.mistakes { li {
                        @match place(mistake) {
                            Some(field) => a href=(format!("#{}", id(field))) {
                                (told(words, &mistake.message))
                            },
                            None => (told(words, &mistake.message)),
                        }
                        @if let Some(hint) = &mistake.hint {
                            div.faint { (told(words, hint)) }
                        }
                    } } }
                    @if !self.filled.get("secret").is_empty() {
                        p { (words.token_again) }
                    }
                }
            }
        }
    }

    /// What is wrong with a field.
    fn wrong(&self, field: &str) -> Vec<&PeerMistake> {
        self.mistakes.iter().filter(|one| place(one) == Some(field)).collect()
    }

    fn wrong_text(&self, field: &str) -> Markup {
        let wrong = self.wrong(field);
        html! {
            @if !wrong.is_empty() {
                span.mistake id=(format!("{}-wrong", id(field))) {
                    @for one in wrong {
                        (told(self.words, &one.message))
                        @if let Some(hint) = &one.hint { " – " (told(self.words, hint)) }
                        " "
                    }
                }
            }
        }
    }

    fn name(&self) -> Markup {
        let words = self.words;
        html! {
            div.field {
                label for=(id("name")) { (words.peer_name) }
                input type="text" id=(id("name")) name="name" value=(self.filled.get("name")) required
                    maxlength="50" placeholder="tom" spellcheck="false" autocapitalize="none"
                    aria-invalid=[self.invalid("name")] aria-describedby=[self.described("name", true)];
                (self.wrong_text("name"))
                span.faint id=(format!("{}-hint", id("name"))) { (words.peer_name_hint) }
            }
        }
    }

    fn invalid(&self, field: &str) -> Option<&'static str> {
        (!self.wrong(field).is_empty()).then_some("true")
    }

    /// Which texts are about a field.
    fn described(&self, field: &str, has_hint: bool) -> Option<String> {
        let wrong = (!self.wrong(field).is_empty()).then(|| format!("{}-wrong", id(field)));
        let hint = has_hint.then(|| format!("{}-hint", id(field)));
        let all: Vec<String> = wrong.into_iter().chain(hint).collect();
        (!all.is_empty()).then(|| all.join(" "))
    }

    /// Every kind; what this host cannot do, with the reason.
    fn kinds(&self, kinds: &PeerKinds) -> Markup {
        let words = self.words;
        let chosen = self.filled.get("kind");
        let first = kinds.kinds.iter().find(|here| here.available).map(|here| here.kind.as_str());
        let chosen = if chosen.is_empty() { first.unwrap_or_default() } else { chosen };
        html! {
            fieldset.kinds {
                legend #f-kind { (words.kind) }
                (self.wrong_text("kind"))
                @for here in &kinds.kinds {
                    @let hint = format!("kind-{}", here.kind);
                    div.kind {
                        label {
                            input type="radio" name="kind" value=(here.kind) required
                                checked[here.kind == chosen && here.available]
                                disabled[!here.available] aria-describedby=(hint);
                            " " (words.term(&here.kind)) " " code.faint { (here.kind) }
                        }
                        div.faint id=(hint) {
                            (what(words, &here.kind))
                            @if let Some(why) = &here.why {
                                div.reason {
                                    strong { (words.not_here) } " " (told(words, why))
                                    @if let Some(hint) = &here.hint {
                                        ". " (words.hint) " " (told(words, hint))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn group(&self, group: &Group) -> Markup {
        let words = self.words;
        let names: Vec<String> = group.fields.iter().map(|f| form_name(group, f)).collect();
        let is_used = names
            .iter()
            .any(|name| !self.filled.get(name).is_empty() || !self.wrong(name).is_empty());
        let fields = html! {
            @if let Some(hint) = group.hint { p.faint { (hint(words)) } }
            @for (field, name) in group.fields.iter().zip(&names) { (self.field(field, name)) }
        };
        let kinds = group.kinds().join(" ");
        html! {
            fieldset data-kinds=(kinds) {
                legend { ((group.legend)(words)) }
                @if group.is_folded {
                    details open[is_used] { summary { (words.optional) } (fields) }
                } @else { (fields) }
            }
        }
    }

    fn field(&self, field: &Field, name: &str) -> Markup {
        let words = self.words;
        let value = self.filled.get(name);
        let label = (field.label)(words);
        let described = self.described(name, field.hint.is_some());
        let invalid = self.invalid(name);
        html! {
            div.field data-kinds=(field.kinds.join(" ")) {
                @match field.input {
                    Input::Tick(_) => label {
                        input type="checkbox" id=(id(name)) name=(name) value="yes"
                            checked[value == "yes"] aria-describedby=[described];
                        " " (label)
                    },
                    Input::Location => {
                        label for=(id(name)) { (label) }
                        select id=(id(name)) name=(name) aria-invalid=[invalid]
                            aria-describedby=[described] {
                            option value="" {
                                @if field.key == "location" { (words.any_location) } @else { "–" }
                            }
                            @for place in self.places {
                                option value=(place) selected[*place == value] { (place) }
                            }
                        }
                    },
                    Input::Text | Input::Number | Input::List | Input::Secret => {
                        @let is_secret = field.input == Input::Secret;
                        label for=(id(name)) { (label) }
                        input id=(id(name)) name=(name)
                            type=(if is_secret { "password" } else { "text" })
                            inputmode=[(field.input == Input::Number).then_some("numeric")]
                            autocomplete=[is_secret.then_some("new-password")]
                            // A token is not written into a page.
                            value=[(!is_secret).then_some(&value)]
                            placeholder=[(!field.example.is_empty()).then_some(field.example)]
                            spellcheck="false" autocapitalize="none"
                            aria-invalid=[invalid] aria-describedby=[described];
                    },
                }
                (self.wrong_text(name))
                @if let Some(hint) = field.hint {
                    span.faint id=(format!("{}-hint", id(name))) { (hint(words)) }
                }
            }
        }
    }
}

/// The id of a field.
fn id(field: &str) -> String {
    format!("f-{}", field.replace('.', "-"))
}

/// What a kind is, in words.
fn what(words: &Words, kind: &str) -> &'static str {
    match kind {
        "instance" => words.kind_instance,
        "backup-channel" => words.kind_channel,
        "direct-ssh-direct" => words.kind_ssh,
        "direct-ssh-via-relay" => words.kind_relay,
        _ => "",
    }
}
