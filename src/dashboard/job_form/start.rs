//! The way to the form: what is to be kept.

use maud::{Markup, html};

use crate::api::dto::Covered;
use crate::dashboard::ask::with_query;
use crate::dashboard::parts::{bytes, job_link, table, tag, told};
use crate::dashboard::words::Words;
use crate::model::job::JobType;

/// The types to choose from, and what was found on the host that no job keeps.
pub(super) fn start(words: &Words, found: Option<&[Covered]>) -> Markup {
    html! {
        p.faint { (words.form_intro) }
        h2 { (words.which_type) }
        ul.cards {
            @for job_type in JobType::ALL { li {
                a href=(with_query("new-job", &[("type", job_type.word())])) {
                    (words.term(job_type.word()))
                }
                p.faint { (about(words, job_type)) }
            } }
        }
        h2 #uncovered { (words.uncovered) }
        @match found {
            None => {
                p.faint { (words.look_takes) }
                p { a.button href="new-job?look=yes#uncovered" { (words.look_uncovered) } }
            }
            Some(found) => (uncovered(words, found)),
        }
    }
}

fn about(words: &Words, job_type: JobType) -> &'static str {
    match job_type {
        JobType::CustomDir => words.about_custom_dir,
        JobType::Mysql => words.about_mysql,
        JobType::Postgresql => words.about_postgresql,
        JobType::YnhApp => words.about_ynh_app,
        JobType::YnhSystem => words.about_ynh_system,
    }
}

fn uncovered(words: &Words, found: &[Covered]) -> Markup {
    let open: Vec<&Covered> = found.iter().filter(|one| one.covered != "yes").collect();
    html! {
        @if open.is_empty() { p { (words.all_covered) } } @else {
            (table(words.uncovered, &html! {
                thead { tr {
                    th scope="col" { (words.found) }
                    th scope="col" { (words.kind) }
                    th scope="col" { (words.kept) }
                    th scope="col" { (words.size) }
                    th scope="col" { (words.action) }
                } }
                tbody { @for one in open { tr {
                    th.name scope="row" {
                        (one.name)
                        @if one.place != "-" { div.faint { (told(words, &one.place)) } }
                        @if let Some(note) = &one.note { div.faint { (told(words, note)) } }
                    }
                    td { (words.term(&one.kind)) }
                    td {
                        (tag(words, &one.covered))
                        @for job in &one.jobs { " " (job_link(job)) }
                    }
                    td.number {
                        @if let Some(size) = one.size_bytes { (bytes(words, size)) } @else { "–" }
                    }
                    td {
                        @if let Some(link) = prefilled(one) {
                            a.button href=(link) { (words.make_job) }
                        }
                    }
                } } }
            }))
        }
    }
}

/// The form with what was found filled in.
fn prefilled(one: &Covered) -> Option<String> {
    let name = job_name(&one.name);
    let (job_type, key, value) = match one.kind.as_str() {
        "database" if one.place.starts_with("PostgreSQL") => ("postgresql", "database", &one.name),
        "database" => ("mysql", "database", &one.name),
        "app" => ("ynh_app", "app_id", &one.name),
        "directory" => ("custom_dir", "source_path", &one.name),
        "volume" => {
            let (_, path) = one.place.split_once(", ")?;
            let pairs = [("type", "custom_dir"), ("name", name.as_str()), ("source_path", path)];
            return Some(with_query("new-job", &pairs));
        }
        _ => return None,
    };
    Some(with_query("new-job", &[("type", job_type), ("name", &name), (key, value)]))
}

/// A name for a job that keeps something: the last part of a path.
fn job_name(found: &str) -> String {
    let last = found.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let name: String = last.chars().map(|c| if is_plain(c) { c } else { '-' }).take(40).collect();
    let name = name.trim_matches(['-', '.']);
    if name.is_empty() { "all".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_fills_the_form() {
        let link = |kind: &str, name: &str, place: &str| {
            prefilled(&Covered {
                kind: kind.to_owned(),
                name: name.to_owned(),
                place: place.to_owned(),
                covered: "no".to_owned(),
                jobs: Vec::new(),
                note: None,
                size_bytes: None,
            })
        };
        let of = |kind, name, place| link(kind, name, place).expect("a link");
        assert_eq!(
            of("database", "*", "PostgreSQL at /run/x"),
            "new-job?type=postgresql&name=all&database=%2A"
        );
        assert_eq!(
            of("directory", "/srv/my photos/", "-"),
            "new-job?type=custom_dir&name=my-photos&source_path=%2Fsrv%2Fmy%20photos%2F"
        );
        assert_eq!(of("app", "wiki", "-"), "new-job?type=ynh_app&name=wiki&app_id=wiki");
        assert_eq!(
            of("volume", "db_data", "docker, /var/lib/x/_data"),
            "new-job?type=custom_dir&name=db_data&source_path=%2Fvar%2Flib%2Fx%2F_data"
        );
        assert_eq!(link("ship", "x", "-"), None);
    }
}
