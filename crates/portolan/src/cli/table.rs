//! Columns without borders, as kubectl shows them.

use comfy_table::{Table, presets::NOTHING};

/// Headings and rows as text.
pub(crate) fn render(headings: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(headings);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_one_another() {
        let rows = vec![
            vec!["default".to_owned(), "a".to_owned()],
            vec!["m".to_owned(), "b".to_owned()],
        ];
        let text = render(&["MESH", "NAME"], rows);
        assert_eq!(text, "MESH      NAME\ndefault   a\nm         b");
    }
}
