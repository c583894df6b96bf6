//! The wizard of restores: what is wanted, what would be done, the archive's name typed by hand; and
//! what came of it on the page of its run.
//!
//! Its pages carry everything in their forms: nothing is remembered between them. **Invariant:** the
//! last form asks for what the plan above it was made of, and nothing is asked of the API to be done
//! unless the archive's name was typed.

use axum::extract::Query;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use super::act::Act;
use super::archive::Which;
use super::ask::{encoded, with_query};
use super::entry::{Visitor, to};
use super::forms::{Order, TOKEN_FIELD};
use super::frame::{self, Page, Tab};
use super::parts::{archive_link, bytes, confirmed, table, tag, told, told_lines};
use super::words::Words;
use crate::api::dto::{Archive, Health, Peer, RestorePlan, RestoreStatus, Run};
use crate::api::problem::Problem;
use crate::model::restore::Part;

/// What leads here from other pages.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Begin {
    id: String,
    location: String,
    from: String,
    path: String,
    identity: String,
}

/// What somebody filled in.
#[derive(Debug, Default)]
struct Wanted {
    id: String,
    location: String,
    from: String,
    /// One on each line.
    paths: String,
    target: String,
    parts: Vec<&'static str>,
    safety: bool,
    identity: String,
}

impl Wanted {
    fn of(order: &Order) -> Self {
        let field = |name: &str| order.field(name).trim().to_owned();
        let is_ticked = |part: &&str| order.field(&format!("step-{part}")) == "yes";
        Self {
            id: field("id"),
            location: field("location"),
            from: field("from"),
            paths: field("paths").replace('\r', ""),
            target: field("target"),
            parts: Part::ALL.into_iter().map(Part::word).filter(is_ticked).collect(),
            safety: order.field("safety") == "yes",
            identity: field("identity"),
        }
    }

    fn which(&self) -> Which {
        Which { id: self.id.clone(), location: self.location.clone(), from: self.from.clone() }
    }

    /// The request, as the API takes it.
    fn body(&self) -> Value {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let paths = self.paths.lines().map(str::trim).filter(|line| !line.is_empty());
        json!({
            "steps": self.parts,
            "target": given(&self.target),
            "paths": paths.collect::<Vec<_>>(),
            "safety": self.safety,
            "identity": given(&self.identity),
            "from": given(&self.from),
        })
    }

    /// The order as fields that nobody sees.
    fn hidden(&self) -> Markup {
        let fields = [
            ("id", &self.id),
            ("location", &self.location),
            ("from", &self.from),
            ("paths", &self.paths),
            ("target", &self.target),
            ("identity", &self.identity),
        ];
        html! {
            @for (name, value) in fields {
                @if !value.is_empty() { input type="hidden" name=(name) value=(value); }
            }
            @for part in &self.parts { input type="hidden" name=(format!("step-{part}")) value="yes"; }
            @if self.safety { input type="hidden" name="safety" value="yes"; }
        }
    }
}

/// What stands below the form.
enum Shown {
    Nothing,
    Plan(RestorePlan),
    /// The plan, and why it was not carried out.
    Unconfirmed(RestorePlan),
    Refused(Problem),
}

/// The form, empty or with a path from the contents.
pub(super) async fn begin(visitor: Visitor, Query(begin): Query<Begin>) -> Response {
    let Begin { id, location, from, path: paths, identity } = begin;
    let wanted = Wanted { id, location, from, paths, identity, safety: true, ..Wanted::default() };
    shown(&visitor, &wanted, Shown::Nothing).await
}

/// The plan of what was filled in; with the archive's name typed, the restore itself.
pub(super) async fn go_on(order: Order) -> Response {
    let wanted = Wanted::of(&order);
    let visitor = &order.visitor;
    let ask = visitor.ask();
    let is_start = order.field("do") == "restore";
    let archive = match ask.get::<Archive>(&wanted.which().path("/info")).await {
        Ok(archive) => archive,
        Err(why) => return shown(visitor, &wanted, Shown::Refused(why)).await,
    };
    let typed = order.field("confirmation").trim();
    if is_start && typed == archive.name {
        let mut body = wanted.body();
        body["confirmation"] = typed.into();
        let started = ask.order(Method::POST, &wanted.which().path("/restore"), Some(body)).await;
        return match started {
            Ok(answer) => to(&super::act::run_page(&answer)),
            Err(why) => shown(visitor, &wanted, Shown::Refused(why)).await,
        };
    }
    let path = wanted.which().path("/restore/plan");
    let plan = ask.order(Method::POST, &path, Some(wanted.body())).await;
    let plan = plan.and_then(|plan| {
        serde_json::from_value::<RestorePlan>(plan)
            .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
    });
    let below = match plan {
        Ok(plan) if is_start => Shown::Unconfirmed(plan),
        Ok(plan) => Shown::Plan(plan),
        Err(why) => Shown::Refused(why),
    };
    shown(visitor, &wanted, below).await
}

async fn shown(visitor: &Visitor, wanted: &Wanted, below: Shown) -> Response {
    let ask = visitor.ask();
    let status = match &below {
        Shown::Nothing | Shown::Plan(_) => StatusCode::OK,
        Shown::Unconfirmed(_) => StatusCode::BAD_REQUEST,
        Shown::Refused(why) => StatusCode::from_u16(why.status).unwrap_or(StatusCode::BAD_REQUEST),
    };
    // Whoever names the wrong peer must be able to name another one.
    let known = Which { from: String::new(), ..wanted.which() };
    let archive = match ask.get::<Archive>(&known.path("/info")).await {
        Ok(archive) => archive,
        Err(why) => return frame::problem(visitor, &why),
    };
    let own = ask.get::<Health>("/health").await.map(|health| health.instance);
    let is_others = own.is_ok_and(|own| own != archive.origin);
    let peers = if is_others { ask.list::<Peer>("/peers").await } else { Ok((Vec::new(), None)) };
    let peers: Vec<String> = match peers {
        Ok((peers, _)) => peers.into_iter().map(|peer| peer.name).collect(),
        Err(why) => return frame::problem(visitor, &why),
    };
    let words = visitor.words;
    let content = html! {
        p { (archive_link(&archive.id, &archive.location, &archive.name)) " · " (archive.location) }
        @if let Shown::Refused(why) = &below {
            div.box.bad role="alert" {
                p { strong { (words.not_done) ". " } (told(words, &why.detail)) }
                @if let Some(hint) = &why.hint { p { (told(words, hint)) } }
                @if let Some(run) = why.run_id {
                    p { a href=(format!("run?id={run}")) { (words.run) " " (run) } }
                }
            }
        }
        h2 { "1. " (words.what_and_where) }
        (form(visitor, wanted, &archive, &peers))
        @match &below {
            Shown::Nothing | Shown::Refused(_) => {}
            Shown::Plan(plan) => { (confirm(visitor, wanted, &archive, plan, false)) }
            Shown::Unconfirmed(plan) => { (confirm(visitor, wanted, &archive, plan, true)) }
        }
    };
    let page = Page::new(Tab::Archives, format!("{} {}", words.restore, archive.name), content);
    let mut response = frame::answer(visitor, Ok(page));
    *response.status_mut() = status;
    response
}

fn form(visitor: &Visitor, wanted: &Wanted, archive: &Archive, peers: &[String]) -> Markup {
    let words = visitor.words;
    let contents = [
        ("id", wanted.id.as_str()),
        ("location", &wanted.location),
        ("from", &wanted.from),
        ("identity", &wanted.identity),
    ];
    html! {
        // Where there is a plan, that is what is looked at next.
        form.wizard method="post" action="restore#plan" {
            input type="hidden" name=(TOKEN_FIELD) value=(visitor.form_token());
            input type="hidden" name="do" value="plan";
            input type="hidden" name="id" value=(wanted.id);
            input type="hidden" name="location" value=(wanted.location);
            div.field {
                label for="paths" { (words.restore_paths) }
                textarea.lines #paths name="paths" rows="3" spellcheck="false"
                    aria-describedby="paths-hint" { (wanted.paths) }
                p.faint #paths-hint { (words.restore_paths_hint) " "
                    a href=(with_query("contents", &contents)) { (words.contents) } }
            }
            div.field {
                label for="target" { (words.restore_target) }
                input #target type="text" name="target" value=(wanted.target) maxlength="4096"
                    spellcheck="false" aria-describedby="target-hint";
                p.faint #target-hint { (words.restore_target_hint) }
            }
            @if archive.encrypted {
                div.field {
                    label for="identity" { (words.identity_file) }
                    input #identity type="text" name="identity" value=(wanted.identity)
                        maxlength="4096" spellcheck="false" aria-describedby="identity-hint";
                    p.faint #identity-hint { (words.identity_hint) }
                }
            }
            @if !peers.is_empty() {
                div.field {
                    label for="from" { (words.restore_from) }
                    select #from name="from" aria-describedby="from-hint" {
                        option value="" { (words.restore_from_nobody) }
                        @for peer in peers {
                            option value=(peer) selected[*peer == wanted.from] { (peer) }
                        }
                    }
                    p.faint #from-hint { (words.restore_from_hint) " " (archive.origin) }
                }
            }
            fieldset {
                legend { (words.restore_steps) }
                p.faint { (words.restore_steps_hint) }
                div.ticks { @for part in Part::ALL.into_iter().map(Part::word) {
                    label {
                        input type="checkbox" name=(format!("step-{part}")) value="yes"
                            checked[wanted.parts.contains(&part)];
                        " " (words.term(&format!("step {part}")))
                    }
                } }
            }
            p { label {
                input type="checkbox" name="safety" value="yes" checked[wanted.safety];
                " " (words.restore_safety)
            } }
            p { button.main { (words.show_restore_plan) } }
        }
    }
}

/// What would be done, and the last form.
fn confirm(
    visitor: &Visitor,
    wanted: &Wanted,
    archive: &Archive,
    plan: &RestorePlan,
    was_wrong: bool,
) -> Markup {
    let words = visitor.words;
    html! {
        h2 #plan { "2. " (words.restore_plan) }
        @if plan.in_place {
            div.box.warn { p { strong { (words.restore_in_place) } " " (plan.target) } }
        } @else {
            div.box { p { strong { (words.restore_elsewhere) } " " (plan.target) } }
        }
        (told_lines(words, &plan.notes))
        ol.steps { @for step in &plan.steps { li {
            h3 { (words.term(&format!("step {}", step.part))) }
            p { (told(words, &step.what)) }
            dl {
                @if let Some(exists) = &step.exists {
                    dt { (words.restore_exists) } dd { (told(words, exists)) }
                }
                @if let Some(aside) = &step.set_aside {
                    dt { (words.set_aside) } dd { code { (aside) } }
                } @else if step.exists.is_some() {
                    dt { (words.set_aside) } dd { (words.nothing) }
                }
                @if let Some(needs) = step.needs_bytes {
                    dt { (words.restore_needs) } dd { (bytes(words, needs)) }
                }
            }
            @for warning in &step.warnings {
                div.box.warn { p { (tag(words, "warning")) " " (told(words, warning)) } }
            }
        } } }
        h2 #confirm { "3. " (words.restore_confirm) }
        @if was_wrong {
            div.box.bad role="alert" { p { (words.restore_wrong_name) } }
        }
        form.wizard method="post" action="restore#confirm" {
            input type="hidden" name=(TOKEN_FIELD) value=(visitor.form_token());
            input type="hidden" name="do" value="restore";
            (wanted.hidden())
            div.field {
                label for="confirmation" { (words.restore_type_name) " " code { (archive.name) } }
                input #confirmation type="text" name="confirmation" required maxlength="64"
                    autocomplete="off" autocapitalize="off" spellcheck="false"
                    pattern=(pattern(&archive.name)) title=(archive.name);
            }
            p { button.danger { (words.restore) } }
        }
    }
}

/// A name as the expression that means it alone.
fn pattern(name: &str) -> String {
    // Of what may be in a name, only the dot means something there.
    name.replace('.', "\\.")
}

/// What came of a restore, for the page of its run; nothing for other runs.
pub(super) async fn outcome(visitor: &Visitor, run: &Run) -> Markup {
    let Some(archive) = run.archive_id.as_deref().filter(|_| run.kind == "restore") else {
        return html! {};
    };
    let path = format!("/archives/{}/restore/status", encoded(archive));
    let path = with_query(&path, &[("run", &run.id.to_string())]);
    // Its archive may be gone: the log tells the same.
    let Ok(status) = visitor.ask().get::<RestoreStatus>(&path).await else { return html! {} };
    let words = visitor.words;
    html! {
        @if !status.steps.is_empty() {
            h2 { (words.restore_outcome) }
            (steps(words, &status))
        }
        @if let Some(undone) = status.undoes {
            p { (words.restore_undoes) " " a href=(format!("run?id={undone}")) { (words.run) " " (undone) } }
        }
        @if status.undone { p { (words.restore_undone) } }
        @if !status.set_aside.is_empty() {
            h3 { (words.set_aside) }
            ul { @for one in &status.set_aside {
                li { (told(words, &one.what)) ": " code { (one.place) } }
            } }
        }
        @if status.can_undo {
            (confirmed(visitor, Act::Undo, &[("run", &run.id.to_string())], words.undo, words.undo_sure))
        }
    }
}

fn steps(words: &Words, status: &RestoreStatus) -> Markup {
    table(
        words.restore_outcome,
        &html! {
            thead { tr {
                th scope="col" { (words.restore_step) }
                th scope="col" { (words.state) }
                th scope="col" { (words.what) }
            } }
            tbody { @for step in &status.steps { tr {
                th scope="row" { (words.term(&format!("step {}", step.part))) }
                td { (tag(words, &step.outcome)) }
                td.text {
                    (told(words, &step.what))
                    @if !step.detail.is_empty() { div.faint { (told(words, &step.detail)) } }
                    @for warning in &step.warnings {
                        div { (tag(words, "warning")) " " (told(words, warning)) }
                    }
                }
            } } }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_what_was_filled_in() {
        let wanted = Wanted {
            paths: " /opt/app/a b \n\n etc\n".to_owned(),
            parts: vec!["files"],
            ..Wanted::default()
        };
        let body = wanted.body();
        assert_eq!(body["paths"], json!(["/opt/app/a b", "etc"]));
        assert_eq!(body["steps"], json!(["files"]));
        assert_eq!(
            (&body["target"], &body["from"], &body["safety"]),
            (&Value::Null, &Value::Null, &json!(false))
        );
    }

    #[test]
    fn every_step_has_a_word() {
        for part in Part::ALL {
            let word = format!("step {}", part.word());
            assert_ne!(Words::FRENCH.term(&word), word);
        }
    }
}
