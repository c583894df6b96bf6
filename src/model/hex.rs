//! Bytes as hex digits.
//!
//! **Invariant:** nothing else writes or reads them: what one part of the program writes, every other
//! reads, and nothing is read that is not exactly that.

/// Two lower-case digits for each byte.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let mut text = String::with_capacity(2 * bytes.len());
    text.extend(digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)));
    text
}

/// The bytes of two digits each, of either case; `None` for a text that has anything else in it, or a
/// digit without its other half.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = rest.is_empty().then(|| pairs.iter().map(|pair| byte(*pair)))?;
    bytes.collect()
}

/// The byte of two digits.
#[must_use]
pub fn byte(digits: [u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? << 4 | low?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_as_it_is_written() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(encode(b"a/\xff"), "612fff");
        assert_eq!(decode(&encode(&all)), Some(all.clone()));
        assert_eq!(decode(&encode(&all).to_uppercase()), Some(all));
        assert_eq!(decode(""), Some(Vec::new()));
    }

    #[test]
    fn nothing_but_pairs_of_digits_is_read_as_hex() {
        for odd in ["a", "abc", "0x", "+1", "+f+f", "-1", " 1", "1 ", "é0", "é", "g0", "0_", "１"]
        {
            assert_eq!(decode(odd), None, "{odd}");
        }
    }
}
