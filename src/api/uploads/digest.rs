//! `Content-Digest` (RFC 9530), as far as SHA-256 goes.

use axum::http::HeaderMap;

use crate::model::archive::Sha256;

/// The SHA-256 that a sender says its body has; `None` where it says none. Other algorithms are
/// nobody's concern here.
pub(super) fn content_digest(headers: &HeaderMap) -> Result<Option<Sha256>, &'static str> {
    let mut found = None;
    for value in headers.get_all("content-digest") {
        let text = value.to_str().map_err(|_| "is not a text")?;
        for member in text.split(',').map(str::trim) {
            let (algorithm, value) = member.split_once('=').ok_or("names no algorithm")?;
            if algorithm.trim() != "sha-256" {
                continue;
            }
            let bytes = value.strip_prefix(':').and_then(|value| value.strip_suffix(':'));
            let bytes = bytes.and_then(decoded).ok_or("has no SHA-256 in base64")?;
            // Of one that is written twice, the last counts.
            found = Some(Sha256(bytes));
        }
    }
    Ok(found)
}

/// 32 bytes from 43 letters of base64 and a sign of their end.
fn decoded(text: &str) -> Option<[u8; 32]> {
    let letters = text.strip_suffix('=')?;
    if letters.len() != 43 {
        return None;
    }
    let mut bytes = [0_u8; 32];
    let (mut bits, mut count, mut next) = (0_u32, 0, 0);
    for letter in letters.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            *bytes.get_mut(next)? = u8::try_from(bits >> count & 0xff).ok()?;
            next += 1;
        }
    }
    // What is left over says nothing, and may say nothing.
    (next == bytes.len() && bits.trailing_zeros() >= 2).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<Option<String>, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("content-digest", value.parse().unwrap());
        }
        content_digest(&headers).map(|hash| hash.map(|hash| hash.to_string()))
    }

    #[test]
    fn a_digest_is_read_beside_others_and_a_malformed_one_is_told() {
        let empty = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["sha-512=:AAAA:"]), Ok(None));
        assert_eq!(read(&[&format!("sha-256=:{empty}:")]), Ok(Some(hash.to_owned())));
        assert_eq!(
            read(&[&format!("sha-512=:AAAA:, sha-256=:{empty}:")]),
            Ok(Some(hash.to_owned()))
        );
        for wrong in [
            "sha-256",
            "",
            "sha-256=",
            "sha-256=::",
            "sha-256=:AAAA:",
            &format!("sha-256={empty}"),
            &format!("sha-256=:{}:", empty.replace('=', "")),
            &format!("sha-256=:{hash}:"),
            &format!("sha-256=:{}:", empty.replace('+', "-")),
            &format!("sha-256=:{}:", empty.replace("FU=", "FV=")),
        ] {
            assert!(read(&[wrong]).is_err(), "{wrong}");
        }
    }
}
