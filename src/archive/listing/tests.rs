use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;
use tar::{EntryType, Header};

use super::*;
use crate::stop::Stopped;

/// A plain tar of members whose names are taken as they are; directories end in a slash.
fn tar(names: &[&str]) -> Vec<u8> {
    let mut stream = Vec::new();
    for name in names {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        let is_directory = name.ends_with('/');
        header.set_entry_type(if is_directory { EntryType::Directory } else { EntryType::Regular });
        let content: &[u8] = if is_directory { b"" } else { b"content\n" };
        header.set_size(content.len() as u64);
        header.set_mode(if is_directory { 0o755 } else { 0o640 });
        header.set_uid(7);
        header.set_gid(8);
        header.set_mtime(1_700_000_000);
        header.set_cksum();
        stream.extend_from_slice(header.as_bytes());
        stream.extend_from_slice(content);
        stream.resize(stream.len().next_multiple_of(512), 0);
    }
    stream.resize(stream.len() + 1024, 0);
    stream
}

fn ask(stream: &[u8], question: &Question) -> Listing {
    let mut reader = Reader::from_stream(io::Cursor::new(stream.to_vec()));
    list(&mut reader, question, &Stop::new()).unwrap()
}

/// Each row as a line: its name, `/` and what is below for a directory, `?` without an entry of its
/// own; `+` when there is more.
fn check(names: &[&str], below: &str, search: Option<&str>) -> Vec<String> {
    let question = Question {
        below: below.into(),
        search: search.map(str::to_owned),
        limit: 100,
        ..Question::default()
    };
    let listing = ask(&tar(names), &question);
    lines(&listing)
}

fn lines(listing: &Listing) -> Vec<String> {
    let line = |row: &Row| {
        let mut line = String::from_utf8_lossy(&row.name).into_owned();
        if let Some(below) = &row.below {
            let _ = write!(line, " {}×{}", below.members, below.bytes);
            if below.way != row.name {
                let _ = write!(line, " → {}", String::from_utf8_lossy(&below.way));
            }
        }
        if row.own.is_none() {
            line += " ?";
        }
        line
    };
    let more = listing.more.then(|| "+".to_owned());
    listing.rows.iter().map(line).chain(more).collect()
}

const TREE: [&str; 9] = [
    "backup.csv",
    "data/custom/opt/app/",
    "data/custom/opt/app/b.txt",
    "data/custom/opt/app/etc/",
    "data/custom/opt/app/etc/App.toml",
    "data/custom/opt/app/etc/nginx/site.conf",
    "data/custom/opt/app/a.txt",
    "hooks/restore/50-data_custom",
    "info.json",
];

#[test]
fn one_directory_is_listed_at_a_time_by_name_and_says_what_is_below() {
    assert_eq!(
        check(&TREE, "", None),
        [
            "backup.csv",
            "data 6×32 → data/custom/opt/app ?",
            "hooks 1×8 → hooks/restore ?",
            "info.json"
        ]
    );
    let app =
        ["data/custom/opt/app/a.txt", "data/custom/opt/app/b.txt", "data/custom/opt/app/etc 2×16"];
    for below in ["data/custom/opt/app", "/data/./custom//opt/app/"] {
        assert_eq!(check(&TREE, below, None), app);
    }
    // A part of a name is no directory.
    assert_eq!(check(&TREE, "data/cust", None), [""; 0]);
}

#[test]
fn a_search_looks_at_names_and_with_a_slash_at_paths() {
    let app = "data/custom/opt/app";
    assert_eq!(check(&TREE, "", Some("APP")), [app, "data/custom/opt/app/etc/App.toml"]);
    assert_eq!(check(&TREE, app, Some("etc/")), TREE[4..6]);
    assert_eq!(check(&TREE, "hooks", Some("app")), [""; 0]);
}

#[test]
fn what_is_at_a_place_is_told() {
    let place = |below: &str| {
        let question = Question { below: below.into(), limit: 1, ..Question::default() };
        ask(&tar(&TREE), &question).place
    };
    assert_eq!(place(""), Place::Directory);
    assert_eq!(place("data/custom/opt"), Place::Directory);
    assert_eq!(place("data/custom/opt/app/etc"), Place::Directory);
    assert_eq!(place("info.json"), Place::Member(EntryKind::File));
    for nowhere in ["..", "data/../info.json", "info", "info.json/x", "\u{1}"] {
        assert_eq!(place(nowhere), Place::Nothing, "{nowhere}");
    }
}

#[test]
fn names_that_mean_harm_are_names() {
    let names = ["../../etc/passwd", "/etc/shadow", "a\nb", "./x", "x/", "x"];
    assert_eq!(check(&names, "", None), [".. 1×8 → ../../etc ?", "a\nb", "etc 1×8 ?", "x"]);
    assert_eq!(check(&names, "..", None), ["../.. 1×8 → ../../etc ?"]);
}

#[test]
fn a_page_has_bounds_whatever_the_names_are() {
    let mut page = Page { limit: 1000, ..Page::default() };
    let mut entry = Reader::from_stream(io::Cursor::new(tar(&["x"])));
    let mut entry = entry.next_entry().unwrap().unwrap();
    entry.link = vec![b'l'; 1 << 20];
    for number in (0..200).rev() {
        page.member(format!("{number:03}").as_bytes(), &entry);
    }
    assert!(page.text <= MOST_TEXT && page.end.is_some(), "{}", page.text);
    let names: Vec<&[u8]> = page.rows.keys().map(Vec::as_slice).collect();
    assert_eq!(names, [b"000", b"001", b"002"]);
}

#[test]
fn whoever_asks_to_stop_need_not_wait() {
    let stop = Stop::new();
    stop.request(Stopped::Cancelled);
    let mut reader = Reader::from_stream(io::Cursor::new(tar(&TREE)));
    let question = Question { limit: 1, ..Question::default() };
    assert!(matches!(list(&mut reader, &question, &stop), Err(OpenError::Stopped(_))));
}

proptest! {
    /// Pages put together are what one looks at all at once, whatever the order of the members.
    #[test]
    fn pages_are_the_whole_in_pieces(
        names in prop::collection::vec("[ab]{1,2}(/[ab]{1,2}){0,3}/?", 1..30),
        limit in 1_usize..5,
        search in prop::option::of("[ab]{1,2}"),
        below in prop::option::of("[ab]{1,2}"),
    ) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let stream = tar(&names);
        let below = below.unwrap_or_default();
        let mut question = Question { below: below.clone().into(), search, limit: 1000, ..Question::default() };
        let whole = ask(&stream, &question);
        prop_assert!(!whole.more);
        let mut pieces = Vec::new();
        question.limit = limit;
        loop {
            let page = ask(&stream, &question);
            prop_assert!(page.rows.len() <= limit && page.place == whole.place);
            question.after = page.rows.last().map(|row| row.name.clone()).unwrap_or_default();
            pieces.extend(page.rows);
            if !page.more {
                break;
            }
        }
        prop_assert_eq!(&pieces, &whole.rows);
        if question.search.is_none() {
            let deep = |name: &&str| {
                let name = name.trim_end_matches('/');
                let rest = if below.is_empty() { Some(name) } else { name.strip_prefix(&format!("{below}/")) };
                rest.map(|rest| rest.split('/').next().unwrap_or_default().to_owned())
            };
            let expected: BTreeSet<String> = names.iter().filter_map(deep).collect();
            prop_assert_eq!(whole.rows.len(), expected.len());
        }
    }
}
