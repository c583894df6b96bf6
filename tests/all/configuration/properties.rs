//! What holds for every text, and for every order of files.

use std::path::Path;

use larder::config::{Diagnostic, Files, LastGood, parse, parse_with_last_good, read_dir, render};
use larder::model::schedule::Schedule;
use proptest::prelude::*;

use super::{DIR, errors, example_dirs, files};

fn examples() -> Vec<(String, String)> {
    example_dirs().iter().flat_map(|dir| read_dir(dir).unwrap().0.files).collect()
}

/// Whatever the text is: no panic, places within the text, the same again the second time.
fn survives(files: &Files) {
    let dir = Path::new(DIR);
    let parsed = parse(files, dir);
    for diagnostic in &parsed.diagnostics {
        let text = &files.files[&diagnostic.file];
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        assert!(diagnostic.line as usize <= text.split('\n').count(), "{diagnostic:?}");
        assert!(diagnostic.column <= diagnostic.end_column, "{diagnostic:?}");
    }
    let shown = render(&parsed.diagnostics, true);
    assert_eq!(shown.is_empty(), parsed.diagnostics.is_empty());
    assert_eq!(parsed.desired.is_none(), !errors(&parsed.diagnostics).is_empty());
    assert_eq!(parse(files, dir).diagnostics, parsed.diagnostics);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_text_makes_reading_panic(text in ".{0,200}") {
        survives(&files(&[("a.toml", &text)]));
    }

    #[test]
    fn no_toml_like_text_makes_reading_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "[job.a]\n", "[job", "]", "[[job.a.send_to]]\n", "type", "=", "'custom_dir'",
                "\n", "{", "}", "[", ",", "'", "\"", "\"\"\"", "é", "\u{feff}", "#", "7", "1e9",
                "2026-01-01", "true", ".", "job", "schedule", "source_path", "\\", "\r\n", "\t",
                "[location.main]\npath='/x'\n", "[defaults]\nschedule='0 2 * * *'\n", "\0",
                "[instance]\n", "retention", "[retention.r]\nmode='gfs'\n", "to='main'\n",
            ]),
            0..40,
        )
    ) {
        survives(&files(&[("a.toml", &words.concat())]));
    }

    #[test]
    fn no_slip_in_an_example_makes_reading_panic(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        length in 0_usize..12,
        put in prop::sample::select(vec!["", "\"", "=", "[", "}", "\n", "x", "7", "é", "'", "."]),
    ) {
        let all = examples();
        let (name, text) = &all[which.index(all.len())];
        let mut text: Vec<char> = text.chars().collect();
        let at = at.index(text.len());
        let end = (at + length).min(text.len());
        text.splice(at..end, put.chars());
        let text: String = text.into_iter().collect();
        let mutated = files(&[(name, &text)]);
        survives(&mutated);
        // And what was good before stays in force, or its good successor does.
        let dir = Path::new(DIR);
        let whole = parse(&files(&[("good.toml", &GOOD.replace("---\n", ""))]), dir).last_good;
        prop_assert!(parse_with_last_good(&mutated, &whole, dir).desired.is_some());
        let stored = LastGood::from_json(&whole.to_json()).unwrap();
        prop_assert_eq!(stored, whole);
    }

    #[test]
    fn neither_the_names_nor_the_order_of_files_matter(order in Just(vec![0, 1, 2, 3]).prop_shuffle()) {
        let dir = Path::new(DIR);
        let parts: Vec<&str> = GOOD.split("---\n").collect();
        let wanted = parse(&files(&[("all.toml", &parts.concat())]), dir).desired.unwrap();
        let mut split = Files::default();
        for (place, part) in order.iter().enumerate() {
            split = split.with(&format!("{place}.toml"), parts[*part]);
        }
        let found = parse(&split, dir).desired.unwrap();
        let jobs = |desired: &larder::model::desired::Desired| -> Vec<String> {
            desired.jobs.values().map(|job| job.effective_json.clone()).collect()
        };
        prop_assert_eq!(jobs(&found), jobs(&wanted));
        prop_assert_eq!(found.instance, wanted.instance);
    }
}

const GOOD: &str = "[instance]
name = 'jerry'
[recovery]
configuration = false
---
[defaults]
schedule = '0 2 * * *'
retention = { mode = 'count', value = 7 }
location = 'main'
---
[location.main]
path = '/srv/larder'
---
[job.web]
type = 'custom_dir'
source_path = '/var/www'
[job.mail]
type = 'custom_dir'
source_path = '/var/mail'
";

#[test]
fn all_mistakes_of_all_files_are_told_at_once_in_their_order() {
    let parsed = parse(
        &files(&[
            ("b.toml", "[job.b]\ntyp = 'custom_dir'\n[location.main]\npth = '/x'\n"),
            ("a.toml", "[location.main]\npath = 7\n[defaults]\nschedul = 'x'\n"),
            ("c.toml", "[job.c]\nsource_path = '/c'\ntype = \n[job.d]\ncolor = 1\n"),
        ]),
        Path::new(DIR),
    );
    let told: Vec<String> = parsed
        .diagnostics
        .iter()
        .map(|d| format!("{}:{}:{} {}", d.file, d.line, d.column, d.message))
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    a.toml:2:8 `path` must be a path, not a whole number
    a.toml:4:1 unknown key `schedul`
    b.toml:1:6 `type` is missing
    b.toml:2:1 unknown key `typ`
    b.toml:3:11 `[location.main]` is defined twice, first at a.toml:1:11
    b.toml:3:11 `path` is missing
    b.toml:4:1 unknown key `pth`
    c.toml:3:8 string values must be quoted, expected literal string
    c.toml:5:1 unknown key `color`
    ");
}

/// Wherever the schedule itself finds a mistake, the place is inside the text.
#[test]
fn a_mistake_in_a_schedule_is_shown_inside_its_text() {
    for text in ["0 3 * *", "61 3 * * *", "0 0 31 2 *", "0 3 * * mo-xy", "0 3 * * *"] {
        let job = format!("[job.a]\ntype='custom_dir'\nsource_path='/a'\nschedule = '{text}'\n");
        let parsed = parse(
            &files(&[("good.toml", &GOOD.replace("---\n", "")), ("a.toml", &job)]),
            Path::new(DIR),
        );
        let wanted: Vec<_> = Schedule::parse(text)
            .err()
            .map(|error| {
                let column = "schedule = '".len() + 1 + error.span.start;
                (4, u32::try_from(column).unwrap(), error.message)
            })
            .into_iter()
            .collect();
        let told = parsed.diagnostics.into_iter().filter(Diagnostic::is_error);
        let told: Vec<_> = told.map(|d| (d.line, d.column, d.message)).collect();
        assert_eq!(told, wanted, "{text}");
    }
}

#[test]
fn a_thousand_files_are_one_configuration() {
    let mut all = files(&[("good.toml", &GOOD.replace("---\n", ""))]);
    for number in 0..1_000 {
        let job = format!("[job.j{number}]\ntype='custom_dir'\nsource_path='/srv/{number}'\n");
        all = all.with(&format!("jobs/{number}.toml"), job);
    }
    let parsed = parse(&all, Path::new(DIR));
    assert_eq!(parsed.desired.unwrap().jobs.len(), 1_002);
}
