//! What the readers of one object share: where they are, and the mistakes they found.

use std::path::{Component, Path, PathBuf};

use super::diagnostic::Severity;
use super::keys::Kind;
use super::tree::{Entry, Node, Span};
use crate::model::desired::Place;

/// The identity of an object: its kind and, where there are many, its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(crate) struct ObjectId {
    pub(crate) kind: Kind,
    pub(crate) name: String,
}

impl ObjectId {
    pub(crate) fn new(kind: Kind, name: &str) -> Self {
        Self { kind, name: name.to_owned() }
    }
}

impl std::fmt::Display for ObjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.name.is_empty() {
            write!(f, "[{}]", self.kind.word())
        } else {
            write!(f, "[{}.{}]", self.kind.word(), self.name)
        }
    }
}

/// A named object as it was written.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Object {
    pub(crate) id: ObjectId,
    pub(crate) file: String,
    /// Where its name stands.
    pub(crate) at: Span,
    pub(crate) node: Node,
    /// Whether its file has syntax errors: what is missing may have been lost with them.
    #[serde(skip)]
    pub(crate) torn: bool,
}

impl Object {
    pub(crate) fn of(kind: Kind, name: &str, file: &str, entry: Entry, torn: bool) -> Self {
        Self {
            id: ObjectId::new(kind, name),
            file: file.to_owned(),
            at: entry.at,
            node: entry.node,
            torn,
        }
    }

    pub(crate) fn place(&self) -> Place {
        place(&self.file, self.at)
    }
}

pub(crate) fn place(file: &str, at: Span) -> Place {
    Place { file: file.to_owned(), line: at.line, column: at.column }
}

/// A mistake, before its line is looked up.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) file: String,
    pub(crate) at: Span,
    pub(crate) severity: Severity,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// Whether what stands there may be a secret: it is blotted out of the line that is shown.
    pub(crate) secret: bool,
}

/// Where a reader is, and what it found.
pub(crate) struct Context<'a> {
    /// The object that is read.
    pub(crate) object: &'a Object,
    /// The configuration directory, absolute.
    pub(crate) dir: &'a Path,
    pub(crate) findings: Vec<Finding>,
    /// Why the object cannot be used although nothing is wrong with it: what it needs is broken.
    pub(crate) lacks: Option<String>,
    /// What is read just now, for messages: a key in backticks.
    pub(crate) subject: String,
}

impl<'a> Context<'a> {
    pub(crate) fn new(object: &'a Object, dir: &'a Path) -> Self {
        Self { object, dir, findings: Vec::new(), lacks: None, subject: String::new() }
    }

    pub(crate) fn error(&mut self, at: Span, message: impl Into<String>) {
        self.report(at, Severity::Error, message.into(), None);
    }

    pub(crate) fn error_with(
        &mut self,
        at: Span,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.report(at, Severity::Error, message.into(), Some(hint.into()));
    }

    pub(crate) fn warning(&mut self, at: Span, message: impl Into<String>, hint: Option<String>) {
        self.report(at, Severity::Warning, message.into(), hint);
    }

    pub(crate) fn report(
        &mut self,
        at: Span,
        severity: Severity,
        message: String,
        hint: Option<String>,
    ) {
        let file = self.object.file.clone();
        self.findings.push(Finding { file, at, severity, message, hint, secret: false });
    }

    /// An error about a value that may be a secret.
    pub(crate) fn error_secret(&mut self, at: Span, message: &str, hint: &str) {
        self.error_with(at, message, hint);
        if let Some(finding) = self.findings.last_mut() {
            finding.secret = true;
        }
    }

    pub(crate) fn errors(&self) -> usize {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error).count()
    }

    /// A path as written, made absolute: relative ones begin at the file that names them.
    pub(crate) fn absolute(&self, written: &str) -> PathBuf {
        let file = self.dir.join(&self.object.file);
        let base = file.parent().unwrap_or(self.dir);
        tidy(&base.join(written))
    }
}

/// The path without `.` and with `..` taken back, by its text alone.
pub(crate) fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                tidy.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => tidy.push(part),
        }
    }
    tidy
}
