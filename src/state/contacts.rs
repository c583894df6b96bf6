//! What the state remembers of peers.

use std::collections::BTreeMap;

use super::stored::contact::StoredContact;
use super::tables::{CONTACTS, all, drop_text, put_text};
use super::{State, StateError, Transaction};
use crate::model::contact::Contact;
use crate::model::name::PlaceName;

impl Transaction<'_> {
    /// Remembers what is known of a peer, in place of what was known before.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn put_contact(&mut self, peer: &PlaceName, contact: &Contact) -> Result<(), StateError> {
        put_text(self.txn, CONTACTS, peer.as_str(), &StoredContact::from((peer, contact)))
    }

    /// Forgets a peer; `false` when nothing was known of it.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn drop_contact(&mut self, peer: &PlaceName) -> Result<bool, StateError> {
        drop_text(self.txn, CONTACTS, peer.as_str())
    }
}

impl State {
    /// What is known of every peer.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn contacts(&self) -> Result<BTreeMap<PlaceName, Contact>, StateError> {
        self.store.read(|txn| {
            let stored: Vec<StoredContact> = all("contacts", &txn.open_table(CONTACTS)?)?;
            Ok(stored.into_iter().map(|one| (one.peer.0.clone(), one.into())).collect())
        })
    }
}
