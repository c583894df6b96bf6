//! The token that a request brings.
//!
//! **Invariants:** it is taken out of the request, so that nothing behind the gate can log or
//! answer it; it is never in a `Debug`, and overwritten when it is dropped. The query is not
//! looked at: addresses end in logs.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use secrecy::zeroize::Zeroizing;
use sha2::{Digest as _, Sha256};

use super::KEY_HEADER;
use crate::model::token::BCRYPT_READS;

/// What a token is remembered by.
pub(super) type TokenDigest = [u8; 32];

/// A token, as it was sent.
pub(super) struct Presented(Zeroizing<Vec<u8>>);

impl Presented {
    /// Takes the token out of the headers. `None` without one, and when two differ.
    pub(super) fn take(headers: &mut HeaderMap) -> Option<Self> {
        let mut found: Vec<Zeroizing<Vec<u8>>> = Vec::new();
        for value in headers.get_all(KEY_HEADER) {
            found.push(Zeroizing::new(value.as_bytes().trim_ascii().to_vec()));
        }
        for value in headers.get_all(AUTHORIZATION) {
            // Another scheme is the proxy's business and no token of ours.
            found.extend(bearer(value.as_bytes()).map(|token| Zeroizing::new(token.to_vec())));
        }
        headers.remove(KEY_HEADER);
        headers.remove(AUTHORIZATION);
        found.retain(|token| !token.is_empty());
        let token = found.pop()?;
        found.iter().all(|other| **other == *token).then_some(Self(token))
    }

    /// A token that somebody typed. `None` without one.
    pub(super) fn typed(text: &str) -> Option<Self> {
        let token = text.trim().as_bytes();
        (!token.is_empty()).then(|| Self(Zeroizing::new(token.to_vec())))
    }

    pub(super) fn digest(&self) -> TokenDigest {
        Sha256::digest(self.0.as_slice()).into()
    }

    /// The token, if bcrypt would read all of it.
    pub(super) fn for_bcrypt(self) -> Option<Zeroizing<Vec<u8>>> {
        (self.0.len() <= BCRYPT_READS).then_some(self.0)
    }
}

/// What follows the scheme, whose name has no case.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.trim_ascii().split_at_checked("bearer".len())?;
    let ends = rest.first().is_none_or(u8::is_ascii_whitespace);
    (scheme.eq_ignore_ascii_case(b"bearer") && ends).then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    type Lines = &'static [(&'static str, &'static [u8])];

    fn taken(lines: Lines) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let value = HeaderValue::from_bytes(value).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        let token = Presented::take(&mut headers);
        assert!(headers.is_empty() || token.is_none(), "{headers:?}");
        assert!(!headers.contains_key(KEY_HEADER) && !headers.contains_key(AUTHORIZATION));
        token.map(|token| String::from_utf8_lossy(&token.0).into_owned())
    }

    #[test]
    fn either_header_carries_a_token_and_two_that_differ_carry_none() {
        const KEY: &str = "x-backupmanager-key";
        let cases: [(Lines, Option<&str>); 12] = [
            (&[(KEY, b"abc")], Some("abc")),
            (&[(KEY, b" abc ")], Some("abc")),
            (&[("authorization", b"Bearer abc")], Some("abc")),
            (&[("authorization", b"bEARER   abc ")], Some("abc")),
            (&[(KEY, b"abc"), ("authorization", b"Bearer abc")], Some("abc")),
            (&[(KEY, b"abc"), ("authorization", b"Bearer abd")], None),
            (&[(KEY, b"abc"), (KEY, b"abd")], None),
            (&[(KEY, b"abc"), ("authorization", b"Basic dXNlcjpwYXNz")], Some("abc")),
            (&[("authorization", b"Bearerabc")], None),
            (&[("authorization", b"Bearer ")], None),
            (&[(KEY, b"")], None),
            (&[(KEY, b""), ("authorization", b"Bearer abc")], Some("abc")),
        ];
        for (lines, token) in cases {
            assert_eq!(taken(lines).as_deref(), token, "{lines:?}");
        }
        assert!(taken(&[(KEY, b"\xffabc")]).is_some(), "a token may be any bytes");
    }

    #[test]
    fn bcrypt_gets_no_token_that_it_would_cut_off() {
        let of = |length: usize| Presented(Zeroizing::new(vec![b'a'; length]));
        assert!(of(72).for_bcrypt().is_some());
        assert!(of(73).for_bcrypt().is_none());
    }
}
