//! Which archive a word means, situation by situation.

use super::*;
use crate::api::resolve::{Need, Question, Unresolved, Whose, resolve};
use crate::model::desired::Desired;
use crate::reconcile::expiry::Lineage;

/// `jerry`, once `jerry-old`, with a job `site` that was called `blog`.
static DESIRED: LazyLock<Desired> = LazyLock::new(|| {
    let renamed = "[job.site]\ntype = \"custom_dir\"\nsource_path = \"/srv/site\"\n\
                   schedule = \"0 3 * * *\"\nretention = { mode = \"count\", value = 7 }\n\
                   location = \"main\"\nformerly = [\"blog\"]\n";
    let text = TOML.replace("[instance]", "[instance]\nformerly = [\"jerry-old\"]") + renamed;
    let parsed = config::parse(&Files::default().with("larder.toml", &text), "/etc".as_ref());
    parsed.desired.expect("the configuration is valid")
});

/// What `text` means among `archives`: `NAME at LOCATION`, or why it means nothing.
fn check(archives: &[Archive], text: &str, location: Option<&str>, need: Need) -> String {
    let lineage = Lineage::of(&DESIRED);
    match resolve(Question { text, location, need, whose: Whose::Ours(&lineage) }, archives) {
        Ok(found) => format!("{} of {} at {}", found.name, found.origin, found.location),
        Err(error) => {
            let several = match &error {
                Unresolved::SeveralArchives { candidates, .. }
                | Unresolved::SeveralCopies { candidates, .. } => candidates.len(),
                Unresolved::NotFound { .. }
                | Unresolved::Elsewhere { .. }
                | Unresolved::NotTrashed { .. }
                | Unresolved::When { .. } => 0,
            };
            format!("{error} ({several}); {}", error.hint().unwrap_or_default())
        }
    }
}

fn any(archives: &[Archive], text: &str) -> String {
    check(archives, text, None, Need::AnyCopy)
}

#[test]
fn a_name_means_the_original_and_a_change_wants_to_know_which_copy() {
    let original = archive(1, "jerry_web_20260508", 8);
    let all = [copied(&original), original];
    assert_eq!(any(&all, "jerry_web_20260508"), "jerry_web_20260508 of jerry at main");
    assert_eq!(
        any(&all, "00000000-0000-0000-0000-000000000001"),
        "jerry_web_20260508 of jerry at main"
    );
    insta::assert_snapshot!(
        check(&all, "jerry_web_20260508", None, Need::OneCopy),
        @"`jerry_web_20260508` rests at more than one location (2); choose a copy with `--location` (`?location=` in the API)"
    );
    assert_eq!(
        check(&all, "jerry_web_20260508", Some("usb"), Need::OneCopy),
        "jerry_web_20260508 of jerry at usb"
    );
}

#[test]
fn two_archives_of_one_name_are_never_guessed() {
    let ours = archive(1, "same_20260508", 8);
    let theirs = Archive {
        origin: "tom".parse().unwrap(),
        location: "usb".parse().unwrap(),
        ..archive(2, "same_20260508", 8)
    };
    let all = [ours, theirs];
    insta::assert_snapshot!(
        any(&all, "same_20260508"),
        @"`same_20260508` means more than one archive (2); name it by its id, or as ORIGIN/NAME"
    );
    assert_eq!(any(&all, "tom/same_20260508"), "same_20260508 of tom at usb");
    assert_eq!(
        check(&all, "same_20260508", Some("main"), Need::OneCopy),
        "same_20260508 of jerry at main"
    );
}

#[test]
fn latest_is_the_newest_good_archive_of_our_job_also_under_our_earlier_name() {
    let older = Archive { origin: "jerry-old".parse().unwrap(), ..archive(1, "a", 5) };
    let newest = archive(2, "b", 6);
    let suspect = Archive { outcome: Outcome::Suspect("tiny".to_owned()), ..archive(3, "c", 7) };
    let theirs = Archive { origin: "tom".parse().unwrap(), ..archive(4, "d", 8) };
    let all = [suspect.clone(), theirs, newest, older.clone()];
    assert_eq!(any(&all, "web@latest"), "b of jerry at main");
    assert_eq!(any(&all, "web@2026-05-05"), "a of jerry-old at main");
    assert_eq!(any(&all, "tom/web@latest"), "d of tom at main");
    // Better an unlikely one than none.
    assert_eq!(any(&[suspect], "web@latest"), "c of jerry at main");
    assert_eq!(any(&[older], "web@2026-05-05"), "a of jerry-old at main");
}

#[test]
fn what_a_job_made_under_its_earlier_name_is_found_under_both() {
    let before = Archive { job: "blog".parse().unwrap(), ..archive(1, "a", 5) };
    let theirs = Archive { origin: "tom".parse().unwrap(), ..before.clone() };
    let theirs = Archive { id: archive(2, "b", 6).id, name: "b".parse().unwrap(), ..theirs };
    let all = [before, theirs];
    assert_eq!(any(&all, "site@latest"), "a of jerry at main");
    assert_eq!(any(&all, "site@2026-05-05"), "a of jerry at main");
    assert_eq!(any(&all, "blog@latest"), "a of jerry at main");
    assert_eq!(any(&all, "tom/blog@latest"), "b of tom at main");
    let since = Archive { job: "site".parse().unwrap(), ..archive(3, "c", 7) };
    let all = [all[0].clone(), since];
    assert_eq!(any(&all, "site@latest"), "c of jerry at main");
}

#[test]
fn a_job_with_a_slash_in_its_name_is_a_job_and_not_an_origin() {
    let app = Archive { job: "apps/nextcloud".parse().unwrap(), ..archive(1, "a", 5) };
    assert_eq!(any(&[app], "apps/nextcloud@latest"), "a of jerry at main");
}

#[test]
fn what_is_in_the_trash_is_named_only_when_nothing_else_is() {
    let until = Timestamp::MAX;
    let there = archive(1, "a", 5);
    let gone = Archive { condition: Condition::Trashed { until }, ..copied(&there) };
    let all = [gone.clone(), there];
    assert_eq!(check(&all, "a", None, Need::OneCopy), "a of jerry at main");
    assert_eq!(check(&all, "a", None, Need::Trashed), "a of jerry at usb");
    assert_eq!(any(&[gone], "a"), "a of jerry at usb");
}

#[test]
fn what_rests_elsewhere_is_said_to_rest_there() {
    let there = archive(1, "jerry_web_20260508", 8);
    for word in ["jerry_web_20260508", "web@latest", "web@2026-05-08"] {
        let said = check(std::slice::from_ref(&there), word, Some("usb"), Need::AnyCopy);
        let wanted = format!("`usb` does not hold `{word}`; it rests at `main` (0); ");
        assert!(said.starts_with(&wanted), "{said}");
    }
    let both = [copied(&there), there];
    insta::assert_snapshot!(
        check(&both, "web@latest", Some("nas"), Need::OneCopy),
        @"`nas` does not hold `web@latest`; it rests at `main` and `usb` (0); name such a place with `--location`, or none"
    );
    assert!(check(&both, "web@2026-05-01", Some("nas"), Need::OneCopy).starts_with("there is no"));
}

#[test]
fn a_slip_of_the_finger_is_answered_with_the_name_that_was_meant() {
    let all = [archive(1, "jerry_web_20260508", 8)];
    insta::assert_snapshot!(
        any(&all, "jerry_wbe_20260508"),
        @"there is no archive `jerry_wbe_20260508` (0); did you mean `jerry_web_20260508`?"
    );
    insta::assert_snapshot!(
        any(&all, "web@yesterday"),
        @"`yesterday` in `web@yesterday` is neither `latest` nor a day like `2026-05-08` (0); "
    );
}
