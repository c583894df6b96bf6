//! Tables that fit the terminal: words to the left, numbers to the right, no frames.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Width, presets};

use super::context::Context;
use super::words::clean;

/// Columns that text needs at least, its padding included, to be read as text.
const TEXT_MIN: u16 = 12;
/// What stands around a value.
const PADDING: u16 = 2;
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

    /// How wide each column is with its padding; `None` where the terminal is too narrow for that.
    /// Where no text may be broken, as wide as its longest value. Text is as wide as its longest
    /// word at least, and gets what room is left.
    fn widths(&self, width: u16) -> Option<Vec<u16>> {
        let padded = |content: Vec<u16>| content.into_iter().map(|one| one.saturating_add(PADDING));
        let whole: Vec<u16> = padded(self.inner.column_max_content_widths()).collect();
        let words = padded(self.longest_words());
        let least = words.zip(&whole).enumerate().map(|(index, (word, whole))| {
            if self.wraps.contains(&index) { word.max(TEXT_MIN).min(*whole) } else { *whole }
        });
        let mut widths: Vec<u16> = least.collect();
        let mut left = width.checked_sub(widths.iter().copied().fold(0, u16::saturating_add))?;
        // Evenly, as long as there is use for it.
        while left > 0 {
            let wants = |index: &usize| widths[*index] < whole[*index];
            let wanting: Vec<usize> = (0..widths.len()).filter(wants).collect();
            let Some(share) = left.checked_div(u16::try_from(wanting.len()).unwrap_or(u16::MAX))
            else {
                break;
            };
            for index in wanting {
                let more = share.max(1).min(whole[index] - widths[index]).min(left);
                widths[index] += more;
                left -= more;
            }
        }
        Some(widths)
    }

    /// How wide the longest word of each column is.
    fn longest_words(&self) -> Vec<u16> {
        let in_lines = |text: &String| text.split_whitespace().collect::<Vec<_>>().join("\n");
        let mut words = comfy_table::Table::new();
        words.set_header(self.columns.iter().map(in_lines));
        for row in &self.rows {
            words.add_row(row.iter().map(in_lines));
        }
        words.column_max_content_widths()
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
        let mut widths = Vec::new();
        if let Some(width) = context.width {
            let Some(fitting) = self.widths(width) else {
                return self.paragraphs(width, context.color);
            };
            widths = fitting;
            self.inner.set_content_arrangement(ContentArrangement::Dynamic);
            self.inner.set_width(width);
        }
        for (index, column) in self.inner.column_iter_mut().enumerate() {
            let (left, right) = if index == 0 { (0, 1) } else { (1, 1) };
            column.set_padding((left, right));
            if let Some(width) = widths.get(index) {
                let width = Width::Fixed(*width - PADDING + left + right);
                column.set_constraint(ColumnConstraint::Absolute(width));
            }
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

    fn context(width: u16) -> Context {
        Context {
            config_dir: "/etc/larder".into(),
            format: crate::cli::Format::Table,
            quiet: false,
            color: false,
            color_on_stderr: false,
            draws: false,
            width: Some(width),
        }
    }

    /// As `larder status` shows it: the reasons name an archive, which is somewhat long.
    fn status() -> Table {
        let columns = ["verdict", "job", "last success", "next run", "reasons"];
        let mut table = Table::new(&columns, &[], &[4]);
        let reasons = "`jerry_nextcloud_20260509` could not be proved; 1 of 2 copies";
        for job in ["nextcloud", "web"] {
            table.row(["at risk", job, "3 min ago", "in 7 h", reasons].map(str::to_owned));
        }
        table
    }

    /// As `larder runs` shows it: two columns of text.
    fn runs() -> Table {
        let columns = ["status", "run", "what", "when", "duration", "size", "summary"];
        let mut table = Table::new(&columns, &[1, 4, 5], &[2, 6]);
        let summary = "`/srv/data/customers/invoices/2026/may.pdf` vanished while it was read";
        for what in ["backup of nextcloud", "copy of jerry_nextcloud_20260509 to usb"] {
            let row = ["warning", "42", what, "3 min ago", "1.2 s", "3 MiB", summary];
            table.row(row.map(str::to_owned));
        }
        table
    }

    #[test]
    fn a_table_fits_its_terminal_and_breaks_no_name() {
        let names = ["`jerry_nextcloud_20260509`", "`/srv/data/customers/invoices/2026/may.pdf`"];
        for width in 20..200 {
            for (table, name) in [status(), runs()].into_iter().zip(names) {
                let is_table = table.widths(width).is_some();
                let text = table.render(&context(width));
                assert!(text.contains(name), "{width} columns:\n{text}");
                // Where a paragraph is wider, it is by one word that is not broken.
                let fits = |line: &str| line.chars().count() <= usize::from(width);
                let is_word = |line: &str| !line.trim_start().contains(' ');
                let is_right = |line: &str| fits(line) || (!is_table && is_word(line));
                assert!(text.lines().all(is_right), "{width} columns:\n{text}");
            }
        }
        // A terminal of the usual width is enough for a table where names are.
        assert!(status().widths(80).is_some() && status().widths(60).is_none());
        assert!(runs().widths(80).is_none() && runs().widths(140).is_some());
        insta::assert_snapshot!(status().render(&context(80)), @r"
        verdict  job        last success  next run  reasons
        at risk  nextcloud  3 min ago     in 7 h    `jerry_nextcloud_20260509` could
                                                    not be proved; 1 of 2 copies
        at risk  web        3 min ago     in 7 h    `jerry_nextcloud_20260509` could
                                                    not be proved; 1 of 2 copies
        ");
    }

    #[test]
    fn text_gets_the_room_that_is_left_where_it_has_use_for_it() {
        let columns = ["job", "what", "summary"];
        let mut table = Table::new(&columns, &[], &[1, 2]);
        let text = "a copy of everything that there is, and of what will be there tomorrow";
        table.row(["web", "backup of web", text].map(str::to_owned));
        assert_eq!(table.widths(200), Some(vec![5, 15, 72]));
        assert_eq!(table.widths(60), Some(vec![5, 15, 40]));
        assert_eq!(table.widths(29), Some(vec![5, 12, 12]));
        assert_eq!(table.widths(28), None);
    }

    #[test]
    fn a_terminal_that_is_too_narrow_gets_paragraphs() {
        let mut table = Table::new(&["archive", "job", "made", "kept for"], &[], &[3]);
        for name in ["jerry_web_20260508", "jerry_web_20260509"] {
            let kept = "daily 2026-05-08, weekly 2026-W19, monthly 2026-05, newest";
            table.row([name, "web", "3 min ago", kept].map(str::to_owned));
        }
        insta::assert_snapshot!(table.render(&context(40)), @r"
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
