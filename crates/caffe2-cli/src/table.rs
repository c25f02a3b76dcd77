//! Tables for people: columns as wide as what is in them.

use crate::style::harmless;

/// Where the text of a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows of text under headings.
#[derive(Debug)]
pub(crate) struct Table {
    aligns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(columns: &[(&str, Align)]) -> Table {
        let heads = columns.iter().map(|(head, _)| (*head).to_owned()).collect();
        Table { aligns: columns.iter().map(|(_, align)| *align).collect(), rows: vec![heads] }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines, two blanks between columns, none at the ends of lines.
    pub(crate) fn render(&self) -> String {
        lines(&self.aligns, &self.rows, "")
    }
}

/// Rows of text without headings, indented.
pub(crate) fn indented(aligns: &[Align], rows: &[Vec<String>]) -> String {
    lines(aligns, rows, "  ")
}

fn lines(aligns: &[Align], rows: &[Vec<String>], indent: &str) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..aligns.len()).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let row = row.iter().map(|cell| harmless(cell));
        let mut line = indent.to_owned();
        for ((cell, align), width) in row.zip(aligns).zip(&widths) {
            match align {
                Align::Left => line.push_str(&format!("{cell:<width$}  ")),
                Align::Right => line.push_str(&format!("{cell:>width$}  ")),
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&[("name", Align::Left), ("bytes", Align::Right), ("", Align::Left)]);
        table.row(["w".into(), "1,000,000".into(), "x".into()]);
        table.row(["größe".into(), "1".into(), String::new()]);
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["bcd".to_owned(), "100".to_owned()]];
        assert_eq!(indented(&[Align::Left, Align::Right], &rows), "  a      1\n  bcd  100\n");
        assert_eq!(table.render(), "name       bytes\nw      1,000,000  x\ngröße          1\n");
    }
}
