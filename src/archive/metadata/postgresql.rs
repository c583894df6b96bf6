//! `RESTORE.txt` of a PostgreSQL database: what follows once its dumps are taken out.

use super::one_line;
use crate::model::dump::file_stem;

/// The most bytes of a name, so that `_before_YYYYMMDDHHMMSS_PID` has room behind it.
const LONGEST: usize = 63 - 30;

/// The commands that load `database`, for `sh`.
pub(super) fn restore_steps(database: &str) -> String {
    let (shown, stem) = (one_line(database), file_stem(database));
    let quoted = quote(database);
    let mut end = database.len().min(LONGEST);
    while !database.is_char_boundary(end) {
        end -= 1;
    }
    let before = quote(&database[..end]);
    format!(
        "
# Needed from here on: psql, pg_restore and dropdb, not older than the server. They obey PGHOST,
# PGPORT, PGUSER and PGPASSFILE. As root they run as the user postgres, who owns a server by custom;
# to run them as yourself, set AS to nothing: `AS= sh RESTORE.txt`.
AS=${{AS-$(test \"$(id -u)\" != 0 || echo runuser -u postgres --)}}
# Where that user may not be it would complain: the rest needs no other directory than FROM.
FROM=\"$(cd \"$TO\" && pwd)/data/postgresql\"
cd /

# 4. Make the roles that are missing. Roles that are there stay as they are.
$AS psql -X -A -t -q -d template1 -c \"select format(line, rolname) from pg_roles, (values ('CREATE ROLE %I;'), ('ALTER ROLE %I ')) as lines(line)\" > \"$FROM/roles.txt\"
grep -v -F -f \"$FROM/roles.txt\" \"$FROM/globals.sql\" | $AS psql -X -q -o /dev/null -d template1

# 5. Load {shown} into a new database. Until all of it is loaded nothing is replaced.
NEW=\"restoring_$$\"
{{ $AS psql -X -q -o /dev/null -v ON_ERROR_STOP=1 -v new=\"$NEW\" -d template1 < \"$FROM/{stem}.create.sql\" &&
    $AS pg_restore --exit-on-error --single-transaction -d \"$NEW\" < \"$FROM/{stem}.dump\"
}} || {{ $AS dropdb --if-exists \"$NEW\"; echo 'not loaded: nothing was replaced' >&2; exit 1; }}

# 6. Give it its name. THIS REPLACES {shown}: its connections are ended, and what it was is called
#    NAME_before_DATE from then on. When the new one is as it should be, remove that with `dropdb`.
DATABASE={quoted}
OLD={before}_before_$(date +%Y%m%d%H%M%S)_$$
$AS psql -X -q -o /dev/null -v ON_ERROR_STOP=1 -v name=\"$DATABASE\" -v new=\"$NEW\" -v old=\"$OLD\" -d template1 <<'END' || exit 1
select exists (select from pg_database where datname = :'name') as there \\gset
select pg_terminate_backend(pid) from pg_stat_activity where datname in (:'name', :'new');
begin;
\\if :there
alter database :\"name\" rename to :\"old\";
\\endif
alter database :\"new\" rename to :\"name\";
commit;
END

# 7. Give it its settings and rights.
$AS psql -X -q -o /dev/null -d template1 < \"$FROM/{stem}.settings.sql\"
"
    )
}

/// A word of `sh` that means exactly this text.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
