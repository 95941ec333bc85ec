//! CoreC's isolation forest, for `benches/peers/forest.py`: does what each line on stdin asks, and answers with milliseconds.
//!
//! Arguments: a file of f32 and how many a row has. Lines: `fit THREADS`, `score WIDTH THREADS`, `rank WIDTH` (a thousand rows on one
//! thread). After the milliseconds stands the sum of the scores.
#![allow(clippy::disallowed_methods, reason = "takes times")]

use std::io::{BufRead, Error, Result};
use std::time::Instant;

use corec_core::width::Simd;
use corec_dynamics::forest::{IsolationForest, Rows, Settings};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, columns] = &arguments[..] else { return Err(Error::other("must be FILE COLUMNS")) };
    let columns: usize = columns.parse().map_err(Error::other)?;
    let bytes = std::fs::read(file)?;
    let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
    let rows = Rows::new(&values, columns).map_err(Error::other)?;
    let forest = IsolationForest::fit(&Settings::default(), rows).map_err(Error::other)?;
    let mut scores = vec![0.0; rows.len()];
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let (what, threads, count) = match words[..] {
            ["fit", threads] => (None, threads, 0),
            ["score", simd, threads] => (Some(width(simd)?), threads, rows.len()),
            ["rank", simd] => (Some(width(simd)?), "1", 1000),
            _ => return Err(Error::other(format!("found '{line}', must be fit, score or rank"))),
        };
        let threads = threads.parse().map_err(Error::other)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(Error::other)?;
        let scores = &mut scores[..count];
        let milliseconds = pool.install(|| {
            let start = Instant::now();
            match what {
                None => drop(IsolationForest::fit(&Settings::default(), rows)),
                Some(simd) => {
                    // scikit-learn looks at its values, too.
                    let rows = Rows::new(&values[..count * columns], columns).map_err(Error::other)?;
                    forest.score_into(simd, rows, scores).map_err(Error::other)?;
                }
            }
            Ok::<f64, Error>(start.elapsed().as_secs_f64() * 1e3)
        })?;
        println!("{milliseconds} {}", scores.iter().sum::<f64>());
    }
    Ok(())
}

fn width(name: &str) -> Result<Simd> {
    let found = Simd::available().find(|simd| simd.to_string() == name);
    found.ok_or_else(|| Error::other(format!("this machine has no {name}")))
}
