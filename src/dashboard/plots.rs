//! Plots, for those who would rather look: drawn here as SVG, without any script, and without a
//! style of their own.
//!
//! Each is a picture with a text alternative, and what it shows stands behind it as a table. What
//! is odd differs by its shape and by its words, not by its colour alone. **Invariants:** an axis
//! of amounts begins at 0 and has round numbers; long histories are thinned so that no extreme and
//! nothing odd is lost ([`thin`]); a plot is never larger than what one looks at.

mod scale;
mod thin;
mod chart;
mod of_job;
mod room;
mod year;

pub(super) use of_job::{durations, sizes};
pub(super) use room::{foretold, room};
pub(super) use year::{Year, year};
