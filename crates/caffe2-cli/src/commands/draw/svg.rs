//! A picture as SVG.

use std::fmt::Write as _;

use anyhow::bail;

use super::graph::{BoxKind, Graph, Line, NetBox};
use super::layout::{Layout, Rect, Straight};

const FONT: f64 = 12.0;
const LINE: f64 = 19.0;
const PADDING: f64 = 7.0;
const MARGIN: f64 = 24.0;
/// Space between columns.
const COLUMN: f64 = 14.0;
/// The mark of an operator's family, at the left.
const MARK: f64 = 4.0;

/// Widths of the columns of a box: type and details, parameters, shape.
struct Columns {
    text: f64,
    weights: f64,
    shape: f64,
}

impl Columns {
    fn of(lines: &[Line]) -> Columns {
        let widest = |width: fn(&Line) -> f64| lines.iter().map(width).fold(0.0, f64::max);
        Columns {
            text: widest(|line| bold_width(&line.title) + gap(&line.detail) + width(&line.detail)),
            weights: widest(|line| width(&line.weights)),
            shape: widest(|line| width(&line.shape)),
        }
    }

    fn width(&self) -> f64 {
        let column = |width: f64| if width > 0.0 { width + COLUMN } else { 0.0 };
        MARK + PADDING + self.text + column(self.weights) + column(self.shape) + PADDING
    }
}

fn gap(detail: &str) -> f64 {
    if detail.is_empty() { 0.0 } else { 6.0 }
}

/// The picture.
pub(super) fn write(graph: &Graph) -> anyhow::Result<String> {
    let columns: Vec<_> = graph.boxes.iter().map(|b| Columns::of(&b.lines)).collect();
    let sizes: Vec<_> = graph
        .boxes
        .iter()
        .zip(&columns)
        .map(|(b, columns)| (columns.width(), b.lines.len() as f64 * LINE + 2.0 * PADDING - 4.0))
        .collect();
    let Some(layout) = Layout::of(graph, &sizes) else {
        bail!("the net is too large for a picture: {} boxes; write .dot or .mmd", graph.boxes.len());
    };
    let title = if graph.name.is_empty() { "net" } else { &graph.name };
    let head = bold_width(title) * 1.4;
    let (width, height) = (layout.width.max(head) + 2.0 * MARGIN, layout.height + 2.0 * MARGIN + 26.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"{FONT}\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0 0.5 L7.5 4 L0 7.5 z\" fill=\"#607d8b\"/></marker></defs>\n\
         <text x=\"{MARGIN}\" y=\"{:.0}\" font-size=\"17\" font-weight=\"bold\" fill=\"#263238\">{}</text>\n",
        MARGIN + 8.0,
        escape(title),
    );
    let shift = (width - layout.width) / 2.0;
    let _ = writeln!(svg, "<g transform=\"translate({shift:.1} {:.1})\">", MARGIN + 26.0);
    svg.push_str("<g fill=\"none\" stroke=\"#607d8b\" stroke-width=\"1.3\">\n");
    layout.lines.iter().for_each(|line| push_line(&mut svg, line));
    svg.push_str("</g>\n");
    for ((b, rect), columns) in graph.boxes.iter().zip(&layout.boxes).zip(&columns) {
        push_box(&mut svg, b, rect, columns);
    }
    svg.push_str("</g>\n</svg>\n");
    Ok(svg)
}

/// A line that bends between layers.
fn push_line(svg: &mut String, line: &[Straight]) {
    let Some(first) = line.first() else { return };
    let _ = write!(svg, "<path d=\"M{:.1} {:.1} V{:.1}", first.x, first.top, first.bottom);
    let last = line.len() - 1;
    for (index, pair) in line.windows(2).enumerate() {
        let (from, to) = (pair[0], pair[1]);
        let middle = f64::midpoint(from.bottom, to.top);
        let _ = write!(svg, " C{:.1} {middle:.1} {:.1} {middle:.1} {:.1} {:.1}", from.x, to.x, to.x, to.top);
        if index + 1 < last {
            let _ = write!(svg, " V{:.1}", to.bottom);
        }
    }
    svg.push_str("\" marker-end=\"url(#tip)\"/>\n");
}

fn push_box(svg: &mut String, b: &NetBox, rect: &Rect, columns: &Columns) {
    let (fill, stroke, round) = match b.kind {
        BoxKind::Operators => ("#fafbfc", "#b0bec5", 4.0),
        BoxKind::Input => ("#e3f2fd", "#64b5f6", rect.height / 2.0),
        BoxKind::Output => ("#e8f5e9", "#81c784", rect.height / 2.0),
    };
    let Rect { x, y, width, height } = rect;
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{round:.1}\" fill=\"{fill}\" \
         stroke=\"{stroke}\"/>"
    );
    for (index, line) in b.lines.iter().enumerate() {
        let top = y + PADDING - 2.0 + index as f64 * LINE;
        push_text(svg, line, b.kind, (*x, top, *width), columns);
    }
}

fn push_text(
    svg: &mut String,
    line: &Line,
    kind: BoxKind,
    (x, top, width): (f64, f64, f64),
    columns: &Columns,
) {
    let base = top + LINE * 0.71;
    let colour = line.family.colour();
    let _ = write!(svg, "<g><title>{}</title>", escape(&line.full));
    if kind == BoxKind::Operators {
        let _ = write!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{MARK}\" height=\"{:.1}\" fill=\"{colour}\"/>",
            top + 1.5,
            LINE - 3.0
        );
    }
    let left = x + MARK + PADDING;
    let _ = write!(
        svg,
        "<text x=\"{left:.1}\" y=\"{base:.1}\" font-weight=\"bold\" fill=\"{colour}\">{}",
        escape(&line.title)
    );
    if !line.detail.is_empty() {
        let _ = write!(
            svg,
            "<tspan dx=\"{}\" font-weight=\"normal\" fill=\"#455a64\">{}</tspan>",
            gap(&line.detail),
            escape(&line.detail)
        );
    }
    svg.push_str("</text>");
    let right = x + width - PADDING;
    let before_shape = right - if columns.shape > 0.0 { columns.shape + COLUMN } else { 0.0 };
    for (text, end, colour) in [(&line.weights, before_shape, "#90a4ae"), (&line.shape, right, "#263238")] {
        if !text.is_empty() {
            let _ = write!(
                svg,
                "<text x=\"{end:.1}\" y=\"{base:.1}\" text-anchor=\"end\" fill=\"{colour}\">{}</text>",
                escape(text)
            );
        }
    }
    svg.push_str("</g>\n");
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML has no other control characters.
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// About how wide a text is: the widths of Helvetica, by kinds of characters.
fn width(text: &str) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | '|' | '\'' | '!' => 0.25,
        'f' | 't' | 'r' | ' ' | '/' | '(' | ')' | '[' | ']' | '-' | '#' => 0.32,
        'm' | 'w' | 'M' | 'W' | '→' => 0.85,
        'A'..='Z' => 0.69,
        _ => 0.57,
    };
    text.chars().map(em).sum::<f64>() * FONT
}

fn bold_width(text: &str) -> f64 {
    width(text) * 1.08
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(escape("a<b>&\"c\"\u{1}\n"), "a&lt;b&gt;&amp;&quot;c&quot;\u{fffd}\n");
    }

    #[test]
    fn a_net_without_operators_is_a_picture_too() {
        let svg = write(&Graph { name: "a & b".into(), boxes: Vec::new(), edges: Vec::new() }).unwrap();
        assert!(svg.contains("a &amp; b") && svg.ends_with("</svg>\n") && !svg.contains("inf"), "{svg}");
    }
}
