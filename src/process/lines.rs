//! Output as lines that are safe to show: no control characters, no line without an end.

use std::collections::VecDeque;
use std::fmt::Write;

/// The most bytes of a line, before they are escaped.
const LONGEST: usize = 4096;
/// The most bytes of a tail.
const TAIL: usize = 8192;

/// `bytes` as text for logs, terminals and pages: control characters, characters that change the
/// direction of text, and bytes that are no UTF-8 become `\x1b`, `\u{202e}` and `\xff`.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\t' => text.push('\t'),
                control if control.is_ascii_control() => {
                    let _ = write!(text, "\\x{:02x}", u32::from(control));
                }
                unseen if unseen.is_control() || changes_direction(unseen) => {
                    let _ = write!(text, "\\u{{{:x}}}", u32::from(unseen));
                }
                seen => text.push(seen),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

fn changes_direction(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Cuts a stream into escaped lines of bounded length.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
    cut: bool,
}

impl Lines {
    pub(super) fn feed(&mut self, bytes: &[u8], on_line: &mut dyn FnMut(&str)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (content, ends) = match part.split_last() {
                Some((b'\n', content)) => (content, true),
                _ => (part, false),
            };
            let room = LONGEST - self.begun.len();
            self.cut |= content.len() > room;
            self.begun.extend_from_slice(&content[..content.len().min(room)]);
            if ends {
                self.give(on_line);
            }
        }
    }

    /// The last line, where it had no end.
    pub(super) fn finish(&mut self, on_line: &mut dyn FnMut(&str)) {
        if !self.begun.is_empty() {
            self.give(on_line);
        }
    }

    fn give(&mut self, on_line: &mut dyn FnMut(&str)) {
        let line = self.begun.strip_suffix(b"\r").unwrap_or(&self.begun);
        let mut line = escape(line);
        if std::mem::take(&mut self.cut) {
            line.push_str(" [line cut]");
        }
        self.begun.clear();
        on_line(&line);
    }
}

/// The last lines of a stream.
#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: VecDeque<String>,
    length: usize,
}

impl Tail {
    pub(super) fn push(&mut self, line: &str) {
        self.lines.push_back(line.to_owned());
        self.length += line.len() + 1;
        while self.length > TAIL && self.lines.len() > 1 {
            let first = self.lines.pop_front().expect("there are at least two");
            self.length -= first.len() + 1;
        }
    }

    pub(super) fn text(&self) -> String {
        self.lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(parts: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut given = Vec::new();
        for part in parts {
            lines.feed(part, &mut |line| given.push(line.to_owned()));
        }
        lines.finish(&mut |line| given.push(line.to_owned()));
        given
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_arrive() {
        let whole = check(&[b"one\r\ntwo\n\nlast"]);
        assert_eq!(whole, ["one", "two", "", "last"]);
        assert_eq!(check(&[b"on", b"e\r", b"\ntwo", b"\n", b"\nla", b"st"]), whole);
        assert_eq!(check(&[]), [""; 0]);
    }

    #[test]
    fn nothing_that_a_terminal_would_obey_gets_through() {
        assert_eq!(
            check(&["\x1b[31mré\t\u{9b}\u{202e}\x07".as_bytes()]),
            ["\\x1b[31mré\t\\u{9b}\\u{202e}\\x07"]
        );
        assert_eq!(escape(b"caf\xe9 \xff"), "caf\\xe9 \\xff");
    }

    #[test]
    fn a_line_without_an_end_is_cut_once() {
        let long = vec![b'a'; 3_000];
        let given = check(&[&long, &long, &long, b"\nnext\n"]);
        assert_eq!(given.len(), 2);
        assert!(given[0].ends_with("a [line cut]") && given[0].len() < 4_200);
        assert_eq!(given[1], "next");
    }

    #[test]
    fn a_tail_holds_the_end_and_little_of_it() {
        let mut tail = Tail::default();
        for number in 0..100_000 {
            tail.push(&number.to_string());
        }
        let text = tail.text();
        assert!(text.ends_with("99998\n99999") && text.len() <= TAIL);
    }
}
