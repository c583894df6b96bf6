//! Pairing two instances with a code that works once.

use std::fmt;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256 as Hasher};

use super::archive::Sha256;
use super::name::InstanceName;

/// What the text of a code begins with. It stands for the form as well: another one has another.
const PREFIX: &str = "larder1.";
/// Bytes of a code's checksum: six let no slip of the finger through.
const CHECK: usize = 6;
/// The most bytes of a URL in a code.
const URL_MAX: usize = 500;
/// The digits of a code: none of them needs to be escaped anywhere.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// 256 bits that are told to one.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTime(pub [u8; 32]);

impl OneTime {
    /// What of it may be kept.
    #[must_use]
    pub fn hash(&self) -> Sha256 {
        Sha256(Hasher::digest(self.0).into())
    }

    /// In hex, as it is sent.
    #[must_use]
    pub fn hex(&self) -> String {
        Sha256(self.0).to_string()
    }

    /// Reads [`OneTime::hex`].
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        text.parse::<Sha256>().ok().map(|bytes| Self(bytes.0))
    }
}

impl fmt::Debug for OneTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// What one instance tells another so that it can come and be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Where the inviting instance answers.
    pub url: String,
    /// SHA-256 of its certificate; the system's authorities vouch for it without.
    pub pin: Option<Sha256>,
    /// Its name.
    pub instance: InstanceName,
    /// What proves that this code is known.
    pub secret: OneTime,
    /// From when on it is worth nothing.
    pub expires_at: Timestamp,
}

/// Why a text is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// It is something else, or of a later version.
    #[error("this is no code of `larder peer invite` that this version reads")]
    Foreign,
    /// A character is wrong, missing or too many.
    #[error("the code was not copied right: its checksum does not fit")]
    Typo,
}

impl CodeError {
    /// What to do about it.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            CodeError::Foreign => {
                "a code begins with `larder1.`; `larder peer invite` on the other side prints one"
            }
            CodeError::Typo => "copy it anew, from its first to its last character",
        }
    }
}

impl Code {
    /// The code as text: letters, digits, `.`, `-` and `_`.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = Vec::new();
        put(&mut bytes, self.url.as_bytes());
        put(&mut bytes, self.pin.as_ref().map_or(&[][..], |pin| &pin.0));
        put(&mut bytes, self.instance.as_str().as_bytes());
        put(&mut bytes, &self.secret.0);
        put(&mut bytes, &self.expires_at.as_second().to_be_bytes());
        let check = check(&bytes);
        bytes.extend(check);
        let mut text = String::from(PREFIX);
        for three in bytes.chunks(3) {
            let mut group = [0; 3];
            group[..three.len()].copy_from_slice(three);
            let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
            for place in 0..=three.len() {
                let digit = (bits >> (18 - 6 * place)) & 63;
                text.push(char::from(DIGITS[digit as usize]));
            }
        }
        text
    }

    /// Reads a code; blanks that a terminal put into it do not matter.
    ///
    /// # Errors
    /// It is none, or it was not copied right.
    pub fn decode(text: &str) -> Result<Self, CodeError> {
        let text: String = text.split_whitespace().collect();
        let digits = text.strip_prefix(PREFIX).ok_or(CodeError::Foreign)?;
        let bytes = bytes_of(digits).ok_or(CodeError::Typo)?;
        let body = bytes.len().checked_sub(CHECK).ok_or(CodeError::Typo)?;
        let (mut body, sum) = bytes.split_at(body);
        if check(body) != sum {
            return Err(CodeError::Typo);
        }
        // Somebody made the checksum for it: what is wrong from here on is no slip.
        let code = Self::read(&mut body).filter(|_| body.is_empty()).ok_or(CodeError::Foreign)?;
        // There is one text for each code: bits that mean nothing are wrong as well.
        if code.encode() == text { Ok(code) } else { Err(CodeError::Typo) }
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let url = std::str::from_utf8(take(bytes)?).ok().filter(|url| url.len() <= URL_MAX)?;
        let pin = take(bytes)?;
        let pin = if pin.is_empty() { None } else { Some(Sha256(pin.try_into().ok()?)) };
        let instance = std::str::from_utf8(take(bytes)?).ok()?.parse().ok()?;
        let secret = OneTime(take(bytes)?.try_into().ok()?);
        let expires_at = i64::from_be_bytes(take(bytes)?.try_into().ok()?);
        let expires_at = Timestamp::from_second(expires_at).ok()?;
        Some(Self { url: url.to_owned(), pin, instance, secret, expires_at })
    }
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    let part = &part[..part.len().min(URL_MAX)];
    bytes.extend(u16::try_from(part.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend(part);
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (part, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    *bytes = rest;
    Some(part)
}

fn check(bytes: &[u8]) -> [u8; CHECK] {
    let mut hasher = Hasher::new();
    hasher.update(PREFIX);
    hasher.update(bytes);
    let mut sum = [0; CHECK];
    sum.copy_from_slice(&hasher.finalize()[..CHECK]);
    sum
}

fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(digits.len());
    for four in digits.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for place in 0..4 {
            let value = match four.get(place) {
                Some(digit) => DIGITS.iter().position(|one| one == digit)?,
                None => 0,
            };
            bits = bits << 6 | u32::try_from(value).ok()?;
        }
        let [_, group @ ..] = bits.to_be_bytes();
        bytes.extend(group.get(..four.len().checked_sub(1)?)?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(url: &str) -> Code {
        Code {
            url: url.to_owned(),
            pin: Some(Sha256([7; 32])),
            instance: "jerry".parse().unwrap(),
            secret: OneTime([9; 32]),
            expires_at: "2026-05-08T03:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_code_is_read_as_it_was_written_whatever_its_length() {
        for url in ["https://a", "https://ab", "https://abc", "https://jerry.example.org/larder"] {
            for pin in [None, Some(Sha256([1; 32]))] {
                let code = Code { pin, ..code(url) };
                let text = code.encode();
                assert_eq!(Code::decode(&text), Ok(code.clone()));
                let (head, tail) = text.split_at(40);
                assert_eq!(Code::decode(&format!(" {head}\n  {tail}\n")), Ok(code));
                let safe = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
                assert!(text.chars().all(safe), "{text}");
            }
        }
    }

    #[test]
    fn every_wrong_missing_or_doubled_character_is_noticed() {
        for url in ["https://a", "https://ab", "https://abc"] {
            let text = code(url).encode();
            for place in 0..text.len() {
                for digit in DIGITS.iter().chain(b"./=") {
                    let mut wrong = text.clone().into_bytes();
                    wrong[place] = *digit;
                    let wrong = String::from_utf8(wrong).unwrap();
                    assert!(wrong == text || Code::decode(&wrong).is_err(), "{place} {wrong}");
                }
                let mut without = text.clone();
                let digit = without.remove(place);
                assert!(Code::decode(&without).is_err(), "{place} missing");
                let mut doubled = text.clone();
                doubled.insert(place, digit);
                assert!(Code::decode(&doubled).is_err(), "{place} doubled");
            }
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert!(!format!("{:?}", code("https://a")).contains('9'));
    }
}
