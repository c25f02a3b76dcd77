//! Colours and tables of reports. What is printed without a terminal, or with NO_COLOR, has none.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

/// A heading.
pub(crate) const BOLD: Style = Style::new().bold();
/// What matters less.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// What is wrong.
pub(crate) const WRONG: Style = AnsiColor::Red.on_default().bold();
/// What is right.
pub(crate) const RIGHT: Style = AnsiColor::Green.on_default().bold();

/// A text in a style.
pub(crate) fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Which side of a column its cells stand at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// Rows of cells in columns that are as wide as they need to be.
pub(crate) fn table(sides: &[Side], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..sides.len()).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::from("  ");
        for ((cell, side), width) in row.iter().zip(sides).zip(&widths) {
            let space = " ".repeat(width - cell.chars().count());
            line += &match side {
                Side::Left => format!("{cell}{space}  "),
                Side::Right => format!("{space}{cell}  "),
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows =
            [vec!["a".to_owned(), "1".into(), "x".into()], vec!["bcd".into(), "100".into(), String::new()]];
        assert_eq!(table(&[Side::Left, Side::Right, Side::Left], &rows), "  a      1  x\n  bcd  100\n");
    }
}
