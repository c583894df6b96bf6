//! Where an instance keeps its state and its control socket, as far as a configuration that may be
//! broken still says: a daemon must find what was last good, and a command its daemon.
//!
//! **Invariant:** what cannot be read is never taken for silence: a torn configuration must not lead
//! to the state or the daemon of another instance. Only the usual directory has the usual paths
//! whatever is wrong with it.

use std::path::{Path, PathBuf};

use super::keys::Kind;
use super::tree::{self, Entry, Value};
use super::{Files, last_good};

/// The configuration directory of a host's own instance.
pub const USUAL_DIR: &str = "/etc/larder";
const USUAL_STATE_DIR: &str = "/var/lib/larder/state";
/// Where the daemon of a host's own instance takes orders.
pub const USUAL_CONTROL_SOCKET: &str = "/run/larder/control.sock";

/// The two paths of an instance that are needed before its configuration is known to be good;
/// `None` where nobody can say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InstancePaths {
    /// The directory of the state.
    pub state_dir: Option<PathBuf>,
    /// The socket of the command line.
    pub control_socket: Option<PathBuf>,
}

/// What the files say of them, whatever else is wrong there. `None` for `files` when the directory
/// cannot be read at all.
#[must_use]
pub fn instance_paths(files: Option<&Files>, dir: &Path) -> InstancePaths {
    let dir = last_good::absolute(dir);
    let mut paths = InstancePaths::default();
    let mut is_whole = files.is_some_and(|files| files.unread.is_empty());
    for (file, text) in files.iter().flat_map(|files| &files.files) {
        let (entries, errors) = tree::parse(text);
        is_whole &= errors.is_empty();
        let Some(instance) = entries.into_iter().find(|entry| entry.key == Kind::Instance.word())
        else {
            continue;
        };
        let Value::Table(keys) = instance.node.value else { continue };
        let base = dir.join(file);
        let base = base.parent().unwrap_or(&dir);
        // On a line with a syntax error the parser has guessed.
        let guessed = |entry: &Entry| errors.iter().any(|error| error.at.line == entry.at.line);
        let path = |key: &str| {
            let entry = keys.iter().find(|entry| entry.key == key && !guessed(entry))?;
            string(entry).map(|text| base.join(text))
        };
        paths.state_dir = path("state_dir").or(paths.state_dir);
        paths.control_socket = path("control_socket").or(paths.control_socket);
    }
    if is_whole || dir == Path::new(USUAL_DIR) {
        paths.state_dir.get_or_insert_with(|| USUAL_STATE_DIR.into());
        paths.control_socket.get_or_insert_with(|| USUAL_CONTROL_SOCKET.into());
    }
    paths
}

fn string(entry: &Entry) -> Option<&str> {
    match &entry.node.value {
        Value::Text { text, .. } => Some(text),
        Value::Integer(_)
        | Value::Number(_)
        | Value::Bool(_)
        | Value::Date(_)
        | Value::Array(_)
        | Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "/srv/larder";

    fn paths(text: &str, dir: &str) -> InstancePaths {
        instance_paths(Some(&Files::default().with("sub/base.toml", text)), Path::new(dir))
    }

    #[test]
    fn the_paths_are_found_in_a_file_with_mistakes() {
        let paths = paths(
            "[instance]\nstate_dir = \"../state\"\nnonsense = 1\n[job.x]\ntype = \"what\"\n",
            HERE,
        );
        assert_eq!(paths.state_dir.unwrap(), Path::new("/srv/larder/sub/../state"));
        assert_eq!(paths.control_socket.unwrap(), Path::new(USUAL_CONTROL_SOCKET));
    }

    #[test]
    fn what_is_torn_does_not_lead_to_the_usual_state() {
        for torn in ["[instance\nstate_dir = \"../state\"\n", "[instance]\nstate_dir = \"../sta"] {
            assert_eq!(paths(torn, HERE).state_dir, None, "{torn}");
            assert!(paths(torn, USUAL_DIR).state_dir.is_some(), "{torn}");
        }
        assert_eq!(instance_paths(None, Path::new(HERE)), InstancePaths::default());
        let unread = Files { unread: ["base.toml".to_owned()].into(), ..Files::default() };
        assert_eq!(instance_paths(Some(&unread), Path::new(HERE)), InstancePaths::default());
    }
}
