//! One line of a `.gitignore`: what it means, or why it is refused.
//!
//! **Invariant:** what is accepted means what it means to git, byte for byte; a test asks git itself.
//! What git takes in silence and nobody can mean (a class that is never closed, a part that no path
//! has, a range that runs backwards) is refused.

use super::wild::{Class, Token, fits};

/// Why a line is refused, and what to write instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) reason: &'static str,
    pub(super) hint: Option<&'static str>,
}

/// A pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// Whether it takes back what a pattern before it left out (`!`).
    pub(super) keeps: bool,
    /// Whether it is about directories only (`/` at its end).
    only_directories: bool,
    body: Body,
}

#[derive(Debug, PartialEq, Eq)]
enum Body {
    /// Without a `/` in it: about the last part of a path.
    Name(Vec<Token>),
    /// About the whole path.
    Path(Vec<Part>),
}

/// What stands between two `/`.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// `**`: any number of directories.
    AnyDepth,
    Name(Vec<Token>),
}

impl Pattern {
    /// Reads a line.
    pub(super) fn parse(line: &str) -> Result<Self, Mistake> {
        if line.trim().is_empty() {
            return refuse("is empty");
        }
        if line.contains(['\n', '\r', '\0']) {
            return refuse("has a line break or a NUL");
        }
        if line.starts_with('#') {
            return advise("is a comment", "a name that begins with `#` is written `\\\\#…`");
        }
        let line = without_trailing_spaces(line);
        let (keeps, line) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (only_directories, line) = match line.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        // A `/` anywhere but at the end ties the pattern to the root of the source.
        let is_path = line.contains('/');
        let line = line.strip_prefix('/').unwrap_or(line);
        if line.trim_matches('/').is_empty() {
            return advise("matches nothing", ROOTED);
        }
        let body = if is_path { Body::Path(path(line)?) } else { Body::Name(name(line)?) };
        Ok(Self { keeps, only_directories, body })
    }

    /// Whether it is about a path, whose parts are these.
    pub(super) fn matches(&self, parts: &[&[u8]], is_directory: bool) -> bool {
        if self.only_directories && !is_directory {
            return false;
        }
        match &self.body {
            Body::Name(tokens) => parts.last().is_some_and(|name| Token::fit(tokens, name)),
            Body::Path(wanted) => fits(
                wanted,
                parts,
                |part| *part == Part::AnyDepth,
                |part, name| matches!(part, Part::Name(tokens) if Token::fit(tokens, name)),
            ),
        }
    }
}

const ROOTED: &str = "patterns are rooted at the source: `/cache/` is the `cache` directly in it";

fn refuse<T>(reason: &'static str) -> Result<T, Mistake> {
    Err(Mistake { reason, hint: None })
}

fn advise<T>(reason: &'static str, hint: &'static str) -> Result<T, Mistake> {
    Err(Mistake { reason, hint: Some(hint) })
}

/// Spaces at the end do not belong to a pattern, unless a backslash says so.
fn without_trailing_spaces(line: &str) -> &str {
    let kept = line.trim_end_matches(' ');
    let backslashes = kept.len() - kept.trim_end_matches('\\').len();
    if backslashes % 2 == 1 && kept.len() < line.len() { &line[..=kept.len()] } else { kept }
}

fn path(text: &str) -> Result<Vec<Part>, Mistake> {
    let mut rest = text.as_bytes();
    let mut parts = Vec::new();
    loop {
        let (tokens, behind) = tokens(rest)?;
        let is_star = |token: &Token| *token == Token::Star;
        parts.push(if tokens.is_empty() {
            return advise("has an empty part, which no path has", "write one `/` for two");
        } else if tokens.len() >= 2 && tokens.iter().all(is_star) {
            Part::AnyDepth
        } else if tokens.windows(2).any(|two| two.iter().all(is_star)) {
            // git takes it for directories where nothing special stands before it, and for one
            // star elsewhere.
            return advise(
                "has a `**` that does not stand alone between two `/`",
                "one `*` is anything within a name, `/**/` any number of directories",
            );
        } else {
            Part::Name(own_name(tokens)?)
        });
        match behind {
            [b'/', behind @ ..] => rest = behind,
            _ => break,
        }
    }
    if parts.last() == Some(&Part::AnyDepth) {
        // What is in a directory, and not the directory.
        parts.push(Part::Name(vec![Token::Star]));
    }
    Ok(parts)
}

fn name(text: &str) -> Result<Vec<Token>, Mistake> {
    tokens(text.as_bytes()).and_then(|(tokens, _)| own_name(tokens))
}

/// No walk ever meets `.` and `..`.
fn own_name(tokens: Vec<Token>) -> Result<Vec<Token>, Mistake> {
    match tokens[..] {
        [Token::Byte(b'.')] | [Token::Byte(b'.'), Token::Byte(b'.')] => {
            advise("matches nothing", ROOTED)
        }
        _ => Ok(tokens),
    }
}

/// The tokens up to the next `/`, and what follows them.
fn tokens(text: &[u8]) -> Result<(Vec<Token>, &[u8]), Mistake> {
    let mut rest = text;
    let mut tokens = Vec::new();
    while let [first, behind @ ..] = rest {
        let (token, behind) = match *first {
            b'/' => break,
            b'*' => (Token::Star, behind),
            b'?' => (Token::Any, behind),
            b'[' => {
                let (class, behind) = class(behind)?;
                (Token::Class(class), behind)
            }
            b'\\' => match behind {
                [] => return refuse("ends in a lone backslash"),
                [b'/', ..] => {
                    return advise("has a backslash before a `/`", "a `/` needs none");
                }
                [byte, behind @ ..] => (Token::Byte(*byte), behind),
            },
            byte => (Token::Byte(byte), behind),
        };
        tokens.push(token);
        rest = behind;
    }
    Ok((tokens, rest))
}

/// What stands behind a `[`, up to its `]`, and what follows.
fn class(text: &[u8]) -> Result<(Class, &[u8]), Mistake> {
    let (is_negated, mut rest) = match text {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let begin = rest;
    let mut class = Class::default();
    // What a `-` may begin a range with.
    let mut previous: Option<u8> = None;
    loop {
        let [first, behind @ ..] = rest else { return unclosed() };
        rest = behind;
        previous = match (*first, previous, rest) {
            // As the first of a class it is one of its letters.
            (b']', _, _) if behind.len() + 1 < begin.len() => break,
            (b'-', Some(from), [to, ..]) if *to != b']' => {
                let (to, behind) = letter(*to, &rest[1..])?;
                if from > to {
                    return refuse("has a range in `[…]` that runs backwards");
                }
                rest = behind;
                (from..=to).for_each(|byte| class.insert(byte));
                None
            }
            (b'[', _, [b':', behind @ ..]) => {
                let end = behind.iter().position(|byte| *byte == b']');
                let Some(end) = end else { return unclosed() };
                let named = behind[..end].strip_suffix(b":").and_then(named);
                let Some(is_member) = named else {
                    return advise(
                        "has a `[:` in `[…]` that names no class of letters",
                        "for instance `[[:digit:]]`, `[[:alpha:]]`, `[[:space:]]`",
                    );
                };
                rest = &behind[end + 1..];
                (0..=127).filter(is_member).for_each(|byte| class.insert(byte));
                None
            }
            (byte, _, _) => {
                let (byte, behind) = letter(byte, rest)?;
                rest = behind;
                class.insert(byte);
                Some(byte)
            }
        };
    }
    let inner = &begin[..begin.len() - rest.len() - 1];
    if let [b':', .., b':'] = inner {
        return advise("has a class of letters without its own `[…]`", "write `[[:digit:]]`");
    }
    Ok((if is_negated { class.negated() } else { class }, rest))
}

/// A letter of a class, where a backslash may stand before it.
fn letter(first: u8, behind: &[u8]) -> Result<(u8, &[u8]), Mistake> {
    let (byte, behind) = match (first, behind) {
        (b'\\', [byte, behind @ ..]) => (*byte, behind),
        (b'\\', []) => return unclosed(),
        (byte, behind) => (byte, behind),
    };
    match byte {
        b'/' => advise("has a `/` in `[…]`, which never matches one", "write the `/` outside"),
        // git compares bytes, of which such a letter has several.
        128.. => advise(
            "has a letter in `[…]` that is more than one byte",
            "write one pattern for each such letter",
        ),
        byte => Ok((byte, behind)),
    }
}

fn unclosed<T>() -> Result<T, Mistake> {
    advise("opens `[` and does not close it", "a `[` that is meant as such is written `\\\\[`")
}

/// The classes of POSIX, as git has them.
fn named(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |byte| matches!(byte, b' '..=b'~'),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'),
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}
