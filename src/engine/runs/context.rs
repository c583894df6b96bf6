//! What a run is given, and what comes of it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub(crate) use crate::causes::with_causes;
use crate::engine::core::Core;
use crate::engine::locations::doors::Shut;
use crate::engine::start;
use crate::location::{ArchiveStore, LocationError};
use crate::model::archive::{Archive, CopyKey};
use crate::model::desired::Desired;
use crate::model::name::{ArchiveName, PlaceName};
use crate::model::observed::LocationState;
use crate::model::run::Run;
use crate::peer::PeerError;
use crate::progress::Progress;
use crate::state::StateError;
use crate::stop::{Stop, Stopped};

/// Everything that a run may use. It keeps the configuration that it started with.
pub(crate) struct Context {
    pub(crate) core: Arc<Core>,
    pub(crate) desired: Arc<Desired>,
    pub(crate) run: Run,
    pub(crate) stop: Stop,
    /// See [`Running`](crate::engine::core::Running).
    pub(crate) give_way: Stop,
    pub(crate) progress: Progress,
}

/// A run that did what it was to do.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Whether there is something to look at.
    pub(crate) warned: bool,
    /// One line.
    pub(crate) summary: String,
    /// The archive that was made, and its size in bytes.
    pub(crate) archive: Option<(ArchiveName, u64)>,
    /// Whether it gave way to another, and has to go on later.
    pub(crate) goes_on: bool,
}

/// A run that did not.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Whether it was asked to stop, and why.
    pub(crate) stopped: Option<Stopped>,
    /// One line: what could not be done, to what, and why.
    pub(crate) summary: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// How long the same is left alone, where that is not what is usual for its kind.
    pub(crate) rest: Option<SignedDuration>,
}

impl Failure {
    /// A failure in words.
    pub(crate) fn new(summary: impl Into<String>) -> Self {
        Self { stopped: None, summary: summary.into(), hint: None, rest: None }
    }

    /// With how long the same is left alone.
    #[must_use]
    pub(crate) fn rest(mut self, rest: SignedDuration) -> Self {
        self.rest = Some(rest);
        self
    }

    /// With what to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        Self { stopped: Some(stopped), ..Self::new(stopped.to_string()) }
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        Self::new(with_causes(&error))
    }
}

impl From<LocationError> for Failure {
    fn from(error: LocationError) -> Self {
        let failure = Self::new(with_causes(&error));
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<Shut> for Failure {
    fn from(shut: Shut) -> Self {
        match shut {
            Shut::Stopped(stopped) => Self::from(stopped),
            shut => Self { hint: shut.hint(), ..Self::new(with_causes(&shut)) },
        }
    }
}

impl From<PeerError> for Failure {
    fn from(error: PeerError) -> Self {
        match error {
            PeerError::Stopped(stopped) => Self::from(stopped),
            error => Self { hint: error.hint(), ..Self::new(error.line()) },
        }
    }
}

impl Context {
    /// Writes a line into the run's log.
    pub(crate) fn log(&self, line: &str) {
        self.core.log_line(self.run.id, line);
    }

    /// The store of a location that can be used now.
    pub(crate) fn available(
        &self,
        name: &PlaceName,
    ) -> Result<(Arc<dyn ArchiveStore>, u64), Failure> {
        let store = self.core.store(name).ok_or_else(|| {
            Failure::new(format!("location `{name}` is not in the configuration"))
                .hint(format!("define `[location.{name}]`"))
        })?;
        if let Some(folder) = self.core.folder(name).filter(|one| one.is_yet_to_be_made()) {
            start::make(&self.core, name, &folder)?;
        }
        match store.state() {
            LocationState::Available { free, .. } => Ok((store, free)),
            LocationState::Unavailable(reason) => {
                Err(Failure::new(format!("location `{name}` is not available: {reason}"))
                    .hint("mount or repair it; `larder location check` tells when it is back"))
            }
            LocationState::Suspect(reason) => {
                store.probe_write().map_err(|error| {
                    Failure::new(format!(
                        "location `{name}` answered with an error before ({reason}) and does so still: {}",
                        with_causes(&error)
                    ))
                    .hint("look at the disk (`dmesg`, `smartctl`)")
                })?;
                match store.state() {
                    LocationState::Available { free, .. } => Ok((store, free)),
                    LocationState::Unavailable(reason) | LocationState::Suspect(reason) => {
                        Err(Failure::new(format!("location `{name}` is not available: {reason}")))
                    }
                }
            }
        }
    }

    /// Removes what the run began at a location and will not publish. Where that fails, the next
    /// sweep does it: why the run ends is more than that.
    pub(crate) fn discard(&self, store: &dyn ArchiveStore) {
        if let Err(error) = store.discard(self.run.id) {
            self.log(&format!("what was begun is still there: {}", with_causes(&error)));
        }
    }

    /// Now.
    pub(crate) fn now(&self) -> Timestamp {
        self.core.now()
    }

    /// A copy that is in the catalogue.
    pub(crate) fn archive(&self, key: &CopyKey) -> Result<Archive, Failure> {
        self.core.catalogue.get(key).ok_or_else(|| {
            Failure::new(format!("archive {} is not at `{}` any more", key.id, key.location))
        })
    }
}
