//! What the further options of a dump program must not hold.

use super::Kind;

/// The letters of `mysqldump` that take a value.
const TAKE_A_VALUE: &str = "#hOPrSTuw";

/// Whether an option tells a password. Everybody on the host can read the arguments of a process,
/// and whoever may see a job sees its options: a password is given as a secret, and told to the
/// program in a file.
#[must_use]
pub fn tells_a_password(kind: Kind, option: &str) -> bool {
    match kind {
        Kind::Mysql => to_mysql(option),
        Kind::Postgresql => to_postgresql(option),
    }
}

fn to_mysql(option: &str) -> bool {
    if let Some(long) = option.strip_prefix("--") {
        let maybe = long.strip_prefix("loose-").or_else(|| long.strip_prefix("loose_"));
        // The beginning of a name is enough for the program, and no other begins like this.
        return maybe.unwrap_or(long).starts_with("pas");
    }
    // One letter may follow another; behind one that takes a value stands that.
    let letters = option.strip_prefix('-').unwrap_or_default();
    letters.chars().take_while(|letter| !TAKE_A_VALUE.contains(*letter)).any(|letter| letter == 'p')
}

fn to_postgresql(option: &str) -> bool {
    let option = option.to_ascii_lowercase();
    // `--password` alone asks for one; with a value it tells one, to nobody's use.
    let is_long = option.starts_with("--pas") && option.contains('=');
    // In a connection string: `password=`, `sslpassword=`, `oauth_client_secret=`.
    let is_set = |word: &str| {
        option
            .match_indices(word)
            .any(|(at, _)| option[at + word.len()..].trim_start().starts_with('='))
    };
    is_long || is_set("password") || is_set("client_secret")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_found_however_they_are_given_to_a_dump_program() {
        for option in [
            "--password=geheim",
            "--password",
            "--passw=geheim",
            "--password1=geheim",
            "--loose-password=geheim",
            "-pgeheim",
            "-p",
            "-qpgeheim",
        ] {
            assert!(tells_a_password(Kind::Mysql, option), "{option}");
        }
        for option in [
            "--password=geheim",
            "--dbname=host=db password=geheim",
            "password = 'geheim'",
            "-dpostgresql://db/shop?password=geheim",
            "host=db PASSWORD=geheim",
            "sslpassword=x",
        ] {
            assert!(tells_a_password(Kind::Postgresql, option), "{option}");
        }
    }

    #[test]
    fn other_options_are_not_taken_for_passwords() {
        for option in [
            "--hex-blob",
            "--port=3307",
            "-P3307",
            "-uporter",
            "-hpost",
            "--where=password=''",
            "--ignore-table=shop.passwords",
            "",
            "-",
        ] {
            assert!(!tells_a_password(Kind::Mysql, option), "{option}");
        }
        for option in ["-W", "--password", "--exclude-table=passwords", "-p5433", "-Z", "9"] {
            assert!(!tells_a_password(Kind::Postgresql, option), "{option}");
        }
    }
}
