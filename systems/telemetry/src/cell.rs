//! Cell: what a cell of a table says.

/// A cell without the spaces around it.
pub(crate) fn trimmed(cell: &[u8]) -> &[u8] {
    cell.trim_ascii()
}

/// The cell as a number, an infinity included.
pub(crate) fn number(cell: &[u8]) -> Option<f64> {
    std::str::from_utf8(cell).ok()?.parse().ok()
}

/// Whether a cell stands for no measurement.
pub(crate) fn is_gap(cell: &[u8]) -> bool {
    cell.is_empty()
        || [&b"nan"[..], b"na", b"n/a", b"null", b"none"].iter().any(|gap| cell.eq_ignore_ascii_case(gap))
}

/// A cell as an error may show it: short, and with nothing that a terminal would obey.
pub(crate) fn shown(cell: &[u8]) -> String {
    let text = String::from_utf8_lossy(cell);
    let short: String = text.chars().take(40).collect();
    let dots = if short.len() < text.len() { "..." } else { "" };
    format!("{}{dots}", short.escape_debug())
}
