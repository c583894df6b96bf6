//! A form that is filled in: from a job that is in force, from an address, by a person; and the
//! table that it makes.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::fields::{self, Field, Shape};
use super::lines;
use super::written::{Table, Value};
use crate::model::job::JobType;

/// What a ticked box sends.
pub(super) const TICKED: &str = "yes";
/// The keys of a policy with days, weeks, months and years.
pub(super) const SPANS: [&str; 4] = ["daily", "weekly", "monthly", "yearly"];
/// The others, with what holds where they are not written.
const REST: [(&str, &str); 2] = [("value", ""), ("min_days", "3")];
/// How a secret may be kept.
pub(super) const SECRETS: [&str; 4] = ["file", "credential", "env", "command"];

/// The inputs of a form, by name.
#[derive(Debug, Clone)]
pub(super) struct Filled {
    pub(super) job_type: JobType,
    values: BTreeMap<String, String>,
}

/// What the configuration says beside the job: from its effective form.
#[derive(Debug, Default)]
pub(super) struct Around {
    pub(super) schedule: String,
    pub(super) retention: Json,
    pub(super) location: String,
    /// `[retention.*]`.
    pub(super) policies: BTreeMap<String, Json>,
    /// `[recovery] recipients`: they are added to each copy's.
    recovery: Json,
}

impl Around {
    pub(super) fn of(effective: &Json) -> Self {
        let defaults = &effective["defaults"];
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let policies = effective["retention"].as_object().into_iter().flatten();
        Self {
            schedule: text(&defaults["schedule"]),
            retention: defaults["retention"].clone(),
            location: text(&defaults["location"]),
            policies: policies.map(|(name, policy)| (name.clone(), policy.clone())).collect(),
            recovery: effective["recovery"]["recipients"].clone(),
        }
    }
}

impl Filled {
    /// An empty form with some inputs filled in.
    pub(super) fn fresh(job_type: JobType, values: BTreeMap<String, String>) -> Self {
        let mut filled = Self { job_type, values };
        for field in fields::of(job_type) {
            if field.shape == Shape::Flag && field.default == "true" {
                filled.set(field.key, TICKED);
            }
        }
        filled
    }

    /// What a person sent.
    pub(super) fn sent(job_type: JobType, values: BTreeMap<String, String>) -> Self {
        Self { job_type, values }
    }

    /// The job of this name, as it is in force.
    pub(super) fn of_job(name: &str, job: &Json, around: &Around) -> Option<Self> {
        let job_type = JobType::from_word(job["type"].as_str()?)?;
        let mut filled = Self { job_type, values: BTreeMap::new() };
        filled.set("name", name);
        for field in fields::of(job_type) {
            let value = field.key.split('.').fold(job, |table, key| &table[key]);
            filled.fill(field, value, around);
        }
        filled.leave_out_what_follows(job, around);
        Some(filled)
    }

    /// What comes back from a browser that was shown it.
    #[cfg(test)]
    pub(super) fn through_a_browser(self) -> Self {
        let values = self.values.into_iter();
        let values = values.map(|(name, value)| (name, value.replace('\n', "\r\n")));
        Self::sent(self.job_type, values.collect())
    }

    /// An input; empty when it is not there.
    pub(super) fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    pub(super) fn name(&self) -> &str {
        self.get("name").trim()
    }

    /// Whether anything stands in an input that is empty at first.
    pub(super) fn is_begun(&self, field: &Field) -> bool {
        match field.shape {
            Shape::Flag => (self.get(field.key) == TICKED) != (field.default == "true"),
            Shape::Secret => !self.get("password.how").is_empty(),
            Shape::Copies => self.values.keys().any(|name| name.starts_with("send_to:")),
            Shape::Retention => !self.get("retention:how").is_empty(),
            Shape::Text
            | Shape::Number
            | Shape::Word(_)
            | Shape::Lines
            | Shape::Commands
            | Shape::Ports
            | Shape::Location => !self.get(field.key).trim().is_empty(),
        }
    }

    fn set(&mut self, name: &str, value: impl Into<String>) {
        self.values.insert(name.to_owned(), value.into());
    }

    fn fill(&mut self, field: &Field, value: &Json, around: &Around) {
        let key = field.key;
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let texts = || items.iter().filter_map(Json::as_str);
        match field.shape {
            Shape::Flag => {
                if value.as_bool().unwrap_or(field.default == "true") {
                    self.set(key, TICKED);
                }
            }
            Shape::Text | Shape::Number | Shape::Word(_) => {
                let text = plain(value);
                if text != field.default {
                    self.set(key, text);
                }
            }
            Shape::Lines => self.set(key, lines::of_texts(texts())),
            Shape::Commands => self.set(key, lines::of_commands(items)),
            Shape::Ports => {
                let ports = items.iter();
                let ports = ports
                    .map(|port| format!("{}/{}", plain(&port["port"]), plain(&port["protocol"])));
                self.set(key, ports.collect::<Vec<_>>().join("\n"));
            }
            Shape::Secret => {
                let kept = value.as_object().and_then(|kept| kept.iter().next());
                if let Some((how, what)) = kept {
                    self.set("password.how", how.as_str());
                    self.set(
                        "password.what",
                        if what.is_array() { what.to_string() } else { plain(what) },
                    );
                }
            }
            Shape::Retention => {
                if *value != around.retention {
                    self.fill_policy("retention", value, around);
                }
            }
            Shape::Location => {
                if plain(value) != around.location {
                    self.set(key, plain(value));
                }
            }
            Shape::Copies => self.fill_copies(items, around),
        }
    }

    fn fill_policy(&mut self, prefix: &str, policy: &Json, around: &Around) {
        if let Some((name, _)) = around.policies.iter().find(|(_, known)| *known == policy) {
            self.set(&format!("{prefix}:how"), format!("policy:{name}"));
            return;
        }
        self.set(&format!("{prefix}:how"), plain(&policy["mode"]));
        for (key, usual) in SPANS.map(|key| (key, "0")).into_iter().chain(REST) {
            let text = plain(&policy[key]);
            if text != usual {
                self.set(&format!("{prefix}:{key}"), text);
            }
        }
    }

    fn fill_copies(&mut self, copies: &[Json], around: &Around) {
        let names: Vec<String> = copies.iter().map(|copy| plain(&copy["to"])).collect();
        self.set("order", names.join(","));
        for (name, copy) in names.iter().zip(copies) {
            let prefix = format!("send_to:{name}");
            self.set(&prefix, TICKED);
            self.set(&format!("{prefix}:via"), plain(&copy["via"]));
            if copy["retention"].is_object() {
                self.fill_policy(&prefix, &copy["retention"], around);
            }
            let recovery = around.recovery.as_array().map(Vec::as_slice).unwrap_or_default();
            let recipients = copy["encrypt_to"].as_array().into_iter().flatten();
            let recipients: Vec<&Json> = recipients.collect();
            // They are added again; where there is no other, they are what was written.
            let own: Vec<&Json> =
                recipients.iter().copied().filter(|one| !recovery.contains(one)).collect();
            let own = if own.is_empty() { recipients } else { own };
            let own = lines::of_texts(own.into_iter().filter_map(Json::as_str));
            self.set(&format!("{prefix}:encrypt_to"), own);
        }
    }

    /// Empties what says no more than would hold without it.
    fn leave_out_what_follows(&mut self, job: &Json, around: &Around) {
        if self.get("schedule") == around.schedule {
            self.set("schedule", "");
        }
        let label = match (self.job_type, plain(&job["database"])) {
            (JobType::CustomDir | JobType::YnhApp, _) => self.name().to_owned(),
            (JobType::Mysql | JobType::Postgresql, all) if all == "*" => self.name().to_owned(),
            (JobType::Mysql | JobType::Postgresql, one) => {
                format!("{}_{one}", self.job_type.word())
            }
            (JobType::YnhSystem, _) => "system".to_owned(),
        };
        if self.get("label") == label {
            self.set("label", "");
        }
        let usual = if self.get("before").is_empty() { "now" } else { "next" };
        if self.get("catch_up") == usual {
            self.set("catch_up", "");
        }
    }

    /// The job's table.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::default();
        table.put("type", Value::Text(self.job_type.word().to_owned()));
        for field in fields::of(self.job_type) {
            if let Some(value) = self.value(field) {
                table.put(field.key, value);
            }
        }
        table
    }

    fn value(&self, field: &Field) -> Option<Value> {
        let text = self.get(field.key).trim();
        let list = |items: Vec<Value>| (!items.is_empty()).then_some(Value::List(items));
        match field.shape {
            Shape::Flag => {
                let is_on = text == TICKED;
                (is_on != (field.default == "true")).then_some(Value::Flag(is_on))
            }
            Shape::Text | Shape::Word(_) | Shape::Location => {
                (!text.is_empty()).then(|| Value::Text(text.to_owned()))
            }
            Shape::Number => (!text.is_empty()).then(|| number(text)),
            Shape::Lines => list(lines::texts(text).into_iter().map(Value::Text).collect()),
            Shape::Commands => list(lines::commands(text).into_iter().map(command).collect()),
            Shape::Ports => {
                let ports = lines::ports(text).into_iter().map(|(port, protocol)| {
                    let mut table = Table::default();
                    table.put("port", number(port));
                    if let Some(protocol) = protocol {
                        table.put("protocol", Value::Text(protocol.to_owned()));
                    }
                    Value::Table(table)
                });
                list(ports.collect())
            }
            Shape::Secret => self.secret(),
            Shape::Retention => self.policy("retention"),
            Shape::Copies => list(self.copies()),
        }
    }

    fn secret(&self) -> Option<Value> {
        let how = SECRETS.into_iter().find(|how| *how == self.get("password.how"))?;
        let what = self.get("password.what").trim();
        let argv =
            if how == "command" { serde_json::from_str::<Vec<String>>(what).ok() } else { None };
        let mut table = Table::default();
        table.put(
            how,
            match argv {
                Some(argv) => Value::List(argv.into_iter().map(Value::Text).collect()),
                None => Value::Text(what.to_owned()),
            },
        );
        Some(Value::Table(table))
    }

    /// The policy whose inputs have this prefix; `None` where nothing is to be written.
    pub(super) fn policy(&self, prefix: &str) -> Option<Value> {
        let of = |key: &str| self.get(&format!("{prefix}:{key}")).trim();
        let how = of("how");
        if let Some(name) = how.strip_prefix("policy:") {
            return Some(Value::Text(name.to_owned()));
        }
        let keys: &[&str] = match how {
            "count" | "daily" => &["value"],
            "gfs" => &SPANS,
            _ => return None,
        };
        let mut table = Table::default();
        table.put("mode", Value::Text(how.to_owned()));
        for key in keys.iter().chain(&["min_days"]) {
            if !of(key).is_empty() {
                table.put(key, number(of(key)));
            }
        }
        Some(Value::Table(table))
    }

    /// Those places that are ticked, in the order that they had.
    pub(super) fn chosen(&self) -> Vec<&str> {
        let ticked = self.values.iter().filter(|(_, value)| *value == TICKED);
        let mut chosen: Vec<&str> = ticked
            .filter_map(|(name, _)| name.strip_prefix("send_to:"))
            .filter(|name| !name.contains(':'))
            .collect();
        let order: Vec<&str> = self.get("order").split(',').collect();
        let rank = |name: &str| order.iter().position(|one| *one == name).unwrap_or(order.len());
        chosen.sort_by_key(|name| rank(name));
        chosen
    }

    fn copies(&self) -> Vec<Value> {
        let copies = self.chosen().into_iter().map(|name| {
            let prefix = format!("send_to:{name}");
            let mut table = Table::default();
            table.put("to", Value::Text(name.to_owned()));
            let via = self.get(&format!("{prefix}:via"));
            if !via.is_empty() {
                table.put("via", Value::Text(via.to_owned()));
            }
            if let Some(policy) = self.policy(&prefix) {
                table.put("retention", policy);
            }
            let recipients = lines::texts(self.get(&format!("{prefix}:encrypt_to")));
            if !recipients.is_empty() {
                let recipients = recipients.into_iter().map(Value::Text).collect();
                table.put("encrypt_to", Value::List(recipients));
            }
            table
        });
        let copies: Vec<Table> = copies.collect();
        // Where none has terms of its own, names are enough.
        let is_plain = copies.iter().all(|copy| copy.0.len() == 1);
        let names = copies.into_iter().map(|copy| match copy {
            Table(mut keys) if is_plain => keys.remove(0).1,
            copy => Value::Table(copy),
        });
        names.collect()
    }
}

/// A value of the configuration as it stands in an input.
fn plain(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => value.to_string(),
    }
}

/// A whole number; what is none stays text, and is told as such.
fn number(text: &str) -> Value {
    text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Number)
}

fn command(command: lines::Command) -> Value {
    match command {
        lines::Command::Shell(line) => Value::Text(line),
        lines::Command::Argv(argv) => Value::List(argv.into_iter().map(Value::Text).collect()),
    }
}
