//! Any bytes as what a client sends: an answer with a status, or none; never a panic, and never an answer without end.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use corec_live::server::answer;
use corec_run::{CorecPlugin, Options, RunPlan, Stop, Watch, run, scenarios};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

/// Virtual seconds that a connection may last: a head that does not end is given ten.
const LASTS_MAX: Duration = Duration::from_secs(60);
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// A run that has ended, with its blocks and their rows.
static WATCH: LazyLock<Watch> = LazyLock::new(|| {
    let mut scenario = scenarios::find("ecosystem", &|_| None).expect("it is built in").scenario;
    scenarios::scale(&mut scenario, 2000).expect("it can be");
    scenario.store = "memory".into();
    let mut plan = RunPlan::new(scenario, Instant::now());
    let folder = tempfile::tempdir().expect("there is room");
    plan.out = Some(folder.path().join("run"));
    plan.options = Options { ticks: Some(20), ..Options::default() };
    let watch = plan.watch.clone();
    watch.open();
    let mut app = bevy_app::App::new();
    app.add_plugins(CorecPlugin);
    run(app, plan, &Stop::default(), &mut |_| {}).expect("it runs");
    watch
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let runtime: Runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(64 << 10);
        let serve = tokio::spawn(answer(server, WATCH.clone()));
        let mut all = Vec::new();
        let talk = async {
            // It may be refused before all is sent.
            _ = client.write_all(bytes).await;
            let mut some = [0; 4096];
            while let Ok(length @ 1..) = client.read(&mut some).await {
                all.extend_from_slice(&some[..length]);
                assert!(all.len() < ANSWER_BYTES_MAX, "an answer without end");
            }
        };
        // One that is kept open for the next request is idle, and no fault.
        _ = tokio::time::timeout(LASTS_MAX, talk).await;
        assert!(all.is_empty() || all.starts_with(b"HTTP/1."), "{:?}", String::from_utf8_lossy(&all[..all.len().min(80)]));
        drop(client);
        _ = tokio::time::timeout(LASTS_MAX, serve).await.expect("who has lost its client ends");
    });
});
