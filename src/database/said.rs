//! What a server says, cut short: an error may quote the very row that it is about.

/// The most characters that get into an error or a log.
const MOST: usize = 300;

/// A message of a server on one line, cut short, and without control characters.
pub(super) fn cut_short(text: &str) -> String {
    let mut short = String::new();
    let words = text.split_whitespace().enumerate();
    let characters = words.flat_map(|(number, word)| {
        let space = if number == 0 { "" } else { " " };
        space.chars().chain(word.chars())
    });
    for (count, character) in characters.enumerate() {
        if count == MOST {
            short.push('…');
            break;
        }
        short.push(if character.is_control() { '?' } else { character });
    }
    short
}

/// What a server said without the values that it quotes: a row, or a part of a statement, is for nobody who
/// only reads that something failed.
pub(super) fn without_values(text: &str) -> String {
    let mut rest = text;
    let mut told = String::new();
    let quoting = ["uplicate entry '", "value: '", " near '", " near \"", ": \""];
    let begins = |rest: &str| {
        let ends = quoting.iter().filter_map(|words| Some(rest.find(words)? + words.len()));
        ends.min()
    };
    while let Some(begin) = begins(rest) {
        let quote = &rest[begin - 1..begin];
        told.push_str(&rest[..begin - 1]);
        told.push('…');
        // A value may hold quotes itself; what goes on behind it are words of the server.
        let ends = [" for ", " at ", "; "].map(|words| format!("{quote}{words}"));
        let end = ends.iter().filter_map(|end| rest[begin..].find(end.as_str())).min();
        match end {
            Some(end) => rest = &rest[begin + end + 1..],
            None => return told,
        }
    }
    told + rest
}

/// The first lines that a program says on its standard error, cut short.
#[derive(Debug, Default)]
pub(super) struct Said {
    text: String,
}

impl Said {
    /// Takes one more line; what goes beyond the limit is forgotten.
    pub(super) fn hear(&mut self, line: &str) {
        if self.text.len() > 4 * MOST {
            return;
        }
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.extend(line.chars().take(MOST + 1));
    }

    /// All of it on one line; `otherwise` where nothing was said.
    pub(super) fn or(&self, otherwise: &str) -> String {
        let short = cut_short(&self.text);
        if short.is_empty() { otherwise.to_owned() } else { short }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_much_a_server_says_little_of_it_is_told() {
        let mut said = Said::default();
        for _ in 0..1000 {
            said.hear(&"secret ".repeat(1000));
        }
        assert_eq!(said.or("").chars().count(), MOST + 1);
        assert_eq!(cut_short(" ERROR 1\n\tat\x1b[2J line "), "ERROR 1 at?[2J line");
        assert_eq!(Said::default().or("nothing"), "nothing");
    }

    #[test]
    fn what_a_server_quotes_of_a_row_is_not_told() {
        for (said, told) in [
            (
                "ERROR 1062 (23000) at line 12: Duplicate entry 'se'cret' for key 'PRIMARY'",
                "ERROR 1062 (23000) at line 12: Duplicate entry … for key 'PRIMARY'",
            ),
            (
                "ERROR 1366 (22007): Incorrect integer value: 'secret' for column `a`.`b` at row 1",
                "ERROR 1366 (22007): Incorrect integer value: … for column `a`.`b` at row 1",
            ),
            ("syntax to use near 'secret' at line 3", "syntax to use near … at line 3"),
            (
                "ERROR:  invalid input syntax for type integer: \"secret",
                "ERROR:  invalid input syntax for type integer: …",
            ),
            (
                "ERROR:  syntax error at or near \"secret\"; see there",
                "ERROR:  syntax error at or near …; see there",
            ),
            (
                "ERROR 1146 (42S02): Table 'shop.orders' doesn't exist",
                "ERROR 1146 (42S02): Table 'shop.orders' doesn't exist",
            ),
            (
                "FATAL:  database \"shop\" does not exist",
                "FATAL:  database \"shop\" does not exist",
            ),
        ] {
            assert_eq!(without_values(said), told);
        }
    }
}
