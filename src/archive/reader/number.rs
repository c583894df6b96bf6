//! Numbers in header blocks: octal text, or base 256 where that is too short.

use super::Malformed;
use crate::source::Time;

/// A number that cannot be negative.
pub(super) fn unsigned(field: &[u8]) -> Result<u64, Malformed> {
    match field.split_first() {
        Some((first, rest)) if first & 0x80 != 0 => {
            if first & 0x40 != 0 {
                return Err(Malformed("a negative number"));
            }
            rest.iter().try_fold(u64::from(first & 0x3f), |number, byte| {
                let shifted = number.checked_mul(256).ok_or(Malformed("a number too large"))?;
                Ok(shifted | u64::from(*byte))
            })
        }
        _ => octal(field),
    }
}

/// Seconds since 1970, which may be before.
pub(super) fn seconds(field: &[u8]) -> Result<i64, Malformed> {
    let too_large = Malformed("a time out of range");
    if field.first() == Some(&0xff) {
        let start = field.len().saturating_sub(8);
        let (high, low) = field.split_at(start);
        let low: [u8; 8] = low.try_into().map_err(|_| too_large)?;
        let number = i64::from_be_bytes(low);
        let fits = high.iter().all(|byte| *byte == 0xff) && number < 0;
        return if fits { Ok(number) } else { Err(too_large) };
    }
    i64::try_from(unsigned(field)?).map_err(|_| too_large)
}

fn octal(field: &[u8]) -> Result<u64, Malformed> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| *byte != b' ').unwrap_or(field.len());
    let digits = &field[start..];
    let length = digits.iter().position(is_blank).unwrap_or(digits.len());
    if !digits[length..].iter().all(is_blank) {
        return Err(Malformed("a number with something behind it"));
    }
    digits[..length].iter().try_fold(0_u64, |number, byte| match byte {
        b'0'..=b'7' => {
            let shifted = number.checked_mul(8).ok_or(Malformed("a number too large"))?;
            Ok(shifted | u64::from(byte - b'0'))
        }
        _ => Err(Malformed("a number that is none")),
    })
}

/// A decimal number as PAX writes it.
pub(super) fn decimal(text: &[u8]) -> Result<u64, Malformed> {
    let is_digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| is_digits);
    text.and_then(|text| text.parse().ok()).ok_or(Malformed("a record that is no number"))
}

/// A time as PAX writes it: decimal seconds with a fraction, perhaps negative.
pub(super) fn time(text: &[u8]) -> Result<Time, Malformed> {
    let wrong = Malformed("a record that is no time");
    let (is_negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    let mut parts = digits.splitn(2, |byte| *byte == b'.');
    let whole = i64::try_from(decimal(parts.next().unwrap_or_default())?).map_err(|_| wrong)?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(wrong);
    }
    let digit = |at: usize| u32::from(fraction.get(at).map_or(0, |byte| byte - b'0'));
    let nanoseconds = (0..9).fold(0, |sum, at| sum * 10 + digit(at));
    Ok(match (is_negative, nanoseconds) {
        (false, _) => Time { seconds: whole, nanoseconds },
        (true, 0) => Time { seconds: -whole, nanoseconds: 0 },
        (true, _) => Time { seconds: -whole - 1, nanoseconds: 1_000_000_000 - nanoseconds },
    })
}

/// Compares a header's sum with what it says.
pub(super) fn check_sum(block: &[u8; 512]) -> Result<(), Malformed> {
    let told = octal(&block[148..156])?;
    let as_blank = |at: usize, byte: u8| if (148..156).contains(&at) { b' ' } else { byte };
    let bytes = || block.iter().enumerate().map(|(at, byte)| as_blank(at, *byte));
    let sum: u64 = bytes().map(u64::from).sum();
    // Some old writers took bytes for signed.
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    if told == sum || i64::try_from(told) == Ok(signed) {
        return Ok(());
    }
    Err(Malformed("not a header: its sum is wrong"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_every_tar_writes_them() {
        assert_eq!(unsigned(b"0000644\0"), Ok(0o644));
        assert_eq!(unsigned(b"   644 \0"), Ok(0o644));
        assert_eq!(unsigned(b"\0\0\0\0"), Ok(0));
        assert_eq!(unsigned(b"\x80\0\0\0\0\0\0\0\0\0\x01\x02"), Ok(258));
        assert_eq!(seconds(&[0xff; 12]), Ok(-1));
        for bad in [&b"00x0"[..], b"12 3", b"8", b"\xff\xff", b"\x80\x01\0\0\0\0\0\0\0\0\0\0"] {
            assert!(unsigned(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn times_are_exact_on_both_sides_of_1970() {
        let check = |text: &str, seconds, nanoseconds| {
            assert_eq!(time(text.as_bytes()), Ok(Time { seconds, nanoseconds }), "{text}");
        };
        check("12.5", 12, 500_000_000);
        check("-1.5", -2, 500_000_000);
        check("-1", -1, 0);
        check("7.0000000019", 7, 1);
        for bad in ["", "-", "1.x", "1e9", " 1", "99999999999999999999"] {
            assert!(time(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
