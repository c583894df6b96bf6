//! Tables that fit the terminal: words to the left, numbers to the right, no frames.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, presets};

use super::context::Context;
use super::words::clean;

/// Columns that text needs at least, its padding included.
const TEXT_MIN: u16 = 12;
/// So many columns name a row of a terminal that is too narrow for a table.
const HEAD: usize = 2;
/// What stands before the lines below that name.
const INDENT: &str = "  ";

/// A table under construction.
#[derive(Debug)]
pub(super) struct Table {
    inner: comfy_table::Table,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    right: &'static [usize],
    wraps: &'static [usize],
}

impl Table {
    /// A table with these columns; those in `right` hold numbers, those in `wraps` text that may be
    /// broken into lines. Names and numbers stay whole as long as they fit.
    pub(super) fn new(columns: &[&str], right: &'static [usize], wraps: &'static [usize]) -> Self {
        let mut inner = comfy_table::Table::new();
        inner.load_style(presets::NOTHING);
        let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
        let mut table = Self { inner, columns, rows: Vec::new(), right, wraps };
        let header = table.cells(table.columns.clone().into_iter());
        table.inner.set_header(header);
        table
    }

    fn cells(&self, values: impl Iterator<Item = String>) -> Vec<Cell> {
        let cell = |(index, value): (usize, String)| {
            let alignment = if self.right.contains(&index) {
                CellAlignment::Right
            } else {
                CellAlignment::Left
            };
            Cell::new(clean(&value)).set_alignment(alignment)
        };
        values.enumerate().map(cell).collect()
    }

    /// One more row.
    pub(super) fn row<const N: usize>(&mut self, values: [String; N]) {
        self.rows.push(values.iter().map(|value| clean(value)).collect());
        let cells = self.cells(values.into_iter());
        self.inner.add_row(cells);
    }

    /// Whether there is room for text beside everything that is to stay whole.
    fn fits(&self, width: u16) -> bool {
        let widths = self.inner.column_max_content_widths();
        let needed = widths.iter().enumerate().map(|(index, width)| {
            let width = width.saturating_add(2);
            if self.wraps.contains(&index) { width.min(TEXT_MIN) } else { width }
        });
        needed.fold(0, u16::saturating_add) <= width
    }

    /// Each row as a paragraph, for a terminal that is too narrow for columns: what names it on a
    /// line of its own, then the rest. No word is broken, so that names can be copied.
    fn paragraphs(&self, width: u16, color: bool) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let (head, rest) = row.split_at(HEAD.min(row.len()));
            text.push_str(&painted(head.join("  ").trim_end(), color));
            text.push('\n');
            let facts = self.columns.iter().skip(HEAD).zip(rest);
            let facts = facts.filter(|(_, value)| !value.is_empty() && *value != "-");
            let facts: Vec<String> = facts.map(|(name, value)| format!("{name} {value}")).collect();
            let mut column = 0;
            for word in facts.join("; ").split_whitespace() {
                let length = word.chars().count();
                if column > 0 && column + 1 + length > usize::from(width) {
                    text.push('\n');
                    column = 0;
                }
                let gap = if column == 0 { INDENT } else { " " };
                text.push_str(gap);
                text.push_str(word);
                column += gap.len() + length;
            }
            if column > 0 {
                text.push('\n');
            }
        }
        text
    }

    /// The table as text, with a line end.
    pub(super) fn render(mut self, context: &Context) -> String {
        if let Some(width) = context.width {
            if !self.fits(width) {
                return self.paragraphs(width, context.color);
            }
            self.inner.set_content_arrangement(ContentArrangement::Dynamic);
            self.inner.set_width(width);
        }
        for (index, column) in self.inner.column_iter_mut().enumerate() {
            if context.width.is_some() && !self.wraps.contains(&index) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
            column.set_padding(if index == 0 { (0, 1) } else { (1, 1) });
        }
        let mut text = String::new();
        for (number, line) in self.inner.lines().enumerate() {
            let line = line.trim_end();
            if number == 0 && context.color {
                text.push_str("\x1b[2m");
                text.push_str(line);
                text.push_str("\x1b[0m");
            } else {
                text.push_str(&painted(line, context.color));
            }
            text.push('\n');
        }
        text
    }
}

/// A line whose first word says how things are, in the colour of that word.
fn painted(line: &str, color: bool) -> String {
    const GREEN: [&str; 3] = ["protected", "available", "success"];
    const YELLOW: [&str; 5] = ["at risk", "warning", "suspect", "running", "interrupted"];
    const RED: [&str; 4] = ["unprotected", "unavailable", "error", "cancelled"];
    let find = |words: &[&'static str]| words.iter().find(|word| line.starts_with(**word)).copied();
    let paint = [(32, find(&GREEN)), (33, find(&YELLOW)), (31, find(&RED))];
    let found = paint.into_iter().find_map(|(code, word)| Some((code, word?)));
    match found {
        Some((code, word)) if color => {
            format!("\x1b[{code}m{word}\x1b[0m{}", &line[word.len()..])
        }
        Some(_) | None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["archive", "job", "made", "kept for"], &[], &[3]);
        for name in ["jerry_web_20260508", "jerry_web_20260509"] {
            let kept = "daily 2026-05-08, weekly 2026-W19, monthly 2026-05, newest";
            table.row([name, "web", "3 min ago", kept].map(str::to_owned));
        }
        table
    }

    #[test]
    fn a_table_fits_its_terminal_and_breaks_no_name() {
        for width in [20, 40, 60, 80, 200] {
            assert_eq!(
                table().fits(width),
                width >= 60,
                "{width} columns: names need 38, text at least 12"
            );
            let text = table().paragraphs(width, false);
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            assert!(longest <= usize::from(width).max(23), "{width}: {text}");
            assert!(text.contains("jerry_web_20260508") && text.contains("2026-W19"), "{text}");
        }
        insta::assert_snapshot!(table().paragraphs(40, false), @r"
        jerry_web_20260508  web
          made 3 min ago; kept for daily
          2026-05-08, weekly 2026-W19, monthly
          2026-05, newest
        jerry_web_20260509  web
          made 3 min ago; kept for daily
          2026-05-08, weekly 2026-W19, monthly
          2026-05, newest
        ");
    }
}
