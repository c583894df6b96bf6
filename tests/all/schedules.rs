//! Schedules against two oracles: Debian's cron, minute by minute, and the `croner` crate.

use chrono::{DateTime, Utc};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use larder::model::schedule::Schedule;
use proptest::prelude::*;
use proptest::test_runner::Config;

/// Zones whose clocks jump in different ways: whole and half hours, at midnight, by two hours, at
/// one minute past, below the equator, and not at all.
const ZONES: [&str; 12] = [
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "UTC",
    "America/Sao_Paulo",
    "Antarctica/Troll",
    "America/St_Johns",
    "Africa/Casablanca",
    "Pacific/Chatham",
    "Asia/Kolkata",
    "Africa/Cairo",
    "America/Santiago",
];

/// One item of a field's list.
#[derive(Debug, Clone)]
enum Item {
    Every(u32),
    One(u32),
    Range(u32, u32, u32),
}

/// A field as it is written and, independently, what it names.
#[derive(Debug, Clone)]
struct Field {
    items: Vec<Item>,
    low: u32,
}

impl Field {
    fn text(&self) -> String {
        let items = self.items.iter().map(|item| match item {
            Item::Every(1) => "*".to_owned(),
            Item::Every(step) => format!("*/{step}"),
            Item::One(value) => value.to_string(),
            Item::Range(first, last, 1) => format!("{first}-{last}"),
            Item::Range(first, last, step) => format!("{first}-{last}/{step}"),
        });
        items.collect::<Vec<_>>().join(",")
    }

    fn star(&self) -> bool {
        matches!(self.items[0], Item::Every(_))
    }

    fn has(&self, value: u32) -> bool {
        self.items.iter().any(|item| match *item {
            Item::Every(step) => (value - self.low).is_multiple_of(step),
            Item::One(only) => value == only,
            Item::Range(first, last, step) => {
                (first..=last).contains(&value) && (value - first).is_multiple_of(step)
            }
        })
    }
}

fn field(low: u32, high: u32) -> impl Strategy<Value = Field> {
    let item = prop_oneof![
        (low..=high).prop_map(Item::One),
        (low..=high, low..=high, 1..6_u32).prop_map(|(a, b, step)| Item::Range(
            a.min(b),
            a.max(b),
            step
        )),
        (2..20_u32).prop_map(Item::Every),
    ];
    prop_oneof![Just(vec![Item::Every(1)]), proptest::collection::vec(item, 1..4),]
        .prop_map(move |items| Field { items, low })
}

#[derive(Debug, Clone)]
struct Expression {
    fields: [Field; 5],
}

impl Expression {
    fn text(&self) -> String {
        self.fields.each_ref().map(Field::text).join(" ")
    }

    fn both_days(&self) -> bool {
        self.fields[2].star() || self.fields[4].star()
    }

    /// Whether cron would find the entry at a wall clock time.
    fn matches(&self, wall: jiff::civil::DateTime) -> bool {
        let number = |part: i8| u32::try_from(part).expect("parts are positive");
        let [minute, hour, day, month, weekday] = &self.fields;
        let today = number(wall.weekday().to_sunday_zero_offset());
        let by_weekday = weekday.has(today) || (today == 0 && weekday.has(7));
        let by_day = day.has(number(wall.day()));
        minute.has(number(wall.minute()))
            && hour.has(number(wall.hour()))
            && month.has(number(wall.month()))
            && if self.both_days() { by_day && by_weekday } else { by_day || by_weekday }
    }
}

/// Expressions that often match within a few days.
fn expression() -> impl Strategy<Value = Expression> {
    let often = |field: BoxedStrategy<Field>, low| {
        prop_oneof![3 => Just(Field { items: vec![Item::Every(1)], low }), 1 => field].boxed()
    };
    (
        field(0, 59),
        prop_oneof![field(0, 23), field(0, 4)],
        often(field(1, 31).boxed(), 1),
        often(field(1, 12).boxed(), 1),
        often(field(0, 7).boxed(), 0),
    )
        .prop_map(|(minute, hour, day, month, weekday)| Expression {
            fields: [minute, hour, day, month, weekday],
        })
}

/// What Debian's cron does from minute `from` to minute `to` (since the epoch): its main loop with
/// its virtual clock, woken every minute.
fn debian(expression: &Expression, zone: &TimeZone, from: i64, to: i64) -> Vec<i64> {
    let wildcard = expression.fields[0].star() || expression.fields[1].star();
    let wall = |minute: i64| {
        let local = zone.to_datetime(Timestamp::from_second(minute * 60).expect("in range"));
        TimeZone::UTC.to_timestamp(local).expect("in range").as_second().div_euclid(60)
    };
    let found = |wall: i64| {
        let local = TimeZone::UTC.to_datetime(Timestamp::from_second(wall * 60).expect("in range"));
        expression.matches(local)
    };
    let mut virtual_time = wall(from - 1);
    let mut runs = Vec::new();
    for minute in from..to {
        let running = wall(minute);
        let (wild, fixed) = match running - virtual_time {
            // The clock went on, by a little or over a gap.
            ahead @ 1..=180 => {
                let missed = virtual_time + 1..=running;
                virtual_time = running;
                let every_minute = ahead <= 5;
                let wild = if every_minute { missed.clone().any(found) } else { found(running) };
                (wild, missed.clone().any(found))
            }
            // It went back: fixed entries wait until it has caught up.
            -179..=0 => (found(running), false),
            _ => {
                virtual_time = running;
                (found(running), found(running))
            }
        };
        if if wildcard { wild } else { fixed } {
            runs.push(minute * 60);
        }
    }
    runs
}

fn zoned(second: i64, zone: &TimeZone) -> Zoned {
    Timestamp::from_second(second).expect("in range").to_zoned(zone.clone())
}

/// All instants in `from..to` by walking forwards, and by walking backwards.
fn both_ways(schedule: &Schedule, zone: &TimeZone, from: i64, to: i64) -> (Vec<i64>, Vec<i64>) {
    let mut forwards = Vec::new();
    let mut at = from - 1;
    while let Some(next) = schedule.next_after(&zoned(at, zone)) {
        let next = next.timestamp().as_second();
        assert!(next > at, "{} went back to {next}", schedule.text());
        if next >= to {
            break;
        }
        forwards.push(next);
        at = next;
    }
    let mut backwards = Vec::new();
    let mut at = to - 1;
    while let Some(last) = schedule.last_at_or_before(&zoned(at, zone)) {
        let last = last.timestamp().as_second();
        assert!(last <= at, "{} went ahead to {last}", schedule.text());
        if last < from {
            break;
        }
        backwards.push(last);
        at = last - 1;
    }
    backwards.reverse();
    (forwards, backwards)
}

/// 256 cases each, or as many as `PROPTEST_CASES` says.
fn config() -> Config {
    Config { failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn instants_are_those_of_debians_cron_through_gaps_and_folds(
        expression in expression(),
        zone in proptest::sample::select(ZONES.to_vec()),
        year in 2004..2040_i16,
        day in 1..365_i16,
        lead in 60..2160_i64,
    ) {
        let Ok(schedule) = Schedule::parse(&expression.text()) else {
            // Only a date that never comes is refused.
            prop_assert!(expression.both_days());
            return Ok(());
        };
        let zone = TimeZone::get(zone).unwrap();
        let start = jiff::civil::date(year, 1, 1).to_zoned(zone.clone()).unwrap();
        let start = start.with().day_of_year(day).build().unwrap().timestamp();
        let transition = zone.following(start).next();
        let middle = transition.map_or(start, |transition| transition.timestamp());
        let from = middle.as_second().div_euclid(60) - lead;
        let to = from + 3 * 24 * 60;
        let oracle = debian(&expression, &zone, from, to);
        let (forwards, backwards) = both_ways(&schedule, &zone, from * 60, to * 60);
        prop_assert_eq!(&forwards, &oracle, "`{}` forwards", expression.text());
        prop_assert_eq!(&backwards, &oracle, "`{}` backwards", expression.text());
    }

    #[test]
    fn an_instant_is_found_from_both_sides_and_none_lies_between(
        expression in expression(),
        zone in proptest::sample::select(ZONES.to_vec()),
        second in 0..4_000_000_000_i64,
        nanosecond in 0..1_000_000_000_i32,
    ) {
        let Ok(schedule) = Schedule::parse(&expression.text()) else { return Ok(()) };
        let zone = TimeZone::get(zone).unwrap();
        let at = Timestamp::new(second, nanosecond).unwrap().to_zoned(zone.clone());
        let Some(next) = schedule.next_after(&at) else { return Ok(()) };
        prop_assert!(next > at);
        prop_assert_eq!(schedule.last_at_or_before(&next), Some(next.clone()));
        let just_before = zoned(next.timestamp().as_second() - 1, &zone);
        prop_assert_eq!(schedule.next_after(&just_before), Some(next.clone()));
        let last = schedule.last_at_or_before(&at);
        prop_assert!(last.as_ref().is_none_or(|last| *last <= at));
        prop_assert_eq!(schedule.last_at_or_before(&just_before), last.clone());
        if let Some(last) = last {
            prop_assert_eq!(schedule.next_after(&last), Some(next.clone()));
            let gap = next.duration_since(&last);
            prop_assert!(schedule.longest_gap(&at) >= gap, "{} is longer", gap);
        }
    }

    #[test]
    fn without_clock_changes_croner_agrees(expression in expression(), second in 0..3_000_000_000_i64) {
        let text = expression.text();
        let Ok(schedule) = Schedule::parse(&text) else { return Ok(()) };
        // It joins day fields by "or" where cron(8) joins them by "and": that is told to it.
        let parser = croner::parser::CronParser::builder().dom_and_dow(expression.both_days());
        let croner = parser.build().parse(&text).unwrap();
        let mut ours = zoned(second, &TimeZone::UTC);
        let mut theirs: DateTime<Utc> = DateTime::from_timestamp(second, 0).unwrap();
        for _ in 0..20 {
            let (Some(next), Ok(expected)) =
                (schedule.next_after(&ours), croner.find_next_occurrence(&theirs, false))
            else {
                break;
            };
            prop_assert_eq!(next.timestamp().as_second(), expected.timestamp(), "`{}`", &text);
            (ours, theirs) = (next, expected);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic_and_every_span_is_inside_it(text in "[0-9*/,@a-zé \t-]{0,24}") {
        if let Err(error) = Schedule::parse(&text) {
            prop_assert!(text.get(error.span.clone()).is_some(), "{:?} of {:?}", error.span, &text);
        }
    }
}
