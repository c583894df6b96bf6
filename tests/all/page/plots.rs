//! What one sees at a glance: sizes, durations, successes, room; and lists that are long.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp, ToSpan as _};
use larder::model::archive::{Archive, ArchiveId, How, Outcome};
use larder::model::run::{Cause, Run, RunId, RunStatus, Work};
use larder::model::space::SpaceSample;
use larder::state::State;
use serde_json::Value;

use super::browser::{Looks, Tab, browser_or_skip};
use super::{is_quiet, logged_in, open_up};
use crate::support;
use crate::walk::instance::{Instance, TmpFs};

const WEB: &str = "[job.web]\ntype = \"custom_dir\"\nsource_path = \"../www\"\nretention = { mode = \"count\", value = 20000 }\nenabled = false\n";

/// An instance whose job `web` made one archive.
fn begun(toml: &str) -> Instance {
    let instance = Instance::new(toml);
    begin(&instance);
    instance
}

fn begin(instance: &Instance) {
    instance.source("www/index.html", "x".repeat(30_000).as_bytes());
    open_up(instance);
    instance.ok(&["run", "web"]);
}

/// The same, on a disk that is unplugged by now: what the state says of it nobody can look up.
fn unplugged() -> Instance {
    let usb = "[location.usb]\npath = \"../usb\"\nmin_free = \"1 MiB\"\nremovable = true\n";
    let instance = begun(&format!("{WEB}location = \"usb\"\n{usb}"));
    std::fs::rename(instance.path("usb"), instance.path("usb-away")).unwrap();
    instance
}

fn state(instance: &Instance) -> (State, Archive) {
    let (state, _) = State::open(&instance.path("state")).unwrap();
    let real = state.archives().unwrap().into_iter().next().unwrap();
    (state, real)
}

fn days_ago(days: i64) -> Timestamp {
    Timestamp::now().checked_sub(SignedDuration::from_hours(24 * days)).unwrap()
}

/// Another archive like that one, made then.
fn like(real: &Archive, number: u128, at: Timestamp) -> Archive {
    let zoned = at.to_zoned(jiff::tz::TimeZone::get("Europe/Paris").unwrap());
    Archive {
        id: ArchiveId(uuid::Uuid::from_u128(number)),
        name: format!("jerry_web_{}_{number}", zoned.strftime("%Y%m%d")).parse().unwrap(),
        created_at: at,
        day: zoned.date(),
        how: How::Scheduled,
        verified_at: Some(at),
        ..real.clone()
    }
}

fn run(number: u64, at: Timestamp, status: RunStatus) -> Run {
    Run {
        id: RunId(number),
        work: Work::Backup { job: "web".parse().unwrap() },
        cause: Cause::Manual,
        status,
        queued_at: at,
        started_at: Some(at),
        finished_at: Some(at + SignedDuration::from_secs(20 + i64::try_from(number % 7).unwrap())),
        summary: "jerry_web: 3 files, 12 KiB".to_owned(),
        hint: None,
        archive: None,
        size_bytes: None,
        config_hash: None,
    }
}

/// Twelve weeks of nightly archives, of which one is far too small, a failed night and one when
/// nothing ran; the oldest are gone by now.
fn with_history() -> Instance {
    let instance = unplugged();
    {
        let (state, mut real) = state(&instance);
        real.file_size = 48_500_000;
        real.content_size = 97_000_000;
        let night = |back: u64| {
            let at = days_ago(back.cast_signed());
            let mut archive = like(&real, u128::from(back), at);
            archive.file_size = 40_000_000 + 100_000 * (84 - back) + 400_000 * (back * 7 % 5);
            archive.content_size = archive.file_size * 2;
            let mut run = run(1_000 - back, at, RunStatus::Success);
            if back == 9 {
                (archive.file_size, archive.content_size) = (3_000_000, 4_000_000);
                let why = "content of 3.8 MiB is under 50% of the median of the last five, 90 MiB";
                archive.outcome = Outcome::Suspect(why.to_owned());
                run.status = RunStatus::Warning;
            }
            (archive, run)
        };
        state
            .commit(|txn| {
                txn.put_archive(&real)?;
                for (archive, mut run) in (1..84).filter(|back| *back != 21).map(night) {
                    if run.id == RunId(980) {
                        run.status = RunStatus::Error;
                        txn.put_run(&run)?;
                        continue;
                    }
                    run.archive = Some(archive.name.clone());
                    run.size_bytes = Some(archive.file_size);
                    txn.put_run(&run)?;
                    if run.id > RunId(940) {
                        txn.put_archive(&archive)?;
                    }
                }
                Ok(())
            })
            .unwrap();
    }
    instance
}

/// Four weeks in which something else on the disk grew; returns in how many days it will be full
/// of that and of an archive a day.
fn with_samples(instance: &Instance) -> u64 {
    let (state, _) = State::open(&instance.path("state")).unwrap();
    let place = "main".parse().unwrap();
    let now = *state.space().unwrap()[&place].last().unwrap();
    let daily = (now.total - now.free - now.archives) / 28;
    state
        .commit(|txn| {
            (1..28_i64).try_for_each(|back| {
                let day = now.day.checked_sub(back.days()).unwrap();
                let free = now.free + daily * back.unsigned_abs();
                txn.put_space(&place, &SpaceSample { day, free, ..now })
            })
        })
        .unwrap();
    (now.free - (1 << 20)) / (daily + now.archives)
}

fn shot(tab: &Tab, name: &str) {
    if std::env::var_os("LARDER_SCREENSHOTS").is_some_and(|value| value == "1") {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screenshots");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(format!("{name}.png")), tab.picture()).unwrap();
    }
}

#[test]
fn an_odd_size_is_seen_at_once_and_told_in_words() {
    let browser = browser_or_skip!();
    let instance = with_history();
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let tab = logged_in(browser, &ui, &Looks::USUAL);
    tab.open(&format!("{ui}job?name=web"));
    // It is marked by its form, named in the picture, and explained below it and to those who
    // cannot see it.
    let odd = "[...document.querySelectorAll('figure:has(#sizes-title) svg[role=img] .cross')]";
    assert_eq!(tab.eval(&format!("{odd}.length")), 1, "{}", tab.text());
    let title = tab.eval(&format!("{odd}[0].querySelector('title').textContent"));
    assert!(
        title
            .as_str()
            .unwrap()
            .replace('\u{a0}', " ")
            .contains("2.9 MiB, suspect (content of 3.8 MiB is under 50%"),
        "{title}"
    );
    assert_eq!(tab.eval("document.querySelector('text.odd').textContent"), "suspect");
    let told = tab.eval("document.querySelector('#sizes-text').textContent");
    assert!(told.as_str().unwrap().contains("What stands out: jerry_web_"), "{told}");
    assert!(
        tab.eval("document.querySelector('.stands-out').innerText")
            .as_str()
            .unwrap()
            .contains("under 50%")
    );
    let dots = tab.eval("document.querySelectorAll('figure:has(#sizes-title) > svg .dot').length");
    assert!(dots.as_u64().unwrap() >= 50, "{dots}");
    let rings =
        tab.eval("document.querySelectorAll('figure:has(#sizes-title) > svg .ring').length");
    assert!(rings.as_u64().unwrap() >= 20, "{rings}");
    // It lies far below the others, on an axis that begins at 0.
    let place = tab.eval("(() => { const of = it => it.getBoundingClientRect().top; \
        const dots = [...document.querySelectorAll('figure:has(#sizes-title) > svg .dot')].map(of); \
        return of(document.querySelector('figure:has(#sizes-title) > svg .cross')) - Math.max(...dots); })()");
    assert!(place.as_f64().unwrap() > 40.0, "{place}");
    let first =
        tab.eval("document.querySelector('figure:has(#sizes-title) > svg text').textContent");
    assert_eq!(first, "0");
    // Durations differ by form too, and both stand as tables.
    assert_eq!(
        tab.eval("document.querySelectorAll('figure:has(#durations-title) > svg .cross').length"),
        1
    );
    assert_eq!(
        tab.eval(
            "document.querySelectorAll('figure:has(#durations-title) > svg .triangle').length"
        ),
        1
    );
    tab.eval("document.querySelectorAll('.plots details').forEach(it => it.open = true)");
    assert!(
        tab.eval("document.querySelectorAll('.plots details tbody tr').length").as_u64().unwrap()
            > 150
    );

    // The calendar: what was, what failed, what is not known.
    let legend =
        tab.eval("document.querySelector('.year .legend').innerText.replace(/\\s+/g, ' ')");
    let legend = legend.as_str().unwrap();
    assert!(legend.contains("warning 1") && legend.contains("error 1"), "{legend}");
    assert_eq!(tab.eval("document.querySelectorAll('.halves svg').length"), 2);
    assert_eq!(tab.eval("document.querySelectorAll('.halves .day.error').length"), 1);
    tab.eval("document.querySelector('.year details').open = true");
    assert!(tab.eval("document.querySelectorAll('.year tbody tr').length").as_u64().unwrap() >= 12);
    is_quiet(&tab);

    // In French, in the dark, on a phone: half a year, and nothing is cut off.
    for looks in [
        Looks { width: 360, language: "fr", ..Looks::USUAL },
        Looks { width: 360, is_dark: true, ..Looks::USUAL },
        Looks { is_dark: true, ..Looks::USUAL },
        Looks::USUAL,
    ] {
        tab.look(&looks);
        tab.open(&format!("{ui}job?name=web"));
        let is_phone = looks.width < 600;
        let visible =
            "[...document.querySelectorAll('.halves svg')].filter(it => it.clientWidth > 0).length";
        assert_eq!(tab.eval(visible), if is_phone { 1 } else { 2 });
        let wide = tab.eval("document.documentElement.scrollWidth - window.innerWidth");
        assert!(wide.as_i64().unwrap() <= 0, "{wide} pixels too wide");
        let words = if looks.language == "fr" { "Ce qui sort du lot" } else { "What stands out" };
        assert!(tab.text().contains(words), "{}", tab.text());
        // Letters can be read: not smaller than 9 pixels, and none on another.
        let small = "Math.min(...[...document.querySelectorAll('.plot > svg text')].filter(it => it.getClientRects().length > 0 && getComputedStyle(it).display !== 'none').map(it => it.getBoundingClientRect().height))";
        assert!(tab.eval(small).as_f64().unwrap() >= 9.0, "{}", tab.eval(small));
        let overlaps = "[...document.querySelectorAll('.plot > svg')].map(svg => { \
            const texts = [...svg.querySelectorAll('text.date')].filter(it => getComputedStyle(it).display !== 'none').map(it => it.getBoundingClientRect()); \
            return texts.filter((it, nth) => nth > 0 && it.left < texts[nth - 1].right).length; }).reduce((a, b) => a + b, 0)";
        assert_eq!(tab.eval(overlaps), 0, "dates overlap");
        let beyond = "[...document.querySelectorAll('.plot > svg text')].filter(it => { const box = it.getBoundingClientRect(), svg = it.ownerSVGElement.getBoundingClientRect(); return box.width > 0 && (box.left < svg.left - 1 || box.right > svg.right + 1); }).map(it => it.textContent)";
        assert_eq!(tab.eval(beyond), Value::Array(Vec::new()));
        super::looking::is_accessible_if_known(&tab);
        let kind = match (is_phone, looks.is_dark) {
            (true, false) => "-phone",
            (true, true) => "-phone-dark",
            (false, true) => "-dark",
            (false, false) => "",
        };
        tab.eval("document.querySelector('#successes').previousElementSibling.scrollIntoView()");
        shot(&tab, &format!("job-plots{kind}"));
    }
    is_quiet(&tab);
}

#[test]
fn when_a_location_is_full_is_foreseen_and_said_everywhere() {
    let browser = browser_or_skip!();
    let instance = Instance::new(WEB);
    std::fs::create_dir(instance.path("archives")).unwrap();
    let Some(_disk) = TmpFs::mount(&instance.path("archives")) else {
        support::skipped!("nothing can be mounted here");
    };
    instance.source("archives/of-somebody-else", &vec![0; 1_400_000]);
    begin(&instance);
    // It looks, so that there is a sample of today to go on from.
    instance.ok(&["apply"]);
    let expected = with_samples(&instance);
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let tab = logged_in(browser, &ui, &Looks::USUAL);
    // The job is off: what is there stays, and nothing comes.
    tab.open(&format!("{ui}location?name=main"));
    assert!(tab.text().contains("No archive is foreseen here"), "{}", tab.text());
    // It is put on, and is on its way to twenty thousand archives; but before that the disk is
    // full of other things.
    instance
        .write("jobs.toml", &WEB.replace("enabled = false", "enabled = true\ncatch_up = \"next\""));
    tab.wait("document.body.innerText.includes('At this pace full in about')");
    let text = tab.text();
    let days: u64 =
        text.split("full in about ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(days.abs_diff(expected) <= 2, "{days}, not {expected}: {text}");
    assert_eq!(tab.eval("document.querySelectorAll('figure svg[role=img] .cross').length"), 1);
    let label = tab.eval("document.querySelector('figure text.odd').textContent");
    assert!(label.as_str().unwrap().starts_with("full 20"), "{label}");
    shot(&tab, "location");
    tab.follow("main ul a[href='job?name=web']");
    tab.open(&format!("{ui}overview"));
    let space = tab.eval("document.querySelector('#space').innerText");
    assert!(space.as_str().unwrap().contains("full in about"), "{space}");
    tab.follow("#space tbody th a");
    assert_eq!(tab.eval("location.pathname"), "/ui/location");

    // The same at the command line, in its JSON, and for monitoring.
    let listed = instance.json(&["location", "list"]);
    let forecast = &listed[0]["forecast"];
    assert_eq!(forecast["full_in_days"], days);
    assert!(instance.ok(&["location", "list"]).contains(&format!("full in about {days} days")));
    let day = forecast["full_on"].as_str().unwrap();
    assert!(forecast["text"].as_str().unwrap().contains(day), "{forecast}");

    let looks = Looks { width: 360, is_dark: true, language: "fr", ..Looks::USUAL };
    tab.look(&looks);
    tab.open(&format!("{ui}location?name=main"));
    assert!(tab.text().contains(&format!("plein dans environ {days} jours")), "{}", tab.text());
    super::looking::is_accessible_if_known(&tab);
    shot(&tab, "location-phone-dark");
    is_quiet(&tab);
}

/// An instance with so many archives of one job and so many runs, as its state knows them.
fn large(archives: u64, runs: u64) -> Instance {
    let instance = unplugged();
    {
        let (state, real) = state(&instance);
        let all: Vec<u64> = (1..=runs).collect();
        for batch in all.chunks(10_000) {
            state
                .commit(|txn| {
                    batch.iter().try_for_each(|number| {
                        let minutes = i64::try_from(10 * (runs - number) + 10).unwrap();
                        let at = Timestamp::now() - SignedDuration::from_mins(minutes);
                        let mut run = run(100 + number, at, RunStatus::Success);
                        if number.is_multiple_of(3) {
                            let archive = ArchiveId(uuid::Uuid::from_u128(u128::from(*number)));
                            run.work = Work::Verify { archive, location: "main".parse().unwrap() };
                        }
                        txn.put_run(&run)
                    })
                })
                .unwrap();
        }
        let all: Vec<u64> = (1..=archives).collect();
        for batch in all.chunks(5_000) {
            state
                .commit(|txn| {
                    batch.iter().try_for_each(|number| {
                        let hours = i64::try_from(2 * number).unwrap();
                        let at = Timestamp::now() - SignedDuration::from_hours(hours);
                        txn.put_archive(&like(&real, u128::from(*number), at))
                    })
                })
                .unwrap();
        }
    }
    instance
}

/// The pages of long lists: what is opened, and what must be on it.
const PAGES: [(&str, &str); 8] = [
    ("overview", "#jobs tbody tr"),
    ("archives", "#archives tbody tr"),
    ("archives?job=web&location=usb&condition=unavailable", "#archives tbody tr"),
    ("archives?search=_1", "#archives tbody tr"),
    ("runs", "#runs tbody tr"),
    ("runs?job=web&kind=backup&status=success", "#runs tbody tr"),
    ("job?name=web", ".plot"),
    ("location?name=usb", ".plot"),
];

/// How long each page takes until it is there, and how large it is: the best of three.
fn measured(tab: &Tab, ui: &str) -> Vec<(Duration, u64)> {
    PAGES
        .map(|(page, selector)| {
            let mut best: Option<Duration> = None;
            for _ in 0..3 {
                let start = Instant::now();
                tab.open(&format!("{ui}{page}"));
                let took = start.elapsed();
                best = Some(best.map_or(took, |best| best.min(took)));
            }
            let there = tab.eval(&format!("document.querySelectorAll({selector:?}).length > 0"));
            assert_eq!(there, true, "{page}: {}", tab.text());
            let bytes = tab.eval("performance.getEntriesByType('navigation')[0].decodedBodySize");
            (best.unwrap(), bytes.as_u64().unwrap())
        })
        .into()
}

#[test]
fn ten_thousand_archives_are_paged_filtered_and_plotted_without_delay() {
    let browser = browser_or_skip!();
    let is_full = support::full();
    let runs = if is_full { 110_000 } else { 6_000 };
    let small = large(20, 40);
    let of_small = {
        let _daemon = small.daemon();
        let ui = super::address(&small);
        measured(&logged_in(browser, &ui, &Looks::USUAL), &ui)
    };
    let instance = large(10_000, runs);
    let _daemon = instance.daemon();
    let ui = super::address(&instance);
    let tab = logged_in(browser, &ui, &Looks::USUAL);
    let found = measured(&tab, &ui);
    for (((page, _), (took, bytes)), (small, _)) in PAGES.iter().zip(&found).zip(&of_small) {
        if is_full {
            eprintln!("{page}: {took:?}, {bytes} bytes; with 20 archives {small:?}");
        }
        // What is on a page is bounded, however much there is.
        assert!(*bytes < 400_000, "{page} has {bytes} bytes");
        // Generous: other tests run at the same time, and nothing here is optimised.
        let most = *small * 10 + Duration::from_secs(if cfg!(debug_assertions) { 5 } else { 1 });
        assert!(*took < most, "{page} took {took:?}, and {small:?} where there is little");
    }
    // Every page of the list has fifty, and leads on to the next.
    tab.open(&format!("{ui}archives?job=web"));
    let rows = "document.querySelectorAll('#archives tbody tr').length";
    let first = "document.querySelector('#archives tbody th').innerText";
    let mut seen = vec![tab.eval(first)];
    for _ in 0..3 {
        assert_eq!(tab.eval(rows), 50);
        tab.follow("main > p.actions a:last-of-type");
        let now = tab.eval(first);
        assert!(!seen.contains(&now), "{now} stands on two pages");
        seen.push(now);
    }
    // One among ten thousand.
    tab.fill("input[name=search]", "_7777");
    tab.follow("form.filter button");
    assert_eq!(tab.eval(rows), 1, "{}", tab.text());
    // Plots are thinned, and the calendar is bounded.
    tab.open(&format!("{ui}job?name=web"));
    let marks = tab.eval("document.querySelectorAll('.plots .mark').length").as_u64().unwrap();
    assert!((20..500).contains(&marks), "{marks}");
    assert!(tab.eval("document.querySelectorAll('.month').length").as_u64().unwrap() <= 13);
    is_quiet(&tab);
}
