//! Tokens: what they allow, and what stands in the configuration in their place, their hash.

use std::fmt;

use super::archive::Sha256;
use super::words::words;

words! {
    /// What a token may do.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Scope {
        /// Health, verdicts, jobs, runs, peers, events, metrics.
        Status = "status",
        /// The catalogue and its metadata.
        List = "list",
        /// Downloads.
        Fetch = "fetch",
        /// Uploads.
        Send = "send",
        /// Starts and cancels runs.
        Run = "run",
        /// Deletes archives.
        Delete = "delete",
        /// Restores archives.
        Restore = "restore",
        /// Everything, the configuration included.
        Admin = "admin",
    }
}

/// The cheapest bcrypt that is accepted.
pub const COST_MIN: u32 = 8;
/// The dearest: one attempt takes three seconds of a processor.
pub const COST_MAX: u32 = 15;
/// The cost of a new hash.
pub const COST: u32 = 12;
/// What bcrypt reads of a token, in bytes; it ignores the rest.
pub const BCRYPT_READS: usize = 72;
/// What every token begins with that this program makes.
pub const PREFIX: &str = "larder_";

const BCRYPT_LENGTH: usize = 60;
/// bcrypt's base 64, in the order of its values.
const BCRYPT_DIGITS: &[u8] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The hash of a token.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenHash {
    /// `sha256:` with 64 hex digits: for tokens of 256 random bits.
    Sha256([u8; 32]),
    /// `$2b$…` (`$2a$`, `$2y$`): slow, so that also a token that somebody made up is hard to find.
    Bcrypt(String),
}

/// Why a text is not the hash of a token. The text may be the token: no message repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenHashError {
    /// It is a token that this program made.
    #[error("this is a token, which is secret, and not its hash")]
    Token,
    /// It begins like a SHA-256 and is none.
    #[error(
        "this is not the hash of a token: `sha256:` is followed by 64 hex digits, not by {0} characters"
    )]
    Sha256(usize),
    /// It begins like a bcrypt and is none.
    #[error(
        "this is not the hash of a token: a bcrypt is `$2b$`, two digits, `$` and 53 of `./A-Za-z0-9`"
    )]
    Bcrypt,
    /// It is found too quickly.
    #[error("a bcrypt of cost {0} is too quick: at least {COST_MIN} is needed")]
    Cheap(u32),
    /// It keeps the processor too long.
    #[error(
        "a bcrypt of cost {0} is too slow, each attempt takes seconds: at most {COST_MAX} is allowed"
    )]
    Dear(u32),
    /// It is something else.
    #[error(
        "this is not the hash of a token: `$2b$…` with 60 characters, or `sha256:` with 64 hex digits"
    )]
    Other,
}

impl std::str::FromStr for TokenHash {
    type Err = TokenHashError;
    fn from_str(text: &str) -> Result<Self, TokenHashError> {
        if text.starts_with(PREFIX) {
            return Err(TokenHashError::Token);
        }
        if let Some(digits) = text.strip_prefix("sha256:") {
            let hash: Result<Sha256, ()> = digits.parse();
            return hash
                .map(|hash| Self::Sha256(hash.0))
                .map_err(|()| TokenHashError::Sha256(digits.chars().count()));
        }
        if ["$2a$", "$2b$", "$2y$"].iter().any(|start| text.starts_with(start)) {
            return match cost(text).ok_or(TokenHashError::Bcrypt)? {
                cheap @ ..COST_MIN => Err(TokenHashError::Cheap(cheap)),
                COST_MIN..=COST_MAX => Ok(Self::Bcrypt(text.to_owned())),
                dear => Err(TokenHashError::Dear(dear)),
            };
        }
        Err(if text.starts_with("$2") { TokenHashError::Bcrypt } else { TokenHashError::Other })
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenHash::Sha256(hash) => write!(f, "sha256:{}", Sha256(*hash)),
            TokenHash::Bcrypt(text) => f.write_str(text),
        }
    }
}

/// The cost of a well-formed bcrypt.
fn cost(text: &str) -> Option<u32> {
    let bytes = text.as_bytes();
    if bytes.len() != BCRYPT_LENGTH
        || bytes[6] != b'$'
        || !bytes[4..6].iter().all(u8::is_ascii_digit)
    {
        return None;
    }
    let value = |digit: &u8| BCRYPT_DIGITS.iter().position(|known| known == digit);
    if !bytes[7..].iter().all(|digit| value(digit).is_some()) {
        return None;
    }
    // The last digits of salt and hash have bits that nothing uses: set, they stand for no hash.
    let salt_ends = value(&bytes[28])? % 16 == 0;
    let hash_ends = value(&bytes[59])? % 4 == 0;
    (salt_ends && hash_ends).then(|| text[4..6].parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// bcrypt of `larder`, cost 8.
    const GOOD: &str = "$2b$12$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u";

    #[test]
    fn a_hash_is_read_back_as_it_was_written() {
        let sha = format!("sha256:{}", "0123456789abcdef".repeat(4));
        for text in [GOOD, &GOOD.replace("2b", "2y"), &GOOD.replace("2b", "2a"), &sha] {
            assert_eq!(text.parse::<TokenHash>().unwrap().to_string(), *text);
        }
        let upper: TokenHash = sha.to_uppercase().replace("SHA", "sha").parse().unwrap();
        assert_eq!(upper, sha.parse().unwrap());
    }

    #[test]
    fn what_is_no_hash_is_refused_and_not_repeated() {
        let cases = [
            "larder_0123456789abcdef",
            "correct horse battery staple",
            "",
            "sha256:",
            "sha256:abc",
            &format!("sha256:{}", "+f".repeat(32)),
            &format!("sha256:{}", "é".repeat(32)),
            "$2b$12$tooshort",
            "$2x$12$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u",
            &GOOD.replace("$12$", "$1x$"),
            &GOOD.replace("L6Bc/", "L6Bc+"),
            // Bits that no hash has.
            &GOOD.replace("GEZyO", "GEZyP"),
            &GOOD.replace("VU3u", "VU3v"),
            &GOOD.replace("$12$", "$07$"),
            &GOOD.replace("$12$", "$16$"),
        ];
        for text in cases {
            let error = text.parse::<TokenHash>().unwrap_err().to_string();
            assert!(text.len() < 8 || !error.contains(text), "{error}");
        }
        assert_eq!(
            GOOD.replace("$12$", "$04$").parse::<TokenHash>(),
            Err(TokenHashError::Cheap(4))
        );
        assert_eq!(
            GOOD.replace("$12$", "$31$").parse::<TokenHash>(),
            Err(TokenHashError::Dear(31))
        );
    }

    #[test]
    fn what_is_accepted_is_what_bcrypt_itself_reads() {
        assert!(bcrypt::HashParts::from_str(GOOD).is_ok());
        for (index, _) in GOOD.char_indices().skip(7) {
            for digit in BCRYPT_DIGITS {
                let mut text = GOOD.as_bytes().to_vec();
                text[index] = *digit;
                let text = String::from_utf8(text).unwrap();
                let ours = text.parse::<TokenHash>().is_ok();
                assert_eq!(ours, bcrypt::HashParts::from_str(&text).is_ok(), "{text}");
            }
        }
    }

    use std::str::FromStr as _;
}
