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
fn a_password_in_the_options_of_a_dump_is_not_repeated() {
    for (kind, option) in [
        ("mysql", "--password=geheim"),
        ("mysql", "-pgeheim"),
        ("postgresql", "--dbname=host=db password=geheim"),
        ("postgresql", "postgresql://shop:geheim@db/shop"),
    ] {
        let told = told(&format!(
            "[job.db]\ntype = '{kind}'\ndatabase = 'shop'\noptions = ['-v', '{option}']"
        ));
        assert!(
            told.starts_with("error: a secret must not stand in the configuration\n"),
            "{told}"
        );
        assert!(told.contains(" it.toml:4:18\n") && !told.contains("geheim"), "{told}");
    }
    assert_snapshot!(told(r#"[job.db]
type = "mysql"
database = "shop"
options = ["--password=geheim"]"#), @r#"
    error: a secret must not stand in the configuration
     --> it.toml:4:12
      |
    4 | options = ["*****************"]
      |            ^^^^^^^^^^^^^^^^^^^
      |
    hint: write `password = { file = "secrets/name" }`
    "#);
}

#[test]
fn a_password_in_a_command_or_an_address_is_not_repeated() {
    const WEB: &str = "[job.web]\ntype = 'custom_dir'\nsource_path = '/x'\n";
    for text in [
        format!("{WEB}before = [['sh', '-c', 'PGPASSWORD=geheim psql']]"),
        format!("{WEB}after = ['mysqladmin --password=geheim refresh']"),
        format!("{WEB}after = ['curl https://me:geheim@host.example.org/']"),
        "[peer.tom]\nkind = 'instance'\nurl = 'https://me:geheim@tom.example.org'".to_owned(),
        "[peer.tom]\nkind = 'instance'\nurl = 'ftp://me:geheim@tom.example.org'".to_owned(),
        "[job.db]\ntype = 'mysql'\ndatabase = 'x'\nhost = 'mysql://a:geheim@db'".to_owned(),
    ] {
        let told = told(&text);
        assert!(told.contains("error: ") && !told.contains("geheim"), "{told}");
    }
    assert_eq!(told(&format!("{WEB}after = ['mysql --password=$PW', 'mkdir -p /srv']")), "");
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
fn a_token_of_ours_in_place_of_its_hash_is_not_repeated() {
    assert_snapshot!(told(r#"[token.x]
hash = "larder_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
scopes = ["status"]"#), @r#"
    error: this is a token, which is secret, and not its hash
     --> it.toml:2:8
      |
    2 | hash = "***********************************************************************"
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
    hint: `larder token new` prints a token and its hash
    "#);
}

#[test]
fn a_bcrypt_that_is_quick_and_one_that_is_slow() {
    assert_snapshot!(told(r#"[token.x]
hash = "$2b$04$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u"
scopes = ["status"]
[token.y]
hash = "$2b$16$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u"
scopes = ["status"]"#), @r#"
    error: a bcrypt of cost 4 is too quick: at least 8 is needed
     --> it.toml:2:8
      |
    2 | hash = "************************************************************"
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
    hint: `larder token new` prints a token and its hash

    error: a bcrypt of cost 16 is too slow, each attempt takes seconds: at most 15 is allowed
     --> it.toml:5:8
      |
    5 | hash = "************************************************************"
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
    hint: `larder token new` prints a token and its hash
    "#);
}

#[test]
fn a_hash_that_was_cut_off() {
    assert_snapshot!(told(r#"[token.x]
hash = "$2b$12$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3"
scopes = ["status"]
[token.y]
hash = "sha256:9f86d081884c7d659a2feaa0c55ad015"
scopes = ["status"]"#), @r#"
    error: this is not the hash of a token: a bcrypt is `$2b$`, two digits, `$` and 53 of `./A-Za-z0-9`
     --> it.toml:2:8
      |
    2 | hash = "***********************************************************"
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
    hint: `larder token new` prints a token and its hash

    error: this is not the hash of a token: `sha256:` is followed by 64 hex digits, not by 32 characters
     --> it.toml:5:8
      |
    5 | hash = "***************************************"
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
    hint: `larder token new` prints a token and its hash
    "#);
}

#[test]
fn a_token_with_two_holders() {
    assert_snapshot!(told(r#"[token.x]
hash = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
scopes = ["status"]
[token.y]
hash = "sha256:9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08"
scopes = ["admin"]"#), @r#"
    error: this is also the hash of token `x`, at it.toml:1:8
     --> it.toml:5:8
      |
    5 | hash = "sha256:9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08"
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
    hint: give each a token of its own: `larder token new` makes one
    "#);
}

#[test]
fn an_unknown_scope() {
    assert_snapshot!(told(r#"[token.x]
hash = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
scopes = ["stauts"]"#), @r#"
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
    ");
}

#[test]
fn an_unknown_event() {
    assert_snapshot!(told(r#"[notify.x]
mail_to = "a@example.org"
on = ["failures"]"#), @r#"
    error: each item of `on` cannot be `failures`
     --> it.toml:3:7
      |
    3 | on = ["failures"]
      |       ^^^^^^^^^^
      |
    hint: did you mean `failure`?
    "#);
}

#[test]
fn events_for_a_switch_that_knows_none() {
    assert_snapshot!(told(r#"[notify.x]
ping_url = { env = "PING" }
on = ["failure"]"#), @r#"
    error: a dead-man's switch is told of every backup, and knows no events
     --> it.toml:3:6
      |
    3 | on = ["failure"]
      |      ^^^^^^^^^^^
      |
    hint: remove `on`
    "#);
}

#[test]
fn a_notification_that_would_never_be_sent() {
    assert_snapshot!(told(r#"[notify.x]
mail_to = "a@example.org"
on = []
[notify.y]
mail_to = "a@example.org"
on = ["recovery", "blocked"]"#), @r#"
    error: without events nothing is ever told
     --> it.toml:3:6
      |
    3 | on = []
      |      ^^

    error: `recovery` follows what was told before, and nothing of that is told here
     --> it.toml:6:6
      |
    6 | on = ["recovery", "blocked"]
      |      ^^^^^^^^^^^^^^^^^^^^^^^
      |
    hint: add `failure` or `overdue`
    "#);
}
