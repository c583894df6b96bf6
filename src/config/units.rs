//! Texts with units and other small languages: sizes, durations, shares, codecs, addresses,
//! recipients, hashes.

use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::SignedDuration;

use super::nearest;
use crate::model::desired::Listen;
use crate::model::location::{Codec, CodecError};
use crate::model::size::{Bytes, Percent};
use crate::model::token::TokenHash;

/// The longest duration: a century, so that no sum of two overflows.
const LONGEST_SECONDS: u64 = 100 * 366 * 86_400;

const TIME_UNITS: &[(&[&str], u64)] = &[
    (&["s", "sec", "secs", "second", "seconds"], 1),
    (&["m", "min", "mins", "minute", "minutes"], 60),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600),
    (&["d", "day", "days"], 86_400),
    (&["w", "week", "weeks"], 7 * 86_400),
];

const SIZE_UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
];

/// A number of units: `6h`, `90 min`, `1d 12h`. A day has 24 hours.
pub(crate) fn duration(text: &str) -> Result<SignedDuration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("the duration is empty".to_owned());
    }
    if rest == "0" {
        return Ok(SignedDuration::ZERO);
    }
    let mut seconds = 0_u64;
    while !rest.is_empty() {
        let (number, unit, behind) = split(rest);
        let count: u64 =
            number.parse().map_err(|_| format!("`{text}` is not a duration of whole units"))?;
        if unit.is_empty() {
            return Err(format!("`{text}` has no unit: s, min, h, d or w"));
        }
        let Some((_, length)) = TIME_UNITS.iter().find(|(names, _)| names.contains(&unit)) else {
            return Err(format!("`{unit}` is not a unit of time: s, min, h, d or w"));
        };
        seconds = seconds.saturating_add(count.saturating_mul(*length));
        rest = behind;
    }
    if seconds > LONGEST_SECONDS {
        return Err(format!("`{text}` is longer than a century"));
    }
    Ok(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)))
}

/// The leading number, the unit behind it, and what follows.
fn split(text: &str) -> (&str, &str, &str) {
    let number = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit_start = &text[number..].trim_start();
    let unit = unit_start.find(|c: char| !c.is_alphabetic()).unwrap_or(unit_start.len());
    // What is neither digit nor letter belongs to no unit: it makes the next number fail.
    (&text[..number], &unit_start[..unit], unit_start[unit..].trim_start())
}

/// `1 GiB`, `200 GB`, `1.5 TiB`.
pub(crate) fn bytes(text: &str) -> Result<Bytes, String> {
    let wrong = || format!("`{text}` is not a size");
    let trimmed = text.trim();
    let end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = (&trimmed[..end], trimmed[end..].trim());
    if unit.is_empty() && !number.is_empty() && number != "0" {
        return Err(format!("`{text}` has no unit: B, KiB, MiB, GiB, TiB (or kB, MB, GB, TB)"));
    }
    let factor = match SIZE_UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, factor)) => u128::from(*factor),
        None if number == "0" && unit.is_empty() => 1,
        None if number.is_empty() => return Err(wrong()),
        None => {
            let near = nearest::nearest(unit, SIZE_UNITS.iter().map(|(name, _)| *name));
            let near = near.map_or_else(String::new, |near| format!(" (`{near}`?)"));
            return Err(format!("`{unit}` is not a unit of size{near}"));
        }
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 9 || (number.contains('.') && fraction.is_empty()) {
        return Err(wrong());
    }
    let whole: u128 = whole.parse().map_err(|_| wrong())?;
    let scale = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(0));
    let fraction: u128 =
        if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| wrong())? };
    let total = whole
        .checked_mul(factor)
        .and_then(|total| total.checked_add(fraction * factor / scale))
        .and_then(|total| u64::try_from(total).ok());
    total.map(Bytes).ok_or_else(|| format!("`{text}` is larger than any disk"))
}

/// `50%`.
pub(crate) fn percent(text: &str) -> Result<Percent, String> {
    let number = text.strip_suffix('%').map(str::trim_end).and_then(|n| n.parse::<u8>().ok());
    match number {
        Some(number) if number <= 100 => Ok(Percent(number)),
        _ => Err(format!("`{text}` is not a whole percentage from 0% to 100%")),
    }
}

/// `none`, `gzip[:LEVEL]`, `zstd[:LEVEL]`, with the levels of their programs.
pub(crate) fn codec(text: &str) -> Result<Codec, String> {
    let levels = |codec| match codec {
        Codec::None => 0..=0,
        Codec::Gzip(_) => 0..=9,
        Codec::Zstd(_) => 1..=19,
    };
    match text.parse() {
        Ok(Codec::None) => Ok(Codec::None),
        Ok(codec @ (Codec::Gzip(level) | Codec::Zstd(level))) if levels(codec).contains(&level) => {
            Ok(codec)
        }
        Ok(codec) | Err(CodecError::Level(codec)) => {
            let (word, levels) = (codec.word(), levels(codec));
            let (_, level) = text.split_once(':').unwrap_or_default();
            let (least, greatest) = (levels.start(), levels.end());
            Err(format!("`{word}` has the levels {least} to {greatest}, not `{level}`"))
        }
        Err(CodecError::Unknown) => {
            Err(format!("`{text}` is not a compression: `none`, `gzip[:LEVEL]` or `zstd[:LEVEL]`"))
        }
    }
}

/// `127.0.0.1:8470`, `[::1]:8470`, `unix:/run/larder/web.sock`.
pub(crate) fn listen(text: &str) -> Result<Listen, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        if !path.starts_with('/') {
            return Err(format!("the socket of `{text}` needs an absolute path"));
        }
        return Ok(Listen::Unix(PathBuf::from(path)));
    }
    text.parse::<SocketAddr>()
        .map(Listen::Tcp)
        .map_err(|_| format!("`{text}` is not an address with a port, nor `unix:` with a path"))
}

/// A message and a hint.
type Problem = (String, String);

pub(crate) fn check_url(text: &str) -> Result<(), Problem> {
    let problem =
        |message: String| (message, "write it like `https://host.example.org/path`".to_owned());
    // First of all, since every other message repeats the address.
    let behind = text.split_once("://").map_or(text, |(_, behind)| behind);
    let host = behind.split(['/', '?', '#']).next().unwrap_or_default();
    if host.contains('@') {
        return Err(problem("an address must not hold a user or a password".to_owned()));
    }
    if !text.starts_with("https://") && !text.starts_with("http://") {
        return Err(problem(format!("`{text}` is not an `https://` address")));
    }
    if host.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(problem(format!("`{text}` names no host")));
    }
    Ok(())
}

pub(crate) fn check_hash(text: &str) -> Result<(), Problem> {
    text.parse::<TokenHash>().map(drop).map_err(|error| {
        (error.to_string(), "`larder token new` prints a token and its hash".to_owned())
    })
}

pub(crate) fn check_recipient(text: &str) -> Result<(), Problem> {
    let hint = "`larder identity new` prints an identity and its recipient, `age1…`".to_owned();
    if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
        return Err(("this is an identity, which is secret, and not a recipient".to_owned(), hint));
    }
    if !text.starts_with("age1") {
        return Err(("this is not an age recipient: they begin with `age1`".to_owned(), hint));
    }
    if bech32(text) {
        Ok(())
    } else {
        Err((format!("`{text}` has a slip in it: its check digits do not match"), hint))
    }
}

/// Whether the text is bech32 of 32 bytes with the right checksum (BIP 173).
fn bech32(text: &str) -> bool {
    const DIGITS: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATORS: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let Some((prefix, data)) = text.split_once('1') else { return false };
    let digits: Option<Vec<u32>> =
        data.chars().map(|c| DIGITS.find(c).and_then(|index| u32::try_from(index).ok())).collect();
    // 52 digits of five bits hold 32 bytes, six more the checksum.
    let Some(digits) = digits.filter(|digits| digits.len() == 58) else { return false };
    let high = prefix.bytes().map(|byte| u32::from(byte >> 5));
    let low = prefix.bytes().map(|byte| u32::from(byte & 31));
    let values = high.chain(std::iter::once(0)).chain(low).chain(digits);
    let checksum = values.fold(1_u32, |sum, value| {
        let top = sum >> 25;
        let shifted = ((sum & 0x01ff_ffff) << 5) ^ value;
        (0..5).filter(|bit| top >> bit & 1 == 1).fold(shifted, |sum, bit| sum ^ GENERATORS[bit])
    });
    checksum == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_days_have_24_hours() {
        let hours = |text| duration(text).unwrap().as_hours();
        assert_eq!(hours("6h"), 6);
        assert_eq!(hours("14d"), 14 * 24);
        assert_eq!(hours("1d 12h"), 36);
        assert_eq!(duration("90 min").unwrap().as_mins(), 90);
        assert!(duration("0").unwrap().is_zero());
        for wrong in ["", "6", "h", "-1h", "1.5h", "6 parsecs", "99999999999w", "6h,", "6h h", "٣h"]
        {
            assert!(duration(wrong).is_err(), "{wrong:?} was accepted");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("1 GiB"), Ok(Bytes(1 << 30)));
        assert_eq!(bytes("200GB"), Ok(Bytes(200_000_000_000)));
        assert_eq!(bytes("1.5 KiB"), Ok(Bytes(1536)));
        assert_eq!(bytes("0"), Ok(Bytes(0)));
        for wrong in ["", "12", "GiB", "1 gigabyte", "1..5 GiB", "1. GiB", "-1 GiB", "99999999 PiB"]
        {
            assert!(bytes(wrong).is_err(), "{wrong:?} was accepted");
        }
        assert!(bytes("1 gib").unwrap_err().contains("`GiB`?"));
    }

    #[test]
    fn codecs_have_the_levels_of_their_programs() {
        assert_eq!(codec("zstd"), Ok(Codec::Zstd(3)));
        assert_eq!(codec("gzip:9"), Ok(Codec::Gzip(9)));
        for wrong in ["", "none:1", "zstd:0", "zstd:20", "gzip:x", "xz"] {
            assert!(codec(wrong).is_err(), "{wrong:?} was accepted");
        }
        assert_eq!(codec("zstd:0").unwrap_err(), "`zstd` has the levels 1 to 19, not `0`");
        assert_eq!(codec("gzip:300").unwrap_err(), "`gzip` has the levels 0 to 9, not `300`");
        assert!(codec("none:1").unwrap_err().starts_with("`none:1` is not a compression"));
    }

    #[test]
    fn a_recipient_with_one_wrong_letter_is_refused() {
        let good = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
        assert_eq!(check_recipient(good), Ok(()));
        for at in 4..good.len() {
            let mut wrong = good.to_owned();
            let other = if &good[at..=at] == "q" { "p" } else { "q" };
            wrong.replace_range(at..=at, other);
            assert!(check_recipient(&wrong).is_err(), "{wrong}");
        }
        assert!(check_recipient(&format!("{good}q")).is_err());
    }
}
