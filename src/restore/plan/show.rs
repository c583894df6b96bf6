//! A plan as people read it.

use std::fmt;

use super::{Plan, Step};
use crate::model::size::Bytes;
use crate::process::escape;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "restore {} to {}", self.archive, clean(&self.target))?;
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "  {}. {step}", number + 1)?;
        }
        for note in &self.notes {
            writeln!(f, "note: {}", clean(note))?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part.word(), clean(&self.what))?;
        let mut line = |head: &str, text: &str| write!(f, "\n       {head}: {}", clean(text));
        if let Some(exists) = &self.exists {
            line("exists", exists)?;
        }
        if let Some(aside) = self.aside_place() {
            line("set aside", &aside.display().to_string())?;
        }
        if let Some(needs) = self.needs {
            line("needs", &Bytes(needs).to_string())?;
        }
        self.warnings.iter().try_for_each(|warning| line("warning", warning))
    }
}

/// Names in a plan come from archives and disks.
fn clean(text: &str) -> String {
    escape(text.as_bytes())
}
