//! Names of owners on this host, asked for once.

use std::collections::HashMap;

use nix::unistd::{Group, User};

/// Most names that are remembered; an archive may have any number.
const MOST: usize = 10_000;

/// Numbers of the names that were asked for.
#[derive(Debug, Default)]
pub(super) struct Names {
    users: HashMap<Vec<u8>, Option<u32>>,
    groups: HashMap<Vec<u8>, Option<u32>>,
}

impl Names {
    /// The number of a user, when this host knows one of this name.
    pub(super) fn user(&mut self, name: &[u8]) -> Option<u32> {
        remembered(&mut self.users, name, |name| {
            User::from_name(name).ok().flatten().map(|user| user.uid.as_raw())
        })
    }

    /// The number of a group.
    pub(super) fn group(&mut self, name: &[u8]) -> Option<u32> {
        remembered(&mut self.groups, name, |name| {
            Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
        })
    }
}

fn remembered(
    known: &mut HashMap<Vec<u8>, Option<u32>>,
    name: &[u8],
    ask: impl FnOnce(&str) -> Option<u32>,
) -> Option<u32> {
    if let Some(number) = known.get(name) {
        return *number;
    }
    let text = std::str::from_utf8(name).ok().filter(|text| !text.is_empty());
    let number = text.filter(|text| !text.contains('\0')).and_then(ask);
    if known.len() < MOST {
        known.insert(name.to_vec(), number);
    }
    number
}
