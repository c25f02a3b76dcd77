//! Where boxes stand: in layers from top to bottom, lines between them with few crossings and few bends.
//!
//! Layers by the longest path, places for lines that pass through a layer, order by barycentres (Sugiyama et al. 1981), and
//! positions by least squares under the order: each box as close to the middle of its neighbours as those beside it
//! allow.

use super::graph::Graph;

/// Space between boxes of a layer.
const BESIDE: f64 = 28.0;
/// Space between layers.
const BELOW: f64 = 34.0;
/// Width of a place that a line passes through.
const LANE: f64 = 10.0;
/// How often the order, and then the positions, are bettered.
const ROUNDS: usize = 24;
/// The most boxes and places for lines.
const MOST_ITEMS: usize = 50_000;
/// The most lines between two layers whose crossings are counted.
const MOST_COUNTED: usize = 1000;

/// Upper left corner and size.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Where everything stands.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) boxes: Vec<Rect>,
    /// The line of each edge, from the lower edge of a box to the upper edge of another: for the layers of the two and
    /// each that it passes, where it goes straight down.
    pub(super) lines: Vec<Vec<Straight>>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A part of a line that goes straight down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Straight {
    pub(super) x: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

/// A box, or a place that a line passes through.
#[derive(Debug, Clone)]
struct Item {
    layer: usize,
    width: f64,
    above: Vec<usize>,
    below: Vec<usize>,
    is_box: bool,
}

impl Item {
    /// How much it counts where it stands.
    fn weight(&self) -> f64 {
        if self.is_box { 8.0 } else { 1.0 }
    }
}

impl Layout {
    /// Places boxes of these sizes; `None` where there is too much to place.
    pub(super) fn of(graph: &Graph, sizes: &[(f64, f64)]) -> Option<Layout> {
        let layers = layers(sizes.len(), &graph.edges);
        let lanes: usize = graph.edges.iter().map(|&(from, to)| layers[to] - layers[from]).sum();
        if sizes.len() + lanes > MOST_ITEMS {
            return None;
        }
        let mut items: Vec<Item> = sizes
            .iter()
            .zip(&layers)
            .map(|(size, &layer)| Item { layer, width: size.0, above: vec![], below: vec![], is_box: true })
            .collect();
        let paths: Vec<_> = graph.edges.iter().map(|&(from, to)| route(&mut items, from, to)).collect();
        let mut rows = vec![Vec::new(); layers.iter().max().map_or(0, |last| last + 1)];
        items.iter().enumerate().for_each(|(index, item)| rows[item.layer].push(index));
        order(&mut rows, &items);
        let x = positions(&rows, &items);
        Some(place(&rows, &items, &x, sizes, &paths))
    }
}

/// The layer of each box: below all that lead to it. Edges lead from earlier boxes to later ones.
fn layers(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut layers = vec![0; count];
    let mut sorted = edges.to_vec();
    sorted.sort_unstable_by_key(|edge| edge.1);
    for &(from, to) in &sorted {
        layers[to] = layers[to].max(layers[from] + 1);
    }
    // What nothing leads to stands right above what it leads to.
    let mut next = vec![usize::MAX; count];
    edges.iter().for_each(|&(from, to)| next[from] = next[from].min(layers[to]));
    for (layer, next) in layers.iter_mut().zip(next) {
        if *layer == 0 && next != usize::MAX {
            *layer = next - 1;
        }
    }
    layers
}

/// The items that a line connects, with a new one in each layer that it passes.
fn route(items: &mut Vec<Item>, from: usize, to: usize) -> Vec<usize> {
    let mut path = vec![from];
    for layer in items[from].layer + 1..items[to].layer {
        path.push(items.len());
        items.push(Item { layer, width: LANE, above: vec![], below: vec![], is_box: false });
    }
    path.push(to);
    for pair in path.windows(2) {
        items[pair[0]].below.push(pair[1]);
        items[pair[1]].above.push(pair[0]);
    }
    path
}

/// Orders each layer by the mean place of neighbours, and keeps the order with the fewest crossings.
fn order(rows: &mut Vec<Vec<usize>>, items: &[Item]) {
    let mut place = vec![0usize; items.len()];
    let note = |rows: &[Vec<usize>], place: &mut Vec<usize>| {
        rows.iter().for_each(|row| row.iter().enumerate().for_each(|(at, &item)| place[item] = at));
    };
    note(rows, &mut place);
    let mut best = (crossings(rows, items, &place), rows.clone());
    for round in 0..ROUNDS {
        let down = round % 2 == 0;
        let sequence: Vec<usize> =
            if down { (0..rows.len()).collect() } else { (0..rows.len()).rev().collect() };
        for layer in sequence {
            let mean = |item: usize| {
                let near = if down { &items[item].above } else { &items[item].below };
                if near.is_empty() {
                    return place[item] as f64;
                }
                near.iter().map(|&n| place[n] as f64).sum::<f64>() / near.len() as f64
            };
            let mut keyed: Vec<_> = rows[layer].iter().map(|&item| (mean(item), item)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            rows[layer] = keyed.into_iter().map(|(_, item)| item).collect();
            rows[layer].iter().enumerate().for_each(|(at, &item)| place[item] = at);
        }
        let now = crossings(rows, items, &place);
        if now < best.0 {
            best = (now, rows.clone());
        }
    }
    *rows = best.1;
}

fn crossings(rows: &[Vec<usize>], items: &[Item], place: &[usize]) -> usize {
    let mut count = 0;
    for row in rows {
        let ends: Vec<(usize, usize)> = row
            .iter()
            .flat_map(|&item| items[item].below.iter().map(move |&to| (place[item], place[to])))
            .collect();
        if ends.len() > MOST_COUNTED {
            continue;
        }
        for (index, a) in ends.iter().enumerate() {
            count += ends[index + 1..]
                .iter()
                .filter(|b| (a.0 < b.0 && a.1 > b.1) || (a.0 > b.0 && a.1 < b.1))
                .count();
        }
    }
    count
}

/// The middle of each item.
fn positions(rows: &[Vec<usize>], items: &[Item]) -> Vec<f64> {
    let mut x = vec![0.0; items.len()];
    for row in rows {
        let whole: f64 = row.iter().map(|&item| items[item].width + BESIDE).sum();
        let mut left = -whole / 2.0;
        for &item in row {
            x[item] = left + (items[item].width + BESIDE) / 2.0;
            left += items[item].width + BESIDE;
        }
    }
    for round in 0..ROUNDS {
        let down = round % 2 == 0;
        let sequence: Vec<usize> =
            if down { (0..rows.len()).collect() } else { (0..rows.len()).rev().collect() };
        for layer in sequence {
            settle(&rows[layer], items, &mut x, if round + 2 < ROUNDS { Some(down) } else { None });
        }
    }
    x
}

/// Items of a layer that touch.
struct Block {
    place: f64,
    weight: f64,
    /// Each with its distance from the place.
    members: Vec<(usize, f64)>,
}

/// Moves the items of a layer as close to the middle of their neighbours as order and space allow: least squares, by
/// pooling neighbours that would overlap. `down` says which neighbours count; `None` that all do.
fn settle(row: &[usize], items: &[Item], x: &mut [f64], down: Option<bool>) {
    // In these coordinates items that touch have the same place.
    let mut offset = 0.0;
    let mut blocks: Vec<Block> = Vec::new();
    let mut before: Option<f64> = None;
    for &item in row {
        let Item { width, above, below, is_box, .. } = &items[item];
        let gap = if *is_box { BESIDE } else { LANE };
        offset += before.map_or(0.0, |half| half + width / 2.0 + gap);
        before = Some(width / 2.0);
        let near = match down {
            Some(true) => [&above[..], &[]],
            Some(false) => [&below[..], &[]],
            None => [&above[..], &below[..]],
        };
        // By the same weights as below, so that boxes in a row with a line beside them do not drift.
        let near = near.into_iter().flatten().map(|&n| (x[n], items[n].weight()));
        let (sum, whole) =
            near.fold((0.0, 0.0), |(sum, whole), (x, weight)| (sum + x * weight, whole + weight));
        let (wish, weight) = if whole > 0.0 { (sum / whole, items[item].weight()) } else { (x[item], 0.1) };
        let mut block = Block { place: wish - offset, weight, members: vec![(item, offset)] };
        while let Some(mut last) = blocks.pop_if(|last| last.place >= block.place) {
            let weight = last.weight + block.weight;
            last.place = (last.place * last.weight + block.place * block.weight) / weight;
            last.weight = weight;
            last.members.append(&mut block.members);
            block = last;
        }
        blocks.push(block);
    }
    for Block { place, members, .. } in blocks {
        members.into_iter().for_each(|(item, offset)| x[item] = place + offset);
    }
}

fn place(
    rows: &[Vec<usize>],
    items: &[Item],
    x: &[f64],
    sizes: &[(f64, f64)],
    paths: &[Vec<usize>],
) -> Layout {
    let height_of = |item: &usize| sizes.get(*item).map_or(0.0, |size| size.1);
    let left = (0..items.len()).map(|i| x[i] - items[i].width / 2.0).fold(f64::INFINITY, f64::min);
    let right = (0..items.len()).map(|i| x[i] + items[i].width / 2.0).fold(f64::NEG_INFINITY, f64::max);
    let (mut boxes, mut tops) = (vec![Rect::default(); sizes.len()], Vec::new());
    let mut y = 0.0;
    for row in rows {
        let tallest = row.iter().map(height_of).fold(0.0, f64::max);
        for &item in row.iter().filter(|item| items[**item].is_box) {
            let (width, height) = sizes[item];
            boxes[item] = Rect { x: x[item] - left - width / 2.0, y, width, height };
        }
        tops.push((y, y + tallest));
        y += tallest + BELOW;
    }
    let straight = |(at, item): (usize, &usize)| {
        let (top, bottom) = tops[items[*item].layer];
        // Out of its layer before it bends, so that it meets no taller box.
        let top = if at == 0 { top + height_of(item) } else { top };
        Straight { x: x[*item] - left, top, bottom }
    };
    let lines = paths.iter().map(|path| path.iter().enumerate().map(straight).collect()).collect();
    Layout { boxes, lines, width: (right - left).max(0.0), height: (y - BELOW).max(0.0) }
}

#[cfg(test)]
mod tests {
    use super::super::graph::Graph;
    use super::*;
    use proptest::prelude::*;

    fn graph(edges: &[(usize, usize)]) -> Graph {
        Graph { name: String::new(), boxes: Vec::new(), edges: edges.to_vec() }
    }

    #[test]
    fn a_row_of_boxes_is_straight() {
        let layout =
            Layout::of(&graph(&[(0, 1), (1, 2)]), &[(100.0, 20.0), (60.0, 50.0), (100.0, 20.0)]).unwrap();
        assert_eq!((layout.width, layout.height), (100.0, 20.0 + 50.0 + 20.0 + 2.0 * BELOW));
        assert!(layout.lines.iter().flatten().all(|straight| (straight.x - 50.0).abs() < 1e-6));
    }

    #[test]
    fn a_line_past_a_box_does_not_cross_it() {
        let layout = Layout::of(&graph(&[(0, 1), (1, 2), (0, 2)]), &[(100.0, 20.0); 3]).unwrap();
        let passing = layout.lines[2][1];
        let side = layout.boxes[1];
        assert!(passing.x < side.x || passing.x > side.x + side.width, "{layout:?}");
    }

    proptest! {
        #[test]
        fn boxes_never_overlap_and_lines_lead_down(
            pairs in proptest::collection::vec((0usize..14, 0usize..14), 0..30),
            sizes in proptest::collection::vec((20.0f64..200.0, 10.0f64..80.0), 14),
        ) {
            let mut edges: Vec<_> = pairs.into_iter().filter(|(a, b)| a < b).collect();
            edges.sort_unstable();
            edges.dedup();
            let layout = Layout::of(&graph(&edges), &sizes).unwrap();
            for (i, a) in layout.boxes.iter().enumerate() {
                prop_assert!(a.x >= -1e-6 && a.x + a.width <= layout.width + 1e-6);
                prop_assert!(a.y >= 0.0 && a.y + a.height <= layout.height + 1e-6);
                for b in &layout.boxes[i + 1..] {
                    let apart = a.x + a.width <= b.x + 1e-6 || b.x + b.width <= a.x + 1e-6
                        || a.y + a.height <= b.y || b.y + b.height <= a.y;
                    prop_assert!(apart, "{:?} {:?}", a, b);
                }
            }
            for line in &layout.lines {
                prop_assert!(line.windows(2).all(|pair| pair[0].bottom < pair[1].top));
            }
        }
    }
}
