//! Manual pages: those of `clap_mangen`, with examples that stay as they are written.

use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

/// The page of a command that was built.
pub(super) fn page(command: &clap::Command) -> anyhow::Result<String> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    let mut synopsis = Vec::new();
    man.render_synopsis_section(&mut synopsis)?;
    page.extend(with_values(&String::from_utf8_lossy(&synopsis), command).into_bytes());
    man.render_description_section(&mut page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    if command.get_subcommands().any(|below| !below.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(text) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        page.extend(after(&text.to_string()).render().into_bytes());
    }
    if command.get_version().is_some() {
        man.render_version_section(&mut page)?;
    }
    // Each section comes with the same lines before it, of which one is enough.
    let before = Roff::new().render();
    let sections = String::from_utf8_lossy(&page).replace(&before, "");
    Ok(format!("{before}{sections}"))
}

/// The synopsis, in which options are followed by their values.
fn with_values(synopsis: &str, command: &clap::Command) -> String {
    let mut text = synopsis.to_owned();
    for option in command.get_arguments().filter(|argument| !argument.is_positional()) {
        let takes = option.get_num_args().is_some_and(|range| range.takes_values());
        let (Some(long), true, Some(values)) = (option.get_long(), takes, option.get_value_names())
        else {
            continue;
        };
        let flag = format!("\\-\\-{}\\fR", long.replace('-', "\\-"));
        for end in [']', '>'] {
            let value = values.join(" ");
            text = text.replace(&format!("{flag}{end}"), &format!("{flag} \\fI{value}\\fR{end}"));
        }
    }
    text
}

/// What stands behind the options: the examples, line by line, and then the notes.
fn after(text: &str) -> Roff {
    let mut page = Roff::new();
    let mut has_notes = false;
    for block in text.split("\n\n").map(str::trim_end).filter(|block| !block.trim().is_empty()) {
        let examples =
            ["Examples:\n", "Example:\n"].iter().find_map(|head| block.strip_prefix(head));
        if let Some(examples) = examples {
            page.control("SH", ["EXAMPLES"]);
            as_written(&mut page, examples);
            continue;
        }
        page.control(if has_notes { "PP" } else { "SH" }, (!has_notes).then_some("NOTES"));
        has_notes = true;
        // What is indented is a list or a command, and stays one.
        if block.lines().any(|line| line.starts_with(' ')) {
            as_written(&mut page, block);
        } else {
            page.text([roman(block.replace('\n', " "))]);
        }
    }
    page
}

fn as_written(page: &mut Roff, lines: &str) {
    page.control("nf", []);
    for line in lines.lines() {
        page.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
    }
    page.control("fi", []);
}
