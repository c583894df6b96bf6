//! The form as people see it. What follows from what is filled in stands in parts of its own
//! (`data-judged`), which the script fetches anew while somebody types.

use maud::{Markup, html};

use super::fields::{self, Field, Part, Shape};
use super::filled::{SECRETS, TICKED};
use super::{Form, Kept, Times, file_of};
use crate::api::dto::Diagnostic;
use crate::api::problem::Problem;
use crate::dashboard::configuration::mistakes;
use crate::dashboard::entry::Visitor;
use crate::dashboard::forms::TOKEN_FIELD;
use crate::dashboard::jobs::kept as policy_in_words;
use crate::dashboard::parts::{tag, told};
use crate::dashboard::words::Words;

mod places;

use places::{copies, location, policy};

pub(super) fn form(visitor: &Visitor, form: &Form) -> Markup {
    let words = visitor.words;
    let part_of = |part: Part| {
        let fields: Vec<&Field> =
            fields::of(form.filled.job_type).filter(|field| field.part == part).collect();
        html! { @if !fields.is_empty() { (section(words, form, part, &fields)) } }
    };
    html! {
        p.faint {
            (words.form_intro)
            @if form.changed.is_some() { " " (words.form_in_force) }
        }
        div.workshop {
            form.making method="post" action="new-job" data-check {
                input type="hidden" name=(TOKEN_FIELD) value=(visitor.form_token());
                input type="hidden" name="type" value=(form.filled.job_type.word());
                input type="hidden" name="order" value=(form.filled.get("order"));
                @if let Some((name, _)) = &form.changed {
                    input type="hidden" name="change" value=(name);
                }
                p {
                    (words.kind) ": " strong { (words.term(form.filled.job_type.word())) }
                    @if form.changed.is_none() { " · " a href="new-job" { (words.other_type) } }
                }
                @if form.changed.is_none() {
                    (input(words, form, "name", |id, about| html! {
                        input id=(id) type="text" name="name" value=(form.filled.get("name"))
                            required maxlength="50" aria-describedby=(about) spellcheck="false"
                            autocapitalize="none" autocomplete="off";
                    }))
                }
                @for part in Part::ALL { (part_of(part)) }
                p { button.main { (words.make_toml) } }
            }
            (outcome(words, form))
        }
    }
}

fn title(words: &Words, part: Part) -> &'static str {
    match part {
        Part::Source => words.part_source,
        Part::When => words.part_when,
        Part::Keep => words.part_keep,
        Part::Where => words.part_where,
        Part::Around => words.part_around,
        Part::Goal => words.part_goal,
        Part::Restore => words.part_restore,
        Part::More => words.part_more,
    }
}

fn section(words: &Words, form: &Form, part: Part, fields: &[&Field]) -> Markup {
    let is_folded = match part {
        Part::Source | Part::When | Part::Keep | Part::Where => false,
        Part::Around | Part::Goal | Part::Restore | Part::More => true,
    };
    let is_begun =
        |field: &&Field| form.filled.is_begun(field) || !about(form, field.key).is_empty();
    let content = html! {
        div.fields { @for field in fields { (one(words, form, field)) } }
        @if part == Part::When { (times(words, form)) }
        @if part == Part::Keep { (kept(words, form)) }
    };
    html! {
        @if is_folded {
            details.part open[fields.iter().any(is_begun)] {
                summary { (title(words, part)) }
                fieldset.bare { legend.unseen { (title(words, part)) } (content) }
            }
        } @else {
            fieldset { legend { (title(words, part)) } (content) }
        }
    }
}

/// The mistakes that are about an input.
fn about<'a>(form: &'a Form, key: &str) -> Vec<&'a Diagnostic> {
    let judged = form.judged.as_ref().and_then(|judged| judged.as_ref().ok());
    let all = judged.into_iter().flat_map(|judged| &judged.diagnostics);
    all.filter(|(input, _)| input == key).map(|(_, one)| one).collect()
}

fn id(name: &str) -> String {
    name.replace(['.', ':'], "-")
}

/// An input below its name, with what is to be known of it and what is wrong with it.
fn input(
    words: &Words,
    form: &Form,
    key: &str,
    control: impl FnOnce(&str, &str) -> Markup,
) -> Markup {
    let (label, remark) = words.field(key);
    let id = id(key);
    let described = described(&id, remark);
    html! {
        div.field {
            label for=(format!("f-{id}")) { (label) }
            (control(&format!("f-{id}"), &described))
            (below(words, form, key, &id, remark))
        }
    }
}

fn described(id: &str, remark: &str) -> String {
    if remark.is_empty() { format!("e-{id}") } else { format!("e-{id} h-{id}") }
}

fn below(words: &Words, form: &Form, key: &str, id: &str, remark: &str) -> Markup {
    html! {
        div.wrong #(format!("e-{id}")) data-judged {
            @for one in about(form, key) {
                div class=(one.severity) {
                    (told(words, &one.message))
                    @if let Some(hint) = &one.hint { div.faint { (told(words, hint)) } }
                }
            }
        }
        @if !remark.is_empty() { div.faint #(format!("h-{id}")) { (remark) } }
    }
}

fn one(words: &Words, form: &Form, field: &Field) -> Markup {
    let (key, value) = (field.key, form.filled.get(field.key));
    match field.shape {
        Shape::Flag => flag(words, form, key),
        Shape::Word(options) => input(words, form, key, |id, about| {
            html! {
                select id=(id) name=(key) aria-describedby=(about) {
                    option value="" {
                        (words.usual) @if !field.default.is_empty() { " (" (field.default) ")" }
                    }
                    @for option in options {
                        option value=(option) selected[*option == value] { (option) }
                    }
                }
            }
        }),
        Shape::Text | Shape::Number => input(words, form, key, |id, about| {
            let empty = match key {
                "schedule" => Some(form.around.schedule.as_str()).filter(|text| !text.is_empty()),
                _ => None,
            };
            let empty = empty.unwrap_or(if field.default.is_empty() {
                field.example
            } else {
                field.default
            });
            let is_number = field.shape == Shape::Number;
            html! {
                input id=(id) type="text" name=(key) value=(value) placeholder=(empty)
                    inputmode=[is_number.then_some("numeric")] aria-describedby=(about)
                    spellcheck="false" autocapitalize="none" autocomplete="off";
            }
        }),
        Shape::Lines | Shape::Commands | Shape::Ports => input(words, form, key, |id, about| {
            let rows = (value.lines().count() + 1).clamp(2, 12);
            html! {
                textarea id=(id) name=(key) rows=(rows) placeholder=(field.example)
                    aria-describedby=(about) spellcheck="false" autocapitalize="none" {
                    // The first line break of a text area is not part of it.
                    "\n" (value)
                }
            }
        }),
        Shape::Secret => secret(words, form),
        Shape::Retention => policy(words, form, "retention"),
        Shape::Location => location(words, form),
        Shape::Copies => copies(words, form),
    }
}

fn flag(words: &Words, form: &Form, key: &str) -> Markup {
    let (label, remark) = words.field(key);
    let id = id(key);
    html! {
        div.field {
            label.tick {
                input type="checkbox" name=(key) value=(TICKED)
                    checked[form.filled.get(key) == TICKED]
                    aria-describedby=(described(&id, remark));
                " " (label)
            }
            (below(words, form, key, &id, remark))
        }
    }
}

fn secret(words: &Words, form: &Form) -> Markup {
    let how = form.filled.get("password.how");
    let name = |how: &str| match how {
        "file" => words.secret_file,
        "credential" => words.secret_credential,
        "env" => words.secret_env,
        _ => words.secret_command,
    };
    input(words, form, "password", |id, about| {
        html! {
            div.pair {
                select aria-label=(words.secret_how) name="password.how" {
                    option value="" { (words.secret_none) }
                    @for one in SECRETS { option value=(one) selected[one == how] { (name(one)) } }
                }
                input id=(id) type="text" name="password.what"
                    value=(form.filled.get("password.what")) placeholder="/etc/larder/secrets/…"
                    aria-describedby=(about) spellcheck="false" autocapitalize="none"
                    autocomplete="off";
            }
        }
    })
}

/// What the schedule means.
fn times(words: &Words, form: &Form) -> Markup {
    html! {
        div.means #times data-judged role="status" {
            @match &form.times {
                Some(Ok(Times { in_words, next })) => {
                    p { strong { (told(words, in_words)) } }
                    p.faint { (words.next_times) " " @for (number, time) in next.iter().enumerate() {
                        @if number > 0 { ", " } time { (time) }
                    } }
                }
                Some(Err(why)) => p { (tag(words, "error")) " " (told(words, why)) },
                None => {}
            }
        }
    }
}

/// What the policy would keep.
fn kept(words: &Words, form: &Form) -> Markup {
    html! {
        div.means #keeps data-judged role="status" {
            @match &form.kept {
                Some(Ok(Kept { policy, days })) => {
                    p { strong { (policy_in_words(words, policy)) } ". " (words.always_newest) }
                    @let there: Vec<_> = days.iter().filter(|day| day.keep).collect();
                    p {
                        (words.would_keep) " " strong { (there.len()) }
                        @if let Some(oldest) = there.first() {
                            ", " (words.would_reach) " " time { (oldest.id) }
                        }
                        "."
                    }
                    ol.strip aria-hidden="true" { @for day in days {
                        li.kept[day.keep] title=(day.id) {}
                    } }
                }
                Some(Err(problem)) => (problem_said(words, problem)),
                None => {}
            }
        }
    }
}

fn problem_said(words: &Words, problem: &Problem) -> Markup {
    html! {
        p { (tag(words, "error")) " " (told(words, &problem.detail)) }
        @if let Some(hint) = &problem.hint { p.faint { (told(words, hint)) } }
    }
}

/// The TOML, where it belongs, and what is wrong with it.
fn outcome(words: &Words, form: &Form) -> Markup {
    html! {
        section.outcome aria-labelledby="outcome" {
            h2 #outcome { (words.the_toml) }
            p #verdict data-judged role="status" {
                @match &form.judged {
                    Some(Ok(judged)) if judged.valid => { (tag(words, "good")) " " (words.toml_valid) }
                    Some(_) => { (tag(words, "error")) " " (words.toml_invalid) }
                    None => span.faint { (words.none_yet) },
                }
            }
            div #judged data-judged {
                @match &form.judged {
                    Some(Ok(judged)) => {
                        @let all: Vec<&Diagnostic> =
                            judged.diagnostics.iter().map(|(_, one)| one).collect();
                        (mistakes(words, &all, None))
                        p { (where_to(words, form)) }
                        pre.copyable #toml-text tabindex="0" aria-label=(words.the_toml) { (judged.text) }
                    }
                    Some(Err(problem)) => (problem_said(words, problem)),
                    None => {}
                }
            }
            p { button type="button" data-copy="toml-text" data-done=(words.copied_text) hidden {
                (words.copy_text)
            } }
        }
    }
}

fn where_to(words: &Words, form: &Form) -> Markup {
    html! {
        @match &form.changed {
            Some((_, place)) => { (words.put_instead) " " code { (place) } "." }
            None => { (words.put_new) " " code { (file_of(form.filled.name())) } "." }
        }
    }
}
