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
}
