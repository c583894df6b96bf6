//! A policy on the command line: `mode=gfs,daily=7,weekly=4,monthly=3`, with the keys and the
//! checks of a `[retention.x]` table.

use crate::model::retention::{Counting, DEFAULT_MIN_DAYS, Mode, Policy};

/// Every key of a policy.
const KEYS: [&str; 7] = ["mode", "value", "daily", "weekly", "monthly", "yearly", "min_days"];

/// Why a text is not a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A part is not `key=value`.
    #[error("`{0}` is not `key=value`")]
    NoPair(String),
    /// No policy has this key.
    #[error("unknown key `{0}`")]
    UnknownKey(String),
    /// A key stands twice.
    #[error("`{0}` is given twice")]
    Twice(String),
    /// There is no such mode.
    #[error("unknown mode `{0}`")]
    UnknownMode(String),
    /// `mode` is missing.
    #[error("a policy needs a `mode`")]
    NoMode,
    /// A value is not a whole number that fits.
    #[error("`{key}={value}` is not a whole number from 0 to {}", u32::MAX)]
    NoNumber {
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
    /// The key has no meaning in this mode.
    #[error("`{key}` does not belong to mode `{}`", .counting.word())]
    WrongKey {
        /// The key.
        key: String,
        /// The mode.
        counting: Counting,
    },
    /// The policy would keep nothing.
    #[error("mode `{}` keeps nothing here", .counting.word())]
    Empty {
        /// The mode.
        counting: Counting,
    },
}

impl PolicyError {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            PolicyError::UnknownKey(word) => Some(nearest(word, &KEYS)),
            PolicyError::UnknownMode(word) => Some(nearest(word, &Counting::WORDS)),
            PolicyError::NoPair(_) | PolicyError::NoMode => {
                Some("write for instance `mode=gfs,daily=7,weekly=4,monthly=3`".to_owned())
            }
            PolicyError::Twice(_) | PolicyError::NoNumber { .. } => None,
            PolicyError::WrongKey { counting, .. } => Some(match counting {
                Counting::Count | Counting::Daily => {
                    format!("`{}` has `value` and `min_days`", counting.word())
                }
                Counting::Gfs => {
                    "`gfs` has `daily`, `weekly`, `monthly`, `yearly` and `min_days`".to_owned()
                }
            }),
            PolicyError::Empty { counting } => Some(match counting {
                Counting::Count | Counting::Daily => "give a `value` of 1 or more".to_owned(),
                Counting::Gfs => {
                    "give at least one of `daily`, `weekly`, `monthly` and `yearly` above 0"
                        .to_owned()
                }
            }),
        }
    }
}

/// Reads a policy; spaces around its parts do not matter.
///
/// # Errors
/// Whatever a `[retention.x]` table would be refused for.
pub fn parse_policy(text: &str) -> Result<Policy, PolicyError> {
    let mut mode: Option<&str> = None;
    let mut numbers: Vec<(&str, u32)> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let Some((key, value)) = part.split_once('=') else {
            return Err(PolicyError::NoPair(part.to_owned()));
        };
        let (key, value) = (key.trim(), value.trim().trim_matches('"'));
        if !KEYS.contains(&key) {
            return Err(PolicyError::UnknownKey(key.to_owned()));
        }
        let twice = (key == "mode" && mode.is_some()) || numbers.iter().any(|(k, _)| *k == key);
        if twice {
            return Err(PolicyError::Twice(key.to_owned()));
        }
        if key == "mode" {
            mode = Some(value);
        } else {
            let number = value.parse().map_err(|_| PolicyError::NoNumber {
                key: key.to_owned(),
                value: value.to_owned(),
            })?;
            numbers.push((key, number));
        }
    }
    let mode_word = mode.ok_or(PolicyError::NoMode)?;
    let number = |key: &str| numbers.iter().find(|(k, _)| *k == key).map(|(_, number)| *number);
    let value = number("value").unwrap_or(0);
    let counting = Counting::from_word(mode_word)
        .ok_or_else(|| PolicyError::UnknownMode(mode_word.to_owned()))?;
    let mode = match counting {
        Counting::Count => Mode::Count(value),
        Counting::Daily => Mode::Daily(value),
        Counting::Gfs => Mode::Gfs {
            daily: number("daily").unwrap_or(0),
            weekly: number("weekly").unwrap_or(0),
            monthly: number("monthly").unwrap_or(0),
            yearly: number("yearly").unwrap_or(0),
        },
    };
    let belongs = |key: &str| match mode {
        Mode::Count(_) | Mode::Daily(_) => matches!(key, "value" | "min_days"),
        Mode::Gfs { .. } => key != "value",
    };
    if let Some((key, _)) = numbers.iter().find(|(key, _)| !belongs(key)) {
        return Err(PolicyError::WrongKey { key: (*key).to_owned(), counting });
    }
    if mode.is_empty() {
        return Err(PolicyError::Empty { counting });
    }
    Ok(Policy { mode, min_days: number("min_days").unwrap_or(DEFAULT_MIN_DAYS) })
}

fn nearest(word: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(word, known), known))
        .min()
        .filter(|(distance, known)| *distance <= 1.max(known.len() / 3));
    match near {
        Some((_, known)) => format!("did you mean `{known}`?"),
        None => format!("known are `{}`", known.join("`, `")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> String {
        match parse_policy(text) {
            Ok(policy) => format!("{policy}, min_days {}", policy.min_days),
            Err(error) => match error.hint() {
                Some(hint) => format!("{error}; {hint}"),
                None => error.to_string(),
            },
        }
    }

    #[test]
    fn a_policy_reads_like_its_table() {
        let policies = [
            "mode=gfs,daily=7,weekly=4,monthly=3",
            "mode=count, value=7",
            "value=2,mode=daily,min_days=0",
        ];
        insta::assert_snapshot!(policies.map(check).join("\n"), @r"
        gfs 7 daily, 4 weekly, 3 monthly, min_days 3
        count 7, min_days 3
        daily 2, min_days 0
        ");
    }

    #[test]
    fn what_the_configuration_would_refuse_is_refused_with_a_remedy() {
        let mistakes = [
            "mode=gsf,daily=7",
            "mode=gfs,dayly=7",
            "mode=gfs,colour=7",
            "mode=gfs",
            "mode=gfs,daily=0",
            "mode=count",
            "mode=count,value=-1",
            "mode=count,daily=7",
            "mode=gfs,value=7",
            "mode=daily,value=7,value=8",
            "value=7",
            "",
            "seven",
        ];
        insta::assert_snapshot!(mistakes.map(check).join("\n"), @r"
        unknown mode `gsf`; did you mean `gfs`?
        unknown key `dayly`; did you mean `daily`?
        unknown key `colour`; known are `mode`, `value`, `daily`, `weekly`, `monthly`, `yearly`, `min_days`
        mode `gfs` keeps nothing here; give at least one of `daily`, `weekly`, `monthly` and `yearly` above 0
        mode `gfs` keeps nothing here; give at least one of `daily`, `weekly`, `monthly` and `yearly` above 0
        mode `count` keeps nothing here; give a `value` of 1 or more
        `value=-1` is not a whole number from 0 to 4294967295
        `daily` does not belong to mode `count`; `count` has `value` and `min_days`
        `value` does not belong to mode `gfs`; `gfs` has `daily`, `weekly`, `monthly`, `yearly` and `min_days`
        `value` is given twice
        a policy needs a `mode`; write for instance `mode=gfs,daily=7,weekly=4,monthly=3`
        a policy needs a `mode`; write for instance `mode=gfs,daily=7,weekly=4,monthly=3`
        `seven` is not `key=value`; write for instance `mode=gfs,daily=7,weekly=4,monthly=3`
        ");
    }
}
