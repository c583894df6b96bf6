//! What YunoHost's `info.json` says of an archive.

use serde_json::Value;

use crate::yunohost::Target;

/// Whether an archive holds what was wanted; else why not.
pub(super) fn judge(info: &[u8], target: &Target) -> Result<(), String> {
    let info: Value = serde_json::from_slice(info)
        .map_err(|error| format!("its `info.json` cannot be read: {error}"))?;
    let has = |kind: &str, name: &str| info.get(kind).is_some_and(|all| all.get(name).is_some());
    let missing = match target {
        Target::App { id, .. } => (!has("apps", id)).then(|| format!("the app `{id}`")),
        Target::System { parts } if parts.is_empty() => {
            let any = info.get("system").and_then(Value::as_object).is_some_and(|s| !s.is_empty());
            (!any).then(|| "any part of the system".to_owned())
        }
        Target::System { parts } => {
            parts.iter().find(|part| !has("system", part)).map(|part| format!("the part `{part}`"))
        }
    };
    missing.map_or(Ok(()), |missing| Err(format!("{missing} is not in it")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(info: &str, target: &Target) -> String {
        judge(info.as_bytes(), target).err().unwrap_or_else(|| "fine".to_owned())
    }

    #[test]
    fn what_was_wanted_must_be_named() {
        let info = r#"{"apps":{"nextcloud":{}},"system":{"conf_ldap":["/x"]}}"#;
        let app = |id: &str| Target::App { id: id.to_owned(), core_only: true };
        let system = |parts: &[&str]| Target::System {
            parts: parts.iter().map(|part| (*part).to_owned()).collect(),
        };
        assert_eq!(judged(info, &app("nextcloud")), "fine");
        assert_eq!(judged(info, &app("wordpress")), "the app `wordpress` is not in it");
        assert_eq!(judged(info, &system(&["conf_ldap"])), "fine");
        assert_eq!(judged(info, &system(&["data_mail"])), "the part `data_mail` is not in it");
        assert_eq!(judged(info, &system(&[])), "fine");
        assert_eq!(judged(r#"{"system":{}}"#, &system(&[])), "any part of the system is not in it");
        assert!(judged("no", &system(&[])).starts_with("its `info.json` cannot be read"));
    }
}
