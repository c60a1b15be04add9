//! The pages of `help`.

use clap::{Arg, Command};

use crate::commands::definition::command_line;

/// How many columns a page may have: every terminal has them.
const COLUMNS: usize = 80;

/// The order of a page: how to call it, what it does, its options, the rest.
const TEMPLATE: &str = "{usage-heading} {usage}\n\n{about}\n\n{all-args}{after-help}";

/// The page about a command; about all of them, for `None`.
pub(super) fn page(of: Option<&str>) -> String {
    let mut all = command_line();
    all.build();
    let one = of.and_then(|name| all.find_subcommand(name)).cloned();
    render(one.unwrap_or(all))
}

fn render(command: Command) -> String {
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string);
    let after = command.get_after_help().map(|text| filled(&text.to_string(), COLUMNS));
    // Two spaces before and after, and the room for a short name.
    let column = command.get_arguments().map(width_of).max().unwrap_or_default() + 4;
    let filled_help = |arg: Arg| {
        let help = filled(&help_of(&arg), COLUMNS.saturating_sub(column));
        arg.help(help).hide_default_value(true).hide_possible_values(true)
    };
    let page = command
        .about(filled(&about.unwrap_or_default(), COLUMNS))
        .long_about(None::<&str>)
        .after_help(after.unwrap_or_default())
        .mut_args(filled_help)
        .help_template(TEMPLATE)
        .render_help();
    page.to_string().trim_end().to_owned()
}

/// How many columns an option takes with the name of its value, and an argument of a command.
fn width_of(arg: &Arg) -> usize {
    let short = if arg.get_long().is_some() { "-h, ".len() } else { 0 };
    short + arg.to_string().chars().count()
}

/// What an option is for, and its default.
fn help_of(arg: &Arg) -> String {
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if let ([default], true) = (arg.get_default_values(), arg.get_action().takes_values()) {
        help = format!("{help} [default: {}]", default.display());
    }
    help
}

/// The text with line breaks, so that no line has more than `width` columns. Empty lines between paragraphs stay.
fn filled(text: &str, width: usize) -> String {
    let fill = |paragraph: &str| {
        let mut lines = vec![String::new()];
        for word in paragraph.split_whitespace() {
            let Some(line) = lines.last_mut() else { break };
            if line.is_empty() {
                line.push_str(word);
            } else if line.chars().count() + 1 + word.chars().count() <= width {
                line.push(' ');
                line.push_str(word);
            } else {
                lines.push(word.to_owned());
            }
        }
        lines.join("\n")
    };
    text.split('\n').map(fill).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::definition::COMMANDS;

    #[test]
    fn every_page_fits_a_terminal() {
        for of in COMMANDS.map(Some).into_iter().chain([None]) {
            let page = page(of);
            for line in page.lines() {
                assert!(line.chars().count() <= COLUMNS, "{of:?}: {line}");
            }
        }
    }
}
