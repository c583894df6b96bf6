//! How large the archives of a job are, and how long its backups take.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::chart::{Chart, Line, Mark, Shape, key, key_of_line};
use super::scale::{self, amount, number, seconds};
use super::thin::thin;
use crate::api::dto::{Archive, Moment, Run};
use crate::dashboard::parts::{archive_link, bytes, run_link, table, tag, time, told_lines};
use crate::dashboard::words::Words;

/// How many of what is odd have their word in the picture, the newest of them.
const LABELS: usize = 4;
/// How many of what is odd are listed below it.
const LISTED: usize = 5;

/// An archive that a job made, whether or not it is still there.
struct Made<'a> {
    at: Moment,
    name: &'a str,
    file: u64,
    content: Option<u64>,
    /// What it is, in a word of the API; `gone` for what retention let go.
    is: &'a str,
    reasons: &'a [String],
    /// The copy that there is.
    copy: Option<&'a Archive>,
}

impl Made<'_> {
    fn shape(&self) -> Shape {
        match self.is {
            "good" => Shape::Dot,
            "gone" => Shape::Ring,
            "corrupt" | "suspect" => Shape::Cross,
            _ => Shape::Triangle,
        }
    }

    fn is_odd(&self) -> bool {
        !matches!(self.is, "good" | "gone")
    }

    fn across(&self) -> f64 {
        number(seconds(self.at.civil()))
    }
}

/// Every archive once, oldest first: those that are there, and those of which runs tell.
fn made<'a>(archives: &'a [Archive], runs: &'a [Run]) -> Vec<Made<'a>> {
    let mut found: BTreeMap<(Moment, &str), Made<'a>> = BTreeMap::new();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let is_there = |archive: &&Archive| !matches!(archive.condition.as_str(), "lost" | "trashed");
    for archive in archives.iter().filter(is_there).filter(|archive| archive.how != "received") {
        let is = match (archive.condition.as_str(), archive.outcome.as_str()) {
            ("corrupt", _) => "corrupt",
            (_, outcome) => outcome,
        };
        known.insert(&archive.name);
        let made = Made {
            at: archive.created_at,
            name: &archive.name,
            file: archive.file_size,
            content: Some(archive.content_size),
            is,
            reasons: &archive.reasons,
            copy: Some(archive),
        };
        let entry = found.entry((archive.created_at, &archive.id));
        // Of several copies the original counts: others may be packed otherwise.
        let made_here = archive.how != "copied";
        entry
            .and_modify(|one| {
                if made_here {
                    one.file = archive.file_size;
                }
            })
            .or_insert(made);
    }
    for run in runs {
        let (Some(name), Some(size), Some(at)) =
            (&run.archive_name, run.size_bytes, run.started_at)
        else {
            continue;
        };
        if run.kind == "backup" && !known.contains(name.as_str()) {
            let is = if run.status == "warning" { "warning" } else { "gone" };
            let made = Made { at, name, file: size, content: None, is, reasons: &[], copy: None };
            found.entry((at, name)).or_insert(made);
        }
    }
    found.into_values().collect()
}

/// How large each archive of a job was.
pub(in crate::dashboard) fn sizes(words: &Words, archives: &[Archive], runs: &[Run]) -> Markup {
    let all = made(archives, runs);
    let (odd, usual): (Vec<Made<'_>>, Vec<Made<'_>>) = all.into_iter().partition(Made::is_odd);
    let height = |one: &Made<'_>| amount(one.file);
    let usual = thin(usual, Made::across, height);
    let odd = thin(odd, Made::across, height);
    let mut shown: Vec<&Made<'_>> = usual.iter().chain(&odd).collect();
    shown.sort_by_key(|one| one.at);
    let (Some(first), Some(last)) = (shown.first(), shown.last()) else {
        return html! { p.faint { (words.nothing_to_plot) } };
    };
    let across = scale::of_time(seconds(first.at.civil()), seconds(last.at.civil()));
    let most = shown.iter().map(|one| one.file.max(one.content.unwrap_or(0))).max();
    let up = scale::of_bytes(words, most.unwrap_or(0));
    let labelled: BTreeSet<&str> = odd.iter().rev().take(LABELS).map(|one| one.name).collect();
    let marks: Vec<Mark> = shown.iter().map(|one| mark(words, one, &labelled)).collect();
    let content = |one: &Made<'_>| Some((one.across(), amount(one.content?)));
    let lines = vec![
        Line {
            class: "line other",
            points: usual.iter().filter_map(content).collect(),
            is_filled: false,
        },
        Line {
            class: "line",
            points: usual.iter().map(|one| (one.across(), amount(one.file))).collect(),
            is_filled: true,
        },
    ];
    let description = describe_sizes(words, &shown, &odd);
    let chart = Chart {
        id: "sizes",
        title: words.sizes,
        description: &description,
        across: &across,
        up: &up,
        lines,
        marks: &marks,
    };
    let has_gone = shown.iter().any(|one| one.copy.is_none());
    html! {
        figure.plot {
            figcaption { h3 { (words.sizes) } }
            (chart.draw())
            ul.legend {
                li { (key(Shape::Dot)) (words.size_of_file) }
                li { (key_of_line("line other")) (words.size_of_content) }
                @if has_gone { li { (key(Shape::Ring)) (words.gone_by_now) } }
                @if !odd.is_empty() {
                    li { (key(Shape::Triangle)) (words.with_warning) }
                    li { (key(Shape::Cross)) (words.to_be_doubted) }
                }
            }
            @if !odd.is_empty() { (what_is_odd(words, &odd)) }
            details { summary { (words.as_table) } (sizes_table(words, &shown)) }
        }
    }
}

fn mark(words: &Words, one: &Made<'_>, labelled: &BTreeSet<&str>) -> Mark {
    let word = if one.is == "gone" { words.gone_by_now } else { words.term(one.is) };
    let mut title = format!("{}: {}, {word}", one.at.short(), bytes(words, one.file));
    if !one.reasons.is_empty() {
        title = format!("{title} ({})", one.reasons.join("; "));
    }
    let is_labelled = one.is_odd() && labelled.contains(one.name);
    Mark {
        at: (one.across(), amount(one.file)),
        shape: one.shape(),
        title,
        label: is_labelled.then(|| words.term(one.is).to_owned()),
    }
}

fn describe_sizes(words: &Words, shown: &[&Made<'_>], odd: &[Made<'_>]) -> String {
    let (Some(first), Some(last)) = (shown.first(), shown.last()) else { return String::new() };
    let files = || shown.iter().map(|one| one.file);
    let (low, high) = (files().min().unwrap_or(0), files().max().unwrap_or(0));
    let mut text = format!(
        "{} – {}. {} : {}. {} : {}. {} : {}.",
        first.at.short(),
        last.at.short(),
        words.newest_one,
        bytes(words, last.file),
        words.smallest,
        bytes(words, low),
        words.largest,
        bytes(words, high),
    );
    if !odd.is_empty() {
        let odd = odd.iter().rev().take(LISTED);
        let odd: Vec<String> =
            odd.map(|one| format!("{} ({})", one.name, words.term(one.is))).collect();
        text = format!("{text} {} : {}.", words.stands_out, odd.join(", "));
    }
    text.replace(" :", words.colon)
}

fn what_is_odd(words: &Words, odd: &[Made<'_>]) -> Markup {
    html! {
        p { strong { (words.stands_out) } }
        ul.stands-out { @for one in odd.iter().rev().take(LISTED) { li {
            (key(one.shape())) (time(&one.at)) " " (link(one)) " " (tag(words, one.is)) " "
            (bytes(words, one.file))
            (told_lines(words, one.reasons))
        } } }
    }
}

fn link(one: &Made<'_>) -> Markup {
    html! {
        @match one.copy {
            Some(copy) => (archive_link(&copy.id, &copy.location, one.name)),
            None => (one.name),
        }
    }
}

fn sizes_table(words: &Words, shown: &[&Made<'_>]) -> Markup {
    table(
        words.sizes,
        &html! {
            thead { tr {
                th scope="col" { (words.made) }
                th scope="col" { (words.state) }
                th scope="col" { (words.size_of_file) }
                th.optional scope="col" { (words.size_of_content) }
            } }
            tbody { @for one in shown.iter().rev() { tr {
                td { (time(&one.at)) }
                td { @if one.is == "gone" { (words.gone_by_now) } @else { (tag(words, one.is)) } }
                td.number { (bytes(words, one.file)) }
                td.number.optional {
                    @if let Some(content) = one.content { (bytes(words, content)) } @else { "–" }
                }
            } } }
        },
    )
}

/// How long each backup of a job took.
pub(in crate::dashboard) fn durations(words: &Words, runs: &[Run]) -> Markup {
    let ended = runs.iter().rev().filter_map(|run| {
        let at = run.started_at?;
        (run.kind == "backup").then_some(())?;
        Some(Took { at, across: number(seconds(at.civil())), seconds: run.seconds()?, run })
    });
    let mut ended: Vec<Took<'_>> = ended.collect();
    ended.sort_by_key(|one| one.at);
    let (usual, odd): (Vec<_>, Vec<_>) =
        ended.into_iter().partition(|one| one.run.status == "success");
    let usual = thin(usual, |one| one.across, |one| one.seconds);
    let odd = thin(odd, |one| one.across, |one| one.seconds);
    let mut shown: Vec<&Took<'_>> = usual.iter().chain(&odd).collect();
    shown.sort_by_key(|one| one.at);
    let (Some(first), Some(last)) = (shown.first(), shown.last()) else {
        return html! { p.faint { (words.nothing_to_plot) } };
    };
    let across = scale::of_time(seconds(first.at.civil()), seconds(last.at.civil()));
    let longest = shown.iter().map(|one| one.seconds).fold(0.0, f64::max);
    let up = scale::of_seconds(words, longest);
    let points = usual.iter().map(|one| (one.across, one.seconds)).collect();
    let marks: Vec<Mark> = shown
        .iter()
        .map(|one| Mark {
            at: (one.across, one.seconds),
            shape: one.shape(),
            title: format!(
                "{}: {}, {}",
                one.at.short(),
                scale::duration(words, one.seconds),
                words.term(&one.run.status)
            ),
            label: None,
        })
        .collect();
    let statuses = ["success", "warning", "error", "cancelled", "interrupted"];
    let counts: Vec<(&str, usize)> = statuses
        .into_iter()
        .map(|status| (status, shown.iter().filter(|one| one.run.status == status).count()))
        .filter(|(_, count)| *count > 0)
        .collect();
    let told: Vec<String> =
        counts.iter().map(|(status, count)| format!("{} {count}", words.term(status))).collect();
    let description = format!(
        "{} – {}. {} : {}. {} : {}. {}.",
        first.at.short(),
        last.at.short(),
        words.newest_one,
        scale::duration(words, last.seconds),
        words.longest,
        scale::duration(words, longest),
        told.join(", "),
    )
    .replace(" :", words.colon);
    let chart = Chart {
        id: "durations",
        title: words.durations,
        description: &description,
        across: &across,
        up: &up,
        lines: vec![Line { class: "line", points, is_filled: false }],
        marks: &marks,
    };
    html! {
        figure.plot {
            figcaption { h3 { (words.durations) } }
            (chart.draw())
            ul.legend { @for (status, _) in &counts {
                li { (key(shape_of(status))) (words.term(status)) }
            } }
            details { summary { (words.as_table) } (durations_table(words, &shown)) }
        }
    }
}

/// A backup that has ended.
struct Took<'a> {
    at: Moment,
    across: f64,
    seconds: f64,
    run: &'a Run,
}

impl Took<'_> {
    fn shape(&self) -> Shape {
        shape_of(&self.run.status)
    }
}

fn shape_of(status: &str) -> Shape {
    match status {
        "success" => Shape::Dot,
        "warning" => Shape::Triangle,
        "error" => Shape::Cross,
        _ => Shape::Diamond,
    }
}

fn durations_table(words: &Words, shown: &[&Took<'_>]) -> Markup {
    table(
        words.durations,
        &html! {
            thead { tr {
                th scope="col" { (words.run) }
                th scope="col" { (words.began) }
                th scope="col" { (words.status) }
                th scope="col" { (words.durations) }
            } }
            tbody { @for one in shown.iter().rev() { tr {
                td { (run_link(one.run.id, &one.run.id.to_string())) }
                td { (time(&one.at)) }
                td { (tag(words, &one.run.status)) }
                td.number { (scale::duration(words, one.seconds)) }
            } } }
        },
    )
}
