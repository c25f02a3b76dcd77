//! Which blobs take turns with one buffer.

/// From when to when a blob needs memory.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) slot: u32,
    /// How much, as far as is known.
    pub(super) bytes: u64,
    /// The node that writes it first, before all others touch it.
    pub(super) first: u32,
    /// All nodes that touch it.
    pub(super) users: Vec<u32>,
}

/// Gives each life a buffer: lives in one buffer follow each other, so that each has ended before the next begins,
/// whatever runs at the same time. Of each buffer the lives in that order, by index.
///
/// Goes from the largest to the smallest, which suits nets with few large blobs (Pisarchyk and Lee 2020, "greedy by
/// size"), and from the first to the last, which suits chains; the better of the two counts.
pub(super) fn assign(lives: &[&Life], is_before: impl Fn(u32, u32) -> bool) -> Vec<Vec<usize>> {
    let mut by_time: Vec<usize> = (0..lives.len()).collect();
    by_time.sort_by_key(|&life| lives[life].first);
    let mut by_size = by_time.clone();
    by_size.sort_by_key(|&life| std::cmp::Reverse(lives[life].bytes));
    let by_size = assign_in(&by_size, lives, &is_before);
    let by_time = assign_in(&by_time, lives, &is_before);
    let bytes = |buffers: &[Buffer]| buffers.iter().map(|buffer| buffer.bytes).sum::<u64>();
    let key = |buffers: &[Buffer]| (bytes(buffers), buffers.len());
    let best = if key(&by_size) <= key(&by_time) { by_size } else { by_time };
    best.into_iter().map(|buffer| buffer.turns).collect()
}

/// Buffers that are looked at for each life.
const MOST_LOOKED_AT: usize = 1024;

struct Buffer {
    bytes: u64,
    turns: Vec<usize>,
}

/// Gives each life, in this order, the buffer that has to grow least for it, and then the smallest.
fn assign_in(order: &[usize], lives: &[&Life], is_before: &dyn Fn(u32, u32) -> bool) -> Vec<Buffer> {
    let ended = |a: usize, b: usize| lives[a].users.iter().all(|&user| is_before(user, lives[b].first));
    let mut buffers: Vec<Buffer> = Vec::new();
    for &life in order {
        let bytes = lives[life].bytes;
        let gap = |buffer: &Buffer| {
            // Those that end before this life begins come first.
            let at = buffer.turns.partition_point(|&other| ended(other, life));
            buffer.turns.get(at).is_none_or(|&next| ended(life, next)).then_some(at)
        };
        let cost = |buffer: &Buffer| (bytes.saturating_sub(buffer.bytes), buffer.bytes);
        // The latest are the likeliest to suit; with more of them than any net needs, the rest is not looked at.
        let latest = buffers.len().saturating_sub(MOST_LOOKED_AT);
        let gaps = buffers[latest..].iter_mut().filter_map(|buffer| gap(buffer).map(|at| (buffer, at)));
        match gaps.min_by_key(|(buffer, _)| cost(buffer)) {
            Some((buffer, at)) => {
                buffer.turns.insert(at, life);
                buffer.bytes = buffer.bytes.max(bytes);
            }
            None => buffers.push(Buffer { bytes, turns: vec![life] }),
        }
    }
    buffers
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn life(bytes: u64, first: u32, last: u32) -> Life {
        Life { slot: 0, bytes, first, users: vec![first, last] }
    }

    fn in_order(lives: &[Life]) -> Vec<Vec<usize>> {
        assign(&lives.iter().collect::<Vec<_>>(), |a, b| a < b)
    }

    fn sizes(lives: &[Life]) -> Vec<u64> {
        let of_buffer = |buffer: &Vec<usize>| buffer.iter().map(|&life| lives[life].bytes).max().unwrap();
        in_order(lives).iter().map(of_buffer).collect()
    }

    #[test]
    fn a_chain_takes_two_buffers() {
        let chain: Vec<_> = (0..100).map(|i| life(10 + u64::from(i % 3), i, i + 1)).collect();
        let buffers = in_order(&chain);
        assert_eq!(buffers.len(), 2);
        let mut all = buffers.concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        // Without sizes too.
        assert_eq!(in_order(&(0..9).map(|i| life(0, i, i + 1)).collect::<Vec<_>>()).len(), 2);
    }

    #[test]
    fn small_blobs_lie_where_large_ones_leave_gaps() {
        assert_eq!(sizes(&[life(100, 0, 1), life(90, 5, 6), life(10, 2, 4), life(20, 1, 5)]), [100, 20]);
        assert!(sizes(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn lives_in_one_buffer_follow_each_other(
            spans in proptest::collection::vec((0u64..50, 0u32..60, 0u32..20), 0..60)
        ) {
            let lives: Vec<_> = spans.iter().map(|&(bytes, first, len)| life(bytes, first, first + len)).collect();
            let buffers = in_order(&lives);
            for buffer in &buffers {
                prop_assert!(buffer.windows(2).all(|w| lives[w[0]].users[1] < lives[w[1]].first));
            }
            let mut all = buffers.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..lives.len()).collect::<Vec<_>>());
            // No less than what lives at once, no more than everything.
            let at_once = |t| lives.iter().filter(|l| l.users[0] <= t && t <= l.users[1]).map(|l| l.bytes).sum::<u64>();
            let needed: u64 = sizes(&lives).iter().sum();
            prop_assert!(needed >= (0..80).map(at_once).max().unwrap());
            prop_assert!(needed <= lives.iter().map(|l| l.bytes).sum());
        }
    }
}
