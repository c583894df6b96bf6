//! Names: parsed once, at the edge, into types that cannot be wrong.

use std::fmt;
use std::str::FromStr;

/// Most characters of an archive's name, set by YunoHost (`^[\w\-._]{1,50}(?<!\.)$`).
pub const ARCHIVE_NAME_MAX: usize = 50;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("a name cannot be empty")]
    Empty,
    /// The text is longer than its kind of name allows.
    #[error("`{text}` has {length} characters, {max} are allowed")]
    TooLong {
        /// The rejected text.
        text: String,
        /// Its length in characters.
        length: usize,
        /// The most that is allowed.
        max: usize,
    },
    /// The text has a character that is not allowed where it stands.
    #[error(
        "`{text}` has the character {character:?}; a name has letters, digits, `_`, `-` and `.`, and begins with a letter, a digit or `_`"
    )]
    Character {
        /// The rejected text.
        text: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// The text ends like a file of an archive, or in a dot.
    #[error("`{text}` must not end in `{ending}`")]
    Ending {
        /// The rejected text.
        text: String,
        /// The forbidden ending.
        ending: &'static str,
    },
}

fn check_word(text: &str, max: usize) -> Result<(), NameError> {
    let Some(first) = text.chars().next() else {
        return Err(NameError::Empty);
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !first.is_ascii_alphanumeric() && first != '_' {
        return Err(NameError::Character { text: text.to_owned(), character: first });
    }
    if let Some(character) = text.chars().find(|c| !allowed(*c)) {
        return Err(NameError::Character { text: text.to_owned(), character });
    }
    if text.len() > max {
        return Err(NameError::TooLong { text: text.to_owned(), length: text.len(), max });
    }
    for ending in [".tar", ".tar.gz", ".tar.zst", ".info.json", ".larder.json", ".age", "."] {
        if text.ends_with(ending) {
            return Err(NameError::Ending { text: text.to_owned(), ending });
        }
    }
    Ok(())
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $max:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                check_word(text, $max)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type!(
    /// The name of an instance: signs its archives.
    InstanceName, 32);
name_type!(
    /// The name of a retention policy, a token or a notification target.
    ObjectName, 50);
name_type!(
    /// The middle part of an archive's name: by default the job's name.
    Label, 40);
name_type!(
    /// The name of an archive: `INSTANCE_LABEL_YYYYMMDD[-N]`, without `.tar`.
    /// **Never parsed back into parts**: which job it belongs to stands in its metadata.
    ArchiveName, ARCHIVE_NAME_MAX);

/// The name of a location or of a peer (both share one name space, since `send_to` names either), or
/// of the name space of a peer in a location: `received/tom`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceName(String);

impl PlaceName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name space of a peer in a location: `received/tom`.
    #[must_use]
    pub fn name_space(location: &Self, peer: &Self) -> Self {
        Self(format!("{location}/{peer}"))
    }

    /// Whether it is the name space of a peer.
    #[must_use]
    pub fn is_name_space(&self) -> bool {
        self.0.contains('/')
    }

    /// The location that the name space of a peer is in: `received` of `received/tom`.
    #[must_use]
    pub fn above(&self) -> Option<Self> {
        let (location, _) = self.0.split_once('/')?;
        Some(Self(location.to_owned()))
    }
}

impl FromStr for PlaceName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (location, peer) = text.split_once('/').map_or((text, None), |(l, p)| (l, Some(p)));
        check_word(location, 50)?;
        if let Some(peer) = peer {
            check_word(peer, 50)?;
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PlaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for PlaceName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// The name of a job, or of one series of a job that expands: `apps/nextcloud`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobName(String);

impl JobName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is one series of a job that expands.
    #[must_use]
    pub fn is_series(&self) -> bool {
        self.0.contains('/')
    }

    /// The declared job: `apps` of `apps/nextcloud`.
    #[must_use]
    pub fn declared(&self) -> &str {
        self.0.split('/').next().unwrap_or(&self.0)
    }
}

impl FromStr for JobName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.split_once('/') {
            None => check_word(text, 50)?,
            Some((declared, item)) => {
                check_word(declared, 50)?;
                check_word(item, 64)?;
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl ArchiveName {
    /// `INSTANCE_LABEL_YYYYMMDD`, or with `-N` for the N-th archive (N ≥ 2) of one label and day.
    ///
    /// # Errors
    /// When the parts together are longer than [`ARCHIVE_NAME_MAX`]; the configuration checks
    /// this with the longest ending, so that it cannot happen at night.
    pub fn build(
        instance: &InstanceName,
        label: &Label,
        day: jiff::civil::Date,
        number: u32,
    ) -> Result<Self, NameError> {
        let day = day.strftime("%Y%m%d");
        let text = if number < 2 {
            format!("{instance}_{label}_{day}")
        } else {
            format!("{instance}_{label}_{day}-{number}")
        };
        text.parse()
    }

    /// How long the name of `instance`'s archives of `label` can get, in characters.
    #[must_use]
    pub fn longest(instance: &InstanceName, label: &Label) -> usize {
        instance.as_str().len() + label.as_str().len() + "__20260508-99".len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_yunohost_would_refuse_are_refused_here() {
        for text in
            ["", ".hidden", "-dash", "a b", "a/b", "é", "a.", "a.tar", "a.tar.gz", "a.info.json"]
        {
            assert!(text.parse::<ArchiveName>().is_err(), "{text:?} was accepted");
        }
        assert!("a".repeat(51).parse::<ArchiveName>().is_err());
        assert!("jerry_my-app_20260508-2".parse::<ArchiveName>().is_ok());
    }

    #[test]
    fn the_longest_name_is_counted_with_a_two_digit_number() {
        let instance: InstanceName = "jerry".parse().unwrap();
        let label: Label = "nocodb".parse().unwrap();
        let name =
            ArchiveName::build(&instance, &label, jiff::civil::date(2026, 5, 8), 99).unwrap();
        assert_eq!(name.as_str().len(), ArchiveName::longest(&instance, &label));
    }
}
