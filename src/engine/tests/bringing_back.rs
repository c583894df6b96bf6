//! Plans of restores: what is told of the archive, and of what is newer.

use super::*;
use crate::engine::runs::restore::plan;
use crate::model::archive::Outcome;
use crate::model::restore::RestoreRequest;
use crate::restore::Plan;
use crate::stop::Stop;

fn planned(bench: &Bench, archive: &Archive) -> Plan {
    plan(bench.core(), &archive.key(), &RestoreRequest::whole(), &Stop::new()).unwrap()
}

fn three() -> (Bench, [Archive; 3]) {
    let bench = Bench::with_job("");
    bench.look();
    let archives = [bench.back_up(), bench.back_up(), bench.back_up()];
    (bench, archives)
}

fn newer_note(bench: &Bench, archive: &Archive) -> Option<String> {
    planned(bench, archive).notes.into_iter().find(|note| note.contains("is newer"))
}

#[test]
fn a_newer_archive_that_is_passed_over_is_told_with_why() {
    let (bench, [_, middle, newest]) = three();
    assert_eq!(newer_note(&bench, &newest), None);
    // A good one is newer: this one was meant.
    assert_eq!(newer_note(&bench, &middle), None);
    let told = |why: &str| Some(format!("`{}` is newer, and {why}", newest.name));
    bench.set_condition(&newest, Condition::Corrupt);
    assert_eq!(newer_note(&bench, &middle), told("it is damaged"));
    bench.set_condition(&newest, Condition::Lost);
    assert_eq!(newer_note(&bench, &middle), told("it is gone"));
    let changed = |change: &dyn Fn(&mut Archive)| {
        let mut archive = newest.clone();
        change(&mut archive);
        bench.core().catalogue.put(&bench.core().state, archive).unwrap();
        newer_note(&bench, &middle)
    };
    let suspect = |archive: &mut Archive| archive.outcome = Outcome::Suspect("half".to_owned());
    assert_eq!(changed(&suspect), told("it is suspect"));
    assert_eq!(changed(&|one| one.outcome = Outcome::Partial), told("files are missing in it"));
    let refuted = |archive: &mut Archive| archive.refuted = Some("it does not load".to_owned());
    assert_eq!(changed(&refuted), told("a drill could not bring it back"));
    let until = ago(bench.core().now(), -24);
    assert_eq!(changed(&|one| one.condition = Condition::Trashed { until }), None);
}

#[test]
fn a_plan_says_when_its_archive_was_made_and_what_stays() {
    let (bench, [_, _, newest]) = three();
    let plan = planned(&bench, &newest);
    let made = newest.created_at.strftime("%F %H:%M");
    assert_eq!(plan.archive, format!("{} (made {made}) at main", newest.name));
    let stays = format!(
        "what is in `{}` and not in the archive stays there",
        bench.path("notes").display()
    );
    assert!(plan.notes.contains(&stays), "{:?}", plan.notes);
    std::fs::remove_file(bench.path("notes/a.txt")).unwrap();
    assert!(!planned(&bench, &newest).notes.contains(&stays));
}

#[test]
fn until_when_an_archive_is_in_the_trash_is_said_as_people_say_it() {
    let (bench, [oldest, ..]) = three();
    let run = bench.queue(expire(&[&oldest])).unwrap();
    bench.execute(&bench.run(run));
    let request = Box::new(RestoreRequest::whole());
    let work = Work::Restore { archive: oldest.id, location: oldest.location.clone(), request };
    let said = [work, expire(&[&oldest])].map(|work| bench.queue(work).unwrap_err().to_string());
    for said in said {
        let (_, until) = said.split_once("until ").unwrap();
        let is_short = until.len() <= "2026-11-22 08:07".len() && !until.contains('Z');
        assert!(is_short, "{said}");
    }
}

#[test]
fn a_file_that_was_put_there_a_moment_ago_can_be_adopted() {
    let (bench, _) = three();
    let adopt = |file_name: &str| Work::Adopt {
        location: "main".parse().unwrap(),
        file_name: file_name.to_owned(),
        job: "notes".parse().unwrap(),
    };
    std::fs::write(bench.path("archives/old.tar"), b"x").unwrap();
    bench.queue(adopt("old.tar")).unwrap();
    let refused = bench.queue(adopt("older.tar")).unwrap_err().to_string();
    assert!(refused.contains("there is no foreign file `older.tar`"), "{refused}");
    // Its own archives are none.
    let own = bench.archives().pop().unwrap();
    bench.queue(adopt(&format!("{}.tar", own.name))).unwrap_err();
}
