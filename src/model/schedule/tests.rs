use std::fmt::Write as _;

use insta::assert_snapshot;
use jiff::SignedDuration;

use super::*;

fn schedule(text: &str) -> Schedule {
    Schedule::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The expressions, each with its error, marked below the text.
fn errors(texts: &[&str]) -> String {
    let mut out = String::new();
    for text in texts {
        let Err(error) = Schedule::parse(text) else { panic!("`{text}` was accepted") };
        let marks = "^".repeat(error.span.len().max(1));
        let pad = " ".repeat(error.span.start);
        let hint = error.hint.as_deref().unwrap_or("-");
        let _ = writeln!(out, "{text}\n{pad}{marks} {}\n  hint: {hint}", error.message);
    }
    out
}

/// The next `count` instants after `from`.
fn following(text: &str, from: &str, count: usize) -> String {
    let schedule = schedule(text);
    let mut at: Zoned = from.parse().unwrap();
    let mut out = Vec::new();
    for _ in 0..count {
        let Some(next) = schedule.next_after(&at) else {
            out.push("never".to_owned());
            break;
        };
        assert!(next > at, "{text}: {next} is not after {at}");
        assert_eq!(schedule.last_at_or_before(&next).as_ref(), Some(&next), "{text}");
        out.push(next.strftime("%a %F %R %:z").to_string());
        at = next;
    }
    out.join("\n")
}

#[test]
fn every_mistake_is_pointed_at_and_has_a_remedy() {
    assert_snapshot!(errors(&[
        "", "0 3 * *", "0 0 3 * * *", "61 3 * * *", "0 24 * * *", "0 3 0 * *", "0 3 * 13 *",
        "0 3 * * 8", "0 3 * * monday", "0 3 * sept *", "0 3 * mno *", "0 3 * * fri-sun",
        "0 22-3 * * *", "0/15 * * * *", "*/0 * * * *", "*5 * * * *", "1,,2 3 * * *", "-5 3 * * *",
        "0 3 ? * *", "0 3 L * *", "0 3 31 2 *", "0 3 31 4,jun,9 */2", "@reboot", "@dayly", "@x",
        "0 3 * * +1", "0 3 ü * *", "0 99999999999 * * *",
    ]), @r#"
    ^ a schedule cannot be empty
      hint: write five fields, for instance `0 3 * * *` for every day at 03:00
    0 3 * *
    ^^^^^^^ `0 3 * *` has 4 of the five fields of a schedule
      hint: the fields are minute, hour, day of the month, month, day of the week; for instance `0 3 * * *` for every day at 03:00
    0 0 3 * * *
              ^ `*` is more than the five fields of a schedule
      hint: the fields are minute, hour, day of the month, month, day of the week; there are none for seconds, years, users or commands
    61 3 * * *
    ^^ `61` is not a minute
      hint: a minute is 0 to 59
    0 24 * * *
      ^^ `24` is not a hour of the day
      hint: a hour of the day is 0 to 23
    0 3 0 * *
        ^ `0` is not a day of the month
      hint: a day of the month is 1 to 31
    0 3 * 13 *
          ^^ `13` is not a month
      hint: a month is 1 to 12, or `jan` to `dec`
    0 3 * * 8
            ^ `8` is not a day of the week
      hint: a day of the week is 0 to 7, or `sun` to `sat`
    0 3 * * monday
            ^^^^^^ `monday` is not a day of the week
      hint: did you mean `mon`?
    0 3 * sept *
          ^^^^ `sept` is not a month
      hint: did you mean `sep`?
    0 3 * mno *
          ^^^ `mno` is not a month
      hint: a month is 1 to 12, or `jan` to `dec`
    0 3 * * fri-sun
            ^^^^^^^ the range `fri-sun` runs backwards
      hint: did you mean `5-7`?
    0 22-3 * * *
      ^^^^ the range `22-3` runs backwards
      hint: did you mean `22-23,0-3`?
    0/15 * * * *
    ^^^^ `0/15` has a step and no range
      hint: did you mean `0-59/15`?
    */0 * * * *
      ^ `0` is not a step
      hint: a step is a number from 1
    *5 * * * *
    ^^ `*5` has `5` behind the `*`
      hint: did you mean `*/5`?
    1,,2 3 * * *
    ^^^^ the list `1,,2` has a comma with nothing beside it
      hint: -
    -5 3 * * *
    ^ a minute is missing
      hint: a minute is 0 to 59
    0 3 ? * *
        ^ `?` is not a day of the month
      hint: crontab(5) knows no `?`; a day of the month is 1 to 31, and `*` means every one
    0 3 L * *
        ^ `L` is not a day of the month
      hint: crontab(5) knows no `L`; a day of the month is 1 to 31, and `*` means every one
    0 3 31 2 *
        ^^^^ `31 2` is a date that never comes
      hint: `feb` has 29 days at most
    0 3 31 4,jun,9 */2
        ^^^^^^^^^^ `31 4,jun,9` is a date that never comes
      hint: the longest of apr, jun, sep has 30 days
    @reboot
    ^^^^^^^ `@reboot` names no time
      hint: write when it is due, for instance `@daily`; what was missed while the machine was off is made up for with `catch_up = "now"`
    @dayly
    ^^^^^^ `@dayly` is not a schedule
      hint: did you mean `@daily`?
    @x
    ^^ `@x` is not a schedule
      hint: one of `@daily`, `@midnight`, `@hourly`, `@weekly`, `@monthly`, `@yearly`, `@annually`
    0 3 * * +1
            ^^ `+1` is not a day of the week
      hint: a day of the week is 0 to 7, or `sun` to `sat`
    0 3 ü * *
        ^^ `ü` is not a day of the month
      hint: a day of the month is 1 to 31
    0 99999999999 * * *
      ^^^^^^^^^^^ `99999999999` is not a hour of the day
      hint: a hour of the day is 0 to 23
    "#);
}

#[test]
fn the_shorthands_mean_what_crontab_says() {
    for (word, meaning) in [
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        (" 0\t3 * * 7 ", "0 3 * * sun"),
        ("0 3 * JAN,Feb-mar mon-FRI", "0 3 * 1-3 1-5"),
    ] {
        let from = "2026-05-08T12:34[Europe/Paris]";
        assert_eq!(following(word, from, 5), following(meaning, from, 5), "{word}");
    }
}

#[test]
fn sunday_is_0_and_7_and_monday_is_1() {
    assert_snapshot!(following("0 3 * * 0", "2026-05-08T12:00[UTC]", 2), @"
    Sun 2026-05-10 03:00 +00:00
    Sun 2026-05-17 03:00 +00:00
    ");
    assert_snapshot!(following("0 3 * * 5-7", "2026-05-08T12:00[UTC]", 4), @"
    Sat 2026-05-09 03:00 +00:00
    Sun 2026-05-10 03:00 +00:00
    Fri 2026-05-15 03:00 +00:00
    Sat 2026-05-16 03:00 +00:00
    ");
    assert_snapshot!(following("0 3 * * 1", "2026-05-08T12:00[UTC]", 1), @"Mon 2026-05-11 03:00 +00:00");
}

#[test]
fn restricted_day_fields_are_joined_by_or_and_by_and_beside_a_star() {
    assert_snapshot!(following("0 3 13 * 5", "2026-05-08T12:00[UTC]", 4), @"
    Wed 2026-05-13 03:00 +00:00
    Fri 2026-05-15 03:00 +00:00
    Fri 2026-05-22 03:00 +00:00
    Fri 2026-05-29 03:00 +00:00
    ");
    assert_snapshot!(following("0 3 13 * */5", "2026-05-08T12:00[UTC]", 2), @"
    Sun 2026-09-13 03:00 +00:00
    Fri 2026-11-13 03:00 +00:00
    ");
    assert_snapshot!(following("0 3 31 2 1", "2026-05-08T12:00[UTC]", 2), @"
    Mon 2027-02-01 03:00 +00:00
    Mon 2027-02-08 03:00 +00:00
    ");
}

#[test]
fn a_fixed_time_in_the_spring_gap_runs_once_right_after_it() {
    assert_snapshot!(following("30 2 * * *", "2026-03-28T12:00[Europe/Paris]", 2), @"
    Sun 2026-03-29 03:00 +02:00
    Mon 2026-03-30 02:30 +02:00
    ");
    assert_snapshot!(following("0,15,30 1-3 * * *", "2026-03-29T01:20[Europe/Paris]", 4), @"
    Sun 2026-03-29 01:30 +01:00
    Sun 2026-03-29 03:00 +02:00
    Sun 2026-03-29 03:15 +02:00
    Sun 2026-03-29 03:30 +02:00
    ");
    assert_snapshot!(following("15 2 * * *", "2026-10-03T12:00[Australia/Lord_Howe]", 2), @"
    Sun 2026-10-04 02:30 +11:00
    Mon 2026-10-05 02:15 +11:00
    ");
}

#[test]
fn a_fixed_time_in_the_autumn_fold_runs_once_in_the_first_pass() {
    assert_snapshot!(following("30 2 * * *", "2026-10-24T12:00[Europe/Paris]", 2), @"
    Sun 2026-10-25 02:30 +02:00
    Mon 2026-10-26 02:30 +01:00
    ");
    assert_snapshot!(following("0 2,3 25 10 *", "2026-10-25T00:00[Europe/Paris]", 3), @"
    Sun 2026-10-25 02:00 +02:00
    Sun 2026-10-25 03:00 +01:00
    Mon 2027-10-25 02:00 +02:00
    ");
}

#[test]
fn a_wildcard_follows_the_clock_through_gap_and_fold() {
    assert_snapshot!(following("*/30 * * * *", "2026-03-29T01:20[Europe/Paris]", 3), @"
    Sun 2026-03-29 01:30 +01:00
    Sun 2026-03-29 03:00 +02:00
    Sun 2026-03-29 03:30 +02:00
    ");
    assert_snapshot!(following("*/30 * * * *", "2026-10-25T02:20+02:00[Europe/Paris]", 5), @"
    Sun 2026-10-25 02:30 +02:00
    Sun 2026-10-25 02:00 +01:00
    Sun 2026-10-25 02:30 +01:00
    Sun 2026-10-25 03:00 +01:00
    Sun 2026-10-25 03:30 +01:00
    ");
    assert_snapshot!(following("30 * 25 10 *", "2026-10-25T02:45+02:00[Europe/Paris]", 2), @"
    Sun 2026-10-25 02:30 +01:00
    Sun 2026-10-25 03:30 +01:00
    ");
    assert_snapshot!(following("0 */20 25 10 *", "2026-10-25T00:00-02:00[America/Nuuk]", 2), @"
    Sun 2026-10-25 20:00 -02:00
    Mon 2027-10-25 00:00 -01:00
    ");
}

#[test]
fn a_day_that_a_zone_left_out_is_made_up_for_at_its_end() {
    assert_snapshot!(following("0 12 * * *", "2011-12-29T13:00[Pacific/Apia]", 3), @"
    Sat 2011-12-31 00:00 +14:00
    Sat 2011-12-31 12:00 +14:00
    Sun 2012-01-01 12:00 +14:00
    ");
}

#[test]
fn rare_dates_are_found_and_the_end_of_the_calendar_is_no_panic() {
    assert_snapshot!(following("0 0 29 2 *", "2026-05-08T12:00[Europe/Paris]", 2), @"
    Tue 2028-02-29 00:00 +01:00
    Sun 2032-02-29 00:00 +01:00
    ");
    assert_snapshot!(following("* * 29 2 *", "2026-05-08T12:00[Europe/Paris]", 1), @"Tue 2028-02-29 00:00 +01:00");
    assert_snapshot!(following("0 0 1 1 *", "2099-05-08T12:00[Europe/Paris]", 2), @"
    Fri 2100-01-01 00:00 +01:00
    never
    ");
    let before: Zoned = "1970-01-01T00:00[UTC]".parse().unwrap();
    assert_eq!(schedule("0 3 * * *").last_at_or_before(&before), None);
    let ancient: Zoned = "-001000-01-01T00:00:00.5[UTC]".parse().unwrap();
    assert_eq!(schedule("0 3 * * *").last_at_or_before(&ancient), None);
    assert!(schedule("0 3 * * *").next_after(&ancient).unwrap() > before);
    let remote: Zoned = "2500-02-03T00:00[UTC]".parse().unwrap();
    let last = schedule("0 3 * * *").last_at_or_before(&remote).unwrap();
    assert_eq!(last.to_string(), "2100-12-31T03:00:00+00:00[UTC]");
    assert_eq!(schedule("0 3 * * *").next_after(&remote), None);
    assert_eq!(schedule("0 3 29 2 *").longest_gap(&remote), SignedDuration::ZERO);
}

#[test]
fn a_fraction_of_a_second_neither_hides_nor_repeats_an_instant() {
    let daily = schedule("0 3 * * *");
    let just_before: Zoned = "2026-05-08T02:59:59.999999999[UTC]".parse().unwrap();
    let just_after: Zoned = "2026-05-08T03:00:00.000000001[UTC]".parse().unwrap();
    let exactly: Zoned = "2026-05-08T03:00[UTC]".parse().unwrap();
    assert_eq!(daily.next_after(&just_before), Some(exactly.clone()));
    assert_eq!(daily.last_at_or_before(&just_after), Some(exactly.clone()));
    assert!(daily.next_after(&exactly).unwrap() > exactly);
    assert!(daily.last_at_or_before(&just_before).unwrap() < just_before);
}

#[test]
fn the_longest_gap_counts_weekends_months_and_clock_changes() {
    let hours = |text: &str, zone: &str| {
        let around: Zoned = format!("2026-05-08T12:00[{zone}]").parse().unwrap();
        let gap: SignedDuration = schedule(text).longest_gap(&around);
        gap.as_secs_f64() / 3600.0
    };
    let table: Vec<String> =
        "0 3 * * *; 0 3 * * 1-5; 0 3 1 * *; @hourly; */15 * * * *; 0 9-17 * * *; \
         0,50 * * * *; 0 */2 * * *; 0 3 29 2 *; 0 3 * * 1; 0 3 13 * 5; @yearly"
            .split("; ")
            .map(|text| {
                format!("{text}: {} h, Paris {} h", hours(text, "UTC"), hours(text, "Europe/Paris"))
            })
            .collect();
    assert_snapshot!(table.join("\n"), @"
    0 3 * * *: 24 h, Paris 25 h
    0 3 * * 1-5: 72 h, Paris 73 h
    0 3 1 * *: 744 h, Paris 745 h
    @hourly: 1 h, Paris 1 h
    */15 * * * *: 0.25 h, Paris 0.25 h
    0 9-17 * * *: 16 h, Paris 17 h
    0,50 * * * *: 0.8333333333333334 h, Paris 0.8333333333333334 h
    0 */2 * * *: 2 h, Paris 3 h
    0 3 29 2 *: 35064 h, Paris 35064 h
    0 3 * * 1: 168 h, Paris 169 h
    0 3 13 * 5: 168 h, Paris 169 h
    @yearly: 8760 h, Paris 8760 h
    ");
}

#[test]
fn schedules_read_as_english() {
    let table: Vec<String> =
        "0 3 * * *; @daily; 0 3 * * 1; 0 3 * * 1-5; 0 3 * * sat,sun; 0 3,15 * * *; \
         @hourly; 30 * * * *; * * * * *; */15 * * * *; */15 9-17 * * 1-5; 0 */6 * * *; \
         5 */2 * * *; 0 3 1 * *; 0 3 1,15 1 *; 0 3 13 * 5; 0 3 1-7 * */5; 0 3 * 6-8 *; \
         @yearly; */7 * * * *; 0 3 1-31 * 5; 0-10 4-23 * * *"
            .split("; ")
            .map(|text| format!("{text}: {}", schedule(text).in_words()))
            .collect();
    assert_snapshot!(table.join("\n"), @"
    0 3 * * *: every day at 03:00
    @daily: every day at 00:00
    0 3 * * 1: every Monday at 03:00
    0 3 * * 1-5: on Monday to Friday at 03:00
    0 3 * * sat,sun: on Sunday and Saturday at 03:00
    0 3,15 * * *: every day at 03:00 and 15:00
    @hourly: every hour
    30 * * * *: at minute 30 of every hour
    * * * * *: every minute
    */15 * * * *: every 15 minutes
    */15 9-17 * * 1-5: every 15 minutes of hours 9 to 17, on Monday to Friday
    0 */6 * * *: every day at 00:00, 06:00, 12:00 and 18:00
    5 */2 * * *: at minute 5 of every 2nd hour
    0 3 1 * *: on the 1st of every month at 03:00
    0 3 1,15 1 *: on the 1st and 15th of January at 03:00
    0 3 13 * 5: on the 13th of every month, and on every Friday at 03:00
    0 3 1-7 * */5: on the 1st to 7th of every month if that is Sunday and Friday at 03:00
    0 3 * 6-8 *: every day in June to August at 03:00
    @yearly: on the 1st of January at 00:00
    */7 * * * *: at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour
    0 3 1-31 * 5: every day at 03:00
    0-10 4-23 * * *: at minutes 0 to 10 of hours 4 to 23
    ");
}

#[test]
fn what_is_probably_not_meant_is_said() {
    let table: Vec<String> =
        "0 3 */2 * 1; 0 3 13 * 5; 0 3 31 * *; 0 3 29 2 *; */45 * * * *; 0 */5 * * *; \
         0 3 31 2 1; 0 3 1-31 * 5; 0 3 * * 1-5; @monthly; 0 3 28 * *; */90 * * * *"
            .split("; ")
            .map(|text| format!("{text}: {}", schedule(text).warnings().join(" · ")))
            .collect();
    assert_snapshot!(table.join("\n"), @"
    0 3 */2 * 1: `*/2` begins with `*`, so a day must satisfy both day fields: it runs on every 2nd day of every month if that is Monday at 03:00
    0 3 13 * 5: a day that satisfies either of the day fields `13` and `5` is enough: it runs on the 13th of every month, and on every Friday at 03:00
    0 3 31 * *: no day of `31` exists in February, April, June, September and November: nothing runs by it then
    0 3 29 2 *: no day of `29` exists in February in most years: nothing runs by it then
    */45 * * * *: `*/45` does not divide the hour: it begins anew with each one, so that the last gap is not 45 minutes
    0 */5 * * *: `*/5` does not divide the day: it begins anew with each one, so that the last gap is not 5 hours
    0 3 31 2 1: a day that satisfies either of the day fields `31` and `1` is enough: it runs on the 31st of February, and on every Monday in February at 03:00 · no day of `31` exists in February: nothing runs by it then
    0 3 1-31 * 5: one of the day fields `1-31` and `5` names every day without a `*`, and either is enough: it runs every day
    0 3 * * 1-5: 
    @monthly: 
    0 3 28 * *: 
    */90 * * * *: `*/90` does not divide the hour: it begins anew with each one, so that the last gap is not 90 minutes
    ");
}
