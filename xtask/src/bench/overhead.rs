//! Overhead of following, for memory calls and for unrelated calls, in nanoseconds for each call.

use super::figure::{Figure, KernelWitness};
use super::follower::Follower;
use super::load::loop_ns;
use super::section::{Section, Table};

/// Argument of the fixture's loop, the name of one round, and the number of rounds.
const LOOPS: [(&str, &str, u64); 4] = [
    ("pair", "mmap + munmap of 64 KiB", 60_000),
    ("brk", "brk(0)", 300_000),
    ("fault", "page fault", 60_000),
    ("other", "getppid, an unrelated call", 300_000),
];
/// Slices of a loop, each in its own process. The fastest slice counts, since other guests of the
/// machine only add time.
const SLICES: u64 = 8;
/// Memory calls in one round of each loop.
const CALLS: [u64; 4] = [2, 1, 0, 0];

const OURS: [Follower; 7] = [
    Follower::Nothing,
    Follower::Attached(&["floor", "exit"]),
    Follower::Attached(&["exit"]),
    Follower::Attached(&["floor", "exit+locks"]),
    Follower::Attached(&["exit+locks"]),
    Follower::Serve,
    Follower::Attached(&["unwatched", "exit+locks"]),
];
pub(crate) const PEERS: [Follower; 5] = [
    Follower::BpftraceCounting,
    Follower::BpftracePrinting,
    Follower::PerfTrace,
    Follower::Strace,
    Follower::StraceSeccomp,
];

pub(crate) fn measure(with_peers: bool, rounds: usize) -> anyhow::Result<Section> {
    let followers: Vec<Follower> =
        OURS.into_iter().chain(if with_peers { &PEERS[..] } else { &[] }.iter().copied()).collect();
    let mut times = vec![[const { Vec::new() }; LOOPS.len()]; followers.len()];
    let mut printed = vec![None; followers.len()];
    for round in 0..rounds {
        eprintln!("overhead: round {} of {rounds}", round + 1);
        for step in 0..followers.len() {
            // Each round starts with a different follower, so that none always runs after the same
            // one.
            let index = (step + round) % followers.len();
            let follower = followers[index];
            let following = follower.start()?;
            let mut made = 0;
            for (place, (kind, _, count)) in LOOPS.iter().enumerate() {
                // A slow follower gets fewer rounds of every loop, although only plain strace slows
                // down unrelated calls.
                let count = count / follower.slowness() / SLICES;
                let mut fastest = f64::MAX;
                for _ in 0..SLICES {
                    fastest = fastest.min(loop_ns(kind, count, &following)? / count as f64);
                    made += count * CALLS[place];
                }
                times[index][place].push(fastest);
            }
            // The fixture also makes memory calls while it starts, so the ratio can exceed 100 %
            // and is capped.
            printed[index] = following.end()?.map(|lines| (lines as f64 / made as f64).min(1.0) * 100.0);
        }
    }
    let tables = vec![added(&followers, &times, &printed), ratios(&followers, &times), inside_the_kernel()?];
    Ok(Section {
        name: "overhead".to_owned(),
        title: "What following costs others".to_owned(),
        measured: super::machine(),
        about: format!(
            "One process makes one kind of call as fast as it can, on its own CPU, while something follows it. The figures are medians of {rounds} rounds in \
             which all followers take turns, with the spread from the smallest to the largest. What is added is the median of the differences within a \
             round. Each round counts the fastest of {SLICES} slices, since other guests of the machine only add time. \"Floor\" means the same hooks with \
             programs that only put an empty record of the same size into a ring for each memory call. No tracer of this kind can cost less. Peers \
             follow the same four calls on the whole machine (strace: all memory calls of its child), and print to a file. bpfcc's tools are not included: \
             they compile with the running kernel's headers, which this machine does not have."
        ),
        tables,
    })
}

type Rounds = [[Vec<f64>; LOOPS.len()]];

fn added(followers: &[Follower], rounds: &Rounds, printed: &[Option<f64>]) -> Table {
    let mut columns: Vec<(String, &str)> =
        LOOPS.iter().map(|(_, name, _)| ((*name).to_owned(), "ns")).collect();
    columns.push(("memory calls printed".to_owned(), "%"));
    let columns: Vec<(&str, &str)> = columns.iter().map(|(name, unit)| (name.as_str(), *unit)).collect();
    let mut table = Table::new("Nanoseconds", &columns);
    for ((follower, rounds), printed) in followers.iter().zip(rounds).zip(printed) {
        let mut figures: Vec<_> = rounds.iter().map(|values| Some(Figure::from_rounds(values))).collect();
        figures.push(printed.map(Figure::once));
        table.row(follower.name(), figures);
    }
    table
}

/// Time added to a pair of mmap and munmap, and its ratio to the time that memtap adds.
fn ratios(followers: &[Follower], rounds: &Rounds) -> Table {
    let mut table = Table::new(
        "Added to a pair of mmap and munmap",
        &[
            ("added", "ns"),
            ("against memtap, plan exit+locks", "times"),
            ("added to an unrelated call", "ns"),
        ],
    )
    .with_chart(0, true);
    // Compare within a round, so that a slow phase of the machine affects both values.
    let added_to = |index: usize, place: usize| {
        let pairs = rounds[index][place].iter().zip(&rounds[0][place]);
        Figure::from_rounds(&pairs.map(|(with, without)| with - without).collect::<Vec<_>>())
    };
    let ours =
        followers.iter().position(|follower| *follower == Follower::Attached(&["exit+locks"])).unwrap_or(0);
    for (index, follower) in followers.iter().enumerate().skip(1) {
        let against_ours = Figure::once(added_to(index, 0).value / added_to(ours, 0).value);
        table.row(
            follower.name(),
            vec![Some(added_to(index, 0)), Some(against_ours), Some(added_to(index, 3))],
        );
    }
    table
}

/// Time inside the programs by the kernel's own statistics, independent of memtap.
fn inside_the_kernel() -> anyhow::Result<Table> {
    let names = ["on_sys_exit", "on_locked", "on_released", "floor_exit", "floor_locked", "floor_released"];
    let mut table = Table::new(
        "Inside the programs, as the kernel counts (kernel.bpf_stats_enabled)",
        &[("runs for a pair of mmap and munmap", ""), ("of a run", "ns"), ("for a pair", "ns")],
    );
    table.notes = "Each run includes the kernel's own measuring, about 50 ns. on_sys_exit and floor_exit also run for all other calls.".to_owned();
    let witness = KernelWitness::begin()?;
    let pairs = LOOPS[0].2;
    for (follower, names) in [(OURS[4], &names[..3]), (OURS[3], &names[3..])] {
        let following = follower.start()?;
        let before = witness.read(names)?;
        loop_ns("pair", pairs, &following)?;
        for ((name, ns, runs), (_, ns_before, runs_before)) in witness.read(names)?.into_iter().zip(before) {
            let (ns, runs) = (ns - ns_before, runs - runs_before);
            let figures = [runs / pairs as f64, ns / runs.max(1.0), ns / pairs as f64];
            table.row(format!("`{name}`"), figures.map(|figure| Some(Figure::once(figure))).to_vec());
        }
    }
    Ok(table)
}
