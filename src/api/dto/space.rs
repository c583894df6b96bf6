//! How much room there was at a location, and what is foreseen.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words;
use crate::model::space::SpaceSample;
use crate::reconcile::forecast;

/// What becomes of a location if everything goes on as it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Forecast {
    /// The forecast in words.
    pub text: String,
    /// The first day on which the next archive does not fit, leaving what every run must leave;
    /// `null` when that is not foreseen.
    #[schema(value_type = Option<words::CivilDay>, required)]
    pub full_on: Option<String>,
    /// In how many days that is.
    #[schema(required)]
    pub full_in_days: Option<u32>,
    /// Whether any archive is foreseen there.
    pub is_fed: bool,
    /// The most bytes that archives will take.
    pub highest: u64,
    /// The fewest bytes that will be free, where that is known.
    #[schema(required)]
    pub least_free: Option<u64>,
    /// The last day that is foreseen.
    #[schema(value_type = words::CivilDay)]
    pub until: String,
}

/// The room at a location over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Space {
    /// The location.
    pub location: String,
    /// Free space that a run must leave, in bytes.
    pub min_free: u64,
    /// What was seen, a point for each day on which it was there, oldest first.
    pub past: Vec<SpacePoint>,
    /// What is foreseen, from today on.
    pub coming: Vec<SpacePoint>,
    /// What is foreseen, in short.
    #[schema(required)]
    pub forecast: Option<Forecast>,
}

/// The room at a location at the end of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpacePoint {
    /// The day, in the instance's zone.
    #[schema(value_type = words::CivilDay)]
    pub day: String,
    /// Bytes of archives, without those in the trash.
    pub archives: u64,
    /// Bytes free, where that is known.
    #[schema(required)]
    pub free: Option<u64>,
}

impl From<&forecast::Forecast> for Forecast {
    fn from(forecast: &forecast::Forecast) -> Self {
        Self {
            text: forecast.to_string(),
            full_on: forecast.full_on.map(|day| day.to_string()),
            full_in_days: forecast.full_in(),
            is_fed: forecast.is_fed,
            highest: forecast.highest(),
            least_free: forecast.least_free(),
            until: forecast.until().to_string(),
        }
    }
}

impl From<&forecast::Step> for SpacePoint {
    fn from(step: &forecast::Step) -> Self {
        Self { day: step.day.to_string(), archives: step.archives, free: step.free }
    }
}

impl From<&SpaceSample> for SpacePoint {
    fn from(sample: &SpaceSample) -> Self {
        Self { day: sample.day.to_string(), archives: sample.archives, free: Some(sample.free) }
    }
}
