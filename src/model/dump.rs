//! The names of a database's dumps in an archive: `DATABASE.sql`, where a database may have any
//! name.

use std::fmt::Write as _;

/// The name of a database as the beginning of a file's name: letters, digits, `_`, `-` and `.`
/// stay (but for a `.` that would hide the file), everything else becomes `%` and two hexadecimal
/// digits for each of its bytes. No two databases share one, and neither a shell nor a path can
/// read anything else into it.
///
/// ```
/// assert_eq!(larder::model::dump::file_stem("été-1"), "été-1");
/// assert_eq!(larder::model::dump::file_stem("a/b%"), "a%2Fb%25");
/// ```
#[must_use]
pub fn file_stem(database: &str) -> String {
    let mut stem = String::with_capacity(database.len());
    for (at, character) in database.char_indices() {
        let hides = at == 0 && character == '.';
        if !hides && (character.is_alphanumeric() || matches!(character, '_' | '-' | '.')) {
            stem.push(character);
        } else {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(stem, "%{byte:02X}");
            }
        }
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stem_is_what_the_database_is_called_where_that_is_harmless() {
        for (database, expected) in [
            ("nextcloud", "nextcloud"),
            ("Ünï_code-1.0", "Ünï_code-1.0"),
            ("my db", "my%20db"),
            ("../etc", "%2E.%2Fetc"),
            ("100%", "100%25"),
            ("it's \"here\"", "it%27s%20%22here%22"),
            ("a\nb", "a%0Ab"),
            ("€", "%E2%82%AC"),
        ] {
            assert_eq!(file_stem(database), expected);
        }
    }
}
