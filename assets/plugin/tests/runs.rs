//! The plugin in a run: the same bits at any number of threads, and after a kill.

use corec_run::testing::TestApp;

use {name}::*;

/// The plugin that is tested.
type Tested = {Type};

const CONFIG: &str = include_str!("../config.json");

fn app(threads: u32) -> TestApp {
    TestApp::default().threads(threads).plugin::<Tested>(CONFIG).expect("config.json is fine")
}

#[test]
fn it_runs_with_its_own_config_and_the_same_bits_at_any_number_of_threads() {
    let digests = [1, 2, 8].map(|threads| {
        let mut run = app(threads).start().expect("it starts");
        run.tick(100).expect("it runs");
        let tired = |tiredness: &Tiredness| tiredness.0 > 0.0;
        let mut rows = run.world().query::<&Tiredness>();
        assert!(rows.iter(run.simulation.world()).any(tired), "somebody has tired");
        run.digest()
    });
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[test]
fn after_a_kill_it_goes_on_with_the_same_bits() {
    let mut whole = app(1).start().expect("it starts");
    whole.tick(30).expect("it runs");
    let mut run = app(2).start().expect("it starts");
    run.tick(10).expect("it runs");
    run.snapshot().expect("it is written");
    run.tick(5).expect("it runs");
    let mut run = app(2).restore(run.kill()).expect("it goes on, from tick 10");
    run.tick(20).expect("it runs");
    assert_eq!(run.digest(), whole.digest());
}

#[test]
fn a_key_that_it_does_not_have_is_an_error() {
    let config = CONFIG.replace("gain_per_tick", "gain");
    let error = TestApp::default().plugin::<Tested>(&config).err().expect("refused");
    assert!(error.to_string().contains("unknown key 'gain'"), "{error}");
}
