//! `RESTORE.txt` of a MariaDB or MySQL database: what follows once its dumps are taken out.

use crate::model::dump::file_stem;

/// The commands that load `database`, for `sh`.
pub(super) fn restore_steps(database: &str) -> String {
    let stem = file_stem(database);
    let sql = quoted(&format!("/data/mysql/{stem}.sql"));
    let create = quoted(&format!("/data/mysql/{stem}.create.sql"));
    let drop = format!("DROP DATABASE IF EXISTS `{}`", database.replace('`', "``"));
    let (drop, name) = (quoted(&drop), quoted(database));
    let shown = super::one_line(database);
    format!(
        r#"
# 4. Is the dump whole? Its last line says so.
tail -n 1 "$TO"{sql} | grep -q '^-- Dump completed' || {{ echo "the dump is cut short" >&2; exit 1; }}

# 5. Load {shown}, as a user who may create databases: root over the local socket needs no more; for
# others, ~/.my.cnf has a section [client] with host, user and password (mysql and mysqldump do the
# same as mariadb and mariadb-dump). THIS REMOVES the database of this name that is there now, with
# all that is in it. Whoever may want that back keeps it first:
#   mariadb-dump --single-transaction --routines --events --triggers --hex-blob -- {name} > before.sql
mariadb -e {drop} || exit 1
# The database, then its users and their rights. It stops at the first right that cannot be given.
mariadb --default-character-set=utf8mb4 < "$TO"{create} || echo "some rights are missing: give those below the error that you want" >&2
mariadb --default-character-set=utf8mb4 --max-allowed-packet=1G -- {name} < "$TO"{sql} || {{ echo "not all of it was loaded" >&2; exit 1; }}
"#
    )
}

/// A text as one word of `sh`.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_whatever_is_in_it() {
        let steps = restore_steps("a'b `c`$(id)");
        assert!(
            steps.contains(
                r#"-- 'a'\''b `c`$(id)' < "$TO"'/data/mysql/a%27b%20%60c%60%24%28id%29.sql'"#
            ),
            "{steps}"
        );
        assert!(steps.contains(r"-e 'DROP DATABASE IF EXISTS `a'\''b ``c``$(id)`'"), "{steps}");
    }
}
