//! Many histories, each from a seed. `NIGHTBELL_SEEDS` says how many, `NIGHTBELL_SEED_FROM` where to begin.

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Two threads share the seeds: the machines that this must run on have two cores.
#[test]
fn every_history_ends_well() {
    let (from, count) = (number("NIGHTBELL_SEED_FROM", 1), number("NIGHTBELL_SEEDS", 2000));
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                (from..from + count).filter(|seed| seed % 2 == half).for_each(testkit::chaos::live_through);
            });
        }
    });
    println!("{count} histories from seed {from} ended well");
}
