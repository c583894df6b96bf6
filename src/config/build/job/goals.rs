//! What a job promises, how that is proved, and what its restore does beside the files.

use crate::config::context::Context;
use crate::config::keys::Form;
use crate::config::table::Reader;
use crate::config::value::OctalMode;
use crate::model::job::{Drill, FirewallPort, JobSource, RestoreSteps, SystemUser, SystemdService};
use crate::model::name::PlaceName;
use crate::model::protect::Protect;

pub(super) fn read_protect(r: Reader<'_>, cx: &mut Context<'_>) -> Option<Protect> {
    let max_age = r.get("max_age", cx);
    let copies = r.get("copies", cx);
    let offsite: Option<u32> = r.get("offsite", cx);
    let proven = r.maybe("proven", cx);
    if let (Some(offsite), Some(copies)) = (offsite, copies)
        && offsite > copies
    {
        cx.error(r.place("offsite"), format!("of {copies} copies, {offsite} cannot be off-site"));
    }
    r.finish(cx)?;
    Some(Protect { max_age: max_age?, copies: copies?, offsite: offsite?, proven, declared: true })
}

pub(super) fn read_drill(
    r: Reader<'_>,
    source: Option<&JobSource>,
    cx: &mut Context<'_>,
) -> Option<Drill> {
    let schedule = r.get("schedule", cx);
    let assert: Option<Vec<String>> = r.get("assert", cx);
    let has_database = match source {
        None | Some(JobSource::Mysql(_) | JobSource::Postgresql(_)) => true,
        Some(JobSource::CustomDir(_) | JobSource::YnhApp { .. } | JobSource::YnhSystem { .. }) => {
            false
        }
    };
    if !has_database && assert.as_ref().is_some_and(|assert| !assert.is_empty()) {
        cx.error_with(
            r.place("assert"),
            "`assert` is SQL, and this job has no database to run it in",
            "remove it; the files of every drill are compared with the manifest anyway",
        );
    }
    r.finish(cx)?;
    Some(Drill { schedule: schedule?, assert: assert? })
}

pub(super) fn read_restore(r: Reader<'_>, cx: &mut Context<'_>) -> Option<RestoreSteps> {
    let system_user = r.table("system_user", cx).and_then(|r| {
        let name: Option<PlaceName> = r.get("name", cx);
        let (home, shell) = (r.maybe("home", cx), r.maybe("shell", cx));
        r.finish(cx)?;
        Some(SystemUser { name: name?.to_string(), home, shell })
    });
    let systemd_service = r.table("systemd_service", cx).and_then(|r| {
        let name: Option<String> = r.get("name", cx);
        let service_file = r.maybe("service_file", cx);
        if name.as_ref().is_some_and(|name| name.contains('/') || name.ends_with(".service")) {
            cx.error_with(
                r.place("name"),
                "a unit is named without `.service` and without a path",
                "for instance `name = \"web\"`",
            );
        }
        r.finish(cx)?;
        Some(SystemdService { name: name?, service_file })
    });
    let permissions = r.table("permissions", cx);
    let owner: Option<String> = permissions.as_ref().and_then(|r| r.maybe("owner", cx));
    let mode: Option<OctalMode> = permissions.as_ref().and_then(|r| r.maybe("mode", cx));
    let firewall_ports = ports(&r, cx);
    let post_restore_commands = r.get("post_restore_commands", cx);
    r.finish(cx)?;
    Some(RestoreSteps {
        system_user,
        systemd_service,
        owner,
        mode: mode.map(|mode| mode.0),
        firewall_ports,
        post_restore_commands: post_restore_commands?,
    })
}

fn ports(r: &Reader<'_>, cx: &mut Context<'_>) -> Vec<FirewallPort> {
    let (items, form) = r.items("firewall_ports", cx);
    let Form::Table(table) = form else { return Vec::new() };
    let mut ports = Vec::new();
    for item in items {
        let Some(r) = Reader::open(table, item, item.at, cx) else { continue };
        let port: Option<u32> = r.get("port", cx);
        let protocol: Option<&'static str> = r.get("protocol", cx);
        if let (Some(port), Some(protocol)) = (port.and_then(|p| u16::try_from(p).ok()), protocol) {
            ports.push(FirewallPort { port, protocol: protocol.to_owned() });
        }
    }
    ports
}
