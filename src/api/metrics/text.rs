//! The text that Prometheus reads: format 0.0.4, or `OpenMetrics` 1.0 for those who ask for it.
//!
//! The crates that write it know `OpenMetrics` only, whose names `promtool check metrics` does not
//! accept as the older format. Both are a few lines. **Invariants:** a family is written once, with
//! help and type, and only when it has samples; label values are escaped; the same numbers are
//! written in the same way in both formats, so that nobody's series change their names.

use std::fmt::{self, Write as _};

use jiff::{SignedDuration, Timestamp};

use crate::engine::{BOUNDS, Durations};

/// How the text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// `text/plain; version=0.0.4`
    Plain,
    /// `application/openmetrics-text; version=1.0.0`
    OpenMetrics,
}

impl Format {
    /// The media type.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Format::Plain => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The better one of those that a client accepts; the plain one when it does not care.
    pub(super) fn accepted(accept: &str) -> Self {
        let quality = |wanted: &str| {
            let mut best = 0.0_f32;
            for entry in accept.split(',') {
                let mut parts = entry.split(';').map(str::trim);
                if !parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(wanted)) {
                    continue;
                }
                let quality = parts.find_map(|part| part.strip_prefix("q="));
                let quality = quality.map_or(1.0, |text| text.parse().unwrap_or(0.0));
                best = best.max(quality);
            }
            best
        };
        let open = quality("application/openmetrics-text");
        if open > 0.0 && open >= quality("text/plain") {
            Format::OpenMetrics
        } else {
            Format::Plain
        }
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    /// A number of things, or of bytes.
    Number(u64),
    /// Whether it is so.
    Flag(bool),
    /// Seconds since 1970.
    Moment(Timestamp),
    /// Seconds.
    Seconds(f64),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => number.fmt(f),
            Value::Flag(flag) => u8::from(*flag).fmt(f),
            Value::Moment(at) => {
                // A clock before 1970 is not worth a fraction.
                let millis = at.as_millisecond().max(0);
                write!(f, "{}.{:03}", millis / 1000, millis % 1000)
            }
            Value::Seconds(seconds) => seconds.fmt(f),
        }
    }
}

/// Names and values; the names are constants of ours.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

/// The text so far.
#[derive(Debug)]
pub(super) struct Exposition {
    format: Format,
    text: String,
}

impl Exposition {
    pub(super) fn new(format: Format) -> Self {
        Self { format, text: String::new() }
    }

    /// A family of values that go up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, samples: impl FnOnce(&mut Samples<'_>)) {
        self.family(name, name, "gauge", help, samples);
    }

    /// A single value that goes up and down.
    pub(super) fn one(&mut self, name: &str, help: &str, value: Value) {
        self.gauge(name, help, |samples| samples.put(&[], value));
    }

    /// A family of values that only go up. The name ends in `_total`.
    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        samples: impl FnOnce(&mut Samples<'_>),
    ) {
        let family = match self.format {
            Format::Plain => name,
            Format::OpenMetrics => name.strip_suffix("_total").unwrap_or(name),
        };
        self.family(family, name, "counter", help, samples);
    }

    /// A family of distributions.
    pub(super) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        samples: impl FnOnce(&mut Samples<'_>),
    ) {
        self.family(name, name, "histogram", help, samples);
    }

    fn family(
        &mut self,
        family: &str,
        name: &str,
        kind: &str,
        help: &str,
        samples: impl FnOnce(&mut Samples<'_>),
    ) {
        let begin = self.text.len();
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(self.text, "# HELP {family} {help}\n# TYPE {family} {kind}");
        let after_head = self.text.len();
        samples(&mut Samples { name, text: &mut self.text });
        if self.text.len() == after_head {
            self.text.truncate(begin);
        }
    }

    /// The whole text.
    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// The samples of one family.
#[derive(Debug)]
pub(super) struct Samples<'a> {
    name: &'a str,
    text: &'a mut String,
}

impl Samples<'_> {
    /// One value.
    pub(super) fn put(&mut self, labels: Labels<'_>, value: Value) {
        self.line("", labels, None, value);
    }

    /// One value, where it is known.
    pub(super) fn put_some(&mut self, labels: Labels<'_>, value: Option<Value>) {
        if let Some(value) = value {
            self.put(labels, value);
        }
    }

    /// One distribution.
    pub(super) fn distribution(&mut self, labels: Labels<'_>, durations: &Durations) {
        for (bound, within) in BOUNDS.iter().zip(durations.within) {
            self.line("_bucket", labels, Some(&format!("{bound}.0")), Value::Number(within));
        }
        self.line("_bucket", labels, Some("+Inf"), Value::Number(durations.count));
        self.line("_sum", labels, None, seconds(durations.sum));
        self.line("_count", labels, None, Value::Number(durations.count));
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: Value) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        let bound = bound.map(|bound| ("le", bound));
        let mut separator = '{';
        for (name, value) in labels.iter().copied().chain(bound) {
            self.text.push(separator);
            separator = ',';
            self.text.push_str(name);
            self.text.push_str("=\"");
            escape(value, self.text);
            self.text.push('"');
        }
        if separator == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

/// A duration as a value.
pub(super) fn seconds(duration: SignedDuration) -> Value {
    Value::Seconds(duration.as_secs_f64())
}

fn escape(value: &str, to: &mut String) {
    for c in value.chars() {
        match c {
            '\\' => to.push_str("\\\\"),
            '"' => to.push_str("\\\""),
            '\n' => to.push_str("\\n"),
            c => to.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_label_says_stays_within_its_quotes() {
        let mut text = Exposition::new(Format::Plain);
        text.gauge("larder_x", "Help.", |samples| {
            samples.put(&[("name", "a\"} 1\n\\x{ é")], Value::Number(1));
        });
        let expected = "# HELP larder_x Help.\n# TYPE larder_x gauge\nlarder_x{name=\"a\\\"} 1\\n\\\\x{ é\"} 1\n";
        assert_eq!(text.finish(), expected);
    }

    #[test]
    fn a_counter_loses_its_ending_where_openmetrics_wants_it_and_empty_families_are_not_told() {
        let write = |format| {
            let mut text = Exposition::new(format);
            text.gauge("larder_nothing", "Nothing.", |_| {});
            text.counter("larder_x_total", "X.", |samples| samples.put(&[], Value::Flag(true)));
            text.finish()
        };
        assert_eq!(
            write(Format::Plain),
            "# HELP larder_x_total X.\n# TYPE larder_x_total counter\nlarder_x_total 1\n"
        );
        assert_eq!(
            write(Format::OpenMetrics),
            "# HELP larder_x X.\n# TYPE larder_x counter\nlarder_x_total 1\n# EOF\n"
        );
    }

    #[test]
    fn the_format_is_the_one_that_is_asked_for() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, expected) in [
            (prometheus, Format::OpenMetrics),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("text/plain", Format::Plain),
            ("*/*", Format::Plain),
            ("", Format::Plain),
            ("text/plain, application/openmetrics-text;q=0.5", Format::Plain),
            ("application/openmetrics-text;q=0", Format::Plain),
        ] {
            assert_eq!(Format::accepted(accept), expected, "{accept}");
        }
    }
}
