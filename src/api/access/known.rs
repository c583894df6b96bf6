//! Whose tokens the configuration in force names, and which tokens were seen to be theirs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use super::Caller;
use super::presented::TokenDigest;
use crate::model::desired::Desired;
use crate::model::token::{Scope, TokenHash};

/// How many wrong tokens are remembered, so that one that is sent again and again costs nothing.
const REFUTED_MAX: usize = 256;

/// Every hash of one configuration.
pub(super) struct Known {
    desired: Arc<Desired>,
    callers: BTreeMap<TokenHash, Caller>,
    /// The hashes of `callers` by kind, in a fixed order.
    digests: Vec<TokenDigest>,
    pub(super) bcrypts: Arc<[String]>,
    refuted: Mutex<Refuted>,
}

/// Tokens that are nobody's; forgotten with the configuration, which may make one somebody's.
#[derive(Default)]
struct Refuted {
    all: BTreeSet<TokenDigest>,
    oldest_first: VecDeque<TokenDigest>,
}

impl Known {
    pub(super) fn new(desired: Arc<Desired>) -> Self {
        let mut callers = BTreeMap::new();
        for token in desired.tokens.values() {
            let scopes = token.scopes.iter().copied().collect();
            let caller = Caller::Token { name: token.name.clone(), scopes };
            insert(&mut callers, &token.hash, caller);
        }
        for peer in desired.peers.values() {
            let Some(accept) = &peer.accept else { continue };
            let mut scopes: BTreeSet<Scope> = accept.scopes.iter().copied().collect();
            // Whatever a file says: nobody beyond this host administers it as a peer.
            scopes.remove(&Scope::Admin);
            if accept.read_only {
                // Whoever says to be it now may not be.
                let reads = [Scope::Status, Scope::List, Scope::Fetch];
                scopes.retain(|scope| reads.contains(scope));
            }
            let caller = Caller::Peer { name: peer.name.clone(), scopes };
            insert(&mut callers, &accept.token_hash, caller);
        }
        let (mut digests, mut bcrypts) = (Vec::new(), Vec::new());
        for hash in callers.keys() {
            match hash {
                TokenHash::Sha256(digest) => digests.push(*digest),
                TokenHash::Bcrypt(text) => bcrypts.push(text.clone()),
            }
        }
        let bcrypts = bcrypts.into();
        Self { desired, callers, digests, bcrypts, refuted: Mutex::default() }
    }

    /// Whether these are the hashes of this configuration.
    pub(super) fn is_of(&self, desired: &Arc<Desired>) -> bool {
        Arc::ptr_eq(&self.desired, desired)
    }

    /// Who the holder of a hash's token is.
    pub(super) fn holder(&self, hash: &TokenHash) -> Option<&Caller> {
        self.callers.get(hash)
    }

    /// The hash that a token's digest is, compared with all of them in the same time.
    pub(super) fn by_digest(&self, digest: &TokenDigest) -> Option<TokenHash> {
        let mut found = u32::MAX;
        for (index, known) in (0_u32..).zip(&self.digests) {
            found.conditional_assign(&index, known.ct_eq(digest));
        }
        self.digests.get(usize::try_from(found).ok()?).copied().map(TokenHash::Sha256)
    }

    /// Whether a token was seen to be nobody's.
    pub(super) fn is_refuted(&self, digest: &TokenDigest) -> bool {
        self.refuted().all.contains(digest)
    }

    /// Remembers that a token is nobody's.
    pub(super) fn refute(&self, digest: TokenDigest) {
        let mut refuted = self.refuted();
        if refuted.all.insert(digest) {
            refuted.oldest_first.push_back(digest);
        }
        if refuted.oldest_first.len() > REFUTED_MAX
            && let Some(oldest) = refuted.oldest_first.pop_front()
        {
            refuted.all.remove(&oldest);
        }
    }

    fn refuted(&self) -> MutexGuard<'_, Refuted> {
        self.refuted.lock()
    }
}

/// The first holder of a hash counts; that there is one only, the check of the configuration sees to.
fn insert(callers: &mut BTreeMap<TokenHash, Caller>, hash: &str, caller: Caller) {
    if let Ok(hash) = hash.parse() {
        callers.entry(hash).or_insert(caller);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(words: &[&str]) -> Known {
        let mut desired = Desired::clone(&crate::api::tests::view(Vec::new()).desired);
        for (number, word) in words.iter().enumerate() {
            let hash = TokenHash::Sha256([word.as_bytes()[0]; 32]).to_string();
            let name: crate::model::name::ObjectName = format!("t{number}").parse().unwrap();
            let token = crate::model::desired::Token {
                name: name.clone(),
                hash,
                scopes: vec![Scope::Status],
                place: crate::model::desired::Place::default(),
            };
            desired.tokens.insert(name, token);
        }
        Known::new(Arc::new(desired))
    }

    #[test]
    fn a_digest_is_found_wherever_it_stands_and_no_other_one() {
        let known = known(&["a", "b", "c"]);
        for byte in *b"abc" {
            let hash = known.by_digest(&[byte; 32]).unwrap();
            assert_eq!(hash, TokenHash::Sha256([byte; 32]));
            assert!(known.holder(&hash).is_some());
        }
        assert!(known.by_digest(&[b'd'; 32]).is_none());
        assert!(super::tests::known(&[]).by_digest(&[0; 32]).is_none());
    }

    #[test]
    fn wrong_tokens_are_remembered_up_to_a_number() {
        let known = known(&[]);
        for number in 0..=u32::try_from(REFUTED_MAX).unwrap() {
            let mut digest = [0; 32];
            digest[..4].copy_from_slice(&number.to_le_bytes());
            known.refute(digest);
            known.refute(digest);
            assert!(known.is_refuted(&digest));
        }
        assert!(!known.is_refuted(&[0; 32]), "the oldest one stays");
        assert_eq!(known.refuted().all.len(), REFUTED_MAX);
    }
}
