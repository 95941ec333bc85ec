//! The kernel scores every row of a block in one pass over its columns, with the same bits at any width.
//!
//! Strips of [`STRIP`] rows go through the whole network in registers and the first-level cache, without a branch, a
//! fused operation or a call. A row does not see its neighbours, so callers may cut a block wherever they like.

use corec::prelude::Signal;
use corec::prelude::width::{Kernel, Simd, Width};

use crate::network::{INPUTS_MAX, Network};

/// Rows taken at once. With fewer LLVM vectorises some of the loops badly. Measured on Zen 3 with AVX2, a million rows
/// of 2-10-1 and of 3-10-1 on one thread: 1.7 and 2.4 ms with 64, 1.8 and 5.3 ms with 32, 2.5 and 4.7 ms with 16.
pub const STRIP: usize = 64;

/// Scores rows given by columns: `inputs[j][i]` is input `j` of row `i`. Scores are within 0..=1.
///
/// A row with a NaN in it (or a sum that becomes one, such as infinity minus infinity) scores 0; an infinity counts as
/// its limit. Within 2e-7 of double precision for weights and inputs around 1.
///
/// # Panics
/// If there are not as many columns as the network has inputs, or one is not as long as `out`.
///
/// ```
/// use analyzer::kernel::score;
/// use analyzer::network::{Network, Shape};
///
/// // One hidden unit that passes value - fitness on.
/// let network = Network::new(Shape::new(2, 1)?, vec![1.0, -1.0], vec![0.0], vec![2.0], 0.0)?;
/// let mut scores = [0.0; 3];
/// score(&network, &[&[0.9, 0.1, f32::NAN], &[0.5, 0.5, 0.5]], &mut scores);
/// assert_eq!(scores.map(|score| (score * 100.0).round()), [69.0, 50.0, 0.0]);
/// # Ok::<(), analyzer::network::NetworkError>(())
/// ```
pub fn score(network: &Network, inputs: &[&[f32]], out: &mut [f32]) {
    score_at(Simd::widest(), network, inputs, out);
}

/// Scores (value, fitness) of a block: a column of signals, and one fitness for all of them. The same bits as [`score`]
/// of the values and a column of the fitness, in less time.
///
/// # Panics
/// If the network has not two inputs, or `signals` is not as long as `out`.
pub fn score_signal(network: &Network, signals: &[Signal], fitness: f32, out: &mut [f32]) {
    score_signal_at(Simd::widest(), network, signals, fitness, out);
}

fn score_at(simd: Simd, network: &Network, inputs: &[&[f32]], out: &mut [f32]) {
    let expected = network.shape().inputs();
    assert_eq!(inputs.len(), expected, "columns of a network with {expected} inputs");
    for (j, column) in inputs.iter().enumerate() {
        assert_eq!(column.len(), out.len(), "rows of input {j}");
    }
    match *inputs {
        [first, second] => {
            simd.run(ScoreKernel { network, hidden: TwoColumns { network, first, second }, out })
        }
        _ => simd.run(ScoreKernel { network, hidden: AnyColumns { network, columns: inputs }, out }),
    }
}

fn score_signal_at(simd: Simd, network: &Network, signals: &[Signal], fitness: f32, out: &mut [f32]) {
    assert_eq!(network.shape().inputs(), 2, "inputs of a network that scores (value, fitness)");
    assert_eq!(signals.len(), out.len(), "rows of the signals");
    let values = bytemuck::cast_slice(signals);
    simd.run(ScoreKernel { network, hidden: ValuesAndFitness { network, values, fitness }, out });
}

/// A strip of one number a row.
type Strip = [f32; STRIP];

/// Where the inputs of the hidden units come from. Each sums in the same order: weight times input by input, then the
/// bias.
trait HiddenLayer {
    /// What is loaded once a strip.
    type Rows;

    /// Loads the rows from `at` on; those past the last are 0.
    fn load(&self, at: usize, rows: &mut Self::Rows);
    /// Adds what hidden unit `k` counts for to the sums of the output.
    fn add(&self, rows: &Self::Rows, k: usize, sums: &mut Strip);
    /// No rows.
    fn none(&self) -> Self::Rows;
}

struct TwoColumns<'a> {
    network: &'a Network,
    first: &'a [f32],
    second: &'a [f32],
}

impl HiddenLayer for TwoColumns<'_> {
    type Rows = [Strip; 2];

    #[inline(always)]
    fn load(&self, at: usize, rows: &mut [Strip; 2]) {
        load_strip(self.first, at, &mut rows[0]);
        load_strip(self.second, at, &mut rows[1]);
    }

    #[inline(always)]
    fn add(&self, rows: &[Strip; 2], k: usize, sums: &mut Strip) {
        let weight = self.network.hidden_weight();
        let (first, second, bias) = (weight[2 * k], weight[2 * k + 1], self.network.hidden_bias()[k]);
        let out = self.network.out_weight()[k];
        for l in 0..STRIP {
            sums[l] += out * relu(first * rows[0][l] + second * rows[1][l] + bias);
        }
    }

    #[inline(always)]
    fn none(&self) -> [Strip; 2] {
        [[0.0; STRIP]; 2]
    }
}

struct ValuesAndFitness<'a> {
    network: &'a Network,
    values: &'a [f32],
    fitness: f32,
}

impl HiddenLayer for ValuesAndFitness<'_> {
    type Rows = Strip;

    #[inline(always)]
    fn load(&self, at: usize, rows: &mut Strip) {
        load_strip(self.values, at, rows);
    }

    #[inline(always)]
    fn add(&self, rows: &Strip, k: usize, sums: &mut Strip) {
        let weight = self.network.hidden_weight();
        let (first, bias) = (weight[2 * k], self.network.hidden_bias()[k]);
        let of_fitness = weight[2 * k + 1] * self.fitness;
        let out = self.network.out_weight()[k];
        for l in 0..STRIP {
            sums[l] += out * relu(first * rows[l] + of_fitness + bias);
        }
    }

    #[inline(always)]
    fn none(&self) -> Strip {
        [0.0; STRIP]
    }
}

struct AnyColumns<'a> {
    network: &'a Network,
    columns: &'a [&'a [f32]],
}

impl HiddenLayer for AnyColumns<'_> {
    type Rows = [Strip; INPUTS_MAX];

    #[inline(always)]
    fn load(&self, at: usize, rows: &mut [Strip; INPUTS_MAX]) {
        for (strip, column) in rows.iter_mut().zip(self.columns) {
            load_strip(column, at, strip);
        }
    }

    #[inline(always)]
    fn add(&self, rows: &[Strip; INPUTS_MAX], k: usize, sums: &mut Strip) {
        let inputs = self.columns.len();
        let weights = &self.network.hidden_weight()[k * inputs..][..inputs];
        let (bias, out) = (self.network.hidden_bias()[k], self.network.out_weight()[k]);
        let mut units = [0.0; STRIP];
        for l in 0..STRIP {
            units[l] = weights[0] * rows[0][l];
        }
        for (weight, row) in weights.iter().zip(rows).skip(1) {
            for l in 0..STRIP {
                units[l] += weight * row[l];
            }
        }
        for l in 0..STRIP {
            sums[l] += out * relu(units[l] + bias);
        }
    }

    #[inline(always)]
    fn none(&self) -> [Strip; INPUTS_MAX] {
        [[0.0; STRIP]; INPUTS_MAX]
    }
}

struct ScoreKernel<'a, H> {
    network: &'a Network,
    hidden: H,
    out: &'a mut [f32],
}

impl<H: HiddenLayer> Kernel for ScoreKernel<'_, H> {
    type Output = ();

    #[inline(always)]
    fn run<W: Width>(self, _: W) {
        let Self { network, hidden, out } = self;
        let mut rows = hidden.none();
        let (strips, rest) = out.as_chunks_mut::<STRIP>();
        let whole = strips.len() * STRIP;
        for (at, strip) in strips.iter_mut().enumerate() {
            hidden.load(at * STRIP, &mut rows);
            *strip = strip_of_scores(network, &hidden, &rows);
        }
        if !rest.is_empty() {
            hidden.load(whole, &mut rows);
            let strip = strip_of_scores(network, &hidden, &rows);
            rest.copy_from_slice(&strip[..rest.len()]);
        }
    }
}

#[inline(always)]
fn load_strip(column: &[f32], at: usize, strip: &mut Strip) {
    match column[at..].first_chunk::<STRIP>() {
        Some(whole) => *strip = *whole,
        None => {
            let rest = &column[at..];
            *strip = [0.0; STRIP];
            strip[..rest.len()].copy_from_slice(rest);
        }
    }
}

#[inline(always)]
fn strip_of_scores<H: HiddenLayer>(network: &Network, hidden: &H, rows: &H::Rows) -> Strip {
    let mut sums = [network.out_bias(); STRIP];
    for k in 0..network.shape().hidden() {
        hidden.add(rows, k, &mut sums);
    }
    sums.map(sigmoid)
}

/// The larger of 0 and `x`; NaN stays NaN, which `f32::max` would turn into 0.
#[inline(always)]
fn relu(x: f32) -> f32 {
    if 0.0 > x { 0.0 } else { x }
}

/// 2^f on -0.5..=0.5 as 1 + f q(f): the coefficients of f to f^5.
///
/// Minimax in relative error, by linear programming over 20,001 Chebyshev nodes (scipy 1.x, HiGHS), then rounded to
/// f32: 1.1e-7 at most against f64, of which a sigmoid sees a quarter. Degree 4 has 2.8e-6, degree 6 no less once
/// rounding is counted.
#[expect(clippy::approx_constant, reason = "the minimax slope at 0, not the logarithm of 2")]
const EXP2: [f32; 5] = [6.931_47e-1, 2.402_224_2e-1, 5.550_734e-2, 9.671_513e-3, 1.326_471_7e-3];

/// 1 / (1 + e^-x), and 0 for NaN. At most 1.2e-7 from f64, and exactly 0.5 for 0.
///
/// Its smallest value but NaN's is 1 / (1 + 2^125), about 2e-38: nothing becomes subnormal on the way, which would be
/// slow.
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    // Adding it rounds to a whole number, which is then in the low bits: 1.5 * 2^23.
    const ROUND: f32 = 12_582_912.0;
    let power = x * -std::f32::consts::LOG2_E;
    let power = if power < 125.0 { power } else { 125.0 };
    let power = if power > -125.0 { power } else { -125.0 };
    let rounded = power + ROUND;
    let f = power - (rounded - ROUND);
    let [c1, c2, c3, c4, c5] = EXP2;
    let exp2_f = 1.0 + f * (c1 + f * (c2 + f * (c3 + f * (c4 + f * c5))));
    // ROUND has nothing in the bits that the shift leaves, so they are the whole number, as an exponent.
    let exp = f32::from_bits(exp2_f.to_bits().wrapping_add(rounded.to_bits() << 23));
    let score = 1.0 / (1.0 + exp);
    if x.is_nan() { 0.0 } else { score }
}

#[cfg(test)]
mod tests {
    use corec::prelude::rng::{Draws, unit};
    use proptest::prelude::*;

    use super::*;
    use crate::network::Shape;
    use crate::reference::Reference;

    const LENGTHS: [usize; 8] = [0, 1, 31, 32, 33, 64, 65, 1000];

    fn network(inputs: usize, hidden: usize) -> Network {
        Network::init(Shape::new(inputs, hidden).unwrap(), &Draws::new(3, "weights"))
    }

    /// Columns of numbers within -4..4.
    fn columns(inputs: usize, rows: usize) -> Vec<Vec<f32>> {
        let draws = Draws::new(5, "rows");
        let number = |j, i| 8.0 * unit(draws.words(i as u64, j as u64, 0)[0]) - 4.0;
        (0..inputs).map(|j| (0..rows).map(|i| number(j, i)).collect()).collect()
    }

    fn slices(columns: &[Vec<f32>]) -> Vec<&[f32]> {
        columns.iter().map(Vec::as_slice).collect()
    }

    fn bits(scores: &[f32]) -> Vec<u32> {
        scores.iter().map(|score| score.to_bits()).collect()
    }

    fn scored(network: &Network, columns: &[Vec<f32>]) -> Vec<f32> {
        let mut out = vec![9.0; columns[0].len()];
        score(network, &slices(columns), &mut out);
        out
    }

    /// The network in double precision, sums in the same order.
    fn exact(network: &Network, row: &[f32]) -> f64 {
        let mut y = f64::from(network.out_bias());
        for (k, weights) in network.hidden_weight().chunks(row.len()).enumerate() {
            let sum: f64 = weights.iter().zip(row).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
            y += f64::from(network.out_weight()[k]) * (sum + f64::from(network.hidden_bias()[k])).max(0.0);
        }
        1.0 / (1.0 + libm::exp(-y))
    }

    #[test]
    fn every_width_has_the_same_bits() {
        for (inputs, hidden) in [(2, 10), (1, 1), (3, 7), (16, 256)] {
            let network = network(inputs, hidden);
            for rows in LENGTHS {
                let mut columns = columns(inputs, rows);
                if rows > 2 {
                    (columns[0][1], columns[0][2]) = (f32::NAN, f32::INFINITY);
                }
                let mut first = None;
                for simd in Simd::available() {
                    let mut out = vec![9.0; rows];
                    score_at(simd, &network, &slices(&columns), &mut out);
                    let found = bits(&out);
                    let first = first.get_or_insert_with(|| found.clone());
                    assert_eq!(*first, found, "{simd:?}, {inputs} inputs, {rows} rows");
                }
            }
        }
    }

    #[test]
    fn a_score_has_the_same_bits_in_any_build() {
        let found = bits(&scored(&network(2, 10), &columns(2, 1000)));
        assert_eq!(found[..4], [1_056_127_496, 1_043_956_736, 1_053_954_593, 1_055_979_189]);
        assert_eq!(found.iter().fold(0u32, |sum, &word| sum.rotate_left(5) ^ word), 1_686_237_583);
    }

    #[test]
    fn signals_have_the_bits_of_two_columns() {
        let network = network(2, 10);
        for rows in LENGTHS {
            let values = columns(1, rows).remove(0);
            let signals: Vec<Signal> = values.iter().map(|&value| Signal { value }).collect();
            for fitness in [0.3, -1.0, f32::NAN, f32::INFINITY] {
                let expected = scored(&network, &[values.clone(), vec![fitness; rows]]);
                for simd in Simd::available() {
                    let mut out = vec![9.0; rows];
                    score_signal_at(simd, &network, &signals, fitness, &mut out);
                    assert_eq!(bits(&out), bits(&expected), "{simd:?}, fitness {fitness}, {rows} rows");
                }
            }
        }
    }

    #[test]
    fn two_inputs_have_the_bits_of_any_inputs() {
        let network = network(2, 10);
        let columns = columns(2, 1000);
        let mut out = vec![9.0; 1000];
        let columns = slices(&columns);
        Simd::widest().run(ScoreKernel {
            network: &network,
            hidden: AnyColumns { network: &network, columns: &columns },
            out: &mut out,
        });
        let mut fast = vec![9.0; 1000];
        score(&network, &columns, &mut fast);
        assert_eq!(bits(&out), bits(&fast));
    }

    #[test]
    fn a_score_is_within_2e_7_of_double_precision() {
        for (inputs, hidden) in [(1, 1), (2, 10), (5, 32), (16, 256)] {
            let network = network(inputs, hidden);
            let columns = columns(inputs, 1000);
            for (i, found) in scored(&network, &columns).into_iter().enumerate() {
                let row: Vec<f32> = columns.iter().map(|column| column[i]).collect();
                let error = (f64::from(found) - exact(&network, &row)).abs();
                assert!(error <= 2e-7, "{inputs}-{hidden}-1, row {row:?}: {found} is off by {error:e}");
            }
        }
    }

    #[test]
    fn a_score_is_within_2e_6_of_candle() {
        for (inputs, hidden) in [(1, 1), (2, 10), (5, 32), (16, 256)] {
            let network = network(inputs, hidden);
            let columns = columns(inputs, 7001);
            let mut candle = vec![9.0; 7001];
            Reference::new(&network).unwrap().score(&slices(&columns), &mut candle).unwrap();
            for (i, (found, candle)) in scored(&network, &columns).iter().zip(&candle).enumerate() {
                assert!(
                    (found - candle).abs() <= 2e-6,
                    "{inputs}-{hidden}-1, row {i}: {found}, candle {candle}"
                );
            }
        }
    }

    #[test]
    fn a_row_with_a_nan_scores_0_and_no_other_row_notices() {
        for inputs in [1, 2, 3, 16] {
            // A weight of 0 hides no NaN.
            let shape = Shape::new(inputs, 1).unwrap();
            let network = Network::new(shape, vec![0.0; inputs], vec![0.0], vec![0.0], 0.0).unwrap();
            for bad in 0..inputs {
                let mut columns = columns(inputs, 40);
                columns[bad][35] = f32::NAN;
                let scores = scored(&network, &columns);
                assert_eq!(scores[35].to_bits(), 0, "NaN in input {bad} of {inputs}");
                assert!(scores.iter().enumerate().all(|(i, &score)| i == 35 || score == 0.5), "{scores:?}");
            }
        }
    }

    #[test]
    fn an_infinity_counts_as_its_limit() {
        let network = Network::new(Shape::new(1, 1).unwrap(), vec![1.0], vec![0.0], vec![1.0], 0.0).unwrap();
        assert_eq!(scored(&network, &[vec![f32::INFINITY, f32::NEG_INFINITY, f32::MAX]]), [1.0, 0.5, 1.0]);
    }

    #[test]
    fn a_sigmoid_is_within_its_error_of_double_precision() {
        let mut worst = (0.0, 0.0);
        for step in -4_000_000..=4_000_000 {
            let x = step as f32 * 2.5e-5;
            let error = (f64::from(sigmoid(x)) - 1.0 / (1.0 + libm::exp(-f64::from(x)))).abs();
            worst = if error > worst.0 { (error, x) } else { worst };
        }
        assert!(worst.0 <= 1.2e-7, "off by {:e} at {}", worst.0, worst.1);
        assert_eq!(sigmoid(0.0), 0.5);
        assert_eq!(sigmoid(f32::NAN).to_bits(), 0);
    }

    #[test]
    fn the_polynomial_is_within_its_error_of_double_precision() {
        let mut worst: f64 = 0.0;
        for step in -1_000_000..=1_000_000 {
            let f = f64::from(step as f32 * 5e-7);
            let value = EXP2.iter().rev().fold(0.0, |sum, &c| (sum + f64::from(c)) * f) + 1.0;
            worst = worst.max((value / libm::exp2(f) - 1.0).abs());
        }
        assert!(worst <= 1.1e-7, "{worst:e}");
    }

    proptest! {
        #[test]
        fn a_score_is_within_0_and_1_whatever_the_row(value: f32, fitness: f32) {
            let score = scored(&network(2, 10), &[vec![value], vec![fitness]])[0];
            prop_assert!((0.0..=1.0).contains(&score), "{}", score);
            prop_assert!(score == 0.0 || score.is_normal(), "{}", score);
        }

        #[test]
        fn a_sigmoid_never_falls(x in -90f32..90.0) {
            prop_assert!(sigmoid(x + x.abs() * 1e-5 + 1e-5) >= sigmoid(x) * (1.0 - 1e-6));
        }
    }

    #[test]
    #[should_panic(expected = "columns of a network with 2 inputs")]
    fn a_column_too_few_is_refused() {
        score(&network(2, 10), &[&[0.0]], &mut [0.0]);
    }

    #[test]
    #[should_panic(expected = "rows of input 1")]
    fn a_short_column_is_refused() {
        score(&network(2, 10), &[&[0.0, 1.0], &[0.0]], &mut [0.0; 2]);
    }

    #[test]
    #[should_panic(expected = "inputs of a network that scores (value, fitness)")]
    fn signals_need_a_network_of_two_inputs() {
        score_signal(&network(3, 10), &[], 0.0, &mut []);
    }
}
