//! Tables as Helm prints them: cells padded to the width of their column, a tab between columns.
//!
//! Scripts cut Helm's tables at tabs, so the tabs are kept. A terminal gets two spaces instead, no
//! blanks at the end of a line, and a last column that is cut where the line would wrap.

use super::printer::Printer;
use super::printer::Style;

/// Characters of the last column for which others are left out.
const LAST_COLUMN_WANTED: usize = 20;
/// Characters of it that are shown on the narrowest terminal.
const LAST_COLUMN_MIN: usize = 12;

/// Rows of cells; a cell may have a colour that takes no width.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<(String, Option<Style>)>>,
    /// Characters that a cell may have; 0 for any number.
    cell_max: usize,
}

impl Table {
    /// Cuts every cell at a width, where Helm's `--max-col-width` asks for it; 0 cuts none.
    #[must_use]
    pub fn with_cells_up_to(cell_max: usize) -> Self {
        Self {
            cell_max,
            ..Self::default()
        }
    }

    /// Adds a row of cells without colour.
    pub fn plain_row(&mut self, cells: &[&str]) {
        self.row(
            cells
                .iter()
                .map(|cell| ((*cell).to_owned(), None))
                .collect(),
        );
    }

    /// Begins with a heading.
    pub fn with_heading(cells: &[&str]) -> Self {
        let mut table = Self::default();
        table.plain_row(cells);
        table
    }

    /// Leaves columns out, in this order, until the rows fit a narrow terminal; returns which.
    ///
    /// A file or pipe gets every column.
    pub fn narrow(&mut self, printer: &Printer, expendable: &[&'static str]) -> Vec<&'static str> {
        match printer.columns() {
            Some(columns) => self.narrow_to(columns, expendable),
            None => Vec::new(),
        }
    }

    fn narrow_to(&mut self, columns: usize, expendable: &[&'static str]) -> Vec<&'static str> {
        let mut left_out = Vec::new();
        for name in expendable {
            let widths = self.widths();
            let inner: usize = widths.iter().rev().skip(1).map(|width| width + 2).sum();
            if inner + LAST_COLUMN_WANTED <= columns {
                break;
            }
            let heading = self.rows.first();
            let at = heading.and_then(|cells| cells.iter().position(|(text, _)| text == name));
            if let Some(at) = at {
                self.rows.iter_mut().for_each(|row| drop(row.remove(at)));
                left_out.push(*name);
            }
        }
        left_out
    }

    /// Adds a row.
    pub fn row(&mut self, mut cells: Vec<(String, Option<Style>)>) {
        if self.cell_max > 0 {
            for (text, _) in &mut cells {
                *text = with_dots(text, self.cell_max);
            }
        }
        self.rows.push(cells);
    }

    /// Returns the text, one line a row, as the reader of stdout needs it.
    pub fn render(&self, printer: &Printer) -> String {
        match printer.columns() {
            Some(columns) => self.for_terminal(printer, columns),
            None => self.for_programs(printer),
        }
    }

    /// Returns the width that its lines take on a terminal when nothing is cut.
    pub fn columns_taken(&self) -> usize {
        let widths = self.widths();
        let gaps = widths.len().saturating_sub(1) * 2;
        widths.iter().sum::<usize>() + gaps
    }

    fn for_terminal(&self, printer: &Printer, columns: usize) -> String {
        let widths = self.widths();
        let Some((_, inner)) = widths.split_last() else {
            return String::new();
        };
        let before: usize = inner.iter().map(|width| width + 2).sum();
        let last = columns.saturating_sub(before).max(LAST_COLUMN_MIN);
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, style)) in row.iter().enumerate() {
                let is_last = column + 1 == widths.len();
                let cell = if is_last {
                    cut(cell, last)
                } else {
                    cell.clone()
                };
                let padding = widths[column].saturating_sub(cell.chars().count());
                match style {
                    Some(style) => line.push_str(&printer.paint(*style, &cell)),
                    None => line.push_str(&cell),
                }
                if !is_last {
                    line.push_str(&" ".repeat(padding + 2));
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|(text, _)| text.chars().count())
                .max()
                .unwrap_or_default()
        };
        (0..columns).map(width).collect()
    }

    fn for_programs(&self, printer: &Printer) -> String {
        let widths = self.widths();
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

/// Cuts a cell as Helm does: three dots are the last of its characters, one stays in any case.
fn with_dots(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    let kept: String = cell.chars().take(width.saturating_sub(3).max(1)).collect();
    format!("{kept}...")
}

/// Cuts a cell to a width, with a mark that something is missing.
fn cut(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    let kept: String = cell.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_lines_that_do_not_wrap() {
        let mut table = Table::with_heading(&["REVISION", "STATUS", "DESCRIPTION"]);
        let cell = |text: &str| (text.to_owned(), None);
        table.row(vec![cell("1"), cell("deployed"), cell("Install complete")]);
        table.row(vec![
            cell("2"),
            cell("failed"),
            cell("auc 0.7631 is below the minimum"),
        ]);
        let printer = Printer::new(Some(false));
        assert_eq!(
            table.for_terminal(&printer, 45),
            "REVISION  STATUS    DESCRIPTION\n\
             1         deployed  Install complete\n\
             2         failed    auc 0.7631 is below the…\n"
        );
        let narrow = table.for_terminal(&printer, 10);
        assert!(narrow.contains("auc 0.7631…\n"), "{narrow}");
    }

    #[test]
    fn a_narrow_terminal_gets_the_columns_that_matter_and_is_told_what_is_missing() {
        let mut table = Table::with_heading(&["REVISION", "UPDATED", "CHART", "DESCRIPTION"]);
        let cell = |text: &str| (text.to_owned(), None);
        table.row(vec![
            cell("1"),
            cell("Mon Nov 23 17:09:25 2026"),
            cell("web-1.0.0"),
            cell("Install complete"),
        ]);
        assert!(table.narrow_to(100, &["UPDATED", "CHART"]).is_empty());
        assert_eq!(table.narrow_to(60, &["UPDATED", "CHART"]), ["UPDATED"]);
        assert_eq!(
            table.for_terminal(&Printer::new(Some(false)), 60),
            "REVISION  CHART      DESCRIPTION\n1         web-1.0.0  Install complete\n"
        );
    }

    #[test]
    fn cells_are_cut_where_helm_cuts_them() {
        let mut table = Table::with_cells_up_to(10);
        table.plain_row(&["NAME", "DESCRIPTION"]);
        table.plain_row(&["web", "short"]);
        assert_eq!(
            table.for_programs(&Printer::new(Some(false))),
            "NAME\tDESCRIP...\nweb \tshort     \n"
        );
    }

    #[test]
    fn cells_are_padded_and_separated_by_tabs_as_helm_does() {
        let mut table = Table::with_heading(&["NAME", "STATUS"]);
        table.row(vec![
            ("fraud-model".to_owned(), None),
            ("deployed".to_owned(), Some(Style::Good)),
        ]);
        assert_eq!(
            table.for_programs(&Printer::new(Some(false))),
            "NAME       \tSTATUS  \nfraud-model\tdeployed\n"
        );
    }
}
