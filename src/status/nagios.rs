//! The verdicts as a Nagios plug-in tells them: `larder status --check`.

use super::{JobVerdict, Verdict};

/// The answer of a plug-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// 0 for OK, 1 for WARNING, 2 for CRITICAL, 3 for UNKNOWN.
    pub code: u8,
    /// The line, with performance data behind the bar, and one further line for each job that is
    /// not protected.
    pub text: String,
}

/// Sums the verdicts up; no job at all is UNKNOWN, since nothing is known to be kept.
#[must_use]
pub fn check(verdicts: &[JobVerdict]) -> Check {
    let count = |wanted| verdicts.iter().filter(|one| one.verdict == wanted).count();
    let [protected, at_risk, unprotected] =
        [Verdict::Protected, Verdict::AtRisk, Verdict::Unprotected].map(count);
    let (code, word) = match (verdicts.len(), at_risk, unprotected) {
        (0, ..) => (3, "UNKNOWN"),
        (_, 0, 0) => (0, "OK"),
        (_, _, 0) => (1, "WARNING"),
        _ => (2, "CRITICAL"),
    };
    let summary = if verdicts.is_empty() {
        "no jobs".to_owned()
    } else {
        [(protected, "protected"), (at_risk, "at risk"), (unprotected, "unprotected")]
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, words)| format!("{count} {words}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut text = format!(
        "LARDER {word} - {summary} | protected={protected} at_risk={at_risk} \
         unprotected={unprotected}"
    );
    let mut open: Vec<&JobVerdict> =
        verdicts.iter().filter(|one| one.verdict != Verdict::Protected).collect();
    open.sort_by_key(|one| std::cmp::Reverse(one.verdict));
    for one in open {
        let reasons: Vec<String> = one.reasons.iter().map(ToString::to_string).collect();
        // The bar would begin performance data.
        let line = format!("\n{} {}: {}", one.job, one.verdict.words(), reasons.join("; "));
        text.push_str(&line.replace('|', "/"));
    }
    Check { code, text }
}
