//! The time that was promised passes, by the receiver's clock.

use super::*;
use crate::peers::clock::WrongClock;
use crate::support::skipped;

impl Scene {
    /// The receiver goes on after so many days.
    fn days_pass(&self, clock: &WrongClock, days: i64) {
        let tom = self.tom();
        tom.stop();
        tom.run_by(clock.ahead(days));
        tom.start();
        let told: jiff::Timestamp = tom.health()["at"].as_str().unwrap().parse().unwrap();
        let after = told.duration_since(jiff::Timestamp::now());
        assert!(after > jiff::SignedDuration::from_hours(24 * days - 1), "{told}");
    }

    /// What `tom` says of why it has an archive that was pushed.
    fn why(&self, pushed: usize) -> String {
        self.tom().ok(&["why", self.pushed[pushed].info["id"].as_str().unwrap()])
    }
}

/// The days at which somebody looks within the time that was promised.
fn days_until_it_is_over() -> impl Iterator<Item = i64> {
    (1..30).step_by(if full() { 1 } else { 7 })
}

#[test]
fn nothing_ages_out_within_the_time_that_was_promised_however_much_garbage_comes_meanwhile() {
    let clock = match WrongClock::new() {
        Ok(clock) => clock,
        Err(why) => skipped!("{why}"),
    };
    let scene = Scene::new();
    let own = &scene.pushed[0];
    for days in days_until_it_is_over() {
        scene.days_pass(&clock, days);
        let at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
        let day = at.to_string()[..10].to_owned();
        for number in 0..3 {
            let number = usize::try_from(days).unwrap() * 10 + number;
            scene.thief().send(&forged(own, &day, &at.to_string(), number));
        }
        scene.tom().settled();
        scene.nothing_is_lost(&format!("after {days} days"));
        // Whoever asks for it by name is refused until then, the operator included.
        let name = own.info["id"].as_str().unwrap();
        let said = scene.tom().fails(1, &["archive", "delete", name, "--yes"]);
        assert!(said.contains("immutable") || said.contains("until"), "{said}");
    }
    // What is no archive takes no place of one, also when only the retention rules: the newest
    // that is good stays, and it is time alone that kept the other one.
    for days in [45, 120] {
        scene.days_pass(&clock, days);
        scene.tom().settled();
        assert!(scene.why(0).contains("expired"), "{}", scene.why(0));
        for (number, made) in scene.pushed.iter().enumerate().skip(1) {
            let why = scene.why(number);
            assert!(why.contains("newest"), "after {days} days: {why}");
            let there = scene.tom().path("received/jerry").join(&made.file);
            assert!(std::fs::read(there).unwrap() == made.bytes);
        }
    }
}

#[test]
fn archives_that_are_whole_and_hold_nothing_but_garbage_push_nothing_out_within_that_time() {
    let clock = match WrongClock::new() {
        Ok(clock) => clock,
        Err(why) => skipped!("{why}"),
    };
    let scene = Scene::new();
    let jerry = scene.world.instance("jerry");
    for days in days_until_it_is_over() {
        scene.days_pass(&clock, days);
        let mut garbage = vec![0; 5000];
        getrandom::fill(&mut garbage).unwrap();
        for number in 0..5 {
            jerry.source(&format!("src/web/{number}.bin"), &garbage);
        }
        let before = archives_of(jerry).len();
        jerry.ok(&["run", "web"]);
        let made = archives_of(jerry);
        assert_eq!(made.len(), before + 1);
        scene.thief().send(made.last().unwrap());
        scene.tom().settled();
        scene.nothing_is_lost(&format!("after {days} days"));
    }
}
