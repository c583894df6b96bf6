//! Each part of a plan by itself.

use std::path::PathBuf;

use super::{Action, Facts, FileFacts, Refusal, Step, UnitFacts, UnitFile, Yunohost};
use crate::database::Kind;
use crate::model::job::Command;
use crate::model::restore::Part;
use crate::model::size::Bytes;
use crate::restore::content::Content;
use crate::restore::counted;
use crate::restore::order::Restore;

/// How many names a line tells before it says `and N more`.
const FIRST: usize = 3;

/// One part after the other.
pub(super) struct Planner<'a> {
    pub(super) order: &'a Restore,
    pub(super) facts: &'a Facts,
}

impl Planner<'_> {
    pub(super) fn target(&self) -> String {
        if let Some(files) = &self.facts.files {
            return files.target.display().to_string();
        }
        match &self.order.content {
            Content::Mysql(database) | Content::Postgresql(database) => {
                format!("database {}", database.database)
            }
            Content::YnhApp { app, .. } => format!("app {app}"),
            Content::YnhSystem { .. } => "YunoHost's system".to_owned(),
            Content::CustomDir { .. } => "nowhere".to_owned(),
        }
    }

    pub(super) fn user(&self) -> Option<Step> {
        let user = self.order.steps.system_user.clone().filter(|_| self.order.wants(Part::User))?;
        Some(match &self.facts.user {
            None => {
                let what = format!("create the system user `{}`", user.name);
                step(Part::User, Action::CreateUser(user), what)
            }
            Some(account) => {
                let what = format!("keep the user `{}`", user.name);
                let exists = format!("it is there, with the id {}", account.uid);
                let mut step = step(Part::User, Action::KeepUser(user.clone()), what);
                step.exists = Some(exists);
                let differs = |wanted: &Option<PathBuf>, has: &PathBuf| {
                    wanted.as_ref().is_some_and(|wanted| wanted != has)
                };
                if differs(&user.home, &account.home) {
                    let home = account.home.display();
                    step.warnings.push(format!("its home is `{home}`, and is left so"));
                }
                if differs(&user.shell, &account.shell) {
                    let shell = account.shell.display();
                    step.warnings.push(format!("its shell is `{shell}`, and is left so"));
                }
                step
            }
        })
    }

    pub(super) fn files(&self) -> Result<Option<Step>, Refusal> {
        match &self.order.content {
            Content::YnhApp { app, at_home } if self.order.to.is_none() => {
                return self.yunohost(&Yunohost::App(app.clone()), *at_home);
            }
            Content::YnhSystem { parts, at_home } if self.order.to.is_none() => {
                return self.yunohost(&Yunohost::System(parts.clone()), *at_home);
            }
            Content::CustomDir { .. }
            | Content::Mysql(_)
            | Content::Postgresql(_)
            | Content::YnhApp { .. }
            | Content::YnhSystem { .. } => {}
        }
        let files = self.facts.files.as_ref().filter(|_| self.order.wants(Part::Files));
        let Some(files) = files else { return Ok(None) };
        if files.bytes > files.free && self.order.safety {
            return Err(Refusal::new(
                format!(
                    "no space at `{}`: needs {}, has {}",
                    files.target.display(),
                    Bytes(files.bytes),
                    Bytes(files.free)
                ),
                "make room, restore elsewhere with `--to`, or give what is overwritten up with `--no-safety`",
            ));
        }
        let what = format!(
            "{} ({}) to `{}`",
            counted(files.members, "member"),
            Bytes(files.bytes),
            files.target.display()
        );
        let action = Action::Files {
            prefix: files.prefix.clone(),
            target: files.target.clone(),
            paths: files.paths.clone(),
        };
        let mut step = step(Part::Files, action, what);
        step.needs = Some(files.bytes);
        step.aside.clone_from(&files.aside);
        if files.overwritten > 0 {
            let first: Vec<String> = files.overwritten_first.iter().take(FIRST).cloned().collect();
            let more = files.overwritten - first.len() as u64;
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let becomes = if step.aside.is_some() { "set aside" } else { "lost" };
            step.exists = Some(format!(
                "{} there already: {}{more}; {becomes}",
                if files.overwritten == 1 {
                    "1 is".to_owned()
                } else {
                    format!("{} are", files.overwritten)
                },
                first.join(", ")
            ));
        }
        self.warn_of_owners(files, &mut step.warnings);
        if files.bytes > files.free {
            step.warnings.push(format!(
                "needs up to {}, {} is free",
                Bytes(files.bytes),
                Bytes(files.free)
            ));
        }
        Ok(Some(step))
    }

    /// Owners whose numbers differ here, and those that nobody has here.
    fn warn_of_owners(&self, files: &FileFacts, warnings: &mut Vec<String>) {
        for (name, archived, here) in &files.owners_moved {
            warnings.push(format!(
                "`{name}` had the id {archived} in the archive and has {here} here: mapped by name"
            ));
        }
        let created =
            self.order.steps.system_user.as_ref().filter(|_| self.order.wants(Part::User));
        let unknown = files.owners_unknown.iter();
        let unknown = unknown.filter(|name| created.is_none_or(|user| user.name != **name));
        for name in unknown {
            warnings.push(format!("nobody is called `{name}` here: its files keep their number"));
        }
    }

    fn yunohost(&self, target: &Yunohost, at_home: bool) -> Result<Option<Step>, Refusal> {
        if !self.order.wants(Part::Files) {
            return Ok(None);
        }
        let name = &self.order.archive.name;
        if !self.order.paths.is_empty() {
            return Err(Refusal::new(
                "YunoHost restores apps and its system as a whole",
                "leave `--path` away, or lay the files elsewhere with `--to DIR`",
            ));
        }
        if !self.facts.yunohost {
            return Err(Refusal::new(
                format!("`{name}` is YunoHost's, and there is no YunoHost here"),
                "restore on a host with YunoHost, or lay its files elsewhere with `--to DIR`",
            ));
        }
        if !at_home && !self.facts.at_home {
            return Err(Refusal::new(
                format!(
                    "`{name}` at `{}` does not lie where YunoHost looks",
                    self.order.archive.place
                ),
                "copy it to the location in YunoHost's folder first: `larder archive send`",
            ));
        }
        let what = match target {
            Yunohost::App(app) => {
                if self.facts.app_installed {
                    return Err(Refusal::new(
                        format!(
                            "the app `{app}` is installed, and YunoHost restores only what is not"
                        ),
                        format!("remove it first: `yunohost app remove {app}`"),
                    ));
                }
                format!("YunoHost restores the app `{app}`")
            }
            Yunohost::System(parts) if parts.is_empty() => {
                "YunoHost restores its system".to_owned()
            }
            Yunohost::System(parts) => {
                format!("YunoHost restores of its system: {}", parts.join(", "))
            }
        };
        let mut step = step(Part::Files, Action::Yunohost { target: target.clone() }, what);
        step.needs = Some(self.order.archive.content_size);
        if matches!(target, Yunohost::System(_)) {
            step.exists = Some("its configuration now; overwritten, and not set aside".to_owned());
        }
        Ok(Some(step))
    }

    pub(super) fn permissions(&self) -> Option<Step> {
        let steps = &self.order.steps;
        let files = self.facts.files.as_ref().filter(|_| self.order.wants(Part::Permissions))?;
        if !matches!(self.order.content, Content::CustomDir { .. }) {
            return None;
        }
        let (owner, mode) = (steps.owner.clone(), steps.mode);
        let root = files.target.clone();
        let mut what = Vec::new();
        what.extend(owner.iter().map(|o| format!("owner {o} of all below `{}`", root.display())));
        what.extend(mode.iter().map(|m| format!("mode {m:o} of `{}`", root.display())));
        if what.is_empty() {
            return None;
        }
        let what = what.join(", ");
        let mut step = step(Part::Permissions, Action::Permissions { root, owner, mode }, what);
        let created = steps.system_user.as_ref().filter(|_| self.order.wants(Part::User));
        for name in &self.facts.owner.unknown {
            if created.is_none_or(|user| user.name != *name) {
                step.warnings.push(format!("nobody is called `{name}` here: this step will fail"));
            }
        }
        Some(step)
    }

    pub(super) fn database(&self) -> Result<Option<Step>, Refusal> {
        let Some((kind, database)) = self.order.content.database() else { return Ok(None) };
        let name = &database.database;
        let Some(facts) = &self.facts.database else { return Ok(None) };
        let needed = self.order.archive.content_size;
        let Some(scratch) = facts.scratch.clone() else {
            return Err(Refusal::new(
                format!("no space for the dump of `{name}`: needs {}", Bytes(needed)),
                "make room where `state_dir` is, or at the archive's location",
            ));
        };
        let what = format!("{} database `{name}` from its dump", kind.name());
        let action = Action::Database { kind, name: name.clone(), scratch };
        let mut step = step(Part::Database, action, what);
        step.needs = Some(needed);
        if let Some(size) = facts.size {
            let becomes = match (self.order.safety, kind) {
                (true, Kind::Mysql) => "dumped and set aside first",
                (true, Kind::Postgresql) => "set aside under another name, `NAME_before_DATE`",
                (false, _) => "dropped",
            };
            step.exists = Some(format!("it is there, {}; {becomes}", Bytes(size)));
        }
        if facts.size.is_some() || facts.trouble.is_some() {
            // Also when nobody could be asked: it may well be there once we come to it.
            step.aside.clone_from(&facts.aside);
        }
        step.warnings.extend(facts.trouble.clone());
        Ok(Some(step))
    }

    pub(super) fn service(&self) -> Result<Option<Step>, Refusal> {
        let wanted = self.order.steps.systemd_service.clone();
        let Some(service) = wanted.filter(|_| self.order.wants(Part::Service)) else {
            return Ok(None);
        };
        let unit = &self.facts.unit;
        if service.name.contains('/') || service.name.starts_with('.') {
            return Err(Refusal::new(
                format!("`{}` is not the name of a unit", service.name),
                "`systemd_service.name` is a name without `.service` and without a path",
            ));
        }
        let file = UnitFacts::path(&service.name);
        // What is there now is compared with what the archive brings only when it is there.
        let install = service.service_file.is_some();
        let mut what =
            if install { format!("install `{}`, ", file.display()) } else { String::new() };
        what.push_str("enable and start `");
        what.push_str(&service.name);
        what.push('`');
        let runs = unit.systemd;
        let mut step = step(Part::Service, Action::Service { service, install, runs }, what);
        step.exists = match (install, unit.installed) {
            (true, UnitFile::Differs) => Some(if self.order.safety {
                "the unit is there; set aside where it differs from what is restored".to_owned()
            } else {
                "the unit is there; overwritten where it differs".to_owned()
            }),
            (true, UnitFile::Same) => Some("the unit is there, and is the same".to_owned()),
            (_, UnitFile::Absent) | (false, UnitFile::Differs | UnitFile::Same) => None,
        };
        let advice = match unit.installed {
            UnitFile::Absent => Some("read"),
            UnitFile::Differs => Some("compare"),
            UnitFile::Same => None,
        };
        if let Some(advice) = advice.filter(|_| install) {
            let what = "its text comes from the archive and runs as root";
            step.warnings.push(format!("{what}: {advice} it first"));
        }
        if !runs {
            step.warnings
                .push("systemd does not run here: nothing is reloaded or started".to_owned());
        }
        Ok(Some(step))
    }

    pub(super) fn firewall(&self) -> Option<Step> {
        let ports = self.order.steps.firewall_ports.clone();
        if ports.is_empty() || !self.order.wants(Part::Firewall) {
            return None;
        }
        let names: Vec<String> =
            ports.iter().map(|open| format!("{}/{}", open.port, open.protocol)).collect();
        let names = names.join(", ");
        let yunohost = self.facts.yunohost;
        let what = if yunohost {
            format!("YunoHost opens {names}")
        } else {
            format!("{names} are to be open")
        };
        let mut step = step(Part::Firewall, Action::Firewall { ports, yunohost }, what);
        if !yunohost {
            step.warnings.push(format!(
                "there is no YunoHost here to open them: open {names} in this host's firewall by hand"
            ));
        }
        Some(step)
    }

    pub(super) fn commands(&self) -> Option<Step> {
        let commands = self.order.steps.post_restore_commands.clone();
        if commands.is_empty() || !self.order.wants(Part::Commands) {
            return None;
        }
        // What stands behind the program may be what others must not see.
        let program = |command: &Command| format!("`{}`", command.shown().unwrap_or("…"));
        let programs: Vec<String> = commands.iter().map(program).collect();
        let what = format!("run {}", programs.join(", then "));
        Some(step(Part::Commands, Action::Commands(commands), what))
    }
}

fn step(part: Part, action: Action, what: String) -> Step {
    Step { part, action, what, exists: None, aside: None, needs: None, warnings: Vec::new() }
}
