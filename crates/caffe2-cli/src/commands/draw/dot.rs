//! A picture as text for Graphviz.

use std::fmt::Write as _;

use super::graph::{BoxKind, Graph, Line};

/// The text.
pub(super) fn write(graph: &Graph) -> String {
    let mut dot = format!(
        "digraph {} {{\n  node [shape=box, fontname=\"Helvetica\", fontsize=11, style=filled];\n",
        quoted(&graph.name)
    );
    for (index, b) in graph.boxes.iter().enumerate() {
        let lines: Vec<_> = b.lines.iter().map(label).collect();
        // `\l` ends a line that begins at the left.
        let label = lines.iter().map(|line| format!("{}\\l", escaped(line))).collect::<String>();
        let look = match b.kind {
            BoxKind::Operators => "fillcolor=\"#fafbfc\"",
            BoxKind::Input => "shape=ellipse, fillcolor=\"#e3f2fd\"",
            BoxKind::Output => "shape=ellipse, fillcolor=\"#e8f5e9\"",
        };
        let _ = writeln!(dot, "  n{index} [label=\"{label}\", {look}];");
    }
    for (from, to) in &graph.edges {
        let _ = writeln!(dot, "  n{from} -> n{to};");
    }
    dot.push_str("}\n");
    dot
}

/// An operator in one line of plain text.
pub(super) fn label(line: &Line) -> String {
    let parts = [line.title.clone(), line.detail.clone(), weights(line), shape(line)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

fn weights(line: &Line) -> String {
    if line.weights.is_empty() { String::new() } else { format!("({} weights)", line.weights) }
}

fn shape(line: &Line) -> String {
    if line.shape.is_empty() { String::new() } else { format!("[{}]", line.shape) }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " ")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}
