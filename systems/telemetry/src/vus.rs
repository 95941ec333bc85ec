//! VUS: the volume under the curves of scores against labels, where a score close to an anomaly counts too.
//!
//! Reads scores in the order of their rows; accesses nothing. For each window up to the largest, the rows beside an anomaly count
//! in part, the less the further they are, and the area under the curve is taken over 250 thresholds; the volume is the mean of these
//! areas. So a score that comes a little early or late is worth something, which neither ROC-AUC nor PR-AUC sees.
//!
//! Sources: Paparrizos et al., "Volume under the surface", VLDB 2022; Liu, Paparrizos, "The elephant in the room", NeurIPS 2024.
//! The definition is that of TSB-AD 1.5, `get_metrics(..)["VUS-PR"]`; `tests/vus.rs` compares. Its cost here does not
//! grow with rows times windows: rows beside anomalies are counted by threshold and distance.

/// The largest window, in rows, unless another is asked for: the default of TSB-AD's `get_metrics`.
pub const WINDOW: usize = 100;
/// Thresholds, spread evenly over the places of the scores in order: TSB-AD's `thre`.
const THRESHOLDS: usize = 250;

/// Both volumes, each within 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Volume {
    /// Under the ROC curves.
    pub roc: f64,
    /// Under the precision-recall curves.
    pub pr: f64,
}

/// The volumes of `scores`, finite and in the order of their rows, against labels; none when only one class was seen.
///
/// `window` is the largest distance in rows, to both sides together, at which a row still counts to an anomaly.
///
/// ```
/// use corec_telemetry::vus::volume;
/// let labels = |at: usize| (40..50).contains(&at);
/// let mut scores = vec![0.0; 100];
/// scores[50..60].fill(1.0);
/// let late = volume(&scores, labels, 20).unwrap();
/// assert!(late.pr > 0.2, "ten rows late is better than chance, which is 0.1: {late:?}");
/// assert_eq!(volume(&scores, |_| false, 20), None);
/// ```
///
/// # Panics
/// On more than `u32::MAX` scores.
pub fn volume(scores: &[f32], is_anomaly: impl Fn(usize) -> bool, window: usize) -> Option<Volume> {
    assert!(u32::try_from(scores.len()).is_ok(), "{} scores", scores.len());
    let runs = runs(scores.len(), is_anomaly);
    let positives: u64 = runs.iter().map(|run| u64::from(run.last - run.first + 1)).sum();
    if positives == 0 || positives == scores.len() as u64 {
        return None;
    }
    let ranks = ranks(scores);
    let mut surface = Surface::new(&ranks, runs, window);
    let (mut roc, mut pr) = (0.0, 0.0);
    for w in 0..=window {
        surface.widen_to(w / 2);
        let area = surface.area(w);
        (roc, pr) = (roc + area.roc, pr + area.pr);
    }
    let windows = (window + 1) as f64;
    Some(Volume { roc: roc / windows, pr: pr / windows })
}

/// Anomalous rows that follow each other.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u32,
    last: u32,
    /// The lowest rank of it and of the rows that count to it.
    rank: u8,
}

fn runs(rows: usize, is_anomaly: impl Fn(usize) -> bool) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for at in (0..rows).filter(|at| is_anomaly(*at)) {
        let at = at as u32;
        match runs.last_mut() {
            Some(run) if run.last + 1 == at => run.last = at,
            _ => runs.push(Run { first: at, last: at, rank: u8::MAX }),
        }
    }
    runs
}

/// The first threshold that each score reaches, the highest being the first.
fn ranks(scores: &[f32]) -> Vec<u8> {
    let mut sorted = scores.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let last = sorted.len() - 1;
    let step = last as f64 / (THRESHOLDS - 1) as f64;
    // As numpy's `linspace`: the last place is exact.
    let place = |k: usize| if k == THRESHOLDS - 1 { last } else { (k as f64 * step) as usize };
    let thresholds: Vec<f32> = (0..THRESHOLDS).map(|k| sorted[place(k)]).collect();
    scores.iter().map(|score| thresholds.partition_point(|threshold| threshold > score) as u8).collect()
}

/// What the areas of all windows are made of.
struct Surface<'a> {
    ranks: &'a [u8],
    runs: Vec<Run>,
    positives: f64,
    /// By rank: rows, and anomalies.
    rows: Vec<f64>,
    hits: Vec<f64>,
    /// By distance and rank: rows that only one run is so far from.
    near: Vec<[u32; THRESHOLDS]>,
    /// By rank: rows that two runs are near to, which count in full.
    between: [u32; THRESHOLDS],
    /// By the distance to the second run: a row's rank, and its distance to the first.
    seconds: Vec<Vec<(u8, u32)>>,
    /// By rank: the share of the runs, those that touch as one, that are found at its threshold.
    found: Vec<f64>,
}

impl<'a> Surface<'a> {
    fn new(ranks: &'a [u8], runs: Vec<Run>, window: usize) -> Self {
        let reach = window / 2;
        let (mut rows, mut hits) = (vec![0.0; THRESHOLDS], vec![0.0; THRESHOLDS]);
        let mut near = vec![[0; THRESHOLDS]; reach + 1];
        let mut seconds = vec![Vec::new(); reach + 1];
        let mut before = 0;
        for (at, rank) in ranks.iter().enumerate() {
            rows[usize::from(*rank)] += 1.0;
            while runs.get(before).is_some_and(|run| (run.last as usize) < at) {
                before += 1;
            }
            if runs.get(before).is_some_and(|run| run.first as usize <= at) {
                hits[usize::from(*rank)] += 1.0;
                continue;
            }
            let [first, second] = nearest(&runs, before, at);
            if first <= reach {
                near[first][usize::from(*rank)] += 1;
            }
            if second <= reach {
                seconds[second].push((*rank, first as u32));
            }
        }
        let positives = hits.iter().sum();
        [&mut rows, &mut hits].into_iter().for_each(|counts| accumulate(counts));
        let found = vec![0.0; THRESHOLDS];
        let mut surface =
            Self { ranks, runs, positives, rows, hits, near, between: [0; THRESHOLDS], seconds, found };
        for run in &mut surface.runs {
            let own = &ranks[run.first as usize..=run.last as usize];
            run.rank = own.iter().copied().min().unwrap_or(u8::MAX);
        }
        surface.find(0);
        surface
    }

    /// Lets rows count that are `reach` away from a run; those that are nearer do already.
    fn widen_to(&mut self, reach: usize) {
        if reach == 0 {
            return;
        }
        for (rank, first) in std::mem::take(&mut self.seconds[reach]) {
            self.near[first as usize][usize::from(rank)] -= 1;
            self.between[usize::from(rank)] += 1;
        }
        for run in &mut self.runs {
            let below = (run.first as usize).checked_sub(reach).map(|at| self.ranks[at]);
            let above = self.ranks.get(run.last as usize + reach).copied();
            run.rank = below.into_iter().chain(above).fold(run.rank, u8::min);
        }
        self.find(reach);
    }

    /// Which share of the runs is found by threshold, where runs whose reaches touch are one.
    fn find(&mut self, reach: usize) {
        let touch = |a: &Run, b: &Run| (b.first - a.last) as usize <= 2 * reach;
        let mut all = 0.0;
        self.found.fill(0.0);
        for joined in self.runs.chunk_by(touch) {
            let rank = joined.iter().map(|run| run.rank).min().unwrap_or(u8::MAX);
            self.found[usize::from(rank)] += 1.0;
            all += 1.0;
        }
        accumulate(&mut self.found);
        self.found.iter_mut().for_each(|found| *found /= all);
    }

    /// The areas of one window, whose reach it has been widened to.
    fn area(&self, window: usize) -> Volume {
        let weights: Vec<f64> =
            (0..=window / 2).map(|distance| (1.0 - distance as f64 / window.max(1) as f64).sqrt()).collect();
        let (mut roc, mut pr) = (0.0, 0.0);
        let (mut beside, mut tpr_before, mut fpr_before) = (0.0, 0.0, 0.0);
        for rank in 0..THRESHOLDS {
            beside += f64::from(self.between[rank]);
            for (near, weight) in self.near.iter().zip(&weights).skip(1) {
                beside += f64::from(near[rank]) * weight;
            }
            let (true_positives, predicted) = (self.hits[rank] + beside, self.rows[rank]);
            // Rows beside an anomaly count to it by half, so that recall is neither too large nor too small.
            let positives = self.positives + beside / 2.0;
            let tpr = (true_positives / positives).min(1.0) * self.found[rank];
            let fpr = (predicted - true_positives) / (self.ranks.len() as f64 - positives);
            roc += (fpr - fpr_before) * (tpr + tpr_before) / 2.0;
            pr += (tpr - tpr_before) * true_positives / predicted;
            (tpr_before, fpr_before) = (tpr, fpr);
        }
        roc += (1.0 - fpr_before) * (1.0 + tpr_before) / 2.0;
        Volume { roc, pr }
    }
}

/// How far the nearest two runs are from a row of none; `before` of them end before it.
fn nearest(runs: &[Run], before: usize, at: usize) -> [usize; 2] {
    let below = |back: usize| before.checked_sub(back).map_or(usize::MAX, |run| at - runs[run].last as usize);
    let above = |on: usize| runs.get(before + on).map_or(usize::MAX, |run| run.first as usize - at);
    let mut distances = [below(1), below(2), above(0), above(1)];
    distances.sort_unstable();
    [distances[0], distances[1]]
}

/// Makes of counts by rank those of all ranks up to each.
fn accumulate(counts: &mut [f64]) {
    let mut sum = 0.0;
    for count in counts {
        sum += *count;
        *count = sum;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition as it is written down, row by row.
    fn by_definition(scores: &[f32], labels: &[bool], window: usize) -> Volume {
        let n = scores.len();
        let runs = runs(n, |at| labels[at]);
        let mut sorted = scores.to_vec();
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let positives = labels.iter().filter(|label| **label).count() as f64;
        let (mut roc, mut pr) = (0.0, 0.0);
        for w in 0..=window {
            let reach = w / 2;
            let mut counts: Vec<f64> = labels.iter().map(|label| f64::from(u8::from(*label))).collect();
            for run in &runs {
                for (at, count) in counts.iter_mut().enumerate() {
                    let [first, last] = [run.first as usize, run.last as usize];
                    let distance = if at < first { first - at } else { at.saturating_sub(last) };
                    if (1..=reach).contains(&distance) {
                        *count += (1.0 - distance as f64 / w as f64).sqrt();
                    }
                }
            }
            counts.iter_mut().for_each(|count| *count = count.min(1.0));
            let (mut tpr_before, mut fpr_before) = (0.0, 0.0);
            for k in 0..THRESHOLDS {
                let at = (k as f64 * ((n - 1) as f64 / 249.0)) as usize;
                let threshold = sorted[if k == 249 { n - 1 } else { at }];
                let is_above = |at: usize| scores[at] >= threshold;
                let predicted = (0..n).filter(|at| is_above(*at)).count() as f64;
                let hit: f64 = (0..n).filter(|at| is_above(*at)).map(|at| counts[at]).sum();
                let beside: f64 =
                    (0..n).filter(|at| is_above(*at) && !labels[*at]).map(|at| counts[at]).sum();
                let (mut all, mut found) = (0.0, 0.0);
                for joined in
                    runs.chunk_by(|a, b| a.last as usize + reach >= (b.first as usize).saturating_sub(reach))
                {
                    let from = (joined[0].first as usize).saturating_sub(reach);
                    let to = (joined[joined.len() - 1].last as usize + reach).min(n - 1);
                    all += 1.0;
                    found += f64::from(u8::from((from..=to).any(is_above)));
                }
                let of = positives + beside / 2.0;
                let (tpr, fpr) = ((hit / of).min(1.0) * found / all, (predicted - hit) / (n as f64 - of));
                roc += (fpr - fpr_before) * (tpr + tpr_before) / 2.0;
                pr += (tpr - tpr_before) * hit / predicted;
                (tpr_before, fpr_before) = (tpr, fpr);
            }
            roc += (1.0 - fpr_before) * (1.0 + tpr_before) / 2.0;
        }
        Volume { roc: roc / (window + 1) as f64, pr: pr / (window + 1) as f64 }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn counted_volumes_are_those_of_the_definition(
            rows in prop::collection::vec((0u8..40, prop::bool::weighted(0.2)), 2..120), window in 0usize..30,
        ) {
            let scores: Vec<f32> = rows.iter().map(|(score, _)| f32::from(*score)).collect();
            let labels: Vec<bool> = rows.iter().map(|(_, label)| *label).collect();
            match volume(&scores, |at| labels[at], window) {
                Some(found) => {
                    let wanted = by_definition(&scores, &labels, window);
                    prop_assert!((found.pr - wanted.pr).abs() < 1e-9, "{found:?} {wanted:?}");
                    prop_assert!((found.roc - wanted.roc).abs() < 1e-9, "{found:?} {wanted:?}");
                }
                None => prop_assert!(labels.iter().all(|label| *label == labels[0])),
            }
        }
    }
}
