//! Secrets in the open: what stands in a text can be seen by everybody who may see the
//! configuration, in the API, in the descriptions of archives and in the arguments of processes.
//!
//! Only what is surely one is found. What may as well be something else is nobody's mistake.

use super::context::Context;
use super::tree::Span;

/// Reports a secret in the open, without repeating it.
pub(super) fn refuse(at: Span, hint: &str, cx: &mut Context<'_>) {
    cx.error_secret(at, "a secret must not stand in the configuration", hint);
}

/// What to do about a secret in a command.
pub(super) const IN_COMMAND: &str =
    "let the program read it from a file that only its owner reads, or from its environment";
/// What to do about a secret in any other text.
pub(super) const IN_TEXT: &str = "write the address without a password";

/// Whether a text has an address with a password: `postgresql://user:password@host/`.
pub(super) fn has_address_with_password(text: &str) -> bool {
    text.match_indices("://").any(|(at, mark)| {
        let behind = &text[at + mark.len()..];
        let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '`');
        let authority = behind.split(ends).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        let password = user.and_then(|user| user.split_once(':')).map(|(_, password)| password);
        password.is_some_and(is_literal)
    })
}

/// What stands before a password in a command.
const BEFORE: [&str; 3] = ["--password=", "PGPASSWORD=", "MYSQL_PWD="];

/// Whether a command, or a part of one, has a password in it.
pub(super) fn has_password(command: &str) -> bool {
    has_address_with_password(command)
        || command.split_whitespace().any(|word| {
            let word = word.trim_start_matches(['"', '\'', '(', ';']);
            BEFORE.iter().any(|before| word.strip_prefix(before).is_some_and(is_literal))
        })
}

/// Whether a value is itself meant, and not what a shell, or the program, finds where it points to.
fn is_literal(value: &str) -> bool {
    let value = value.trim_start_matches(['"', '\'']);
    value.chars().next().is_some_and(|first| !matches!(first, '$' | '`' | '/' | '<' | '{'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_password_is_a_secret_and_one_without_is_none() {
        for text in ["postgresql://shop:geheim@db/shop", "-dhttps://a:b@c", "x ftp://u:p:q@h y"] {
            assert!(has_address_with_password(text), "{text}");
        }
        for text in [
            "https://db.example.org:8443/a@b:c",
            "https://user@host",
            "https://u:$PW@host",
            "https://u:@host",
            "user:geheim@host",
            "https://host/?at=a:b@c",
            "://",
            "",
        ] {
            assert!(!has_address_with_password(text), "{text}");
        }
    }

    #[test]
    fn a_password_in_a_command_is_found_and_one_that_is_read_elsewhere_is_not() {
        for text in [
            "mysql --password=geheim shop",
            "PGPASSWORD='geheim' psql",
            "export MYSQL_PWD=geheim",
            "--password=geheim",
            "curl https://me:geheim@host/",
        ] {
            assert!(has_password(text), "{text}");
        }
        for text in [
            "mysql --password=$PW",
            "PGPASSWORD=\"$(cat /run/pw)\" psql",
            "x --password",
            "x --password-file=/run/pw",
            "x --password=/run/pw",
            "mkdir -p /srv",
            "ssh -p22 host",
        ] {
            assert!(!has_password(text), "{text}");
        }
    }
}
