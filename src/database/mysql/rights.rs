//! What a user may read of a database, by the server's own words.
//!
//! A dump by a user who lacks a right is made without what that right is for, and often without a
//! word. So the rights are asked for first, and what they do not reach is told.

/// The rights of a user, as far as they reach a whole database.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rights {
    granted: Vec<String>,
    reads_bodies: bool,
}

impl Rights {
    /// Reads the answer to `SHOW GRANTS`.
    pub(super) fn of<'a>(grants: impl IntoIterator<Item = &'a str>, database: &str) -> Self {
        let mut rights = Self::default();
        for line in grants {
            let Some(grant) = Grant::parse(line) else { continue };
            let everywhere = grant.is_everywhere();
            if everywhere || (grant.is_of_database() && grant.reaches(database)) {
                rights.granted.extend(grant.privileges.iter().cloned());
            }
            let of_table = grant.object.as_deref() == Some("proc");
            let of_server = grant.kind.is_none()
                && grant.reaches("mysql")
                && (grant.is_of_database() || of_table);
            let selects = grant.has("SELECT") || (everywhere && grant.has("SHOW_ROUTINE"));
            if (everywhere || of_server) && selects {
                rights.reads_bodies = true;
            }
        }
        // `ALL PRIVILEGES` of a database has it in some versions only, and does not count here:
        // whether any body is hidden is seen anyway.
        rights.reads_bodies |= rights.granted.iter().any(|right| right == "SHOW CREATE ROUTINE");
        rights
    }

    /// Whether a right holds for the whole database.
    pub(super) fn has(&self, right: &str) -> bool {
        self.granted.iter().any(|granted| granted == right || granted == "ALL PRIVILEGES")
    }

    /// Whether the bodies of all routines can be read, whoever made them.
    pub(super) fn reads_all_routines(&self) -> bool {
        self.reads_bodies
    }

    /// Whether all routines are at least seen.
    pub(super) fn sees_all_routines(&self) -> bool {
        let enough = ["EXECUTE", "ALTER ROUTINE", "CREATE ROUTINE"];
        self.reads_bodies || enough.iter().any(|right| self.has(right))
    }
}

/// One line of `SHOW GRANTS`.
#[derive(Debug)]
pub(super) struct Grant {
    privileges: Vec<String>,
    /// `PROCEDURE`, `FUNCTION` and so on; `None` for tables.
    kind: Option<String>,
    /// A pattern of databases; `None` for all.
    database: Option<String>,
    /// A table or a routine; `None` for all of the database.
    object: Option<String>,
}

impl Grant {
    /// `None` for what gives no right on anything: a role, a proxy.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let rest = line.strip_prefix("GRANT ")?;
        let (privileges, rest) = split_at_word(rest, " ON ")?;
        let (target, _) = split_at_word(rest, " TO ")?;
        let privileges = split_privileges(privileges);
        let kinds = ["TABLE", "PROCEDURE", "FUNCTION", "PACKAGE BODY", "PACKAGE"];
        let kind = kinds
            .into_iter()
            .find(|kind| target.strip_prefix(kind).is_some_and(|rest| rest.starts_with(' ')));
        let target = kind.map_or(target, |kind| target[kind.len()..].trim_start());
        let kind = kind.filter(|kind| *kind != "TABLE").map(str::to_owned);
        let (database, object) = if target.starts_with("*.") {
            (None, None)
        } else {
            let (database, rest) = quoted(target)?;
            let object = rest.strip_prefix('.')?;
            let object = if object == "*" { None } else { Some(quoted(object)?.0) };
            (Some(database), object)
        };
        Some(Self { privileges, kind, database, object })
    }

    /// Whether it is about this database and no other, or about a pattern that it matches.
    pub(super) fn is_about(&self, database: &str) -> bool {
        self.database.is_some() && self.reaches(database)
    }

    fn is_everywhere(&self) -> bool {
        self.database.is_none()
    }

    fn is_of_database(&self) -> bool {
        self.database.is_some() && self.object.is_none() && self.kind.is_none()
    }

    fn reaches(&self, database: &str) -> bool {
        match &self.database {
            None => true,
            // Only the name of a whole database is a pattern.
            Some(name) if self.object.is_some() => name == database,
            Some(pattern) => like(pattern, database),
        }
    }

    fn has(&self, right: &str) -> bool {
        self.privileges.iter().any(|granted| granted == right || granted == "ALL PRIVILEGES")
    }
}

/// Splits at a word that stands outside quotes.
fn split_at_word<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (None, '`' | '\'') => quote = Some(character),
            (Some(open), character) if open == character => quote = None,
            (None, ' ') if text[at..].starts_with(word) => {
                return Some((&text[..at], &text[at + word.len()..]));
            }
            (None | Some(_), _) => {}
        }
    }
    None
}

/// Rights on whole tables; those on columns are none.
fn split_privileges(text: &str) -> Vec<String> {
    let (mut depth, mut quoted) = (0_u32, false);
    let mut privileges = vec![String::new()];
    for character in text.chars() {
        match character {
            '`' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            ',' if depth == 0 && !quoted => {
                privileges.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = privileges.last_mut() {
            last.push(character);
        }
    }
    let whole = privileges.iter().map(|right| right.trim()).filter(|right| !right.contains('('));
    whole.map(str::to_owned).collect()
}

/// A name in backticks, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let rest = text.strip_prefix('`')?;
    let mut name = String::new();
    let mut characters = rest.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character != '`' {
            name.push(character);
        } else if characters.next_if(|(_, next)| *next == '`').is_some() {
            name.push('`');
        } else {
            return Some((name, &rest[at + 1..]));
        }
    }
    None
}

/// Whether a text is like a pattern of `GRANT`: `%`, `_`, and `\` before one of them.
fn like(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('%') => {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.into_iter().any(|at| like(rest.as_str(), &text[at..]))
        }
        Some(character) => {
            let any = character == '_';
            let wanted = if character == '\\' { rest.next().unwrap_or('\\') } else { character };
            let mut text = text.chars();
            text.next().is_some_and(|next| any || next == wanted)
                && like(rest.as_str(), text.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(grants: &[&str], database: &str) -> String {
        let rights = Rights::of(grants.iter().copied(), database);
        let mut words: Vec<&str> = ["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"]
            .into_iter()
            .filter(|right| rights.has(right))
            .collect();
        words.extend(rights.sees_all_routines().then_some("sees"));
        words.extend(rights.reads_all_routines().then_some("reads"));
        words.join(",")
    }

    #[test]
    fn rights_are_read_from_what_the_server_says() {
        let all = "SELECT,SHOW VIEW,TRIGGER,EVENT,sees";
        assert_eq!(
            check(&["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost`"], "d"),
            format!("{all},reads")
        );
        assert_eq!(check(&["GRANT ALL PRIVILEGES ON `d`.* TO `a`@`%`"], "d"), all);
        assert_eq!(check(&["GRANT ALL PRIVILEGES ON `d`.* TO `a`@`%`"], "e"), "");
        assert_eq!(check(&["GRANT SELECT, LOCK TABLES ON `d\\_%`.* TO `a`@`%`"], "d_1"), "SELECT");
        assert_eq!(check(&["GRANT SELECT ON `d\\_%`.* TO `a`@`%`"], "dx1"), "");
        assert_eq!(check(&["GRANT SELECT (`a, b`), INSERT ON `d`.`t` TO `a`@`%`"], "d"), "");
        assert_eq!(
            check(
                &["GRANT SELECT ON `d`.* TO `a`@`%`", "GRANT SELECT ON `mysql`.`proc` TO `a`@`%`"],
                "d"
            ),
            "SELECT,sees,reads"
        );
        assert_eq!(check(&["GRANT EXECUTE ON PROCEDURE `d`.`p` TO `a`@`%`"], "d"), "");
        assert_eq!(check(&["GRANT `role` TO `a`@`%`", "GRANT USAGE ON *.* TO `a`@`%`"], "d"), "");
        assert_eq!(check(&["GRANT SELECT ON `a `` ON b`.* TO `a`@`%`"], "a ` ON b"), "SELECT");
    }

    #[test]
    fn a_grant_is_about_the_database_that_it_names() {
        let about = |line: &str| Grant::parse(line).is_some_and(|grant| grant.is_about("d"));
        assert!(about("GRANT EXECUTE ON PROCEDURE `d`.`p` TO `a`@`%`"));
        assert!(about("GRANT INSERT ON `d`.`t` TO `a`@`%` WITH GRANT OPTION"));
        assert!(!about("GRANT USAGE ON *.* TO `a`@`%`"));
        assert!(!about("GRANT SELECT ON `e`.* TO `a`@`%`"));
    }
}
