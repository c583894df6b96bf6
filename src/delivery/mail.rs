//! Mail through the local sendmail, as cron sends it.
//!
//! **Invariant:** nothing that is told can become a header or a second message: what stands in
//! headers is one line of printable ASCII, what does not fit into that is encoded.

use std::fmt::Write as _;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};

use super::{DeliveryError, Message, TOTAL};
use crate::process::{Pipe, Runner};
use crate::stop::Stop;

/// Where it lies when it is not on the PATH of a daemon.
const USUAL: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/usr/lib"];
/// The most of its output that is kept.
const SAID_MAX: usize = 64 << 10;
/// Bytes in one encoded word, so that a line of a header stays below 76 characters.
const WORD: usize = 42;

/// Hands a message to sendmail, which takes it or fails.
pub(super) async fn send(
    address: &str,
    message: &Message,
    stop: &Stop,
) -> Result<(), DeliveryError> {
    let text = letter(address, message, &jiff::Zoned::now(), &sender(), &identity());
    let (address, stop) = (address.to_owned(), stop.clone());
    let sent = tokio::task::spawn_blocking(move || hand_over(&address, &text, &stop));
    sent.await.map_err(|error| DeliveryError::Spool(std::io::Error::other(error)))?
}

fn hand_over(address: &str, text: &str, stop: &Stop) -> Result<(), DeliveryError> {
    let mut input = tempfile::tempfile().map_err(DeliveryError::Spool)?;
    input.write_all(text.as_bytes()).map_err(DeliveryError::Spool)?;
    input.rewind().map_err(DeliveryError::Spool)?;
    let argv = [program().as_str(), "-i", "--", address].map(str::to_owned);
    // Its spool is not ours to write to from inside our sandbox.
    let argv = Runner::outside_sandbox().words(&argv, TOTAL);
    Pipe { argv: &argv, env: &[], input: Some(input), timeout: TOTAL }.output(SAID_MAX, stop)?;
    Ok(())
}

/// The full path where it is known, so that a short PATH does not matter.
fn program() -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = USUAL.iter().map(PathBuf::from);
    let mut places = std::env::split_paths(&path).chain(usual).map(|dir| dir.join("sendmail"));
    let found = places
        .find(|path| is_program(path))
        .and_then(|path| path.into_os_string().into_string().ok());
    found.unwrap_or_else(|| "sendmail".to_owned())
}

fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// The user that we are; the mail program completes the name with its own domain.
fn sender() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
    user.map_or_else(|| "root".to_owned(), |user| header_word(&user.name))
}

/// The left part of a Message-ID.
fn identity() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// A whole message, RFC 5322.
fn letter(
    address: &str,
    message: &Message,
    now: &jiff::Zoned,
    sender: &str,
    identity: &str,
) -> String {
    let mut text = String::new();
    let instance = header_word(&message.instance);
    let mut header = |name: &str, value: &str| {
        let _ = writeln!(text, "{name}: {value}");
    };
    header("From", &format!("\"larder on {instance}\" <{sender}>"));
    header("To", &printable(address));
    header("Subject", &encoded(&message.title));
    header("Date", &now.strftime("%a, %d %b %Y %H:%M:%S %z").to_string());
    header("Message-ID", &format!("<{identity}@{instance}.larder>"));
    header("Auto-Submitted", "auto-generated");
    header("X-Larder-Event", &header_word(&message.event));
    header("MIME-Version", "1.0");
    header("Content-Type", "text/plain; charset=utf-8");
    header("Content-Transfer-Encoding", "base64");
    text.push('\n');
    // Lines may be longer than mail allows; encoded, none is.
    let body =
        format!("{}\n\n--\nlarder on {}, {}\n", message.message, message.instance, message.at);
    let body = base64(body.replace('\n', "\r\n").as_bytes());
    for line in body.as_bytes().chunks(76) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text
}

/// What may stand in a header as it is.
fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii() && !c.is_ascii_control()).collect()
}

/// A word of a name or an address.
fn header_word(text: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    text.chars().filter(is_plain).collect()
}

/// A text as it may stand in a header: as it is, or as encoded words (RFC 2047).
fn encoded(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.is_ascii() && text.len() <= 120 && !text.contains("=?") {
        return text;
    }
    let mut words = vec![String::new()];
    for c in text.chars() {
        if words.last().is_some_and(|word| word.len() + c.len_utf8() > WORD) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    let words = words.iter().map(|word| format!("=?utf-8?B?{}?=", base64(word.as_bytes())));
    words.collect::<Vec<_>>().join("\n ")
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            if digit <= group.len() {
                let index = (bits >> (18 - 6 * digit)) & 63;
                text.push(char::from(DIGITS[index as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(title: &str, text: &str) -> Message {
        Message {
            event: "failure".to_owned(),
            instance: "jerry".to_owned(),
            at: "2026-05-08T03:00:00+02:00".to_owned(),
            title: title.to_owned(),
            text: format!("{title}\n{text}"),
            message: text.to_owned(),
            job: None,
            run_id: None,
            verdict: None,
            items: Vec::new(),
        }
    }

    fn check(title: &str, text: &str) -> String {
        let now = "2026-05-08T03:00:00+02:00[Europe/Paris]".parse().unwrap();
        letter("admin@example.org", &message(title, text), &now, "root", "id")
    }

    #[test]
    fn a_mail_is_whole() {
        insta::assert_snapshot!(check("larder on jerry: failure: `web`", "it failed"), @r#"
        From: "larder on jerry" <root>
        To: admin@example.org
        Subject: larder on jerry: failure: `web`
        Date: Fri, 08 May 2026 03:00:00 +0200
        Message-ID: <id@jerry.larder>
        Auto-Submitted: auto-generated
        X-Larder-Event: failure
        MIME-Version: 1.0
        Content-Type: text/plain; charset=utf-8
        Content-Transfer-Encoding: base64

        aXQgZmFpbGVkDQoNCi0tDQpsYXJkZXIgb24gamVycnksIDIwMjYtMDUtMDhUMDM6MDA6MDArMDI6
        MDANCg==
        "#);
    }

    #[test]
    fn nothing_that_is_told_becomes_a_header() {
        let text = check("bad\r\nBcc: eve@example.org\n\nhello", ".\r\nFrom nobody");
        let (head, body) = text.split_once("\n\n").unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        assert_eq!(head.lines().count(), 10, "{head}");
        assert!(!body.contains("From nobody"), "the body is encoded");
    }

    #[test]
    fn a_subject_beyond_ascii_is_encoded_in_words_of_whole_characters() {
        assert_eq!(encoded("é"), "=?utf-8?B?w6k=?=");
        let long = encoded(&"é".repeat(100));
        assert!(long.lines().all(|line| line.len() <= 76), "{long}");
        assert!(long.lines().skip(1).all(|line| line.starts_with(' ')));
        assert_eq!(encoded("=?utf-8?B?w6k=?="), "=?utf-8?B?PT91dGYtOD9CP3c2az0/PQ==?=");
    }

    #[test]
    fn base64_is_that_of_the_standard() {
        let pairs =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (plain, coded) in pairs {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
