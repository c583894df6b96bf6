//! The network: every instance that is known here, and how well its jobs are; what did not happen
//! in time first, wherever that is. What an absent peer last told stays, with its age.
//!
//! **Invariant:** of what a peer says of itself nothing becomes a link but an address of `https`.

use axum::extract::Query;
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use super::ages::ago;
use super::ask::with_query;
use super::entry::Visitor;
use super::frame::{self, Page, Tab};
use super::parts::{bytes, tag, time};
use super::words::Words;
use crate::api::dto::{Held, Member, MemberJob, Urgency, troubled, urgent_first};
use crate::api::problem::Problem;

mod instance;

use instance::{name, one, own_job};

/// How many instances stand on a page.
const INSTANCES: usize = 20;
/// How many of an instance's jobs are shown where there are other instances.
const JOBS: usize = 8;
/// How many of an instance's jobs are shown where it is alone.
const JOBS_ALONE: usize = 500;
/// How many overdue jobs are named at the top.
const LATE: usize = 20;
/// How many places of archives are named.
const PLACES: usize = 12;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    search: String,
    show: String,
    instance: String,
    page: usize,
}

pub(super) async fn page(visitor: Visitor, Query(filter): Query<Filter>) -> Response {
    frame::answer(&visitor, content(&visitor, &filter).await)
}

async fn content(visitor: &Visitor, filter: &Filter) -> Result<Page, Problem> {
    let words = visitor.words;
    let (mut all, _) = visitor.ask().list::<Member>("/network").await?;
    urgent_first(&mut all);
    let kept = kept_here(&all);
    let shown: Vec<Member> = all.iter().filter_map(|member| filter.narrow(member)).collect();
    let first = filter.page.min(shown.len().saturating_sub(1) / INSTANCES) * INSTANCES;
    let on_page = &shown[first..shown.len().min(first + INSTANCES)];
    let sight = Sight { words, now: Timestamp::now(), kept: &kept, is_alone: filter.is_alone() };
    let content = html! {
        div #totals data-live { (totals(words, &all)) }
        (filter_form(words, filter))
        div #network data-live {
            p #shown { (statement(words, &all, &shown, first)) }
            (late(&sight, &shown))
            @if on_page.is_empty() { p.faint { (words.nothing) } }
            @for (nth, member) in on_page.iter().enumerate() { (one(&sight, nth, member)) }
        }
        (pages(words, filter, shown.len(), first))
    };
    Ok(Page::new(Tab::Network, words.network, content))
}

/// What the pieces of a page have in common.
struct Sight<'a> {
    words: &'a Words,
    now: Timestamp,
    /// What this instance keeps, by who made it.
    kept: &'a [Held],
    /// Whether one instance was asked for.
    is_alone: bool,
}

impl Filter {
    fn is_alone(&self) -> bool {
        !self.instance.is_empty()
    }

    fn query<'a>(&'a self, page: &'a str) -> [(&'static str, &'a str); 4] {
        [
            ("search", self.search.trim()),
            ("show", &self.show),
            ("instance", &self.instance),
            ("page", page),
        ]
    }

    /// As much of an instance as is asked for: of one whose name does not fit, the jobs that do.
    fn narrow(&self, member: &Member) -> Option<Member> {
        if self.is_alone() && member.name != self.instance {
            return None;
        }
        let wanted = self.search.trim().to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&wanted);
        let mut member = member.clone();
        if !has(&member.name) && !member.instance.as_deref().is_some_and(has) {
            let jobs = member.jobs.as_mut()?;
            jobs.retain(|job| has(&job.name));
            if jobs.is_empty() {
                return None;
            }
        }
        let most = match self.show.as_str() {
            "overdue" => Urgency::Overdue,
            "trouble" => Urgency::AtRisk,
            "away" => return member.is_away().then_some(member),
            _ => return Some(member),
        };
        let mut is_wanted = most == Urgency::AtRisk
            && (member.is_away() || member.health.as_deref() == Some("degraded"));
        if let Some(jobs) = &mut member.jobs {
            jobs.retain(|job| job.urgency() <= most);
            is_wanted |= !jobs.is_empty();
        }
        is_wanted.then_some(member)
    }
}

fn kept_here(all: &[Member]) -> Vec<Held> {
    let this = all.iter().find(|member| member.is_self);
    this.and_then(|member| member.archives.clone()).unwrap_or_default()
}

fn jobs_of(members: &[Member]) -> impl Iterator<Item = &MemberJob> {
    members.iter().flat_map(|member| member.jobs.iter().flatten())
}

fn totals(words: &Words, all: &[Member]) -> Markup {
    let with = |urgency| jobs_of(all).filter(|job| job.urgency() == urgency).count();
    let judged = |word: &str| {
        let is = |job: &&MemberJob| job.enabled && job.verdict.as_deref() == Some(word);
        jobs_of(all).filter(is).count()
    };
    let away = all.iter().filter(|member| member.is_away()).count();
    // What a label stands for rests at somebody else, and is counted there.
    let holders = || all.iter().filter(|one| one.kind.as_deref() != Some("backup-channel"));
    let archives = holders().filter_map(|member| member.archive_count);
    let size = holders().filter_map(|member| member.archive_bytes);
    let late = with(Urgency::Overdue);
    html! {
        ul.numbers {
            li { strong { (all.len()) } (words.net_instances)
                @if away > 0 { " " span.tag.warn { (away) " " (words.net_away) } } }
            li { strong { (late) } span class=(if late > 0 { "tag bad" } else { "tag" }) { (words.net_overdue) } }
            @for word in ["unprotected", "at_risk", "protected"] {
                li { strong { (judged(word)) } (tag(words, word)) }
            }
            li { strong { (archives.fold(0, u64::saturating_add)) } (words.net_archives) " · "
                (bytes(words, size.fold(0, u64::saturating_add))) }
        }
    }
}

fn filter_form(words: &Words, filter: &Filter) -> Markup {
    let shows = [
        ("", words.any),
        ("overdue", words.net_show_overdue),
        ("trouble", words.net_show_trouble),
        ("away", words.net_show_away),
    ];
    html! {
        form.filter method="get" action="network" role="search" {
            label { span { (words.net_search) }
                input type="search" name="search" value=(filter.search) maxlength="200"; }
            label { span { (words.net_show) }
                select name="show" { @for (value, text) in shows {
                    option value=(value) selected[value == filter.show] { (text) }
                } }
            }
            @if filter.is_alone() { input type="hidden" name="instance" value=(filter.instance); }
            button.main { (words.filter) }
            a.button href="network" { (words.reset) }
        }
    }
}

/// What of all is shown.
fn statement(words: &Words, all: &[Member], shown: &[Member], first: usize) -> Markup {
    let (jobs, all_jobs) = (jobs_of(shown).count(), jobs_of(all).count());
    let last = shown.len().min(first + INSTANCES);
    html! {
        @if shown.len() > INSTANCES { (first + 1) "–" (last) " " (words.of) " " }
        (shown.len()) " " (words.of) " " (all.len()) " " (words.net_instances) " · "
        (jobs) " " (words.of) " " (all_jobs) " " (words.net_jobs)
    }
}

/// What did not happen in time, anywhere.
fn late(sight: &Sight, shown: &[Member]) -> Markup {
    let words = sight.words;
    let found = troubled(shown, Urgency::Overdue);
    html! {
        @if !found.is_empty() {
            section.box.bad aria-labelledby="late" {
                h2 #late { (words.net_late) }
                ul.late { @for (member, job) in found.iter().take(LATE) { li {
                    strong { (name(member)) ": " (own_job(member, job)) }
                    @if let Some(by) = &job.expected_by {
                        " – " (words.net_expected) " " (time(by)) ", " (ago(words, by, sight.now))
                    }
                    @if let Some(at) = &job.last_success {
                        " · " (words.last_success) " " (ago(words, at, sight.now))
                    }
                } } }
                @if found.len() > LATE {
                    p { a href="network?show=overdue" { (words.net_all_overdue) " (" (found.len()) ")" } }
                }
            }
        }
    }
}

fn pages(words: &Words, filter: &Filter, shown: usize, first: usize) -> Markup {
    let page = first / INSTANCES;
    let link = |page: usize| with_query("network", &filter.query(&page.to_string()));
    html! {
        @if shown > INSTANCES {
            p.actions {
                @if page > 0 { a.button rel="prev" href=(link(page - 1)) { (words.net_before) } }
                @if first + INSTANCES < shown {
                    a.button rel="next" href=(link(page + 1)) { (words.net_after) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_search_finds_instances_by_both_names_and_jobs_by_theirs() {
        let job = |name: &str, overdue: bool| json!({ "name": name, "type": "mysql", "enabled": true, "overdue": overdue });
        let tom = json!({ "name": "tom", "instance": "thomas-pi", "self": false, "status": "offline",
            "jobs": [job("web", true), job("mail", false)] });
        let tom: Member = serde_json::from_value(tom).unwrap();
        let found = |search: &str, show: &str, instance: &str| {
            let (search, show) = (search.to_owned(), show.to_owned());
            let filter = Filter { search, show, instance: instance.to_owned(), page: 0 };
            let jobs = filter.narrow(&tom)?.jobs.unwrap_or_default();
            Some(jobs.into_iter().map(|job| job.name).collect::<Vec<_>>().join(" "))
        };
        let all = Some("web mail".to_owned());
        assert_eq!(found("", "", ""), all);
        assert_eq!(found(" TOM ", "", ""), all);
        assert_eq!(found("Thomas", "", "tom"), all);
        assert_eq!(found("MAI", "", ""), Some("mail".to_owned()));
        assert_eq!(found("x", "", ""), None);
        assert_eq!(found("", "", "jerry"), None);
        assert_eq!(found("", "overdue", ""), Some("web".to_owned()));
        assert_eq!(found("mail", "overdue", ""), None);
        assert_eq!(found("", "away", ""), all);
    }
}
