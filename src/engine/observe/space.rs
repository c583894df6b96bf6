//! Remembers how much room there was at each location, a sample a day: what a forecast and the
//! page are drawn from.
//!
//! A sample is written when the day has none yet, and again when archives came or left: not
//! whenever something else on the disk moves.

use std::sync::Arc;

use jiff::{ToSpan as _, Zoned};

use crate::engine::Autonomy;
use crate::engine::core::Core;
use crate::engine::runs::context::with_causes;
use crate::model::archive::Condition;
use crate::model::name::PlaceName;
use crate::model::observed::{LocationState, Observed};
use crate::model::space::{SpaceHistory, SpaceSample};
use crate::state::StateError;

/// So many days stay: a year, and a month to compare it with.
const DAYS: i64 = 400;

/// What is known of the room at locations, with what was seen now. A sample that cannot be written
/// is no reason to plan nothing: the next look tries again.
pub(in crate::engine) fn note(core: &Core, observed: &Observed, now: &Zoned) -> Arc<SpaceHistory> {
    let mut known = core.space.lock();
    let noted = noted(core, known.as_ref(), observed, now);
    match noted {
        Ok(history) => {
            *known = Some(Arc::clone(&history));
            history
        }
        Err(error) => {
            tracing::warn!(error = %with_causes(&error), "cannot remember the room at locations");
            known.clone().unwrap_or_default()
        }
    }
}

fn noted(
    core: &Core,
    known: Option<&Arc<SpaceHistory>>,
    observed: &Observed,
    now: &Zoned,
) -> Result<Arc<SpaceHistory>, StateError> {
    let mut history = match known {
        Some(history) => Arc::clone(history),
        None => Arc::new(core.state.space()?),
    };
    let fresh: Vec<(PlaceName, SpaceSample)> = samples(observed, now)
        .filter(|(place, sample)| {
            let last = history.get(place).and_then(|samples| samples.last());
            last.is_none_or(|last| {
                last.day < sample.day
                    || (last.day == sample.day
                        && (last.archives, last.trash) != (sample.archives, sample.trash))
            })
        })
        .collect();
    if !fresh.is_empty() {
        let today = now.date();
        let is_new_day = fresh.iter().any(|(place, _)| {
            history.get(place).and_then(|samples| samples.last()).is_none_or(|it| it.day < today)
        });
        let oldest = today.checked_sub(DAYS.days()).unwrap_or(today);
        // Other commands look without leaving a trace.
        if core.options.autonomy != Autonomy::OnRequest {
            core.state.commit(|txn| {
                fresh.iter().try_for_each(|(place, sample)| txn.put_space(place, sample))?;
                if is_new_day { txn.drop_space_before(oldest) } else { Ok(()) }
            })?;
        }
        let changed = Arc::make_mut(&mut history);
        for (place, sample) in fresh {
            let samples = changed.entry(place).or_default();
            samples.retain(|one| one.day >= oldest && one.day != sample.day);
            samples.push(sample);
        }
    }
    Ok(history)
}

fn samples(observed: &Observed, now: &Zoned) -> impl Iterator<Item = (PlaceName, SpaceSample)> {
    let day = now.date();
    observed.locations.iter().filter_map(move |(place, state)| {
        let LocationState::Available { free, total } = *state else { return None };
        let (mut archives, mut trash) = (0_u64, 0_u64);
        for archive in observed.archives.iter().filter(|one| one.location == *place) {
            match archive.condition {
                Condition::Lost => {}
                Condition::Trashed { .. } => trash = trash.saturating_add(archive.file_size),
                Condition::Present | Condition::Corrupt | Condition::Unavailable => {
                    archives = archives.saturating_add(archive.file_size);
                }
            }
        }
        Some((place.clone(), SpaceSample { day, archives, trash, free, total }))
    })
}
