//! `COREC_SIMD=avx512` ran with AVX2 where the machine had no more, and nothing said so: a test of all widths passed by running
//! one of them twice.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::Value;
use support::command;

#[test]
fn the_width_in_use_is_in_the_manifest_and_another_than_was_asked_for_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for asked in ["portable", "sse2", "avx2", "avx512", "neon", ""] {
        let arguments = ["run", "--entities", "1k", "--ticks", "3", "--json"];
        let output = command(folder.path(), &arguments).env("COREC_SIMD", asked).output().unwrap();
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        let manifest = folder.path().join(summary["out"].as_str().unwrap()).join("manifest.json");
        let manifest: Value = serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
        let (used, err) =
            (manifest["host"]["simd"].as_str().unwrap(), String::from_utf8_lossy(&output.stderr));
        let warning = match asked {
            "" => None,
            "neon" => Some("must be portable, sse2, avx2 or avx512"),
            _ if asked == used => None,
            _ => Some("which this machine lacks"),
        };
        match warning {
            None => assert!(!err.contains("COREC_SIMD"), "{asked}: {err}"),
            Some(wrong) => {
                let said = format!("COREC_SIMD: found '{asked}', {wrong}; kernels run with {used}");
                assert!(err.contains(&said), "{asked}: {err} lacks {said}");
            }
        }
    }
}
