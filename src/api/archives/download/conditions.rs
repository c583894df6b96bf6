//! Which part of a file a request wants, and whether it wants it at all (RFC 9110, 13 and 14).
//!
//! **Invariant:** pure; what cannot be understood is ignored, so that the whole file is sent.

use axum::http::{HeaderMap, HeaderName, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// What tells one state of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validators {
    /// The entity tag with its quotes; a strong one.
    pub(super) etag: Option<String>,
    /// When the file was last written, in whole seconds.
    pub(super) modified: Option<Timestamp>,
}

/// What a request is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// 200: everything.
    Whole,
    /// 206: these bytes, the last one included.
    Part {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
    },
    /// 304: the client has it.
    NotModified,
    /// 412: it is not what the client believes it to be.
    Failed,
    /// 416: there is no such part.
    Unsatisfiable,
}

/// The answer to a request for a file of so many bytes. Without `ranges` (for `HEAD`), the whole.
pub(super) fn answer(
    headers: &HeaderMap,
    validators: &Validators,
    length: u64,
    ranges: bool,
) -> Answer {
    // The order is that of RFC 9110, 13.2.2.
    let date = |name| date(headers, &name);
    if headers.contains_key(header::IF_MATCH) {
        if !has_tag(headers, &header::IF_MATCH, validators, Comparison::Strong) {
            return Answer::Failed;
        }
    } else if let (Some(since), Some(modified)) =
        (date(header::IF_UNMODIFIED_SINCE), validators.modified)
        && modified > since
    {
        return Answer::Failed;
    }
    if headers.contains_key(header::IF_NONE_MATCH) {
        if has_tag(headers, &header::IF_NONE_MATCH, validators, Comparison::Weak) {
            return Answer::NotModified;
        }
    } else if let (Some(since), Some(modified)) =
        (date(header::IF_MODIFIED_SINCE), validators.modified)
        && modified <= since
    {
        return Answer::NotModified;
    }
    if !ranges || !is_unchanged(headers, validators) {
        return Answer::Whole;
    }
    match headers.get_all(header::RANGE).iter().collect::<Vec<_>>().as_slice() {
        [one] => range(one.to_str().unwrap_or_default(), length),
        _ => Answer::Whole,
    }
}

/// How entity tags are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// A weak tag is equal to nothing.
    Strong,
    /// `W/` is looked over.
    Weak,
}

/// Whether a list of entity tags names the file's own.
fn has_tag(
    headers: &HeaderMap,
    name: &HeaderName,
    validators: &Validators,
    comparison: Comparison,
) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    // Our own tag has no comma, so a foreign one that is cut at its comma cannot become equal to it.
    lines.flat_map(|line| line.split(',')).map(str::trim).any(|tag| {
        let tag = match (tag.strip_prefix("W/"), comparison) {
            (None, _) => tag,
            (Some(weak), Comparison::Weak) => weak,
            (Some(_), Comparison::Strong) => return false,
        };
        tag == "*" || validators.etag.as_deref() == Some(tag)
    })
}

/// Whether `If-Range` allows a part. A date is a strong validator here: an archive is written once.
fn is_unchanged(headers: &HeaderMap, validators: &Validators) -> bool {
    let Some(value) = headers.get(header::IF_RANGE) else { return true };
    let text = value.to_str().unwrap_or_default().trim();
    if text.starts_with('"') {
        return validators.etag.as_deref() == Some(text);
    }
    parse_date(text).is_some_and(|date| validators.modified == Some(date))
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<Timestamp> {
    parse_date(headers.get(name)?.to_str().ok()?)
}

fn parse_date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

/// A time as HTTP writes it.
pub(super) fn http_date(at: Timestamp) -> Option<String> {
    rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()
}

/// One range of bytes. Several are answered with the whole file, which RFC 9110 allows: nobody
/// who resumes a download asks for more than one.
fn range(text: &str, length: u64) -> Answer {
    let Some((unit, set)) = text.split_once('=') else { return Answer::Whole };
    let Some((first, last)) = set.trim().split_once('-') else { return Answer::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Answer::Whole;
    }
    let (first, last) = match (number(first), number(last)) {
        // The last so many bytes.
        (Some(Number::Absent), Some(Number::Is(suffix))) => {
            (if suffix == 0 { length } else { length.saturating_sub(suffix) }, u64::MAX)
        }
        (Some(Number::Is(first)), Some(Number::Absent)) => (first, u64::MAX),
        (Some(Number::Is(first)), Some(Number::Is(last))) if first <= last => (first, last),
        _ => return Answer::Whole,
    };
    if first >= length {
        return Answer::Unsatisfiable;
    }
    Answer::Part { first, last: last.min(length - 1) }
}

/// One side of a range.
enum Number {
    Absent,
    Is(u64),
}

/// `None` for what is no number; one that is too large for us is larger than every file.
fn number(text: &str) -> Option<Number> {
    let text = text.trim();
    if text.is_empty() {
        return Some(Number::Absent);
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Number::Is(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const TAG: &str = "\"abcdef\"";
    const DATE: &str = "Fri, 08 May 2026 01:00:00 GMT";
    const EARLIER: &str = "Thu, 07 May 2026 01:00:00 GMT";
    const LATER: &str = "Sat, 09 May 2026 01:00:00 GMT";

    fn check(length: u64, lines: &[(&'static str, &'static str)]) -> Answer {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let modified = "2026-05-08T01:00:00Z".parse().unwrap();
        let validators = Validators { etag: Some(TAG.to_owned()), modified: Some(modified) };
        answer(&headers, &validators, length, true)
    }

    #[test]
    fn a_range_is_the_bytes_that_it_names_and_nothing_that_is_not_there() {
        let part = |first, last| Answer::Part { first, last };
        let cases = [
            (100, "bytes=0-0", part(0, 0)),
            (100, "bytes=10-19", part(10, 19)),
            (100, "bytes=10-", part(10, 99)),
            (100, "bytes=0-", part(0, 99)),
            (100, "bytes=90-1000", part(90, 99)),
            (100, "bytes=99-99999999999999999999999999", part(99, 99)),
            (100, "bytes=-10", part(90, 99)),
            (100, "bytes=-1000", part(0, 99)),
            (100, "Bytes = 10-19", part(10, 19)),
            (100, "bytes=100-", Answer::Unsatisfiable),
            (100, "bytes=100-200", Answer::Unsatisfiable),
            (100, "bytes=-0", Answer::Unsatisfiable),
            (100, "bytes=99999999999999999999999999-", Answer::Unsatisfiable),
            (0, "bytes=0-", Answer::Unsatisfiable),
            (0, "bytes=-5", Answer::Unsatisfiable),
            // What is no range, or more than one, is answered with everything.
            (100, "bytes=20-10", Answer::Whole),
            (100, "bytes=-", Answer::Whole),
            (100, "bytes=", Answer::Whole),
            (100, "bytes=a-b", Answer::Whole),
            (100, "bytes=--5", Answer::Whole),
            (100, "bytes=+5-", Answer::Whole),
            (100, "bytes=0-1,5-6", Answer::Whole),
            (100, "lines=0-5", Answer::Whole),
            (100, "0-5", Answer::Whole),
        ];
        for (length, text, expected) in cases {
            assert_eq!(check(length, &[("range", text)]), expected, "{text} of {length}");
        }
        assert_eq!(check(100, &[("range", "bytes=0-1"), ("range", "bytes=2-3")]), Answer::Whole);
        assert_eq!(check(100, &[]), Answer::Whole);
    }

    #[test]
    fn a_part_is_sent_only_of_what_the_client_has_the_beginning_of() {
        let part = Answer::Part { first: 10, last: 99 };
        let cases = [
            (TAG, part),
            ("\"other\"", Answer::Whole),
            ("W/\"abcdef\"", Answer::Whole),
            (DATE, part),
            (EARLIER, Answer::Whole),
            (LATER, Answer::Whole),
            ("odd", Answer::Whole),
        ];
        for (text, expected) in cases {
            assert_eq!(
                check(100, &[("range", "bytes=10-"), ("if-range", text)]),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn preconditions_are_judged_in_the_order_of_the_standard() {
        let cases: &[(&[(&'static str, &'static str)], Answer)] = &[
            (&[("if-match", TAG)], Answer::Whole),
            (&[("if-match", "*")], Answer::Whole),
            (&[("if-match", "\"x\", \"abcdef\"")], Answer::Whole),
            (&[("if-match", "\"x\""), ("if-match", TAG)], Answer::Whole),
            (&[("if-match", "\"x\"")], Answer::Failed),
            (&[("if-match", "W/\"abcdef\"")], Answer::Failed),
            (&[("if-match", ""), ("range", "bytes=5-")], Answer::Failed),
            (&[("if-none-match", TAG)], Answer::NotModified),
            (&[("if-none-match", "W/\"abcdef\"")], Answer::NotModified),
            (&[("if-none-match", "*")], Answer::NotModified),
            (&[("if-none-match", "\"x\"")], Answer::Whole),
            // An entity tag is better than a date.
            (&[("if-none-match", "\"x\""), ("if-modified-since", LATER)], Answer::Whole),
            (&[("if-match", TAG), ("if-unmodified-since", EARLIER)], Answer::Whole),
            (&[("if-match", "\"x\""), ("if-none-match", TAG)], Answer::Failed),
            (&[("if-modified-since", DATE)], Answer::NotModified),
            (&[("if-modified-since", EARLIER)], Answer::Whole),
            (&[("if-modified-since", "yesterday")], Answer::Whole),
            (&[("if-unmodified-since", EARLIER)], Answer::Failed),
            (&[("if-unmodified-since", DATE)], Answer::Whole),
            (&[("if-none-match", TAG), ("range", "bytes=200-")], Answer::NotModified),
        ];
        for (lines, expected) in cases {
            assert_eq!(check(100, lines), *expected, "{lines:?}");
        }
    }

    #[test]
    fn a_date_is_written_as_it_is_read() {
        let at = parse_date(DATE).unwrap();
        assert_eq!(http_date(at).unwrap(), DATE);
    }
}
