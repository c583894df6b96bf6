//! Plans as text: situations in, what `larder plan` prints out.

use super::world::{World, to};

mod backups;
mod copies;
mod deleting;
mod pruning;
mod drills;
mod peers;
mod fetching;
mod failing;
mod turns;
mod upkeep;

pub(super) fn check(world: &World) -> String {
    let plan = world.plan();
    if let Some(wake) = plan.wake_at {
        assert!(wake > world.now.timestamp(), "a wake-up that is over spins: {plan}");
    }
    plan.to_string()
}

pub(super) const MORNING: &str = "2026-05-08T12:00";

pub(super) fn daily() -> World {
    World::at(MORNING).job("nocodb", "0 3 * * *", |_| {})
}

pub(super) fn copied() -> World {
    World::at(MORNING)
        .location("usb", |location| location.removable = true)
        .job("web", "0 3 * * *", |job| job.send_to = vec![to("usb"), to("tom")])
        .ran("web", "2026-05-06T03:00")
        .ran("web", "2026-05-07T03:00")
        .ran("web", "2026-05-08T03:00")
}
