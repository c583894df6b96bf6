//! How much room archives take at a location, and will take.

use jiff::ToSpan as _;
use jiff::civil::{Date, Time};
use maud::{Markup, html};

use super::chart::{Chart, Line, Mark, Shape, key, key_of_line};
use super::scale::{self, amount, number, seconds};
use super::thin::thin;
use crate::api::dto::{Forecast, Space, SpacePoint};
use crate::dashboard::parts::{bytes, table};
use crate::dashboard::words::Words;

/// So many coming days are drawn where it is not full before,
const AHEAD: i64 = 90;
/// else so many behind the day on which it is.
const BEHIND: i64 = 10;
/// What there is room for is drawn while it is at most so many times what archives take: else
/// these would lie flat on the ground.
const ROOM: u64 = 4;

/// A day of a location.
struct Day<'a> {
    across: f64,
    point: &'a SpacePoint,
}

impl<'a> Day<'a> {
    fn of(point: &'a SpacePoint) -> Option<Self> {
        let day: Date = point.day.parse().ok()?;
        Some(Self { across: number(seconds(day.to_datetime(Time::midnight()))), point })
    }

    fn archives(&self) -> (f64, f64) {
        (self.across, amount(self.point.archives))
    }
}

/// What is foreseen of a location, in the language of the page.
pub(in crate::dashboard) fn foretold(words: &Words, forecast: &Forecast) -> String {
    match (&forecast.full_on, forecast.full_in_days) {
        (Some(_), Some(0)) => words.full_now.to_owned(),
        (Some(day), Some(days)) => {
            let text = if days == 1 { words.full_tomorrow } else { words.full_in };
            text.replacen("{}", &days.to_string(), 1).replace("{day}", day)
        }
        (Some(day), None) => words.full_on.replace("{day}", day),
        (None, _) if !forecast.is_fed => words.nothing_comes.to_owned(),
        (None, _) => words.stays_below.replace("{}", &bytes(words, forecast.highest)),
    }
}

/// The room at a location over time.
pub(in crate::dashboard) fn room(words: &Words, space: &Space) -> Markup {
    let Some(forecast) = &space.forecast else {
        return html! { p.faint { (words.nothing_to_plot) } };
    };
    let past: Vec<Day<'_>> = space.past.iter().filter_map(Day::of).collect();
    let coming: Vec<Day<'_>> = space.coming.iter().filter_map(Day::of).collect();
    let coming: Vec<Day<'_>> = match last_day(space, forecast) {
        Some(last) => coming.into_iter().filter(|day| day.point.day <= last).collect(),
        None => coming,
    };
    let height = |day: &Day<'_>| amount(day.point.archives);
    let past = thin(past, |day| day.across, height);
    let all = || past.iter().chain(&coming);
    let days: Vec<f64> = all().map(|day| day.across).collect();
    let (Some(from), Some(to)) =
        (days.iter().copied().reduce(f64::min), days.iter().copied().reduce(f64::max))
    else {
        return html! { p.faint { (words.nothing_to_plot) } };
    };
    #[expect(clippy::cast_possible_truncation, reason = "they were whole seconds")]
    let across = scale::of_time(from as i64, to as i64);
    let highest = all().map(|day| day.point.archives).max().unwrap_or(0);
    let rooms: Vec<(f64, u64)> =
        all().filter_map(|day| Some((day.across, room_of(day.point, space.min_free)?))).collect();
    let least_room = rooms.iter().map(|(_, room)| *room).min();
    let is_near = least_room.is_some_and(|room| room / ROOM <= highest.max(1));
    let most_room = rooms.iter().map(|(_, room)| *room).max().unwrap_or(0);
    let top =
        if is_near { highest.max(most_room.min(highest.saturating_mul(ROOM))) } else { highest };
    let up = scale::of_bytes(words, top);
    let mut lines = Vec::new();
    if is_near {
        // What is above the picture is not drawn at its edge.
        let rooms = rooms.iter().map(|(across, room)| (*across, amount(*room)));
        let points = rooms.filter(|(_, room)| *room <= up.to).collect();
        lines.push(Line { class: "line limit", points, is_filled: false });
    }
    lines.push(Line {
        class: "line other",
        points: coming.iter().map(Day::archives).collect(),
        is_filled: false,
    });
    lines.push(Line {
        class: "line",
        points: past.iter().map(Day::archives).collect(),
        is_filled: true,
    });
    let marks = marks(words, forecast, &past, &coming);
    let sentence = foretold(words, forecast);
    let now = coming.first().or(past.last()).map_or(0, |day| day.point.archives);
    let description = format!("{}{} {}. {sentence}.", words.now, words.colon, bytes(words, now));
    let id = format!("room-{}", space.location.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
    let chart = Chart {
        id: &id,
        title: words.room,
        description: &description,
        across: &across,
        up: &up,
        lines,
        marks: &marks,
    };
    html! {
        figure.plot {
            figcaption { h3 { (words.room) } }
            (chart.draw())
            ul.legend {
                li { (key_of_line("line")) (words.taken) }
                li { (key_of_line("line other")) (words.forecast) }
                @if is_near { li { (key_of_line("line limit")) (words.room_for) } }
                @if forecast.full_on.is_some() { li { (key(Shape::Cross)) (words.full) } }
            }
            p.faint { (words.forecast_rule) }
            details { summary { (words.as_table) } (days_table(words, &past, &coming)) }
        }
    }
}

/// How many bytes archives could take in all.
fn room_of(point: &SpacePoint, min_free: u64) -> Option<u64> {
    // Where nothing is free any more, more is missing than this can say.
    let free = point.free.filter(|free| *free > 0)?;
    Some(point.archives.saturating_add(free).saturating_sub(min_free))
}

/// The last day that is drawn.
fn last_day(space: &Space, forecast: &Forecast) -> Option<String> {
    let today: Date = space.coming.first()?.day.parse().ok()?;
    let usual = today.checked_add(AHEAD.days()).ok()?;
    let full = forecast.full_on.as_ref().and_then(|day| day.parse::<Date>().ok());
    let behind = full.and_then(|day| day.checked_add(BEHIND.days()).ok());
    Some(behind.unwrap_or(usual).to_string())
}

fn marks(words: &Words, forecast: &Forecast, past: &[Day<'_>], coming: &[Day<'_>]) -> Vec<Mark> {
    let mut marks = Vec::new();
    if let Some(now) = coming.first().or(past.last()) {
        marks.push(Mark {
            at: now.archives(),
            shape: Shape::Dot,
            title: format!("{}: {}", now.point.day, bytes(words, now.point.archives)),
            label: None,
        });
    }
    let full = forecast.full_on.as_ref();
    let full = full.and_then(|day| coming.iter().find(|one| one.point.day >= *day));
    if let Some(full) = full {
        marks.push(Mark {
            at: full.archives(),
            shape: Shape::Cross,
            title: format!("{}: {}", full.point.day, words.full),
            label: Some(format!("{} {}", words.full, full.point.day)),
        });
    }
    marks
}

fn days_table(words: &Words, past: &[Day<'_>], coming: &[Day<'_>]) -> Markup {
    let row = |day: &Day<'_>, word: &str| {
        html! { tr {
            td { time datetime=(day.point.day) { (day.point.day) } }
            td { (word) }
            td.number { (bytes(words, day.point.archives)) }
            td.number { @if let Some(free) = day.point.free { (bytes(words, free)) } @else { "–" } }
        } }
    };
    table(
        words.room,
        &html! {
            thead { tr {
                th scope="col" { (words.day) }
                th scope="col" { (words.what) }
                th scope="col" { (words.taken) }
                th scope="col" { (words.free) }
            } }
            tbody {
                @for day in coming.iter().rev() { (row(day, words.forecast)) }
                @for day in past.iter().rev() { (row(day, words.seen_then)) }
            }
        },
    )
}
