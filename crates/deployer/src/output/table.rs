//! Tables as Helm prints them: cells padded to the width of their column, a tab between columns.
//!
//! Scripts cut Helm's tables at tabs, so the tabs are kept.

use super::printer::Printer;
use super::printer::Style;

/// Rows of cells; a cell may have a colour that takes no width.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<(String, Option<Style>)>>,
}

impl Table {
    /// Begins with a heading.
    pub fn with_heading(cells: &[&str]) -> Self {
        let mut table = Self::default();
        table.row(
            cells
                .iter()
                .map(|cell| ((*cell).to_owned(), None))
                .collect(),
        );
        table
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<(String, Option<Style>)>) {
        self.rows.push(cells);
    }

    /// Returns the text, one line a row.
    pub fn render(&self, printer: &Printer) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells
                    .map(|(text, _)| text.chars().count())
                    .max()
                    .unwrap_or_default()
            })
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            for (column, (cell, style)) in row.iter().enumerate() {
                if column > 0 {
                    text.push('\t');
                }
                let padding = " ".repeat(widths[column] - cell.chars().count());
                match style {
                    Some(style) => text.push_str(&printer.paint(*style, cell)),
                    None => text.push_str(cell),
                }
                text.push_str(&padding);
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_padded_and_separated_by_tabs_as_helm_does() {
        let mut table = Table::with_heading(&["NAME", "STATUS"]);
        table.row(vec![
            ("fraud-model".to_owned(), None),
            ("deployed".to_owned(), Some(Style::Good)),
        ]);
        assert_eq!(
            table.render(&Printer::new(Some(false))),
            "NAME       \tSTATUS  \nfraud-model\tdeployed\n"
        );
    }
}
