//! What the last line says.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{App, Listed, Target, YunohostError};

/// What YunoHost says of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Level {
    /// It was done.
    Success,
    /// It was done, and something is missing: a script that would restore it.
    Warning,
    /// It failed.
    Error,
    /// It was not tried.
    Skipped,
    /// Nobody knows.
    #[serde(other)]
    Unknown,
}

/// What YunoHost says of every target.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Results {
    #[serde(default)]
    system: BTreeMap<String, Level>,
    #[serde(default)]
    apps: BTreeMap<String, Level>,
}

/// The answer to a call.
pub(super) struct Answer {
    what: String,
    line: Vec<u8>,
}

impl Answer {
    pub(super) fn new(what: String, line: Vec<u8>) -> Self {
        Self { what, line }
    }

    fn read<T: DeserializeOwned>(&self) -> Result<T, YunohostError> {
        serde_json::from_slice(&self.line).map_err(|error| self.unreadable(error.to_string()))
    }

    fn unreadable(&self, why: String) -> YunohostError {
        YunohostError::Unreadable { what: self.what.clone(), why }
    }

    pub(super) fn version(&self) -> Result<String, YunohostError> {
        #[derive(Deserialize)]
        struct Versions {
            yunohost: Package,
        }
        #[derive(Deserialize)]
        struct Package {
            version: String,
        }
        let version = self.read::<Versions>()?.yunohost.version;
        Ok(version.split('~').next().unwrap_or(&version).to_owned())
    }

    pub(super) fn apps(&self) -> Result<Vec<App>, YunohostError> {
        #[derive(Deserialize)]
        struct Apps {
            apps: Vec<One>,
        }
        #[derive(Deserialize)]
        struct One {
            id: String,
            #[serde(default)]
            name: Option<String>,
            #[serde(default)]
            version: Option<String>,
        }
        let of = |app: One| App {
            name: app.name.unwrap_or_else(|| app.id.clone()),
            version: app.version.unwrap_or_default(),
            id: app.id,
        };
        Ok(self.read::<Apps>()?.apps.into_iter().map(of).collect())
    }

    pub(super) fn archives(&self) -> Result<Vec<String>, YunohostError> {
        #[derive(Deserialize)]
        struct Archives {
            archives: Vec<String>,
        }
        Ok(self.read::<Archives>()?.archives)
    }

    pub(super) fn archives_with_info(&self) -> Result<Vec<Listed>, YunohostError> {
        #[derive(Deserialize)]
        struct Archives {
            archives: BTreeMap<String, Info>,
        }
        let of = |(name, info): (String, Info)| Listed {
            name,
            path: info.path,
            description: info.description,
            size: info.size,
        };
        Ok(self.read::<Archives>()?.archives.into_iter().map(of).collect())
    }

    pub(super) fn path(&self) -> Result<PathBuf, YunohostError> {
        Ok(self.read::<Info>()?.path)
    }

    /// The name, the size and the results of what was made.
    pub(super) fn made(&self) -> Result<(String, u64, Results), YunohostError> {
        #[derive(Deserialize)]
        struct Made {
            name: String,
            #[serde(default)]
            size: u64,
            results: Results,
        }
        let Made { name, size, results } = self.read()?;
        Ok((name, size, results))
    }

    pub(super) fn results(&self) -> Result<Results, YunohostError> {
        self.read()
    }

    /// What YunoHost warns of, when everything that was wanted was done.
    pub(super) fn judge(
        &self,
        results: &Results,
        target: &Target,
    ) -> Result<Vec<String>, YunohostError> {
        let told: Vec<(&str, Option<Level>)> = match target {
            Target::App { id, .. } => vec![(id, results.apps.get(id).copied())],
            Target::System { parts } if parts.is_empty() => {
                results.system.iter().map(|(part, level)| (part.as_str(), Some(*level))).collect()
            }
            Target::System { parts } => parts
                .iter()
                .map(|part| (part.as_str(), results.system.get(part).copied()))
                .collect(),
        };
        if told.is_empty() {
            return Err(self.not_done(vec!["nothing of any part".to_owned()]));
        }
        let mut warnings = Vec::new();
        let mut failed = Vec::new();
        for (name, level) in told {
            match level {
                Some(Level::Success) => {}
                Some(Level::Warning) => warnings.push(format!(
                    "YunoHost warns of `{name}`: it has no script or hook that restores it"
                )),
                Some(level @ (Level::Error | Level::Skipped | Level::Unknown)) => {
                    failed.push(format!("`{level:?}` of `{name}`"));
                }
                None => failed.push(format!("nothing of `{name}`")),
            }
        }
        if failed.is_empty() { Ok(warnings) } else { Err(self.not_done(failed)) }
    }

    fn not_done(&self, targets: Vec<String>) -> YunohostError {
        YunohostError::NotDone { what: self.what.clone(), targets }
    }
}

#[derive(Deserialize)]
struct Info {
    path: PathBuf,
    #[serde(default)]
    description: String,
    #[serde(default)]
    size: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> Target {
        Target::App { id: "nextcloud".to_owned(), core_only: false }
    }

    fn system(parts: &[&str]) -> Target {
        Target::System { parts: parts.iter().map(|part| (*part).to_owned()).collect() }
    }

    fn judged(results: &str, target: &Target) -> String {
        let line = format!(r#"{{"name":"x","size":1,"results":{results}}}"#);
        let answer = Answer::new("save it".to_owned(), line.into_bytes());
        let (_, _, results) = answer.made().expect("it is JSON");
        match answer.judge(&results, target) {
            Ok(warnings) => format!("done, {} warnings", warnings.len()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn only_what_says_success_is_done() {
        for (results, told) in [
            (r#"{"apps":{"nextcloud":"Success"},"system":{}}"#, "done, 0 warnings"),
            (r#"{"apps":{"nextcloud":"Warning"},"system":{}}"#, "done, 1 warnings"),
            (
                r#"{"apps":{"nextcloud":"Skipped"},"system":{}}"#,
                "could not save it: YunoHost says `Skipped` of `nextcloud`",
            ),
            (
                r#"{"apps":{"nextcloud":"Error"},"system":{}}"#,
                "could not save it: YunoHost says `Error` of `nextcloud`",
            ),
            (
                r#"{"apps":{"nextcloud":"Odd"},"system":{}}"#,
                "could not save it: YunoHost says `Unknown` of `nextcloud`",
            ),
            (
                r#"{"apps":{"wordpress":"Success"}}"#,
                "could not save it: YunoHost says nothing of `nextcloud`",
            ),
        ] {
            assert_eq!(judged(results, &app()), told);
        }
    }

    #[test]
    fn every_part_that_is_wanted_must_be_there() {
        let both = r#"{"system":{"conf_ldap":"Success","data_mail":"Success"}}"#;
        assert_eq!(judged(both, &system(&[])), "done, 0 warnings");
        assert_eq!(judged(both, &system(&["conf_ldap"])), "done, 0 warnings");
        assert_eq!(
            judged(both, &system(&["conf_ldap", "data_home"])),
            "could not save it: YunoHost says nothing of `data_home`"
        );
        assert_eq!(
            judged(r#"{"system":{}}"#, &system(&[])),
            "could not save it: YunoHost says nothing of any part"
        );
        assert_eq!(
            judged(r#"{"system":{"conf_ldap":"Success","data_mail":"Error"}}"#, &system(&[])),
            "could not save it: YunoHost says `Error` of `data_mail`"
        );
    }

    #[test]
    fn a_version_ends_before_its_tilde() {
        let answer = |text: &str| Answer::new("ask".to_owned(), text.as_bytes().to_vec());
        let version = answer(r#"{"yunohost":{"version":"12.1.0~alpha1","repo":"stable"}}"#);
        assert_eq!(version.version().expect("it is there"), "12.1.0");
        assert!(matches!(answer("oops").version(), Err(YunohostError::Unreadable { .. })));
    }
}
