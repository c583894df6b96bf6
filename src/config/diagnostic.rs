//! Diagnostics: what is wrong with a configuration, where, and what to write instead.
//!
//! **Invariant:** a diagnostic is complete in itself: it carries its line, so that it can be shown
//! when the file has changed since, or is on another machine.

use std::fmt::Write as _;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::model::desired::Place;
use crate::model::words::words;

words! {
    /// How much a diagnostic weighs.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Severity {
        /// The configuration cannot be used as it is.
        Error = "error",
        /// It can be used, and is probably not what was meant.
        Warning = "warning",
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, relative to the configuration directory; empty for the directory itself.
    pub file: String,
    /// 1-based line; 0 when it is about the file as a whole.
    pub line: u32,
    /// 1-based column, in characters; 0 when it is about the file as a whole.
    pub column: u32,
    /// The column behind the last character that is meant.
    pub end_column: u32,
    /// How much it weighs.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The line itself, without its end; empty when it is about the file as a whole.
    pub source_line: String,
}

impl Diagnostic {
    /// An error about a whole file (or, with an empty name, about the directory).
    #[must_use]
    pub fn of_file(file: &str, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
            column: 0,
            end_column: 0,
            severity,
            message: message.into(),
            hint: None,
            source_line: String::new(),
        }
    }

    /// The diagnostic with a remedy.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { file: self.file.clone(), line: self.line, column: self.column }
    }

    /// Whether the configuration cannot be used because of it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Puts diagnostics into their one order, by file, line and column, and drops repetitions.
pub(crate) fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| {
        (&a.file, a.line, a.column, a.severity, &a.message, &a.hint)
            .cmp(&(&b.file, b.line, b.column, b.severity, &b.message, &b.hint))
    });
    diagnostics.dedup();
}

/// The diagnostics for a terminal or a log, each with its line and a hint.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut text = String::new();
    for diagnostic in diagnostics {
        let _ = writeln!(text, "{}\n", render_one(diagnostic, &renderer));
    }
    text
}

fn render_one(diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str());
    let problem = if diagnostic.line > 0 && diagnostic.source_line.is_empty() {
        let at = Origin::path(diagnostic.file.as_str()).line(diagnostic.line as usize);
        title.element(at.char_column(diagnostic.column as usize))
    } else if diagnostic.line > 0 {
        let line = diagnostic.source_line.as_str();
        let from = byte_of_column(line, diagnostic.column);
        let to = byte_of_column(line, diagnostic.end_column).max(from);
        title.element(
            Snippet::source(line)
                .line_start(diagnostic.line as usize)
                .path(diagnostic.file.as_str())
                .annotation(AnnotationKind::Primary.span(from..to)),
        )
    } else if diagnostic.file.is_empty() {
        Group::with_title(title)
    } else {
        title.element(Origin::path(diagnostic.file.as_str()))
    };
    let mut groups = vec![problem];
    if let Some(hint) = &diagnostic.hint {
        groups
            .push(Group::with_title(Level::HELP.with_name("hint").secondary_title(hint.as_str())));
    }
    renderer.render(&groups)
}

fn byte_of_column(line: &str, column: u32) -> usize {
    let before = (column as usize).saturating_sub(1);
    line.char_indices().nth(before).map_or(line.len(), |(byte, _)| byte)
}

/// The diagnostics as a JSON array, for editors, agents and CI.
#[must_use]
pub fn to_json(diagnostics: &[Diagnostic]) -> serde_json::Value {
    diagnostics
        .iter()
        .map(|diagnostic| {
            serde_json::json!({
                "file": diagnostic.file,
                "line": diagnostic.line,
                "column": diagnostic.column,
                "severity": diagnostic.severity.word(),
                "message": diagnostic.message,
                "hint": diagnostic.hint,
            })
        })
        .collect()
}
