//! What following costs those that are followed, and those that are not: nanoseconds added to a call, and wall time of real work.

use super::figure::{Figure, KernelWitness};
use super::follower::Follower;
use super::load::loop_ns;
use super::section::{Section, Table};

/// The fixture's loop, what a round of it is called, and how many rounds.
const LOOPS: [(&str, &str, u64); 4] = [
    ("pair", "mmap + munmap of 64 KiB", 60_000),
    ("brk", "brk(0)", 300_000),
    ("fault", "page fault", 60_000),
    ("other", "getppid, an unrelated call", 300_000),
];
/// In which a loop is made, each by a process of its own. The fastest counts: what other guests of the machine take only adds.
const SLICES: u64 = 8;
/// Memory calls in a round.
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

pub(crate) fn measured(with_peers: bool, rounds: usize) -> anyhow::Result<Section> {
    let followers: Vec<Follower> =
        OURS.into_iter().chain(if with_peers { &PEERS[..] } else { &[] }.iter().copied()).collect();
    let mut times = vec![[const { Vec::new() }; LOOPS.len()]; followers.len()];
    let mut told = vec![None; followers.len()];
    for round in 0..rounds {
        eprintln!("overhead: round {} of {rounds}", round + 1);
        for step in 0..followers.len() {
            // Each round begins with another, so that nobody always comes after the same.
            let index = (step + round) % followers.len();
            let follower = followers[index];
            let following = follower.start()?;
            let mut made = 0;
            for (place, (kind, _, count)) in LOOPS.iter().enumerate() {
                // What is no memory call is slow for strace alone.
                let count = count / follower.slowness() / SLICES;
                let mut fastest = f64::MAX;
                for _ in 0..SLICES {
                    fastest = fastest.min(loop_ns(kind, count, &following)? / count as f64);
                    made += count * CALLS[place];
                }
                times[index][place].push(fastest);
            }
            // Starting a process makes some more.
            told[index] = following.end()?.map(|told| (told as f64 / made as f64).min(1.0) * 100.0);
        }
    }
    let tables = vec![added(&followers, &times, &told), ratios(&followers, &times), inside_the_kernel()?];
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

fn added(followers: &[Follower], rounds: &Rounds, told: &[Option<f64>]) -> Table {
    let mut columns: Vec<(String, &str)> =
        LOOPS.iter().map(|(_, name, _)| ((*name).to_owned(), "ns")).collect();
    columns.push(("memory calls printed".to_owned(), "%"));
    let columns: Vec<(&str, &str)> = columns.iter().map(|(name, unit)| (name.as_str(), *unit)).collect();
    let mut table = Table::new("Nanoseconds", &columns);
    for ((follower, rounds), told) in followers.iter().zip(rounds).zip(told) {
        let mut figures: Vec<_> = rounds.iter().map(|values| Some(Figure::of(values))).collect();
        figures.push(told.map(Figure::once));
        table.row(follower.name(), figures);
    }
    table
}

/// What is added to a pair of mmap and munmap, and against what memtap adds.
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
    // Within a round, so that a machine that is slower for a while is so for both.
    let of = |index: usize, place: usize| {
        let pairs = rounds[index][place].iter().zip(&rounds[0][place]);
        Figure::of(&pairs.map(|(with, without)| with - without).collect::<Vec<_>>())
    };
    let ours =
        followers.iter().position(|follower| *follower == Follower::Attached(&["exit+locks"])).unwrap_or(0);
    for (index, follower) in followers.iter().enumerate().skip(1) {
        let against_ours = Figure::once(of(index, 0).value / of(ours, 0).value);
        table.row(follower.name(), vec![Some(of(index, 0)), Some(against_ours), Some(of(index, 3))]);
    }
    table
}

/// The kernel's own account of the programs, a witness from outside.
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
        let before = witness.of(names)?;
        loop_ns("pair", pairs, &following)?;
        for ((name, ns, runs), (_, ns_before, runs_before)) in witness.of(names)?.into_iter().zip(before) {
            let (ns, runs) = (ns - ns_before, runs - runs_before);
            let figures = [runs / pairs as f64, ns / runs.max(1.0), ns / pairs as f64];
            table.row(format!("`{name}`"), figures.map(|figure| Some(Figure::once(figure))).to_vec());
        }
    }
    Ok(table)
}
