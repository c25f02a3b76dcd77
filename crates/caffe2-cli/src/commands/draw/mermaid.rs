//! A picture as text for Mermaid, which Markdown pages draw.

use std::fmt::Write as _;

use super::dot::label;
use super::graph::{BoxKind, Graph};

/// The text.
pub(super) fn write(graph: &Graph) -> String {
    let mut text = String::from("flowchart TD\n");
    for (index, b) in graph.boxes.iter().enumerate() {
        let label = b.lines.iter().map(|line| escaped(&label(line))).collect::<Vec<_>>().join("<br/>");
        let _ = match b.kind {
            BoxKind::Operators => writeln!(text, "  n{index}[\"{label}\"]"),
            BoxKind::Input | BoxKind::Output => writeln!(text, "  n{index}([\"{label}\"])"),
        };
    }
    for (from, to) in &graph.edges {
        let _ = writeln!(text, "  n{from} --> n{to}");
    }
    text
}

/// Text within quotes, where the rest is as in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\n', " ")
}
