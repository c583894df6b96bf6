//! Mistakes around secrets, tokens and notifications.

use insta::assert_snapshot;

use super::told;

#[test]
fn a_recipient_with_a_slip() {
    assert_snapshot!(told(r#"[location.x]
path = "/x"
encrypt_to = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8q"]"#), @r#"
    error: `age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8q` has a slip in it: its check digits do not match
     --> it.toml:3:15
      |
    3 | encrypt_to = ["**************************************************************"]
      |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
    hint: `larder identity new` prints an identity and its recipient, `age1…`
    "#);
}

#[test]
fn an_identity_in_place_of_its_recipient_is_not_repeated() {
    assert_snapshot!(told(r#"[location.x]
path = "/x"
encrypt_to = ["AGE-SECRET-KEY-1QQQQQ"]"#), @r#"
    error: this is an identity, which is secret, and not a recipient
     --> it.toml:3:15
      |
    3 | encrypt_to = ["*********************"]
      |               ^^^^^^^^^^^^^^^^^^^^^^^
      |
    hint: `larder identity new` prints an identity and its recipient, `age1…`
    "#);
}

#[test]
fn a_secret_in_the_open_is_not_repeated() {
    assert_snapshot!(told(r#"[job.db]
type = "mysql"
database = "shop"
password = "hunter2""#), @r#"
    error: a secret must not stand in the configuration
     --> it.toml:4:12
      |
    4 | password = "*******"
      |            ^^^^^^^^^
      |
    hint: put it into a file that only its owner reads, and write `{ file = "secrets/name" }`; or use `credential`, `env` or `command`
    "#);
}

#[test]
fn a_secret_with_two_sources() {
    assert_snapshot!(told(r#"[job.db]
type = "mysql"
database = "shop"
password = { file = "a", env = "B" }"#), @r#"
    error: a secret is exactly one of `file`, `credential`, `env`, `command`
     --> it.toml:4:12
      |
    4 | password = { file = "a", env = "B" }
      |            ^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
}

#[test]
fn a_secret_with_a_slip() {
    assert_snapshot!(told(r#"[job.db]
type = "mysql"
database = "shop"
password = { fiel = "a" }"#), @r#"
    error: unknown key `fiel`
     --> it.toml:4:14
      |
    4 | password = { fiel = "a" }
      |              ^^^^
      |
    hint: did you mean `file`?
    "#);
}

#[test]
fn exceptions_from_one() {
    assert_snapshot!(told(r#"[job.db]
type = "mysql"
database = "shop"
except = ["test"]"#), @r#"
    error: `except` belongs to `database = "*"`
     --> it.toml:4:10
      |
    4 | except = ["test"]
      |          ^^^^^^^^
      |
    hint: one that is named needs no exceptions
    "#);
}

#[test]
fn a_token_in_place_of_its_hash_is_not_repeated() {
    assert_snapshot!(told(r#"[token.x]
hash = "s3cr3t-token"
scopes = ["status"]"#), @r#"
    error: an API token is not carried out by this version yet
     --> it.toml:1:8
      |
    1 | [token.x]
      |        ^
      |
    hint: remove it, or comment it out: nothing that is written here is ignored in silence

    error: this is not the hash of a token: `$2b$…` with 60 characters, or `sha256:` with 64 hex digits
     --> it.toml:2:8
      |
    2 | hash = "************"
      |        ^^^^^^^^^^^^^^
      |
    hint: `larder token new` prints a token and its hash
    "#);
}

#[test]
fn an_unknown_scope() {
    assert_snapshot!(told(r#"[token.x]
hash = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
scopes = ["stauts"]"#), @r#"
    error: an API token is not carried out by this version yet
     --> it.toml:1:8
      |
    1 | [token.x]
      |        ^
      |
    hint: remove it, or comment it out: nothing that is written here is ignored in silence

    error: each item of `scopes` cannot be `stauts`
     --> it.toml:3:11
      |
    3 | scopes = ["stauts"]
      |           ^^^^^^^^
      |
    hint: did you mean `status`?
    "#);
}

#[test]
fn a_notification_with_two_targets() {
    assert_snapshot!(told(r#"[notify.x]
mail_to = "a@example.org"
url = { env = "HOOK" }"#), @r"
    error: a notification has exactly one of `url`, `ping_url`, `mail_to`
     --> it.toml:1:9
      |
    1 | [notify.x]
      |         ^
      |
    hint: write one table for each target

    error: a notification is not carried out by this version yet
     --> it.toml:1:9
      |
    1 | [notify.x]
      |         ^
      |
    hint: remove it, or comment it out: nothing that is written here is ignored in silence
    ");
}

#[test]
fn an_unknown_event() {
    assert_snapshot!(told(r#"[notify.x]
mail_to = "a@example.org"
on = ["failures"]"#), @r#"
    error: a notification is not carried out by this version yet
     --> it.toml:1:9
      |
    1 | [notify.x]
      |         ^
      |
    hint: remove it, or comment it out: nothing that is written here is ignored in silence

    error: each item of `on` cannot be `failures`
     --> it.toml:3:7
      |
    3 | on = ["failures"]
      |       ^^^^^^^^^^
      |
    hint: did you mean `failure`?
    "#);
}
