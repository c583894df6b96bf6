//! One instance: whether it is there, what it holds, and how its jobs are.

use maud::{Markup, html};

use super::{JOBS, JOBS_ALONE, PLACES, Sight};
use crate::api::dto::{Held, Member, MemberJob, MemberRun, Moment, Urgency, shown_host};
use crate::dashboard::ages::ago;
use crate::dashboard::ask::with_query;
use crate::dashboard::parts::{
    bytes, job_link, maybe_time, run_link, table, tag, time, told, told_lines,
};
use crate::dashboard::words::Words;

/// An instance, as people are shown it.
pub(super) fn name(member: &Member) -> String {
    shown_host(member.instance.as_deref().unwrap_or(&member.name), Some(&member.name))
}

pub(super) fn own_job(member: &Member, job: &MemberJob) -> Markup {
    html! { @if member.is_self { (job_link(&job.name)) } @else { (job.name) } }
}

pub(super) fn one(sight: &Sight, nth: usize, member: &Member) -> Markup {
    let words = sight.words;
    let id = format!("instance-{nth}");
    html! {
        section class=(if member.is_away() { "member away" } else { "member" }) aria-labelledby=(id) {
            h2 id=(id) { (name(member)) }
            p.states {
                (presence(words, member)) " "
                @if member.health.as_deref() == Some("degraded") { (tag(words, "degraded")) " " }
                @if let Some(kind) = &member.kind { span.faint { (words.term(kind)) } }
                @if let Some(url) = member.url.as_deref().and_then(page_of) {
                    " · " a href=(url) rel="noopener noreferrer"
                        aria-label=(format!("{}: {}", words.net_its_page, member.name)) {
                        (words.net_its_page)
                    }
                }
            }
            @if let Some(why) = &member.why { p { (told(words, why)) } }
            @if let Some(problems) = &member.problems { (told_lines(words, problems)) }
            @if let Some(at) = member.known_at.as_ref().filter(|_| !member.is_self && member.status != "online") {
                p.aged { (words.net_as_known) " " (ago(words, at, sight.now)) " (" (time(at)) "). "
                    (words.net_may_differ) }
            }
            (facts(sight, member))
            (jobs(sight, member))
        }
    }
}

/// Whether it is there; in words, never by a colour alone.
fn presence(words: &Words, member: &Member) -> Markup {
    let (class, text) = match member.status.as_str() {
        _ if member.is_self => ("tag good", words.net_this),
        "online" => ("tag good", words.net_online),
        "offline" => ("tag warn", words.net_offline),
        "error" => ("tag bad", words.net_error),
        _ => ("tag", words.net_unknown),
    };
    html! { span class=(class) { (text) } }
}

/// The address of a page, where it is one: `https`, whatever else the text says.
fn page_of(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://")?;
    let is_plain = |c: char| c.is_ascii_graphic() && !"\"'<>\\`".contains(c);
    (!rest.is_empty() && !rest.starts_with('/') && rest.chars().all(is_plain)).then_some(url)
}

fn facts(sight: &Sight, member: &Member) -> Markup {
    let words = sight.words;
    let kept: Vec<&Held> = if member.is_self {
        Vec::new()
    } else {
        let is_its = |held: &&Held| held.peer.as_deref() == Some(member.name.as_str());
        sight.kept.iter().filter(is_its).collect()
    };
    let count: u64 = kept.iter().map(|held| held.count).sum();
    let size: u64 = kept.iter().map(|held| held.size_bytes).sum();
    html! {
        dl {
            @if !member.is_self {
                dt { (words.net_heard) }
                dd { @match &member.last_seen {
                    Some(at) => { (ago(words, at, sight.now)) " (" (time(at)) ")" }
                    None => (words.net_never),
                } }
            }
            dt { (words.net_version) }
            dd { (member.version.as_deref().unwrap_or("–")) }
            dt { (words.archives) }
            dd {
                @match (member.archive_count, member.archive_bytes) {
                    (Some(count), size) => {
                        (count) " · " (bytes(words, size.unwrap_or(0)))
                        (places(words, member.archives.as_deref().unwrap_or_default()))
                    }
                    (None, _) => "–",
                }
            }
            @if count > 0 {
                dt { (words.net_kept) }
                dd { a href=(with_query("archives", &[("origin", &member.name)])) { (count) }
                    " · " (bytes(words, size)) }
            }
        }
    }
}

/// Whose archives rest where.
fn places(words: &Words, held: &[Held]) -> Markup {
    html! {
        @if !held.is_empty() {
            ul.places {
                @for one in held.iter().take(PLACES) { li.faint {
                    (one.location) " · " (one.maker()) ": " (one.count) " · " (bytes(words, one.size_bytes))
                } }
                @if held.len() > PLACES { li.faint { "… " (held.len() - PLACES) } }
            }
        }
    }
}

fn jobs(sight: &Sight, member: &Member) -> Markup {
    let words = sight.words;
    let most = if sight.is_alone { JOBS_ALONE } else { JOBS };
    let Some(jobs) = member.jobs.as_deref() else {
        return html! { p.faint { (words.net_no_jobs_told) } };
    };
    let label = format!("{}: {}", words.jobs, member.name);
    html! {
        @if jobs.is_empty() { p.faint { (words.no_jobs) } } @else {
            (table(&label, &html! {
                thead { tr {
                    th scope="col" { (words.job) }
                    th scope="col" { (words.verdict) }
                    th scope="col" { (words.net_last_result) }
                    th scope="col" { (words.last_success) }
                    th scope="col" { (words.next_run) }
                } }
                tbody { @for job in jobs.iter().take(most) { (row(sight, member, job)) } }
            }))
        }
        @if jobs.len() > most {
            p { a href=(with_query("network", &[("instance", &member.name)])) {
                (words.net_all_jobs) " (" (jobs.len()) ")"
            } }
        }
    }
}

fn row(sight: &Sight, member: &Member, job: &MemberJob) -> Markup {
    let words = sight.words;
    let is_late = job.urgency() == Urgency::Overdue;
    html! { tr {
        th.name scope="row" {
            (own_job(member, job)) div.faint { (words.term(&job.job_type)) }
        }
        td {
            @if is_late { span.tag.bad { (words.net_overdue) } " " }
            @if job.enabled {
                @match &job.verdict { Some(word) => (tag(words, word)), None => "–" }
            } @else { (words.disabled) }
            @if let Some(by) = job.expected_by.as_ref().filter(|_| is_late) {
                div.faint { (words.net_expected) " " (time(by)) }
            }
        }
        td.text { @match &job.last_run {
            Some(run) => (result(words, member, run)),
            None => "–",
        } }
        td { (aged(sight, job.last_success.as_ref())) }
        td { @if job.enabled { (maybe_time(job.next_run.as_ref())) } @else { "–" } }
    } }
}

fn result(words: &Words, member: &Member, run: &MemberRun) -> Markup {
    let at = run.finished_at.as_ref().or(run.started_at.as_ref());
    html! {
        (tag(words, &run.status)) " "
        @match (member.is_self, at) {
            (true, at) => {
                (run_link(run.id, &at.map_or_else(|| run.id.to_string(), Moment::short)))
            }
            (false, Some(at)) => (time(at)),
            (false, None) => "",
        }
        @if let Some(archive) = &run.archive_name {
            div.faint { (archive) @if let Some(size) = run.size_bytes { " · " (bytes(words, size)) } }
        }
    }
}

fn aged(sight: &Sight, at: Option<&Moment>) -> Markup {
    html! {
        @match at {
            Some(at) => { (ago(sight.words, at, sight.now)) div.faint { (time(at)) } }
            None => "–",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_of_https_leads_out() {
        assert_eq!(
            page_of("https://tom.example.org/larder"),
            Some("https://tom.example.org/larder")
        );
        for other in [
            "http://tom.example.org",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "https:",
            "https://",
            "https:///etc",
            " https://x",
            "https://x y",
            "https://x\"onclick=1",
            "data:text/html,x",
            "//x.example.org",
        ] {
            assert_eq!(page_of(other), None, "{other}");
        }
    }
}
