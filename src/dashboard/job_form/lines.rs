//! Lists in an input of many lines. A text that would not survive there (it has a line break, or
//! begins or ends with a space) stands as JSON, as do the arguments of a command.

use serde_json::{Value, json};

/// Texts, one a line.
pub(super) fn texts(lines: &str) -> Vec<String> {
    own_lines(lines).map(|line| read_text(line).unwrap_or_else(|| line.to_owned())).collect()
}

/// The lines of texts.
pub(super) fn of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let lines: Vec<String> = texts.into_iter().map(|text| text_line(text, read_text)).collect();
    lines.join("\n")
}

/// A command: a line for the shell, or a program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Shell(String),
    Argv(Vec<String>),
}

/// Commands, one a line.
pub(super) fn commands(lines: &str) -> Vec<Command> {
    let commands = own_lines(lines);
    commands.map(|line| read(line).unwrap_or_else(|| Command::Shell(line.to_owned()))).collect()
}

/// The lines of commands, as the configuration shows them.
pub(super) fn of_commands(commands: &[Value]) -> String {
    let lines = commands.iter().map(|command| match command {
        Value::String(shell) => text_line(shell, |line| read(line).map(|_| String::new())),
        argv => spaced(argv),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Ports: what stands before and behind the `/`, which may be missing.
pub(super) fn ports(lines: &str) -> Vec<(&str, Option<&str>)> {
    let lines = own_lines(lines).map(str::trim);
    lines
        .map(|line| match line.split_once('/') {
            Some((port, protocol)) => (port, Some(protocol)),
            None => (line, None),
        })
        .collect()
}

fn own_lines(lines: &str) -> impl Iterator<Item = &str> {
    let lines = lines.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    lines.map(str::trim).filter(|line| !line.is_empty())
}

fn read_text(line: &str) -> Option<String> {
    line.starts_with('"').then(|| serde_json::from_str(line).ok()).flatten()
}

fn read(line: &str) -> Option<Command> {
    if line.starts_with('[') {
        return serde_json::from_str(line).ok().map(Command::Argv);
    }
    read_text(line).map(Command::Shell)
}

/// A text as a line that is read as this text again.
fn text_line(text: &str, is_read_otherwise: impl Fn(&str) -> Option<String>) -> String {
    let is_plain = !text.is_empty() && text == text.trim() && !text.contains(['\n', '\r']);
    if is_plain && is_read_otherwise(text).is_none() {
        text.to_owned()
    } else {
        json!(text).to_string()
    }
}

/// A list as people write it.
fn spaced(list: &Value) -> String {
    let items = list.as_array().into_iter().flatten();
    format!("[{}]", items.map(Value::to_string).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_into_lines_is_read_from_them_as_it_was() {
        let odd = [
            "a b",
            " a",
            "a ",
            "a\nb",
            "\"a\"",
            "\"a",
            "[\"a\"]",
            "[ -f x ] && y",
            "é\u{7f}",
            "a\r",
        ];
        assert_eq!(texts(&of_texts(odd)), odd);
        let all: Vec<Value> = odd.iter().map(|text| json!(text)).chain([json!(odd)]).collect();
        let read = commands(&of_commands(&all).replace('\n', "\r\n"));
        let mut wanted: Vec<_> =
            odd.iter().map(|text| Command::Shell((*text).to_owned())).collect();
        wanted.push(Command::Argv(odd.map(str::to_owned).to_vec()));
        assert_eq!(read, wanted);
    }

    #[test]
    fn empty_lines_are_nothing_and_ports_have_a_protocol() {
        assert_eq!(texts("\r\n a \n\n"), ["a"]);
        assert_eq!(commands("\n"), []);
        assert_eq!(ports("8080/tcp\n53"), [("8080", Some("tcp")), ("53", None)]);
    }
}
