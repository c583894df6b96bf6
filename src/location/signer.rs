//! Whose an unfinished file is, where several instances share a folder.
//!
//! What is under way has the name of its instance before an `@`, which no name has in it. So two
//! instances never take the same hidden name, and each sweeps what is its own. **Invariant:** what
//! another instance has under way is left alone, however old it is.

use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::model::desired::Instance;
use crate::model::name::InstanceName;

/// What stands between the instance and the rest.
const MARK: char = '@';
/// How long a file that does not say whose it is must have been left alone until anybody may take
/// it away. Earlier versions made such files.
const FORGOTTEN: Duration = Duration::from_hours(24);

/// Who signs the hidden files of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    name: InstanceName,
    formerly: Vec<InstanceName>,
}

/// What a file name says of whose the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed<'a> {
    /// This instance's, be it under an earlier name; with the rest of the name.
    Ours(&'a str),
    /// Another instance's.
    Anothers,
    /// It does not say.
    Unsigned,
}

impl Signer {
    /// The signer of an instance with these names.
    #[must_use]
    pub fn new(name: InstanceName, formerly: Vec<InstanceName>) -> Self {
        Self { name, formerly }
    }

    /// The signer of an instance.
    #[must_use]
    pub fn of(instance: &Instance) -> Self {
        Self::new(instance.name.clone(), instance.formerly.clone())
    }

    /// The name of a file of this instance.
    #[must_use]
    pub fn sign(&self, file_name: &str) -> String {
        format!("{}{MARK}{file_name}", self.name)
    }

    /// Whose a file is, by its name. What rsync writes before a file is whole has the file's name
    /// behind a dot, and is of whoever the file is.
    #[must_use]
    pub fn read<'a>(&self, file_name: &'a str) -> Signed<'a> {
        let file_name = file_name.strip_prefix('.').unwrap_or(file_name);
        let Some((name, rest)) = file_name.split_once(MARK) else { return Signed::Unsigned };
        let is_ours = name.parse().is_ok_and(|name| self.is(&name));
        if is_ours { Signed::Ours(rest) } else { Signed::Anothers }
    }

    /// Whether this is, or was, the name of the instance.
    #[must_use]
    pub fn is(&self, name: &InstanceName) -> bool {
        *name == self.name || self.formerly.contains(name)
    }
}

/// Whether nobody has written a file for so long that nobody goes on with it. Not knowing is no.
#[must_use]
pub fn is_forgotten(path: &Path) -> bool {
    let changed = path.symlink_metadata().and_then(|metadata| metadata.modified());
    changed
        .is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|since| since > FORGOTTEN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_whose_the_file_is() {
        let [jerry, jim] = ["jerry", "jim"].map(|name| name.parse::<InstanceName>().unwrap());
        let signer = Signer { name: jerry, formerly: vec![jim] };
        assert_eq!(signer.sign("7.tar.part"), "jerry@7.tar.part");
        for (name, whose) in [
            ("jerry@7.tar.part", Signed::Ours("7.tar.part")),
            ("jim@7.tar.part", Signed::Ours("7.tar.part")),
            (".jerry@7.tar.part.x1Yz", Signed::Ours("7.tar.part.x1Yz")),
            (".tom@7.tar.part.x1Yz", Signed::Anothers),
            ("jerry.x@7.tar.part", Signed::Anothers),
            ("tom@7.tar.part", Signed::Anothers),
            ("@7.tar.part", Signed::Anothers),
            ("7.tar.part", Signed::Unsigned),
        ] {
            assert_eq!(signer.read(name), whose, "{name}");
        }
    }

    #[test]
    fn the_longest_names_fit_into_a_directory() {
        let name: InstanceName = "i".repeat(32).parse().unwrap();
        let signer = Signer { name, formerly: Vec::new() };
        let id = uuid::Uuid::nil();
        // The longest there is: a part in a spool, of the longest peer and the largest run.
        let longest = signer.sign(&format!("{id}.{}.{}.part", "p".repeat(50), u64::MAX));
        assert!(longest.len() <= 255, "{}", longest.len());
    }
}
