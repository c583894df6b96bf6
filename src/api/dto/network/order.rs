//! What of the network comes first: what did not happen in time, whoever it is that it did not
//! happen at. Pure; the lists of the API keep their own order.

use super::{Member, MemberJob};
use crate::api::dto::Moment;
use crate::api::dto::health::HealthStatus;
use crate::status::Verdict;

/// How much a job needs somebody; the most urgent is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Its archive did not come in time.
    Overdue,
    /// Nothing protects it.
    Unprotected,
    /// Something is missing, or its newest run failed.
    AtRisk,
    /// All is well, or nothing is known of it.
    Well,
    /// Nothing is expected of it.
    Disabled,
}

impl MemberJob {
    /// How much it needs somebody.
    #[must_use]
    pub fn urgency(&self) -> Urgency {
        let failed = self.last_run.as_ref().is_some_and(|run| run.status == "error");
        match self.verdict.as_deref().and_then(Verdict::from_word) {
            _ if !self.enabled => Urgency::Disabled,
            _ if self.overdue => Urgency::Overdue,
            Some(Verdict::Unprotected) => Urgency::Unprotected,
            Some(Verdict::AtRisk) => Urgency::AtRisk,
            Some(Verdict::Protected) | None if failed => Urgency::AtRisk,
            Some(Verdict::Protected) | None => Urgency::Well,
        }
    }

    /// How urgent, and since when it waits where it is overdue.
    fn rank(&self) -> (Urgency, Option<Moment>) {
        let urgency = self.urgency();
        let since = self.expected_by.filter(|_| urgency == Urgency::Overdue);
        (urgency, since)
    }
}

impl Member {
    /// Whether it is a peer that cannot be asked now.
    #[must_use]
    pub fn is_away(&self) -> bool {
        matches!(self.status.as_str(), "offline" | "error")
    }

    /// How urgent its most urgent job is; one without jobs, or with disabled ones alone, is well.
    fn rank(&self) -> impl Ord + use<> {
        let worst = self.jobs.iter().flatten().map(MemberJob::rank).min();
        let (urgency, since) = worst.unwrap_or((Urgency::Well, None));
        let is_degraded = self.health.as_deref() == Some(HealthStatus::Degraded.word());
        (urgency.min(Urgency::Well), since, !self.is_away(), !is_degraded, !self.is_self)
    }
}

/// Instances and, in each, its jobs: the most urgent first, those that wait longest first among
/// what is overdue. What is equally urgent: an instance that is away before one that is there, this
/// instance before its peers, then by name.
pub fn urgent_first(members: &mut [Member]) {
    for jobs in members.iter_mut().filter_map(|member| member.jobs.as_mut()) {
        jobs.sort_by(|one, other| {
            one.rank().cmp(&other.rank()).then_with(|| one.name.cmp(&other.name))
        });
    }
    members.sort_by(|one, other| {
        one.rank().cmp(&other.rank()).then_with(|| one.name.cmp(&other.name))
    });
}

/// The jobs of all these instances that need somebody, the most urgent first; an instance's own
/// order decides between equals.
#[must_use]
pub fn troubled(members: &[Member], from: Urgency) -> Vec<(&Member, &MemberJob)> {
    let all = members.iter().flat_map(|member| {
        let jobs = member.jobs.iter().flatten();
        jobs.map(move |job| (member, job))
    });
    let mut found: Vec<_> = all.filter(|(_, job)| job.urgency() <= from).collect();
    found.sort_by_key(|(_, job)| job.rank());
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Instances as `NAME[?|!] JOB=WORD@HOUR …`: `?` is the one that answers, `!` one that is away.
    fn network(lines: &[&str]) -> Vec<Member> {
        lines.iter().map(|line| instance(line)).collect()
    }

    fn instance(line: &str) -> Member {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap();
        let is_away = name.ends_with('!');
        let jobs: Vec<Value> = words.map(job).collect();
        let member = json!({
            "name": name.trim_end_matches(['?', '!']),
            "self": name.ends_with('?'),
            "status": if is_away { "offline" } else { "online" },
            "jobs": jobs,
        });
        serde_json::from_value(member).unwrap()
    }

    fn job(text: &str) -> Value {
        let (name, rest) = text.split_once('=').unwrap();
        let (word, hour) = rest.split_once('@').unwrap_or((rest, "12"));
        json!({
            "name": name,
            "type": "custom_dir",
            "enabled": word != "off",
            "overdue": word == "late" || word == "off",
            "verdict": match word {
                "good" | "failing" => Some("protected"),
                "risk" => Some("at_risk"),
                "bare" => Some("unprotected"),
                _ => None,
            },
            "expected_by": format!("2026-05-08T{hour}:00:00Z"),
            "last_run": (word == "failing").then(|| json!({ "id": 1, "status": "error" })),
        })
    }

    fn sorted(lines: &[&str]) -> String {
        let mut members = network(lines);
        urgent_first(&mut members);
        let line = |member: &Member| {
            let jobs = member.jobs.iter().flatten();
            let jobs: Vec<&str> = jobs.map(|job| job.name.as_str()).collect();
            format!("{}: {}", member.name, jobs.join(" ")).trim_end().to_owned()
        };
        members.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_overdue_comes_first_across_the_whole_network_and_the_longest_before_all() {
        insta::assert_snapshot!(sorted(&[
            "jerry? a=good b=late@11",
            "ann z=good y=off x=failing w=risk v=bare u=late@10",
            "bob a=bare",
            "cleo a=good",
            "dan! a=good",
            "eve! a=risk",
            "flo a=late@09 b=late@08",
        ]), @r"
        flo: b a
        ann: u v w x z y
        jerry: b a
        bob: a
        eve: a
        dan: a
        cleo: a
        ");
    }

    #[test]
    fn of_equals_this_instance_comes_first_and_one_that_is_away_before_it() {
        let lines = ["zoe a=good", "ann", "jerry? a=good", "bob! a=good", "cleo a=off"];
        insta::assert_snapshot!(sorted(&lines), @r"
        bob: a
        jerry: a
        ann:
        cleo: a
        zoe: a
        ");
        // Whatever the order was before.
        let mut turned = lines;
        turned.reverse();
        assert_eq!(sorted(&turned), sorted(&lines));
    }

    #[test]
    fn the_troubled_jobs_of_all_are_one_list() {
        let mut members =
            network(&["jerry? a=risk b=late@11", "tom a=late@10 b=bare c=good d=off"]);
        urgent_first(&mut members);
        let of = |from| {
            let found = troubled(&members, from);
            let line =
                |(member, job): &(&Member, &MemberJob)| format!("{}/{}", member.name, job.name);
            found.iter().map(line).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(Urgency::Overdue), "tom/a jerry/b");
        assert_eq!(of(Urgency::AtRisk), "tom/a jerry/b tom/b jerry/a");
    }
}
