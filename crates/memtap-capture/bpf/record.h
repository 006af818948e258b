/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The wire records: what the BPF programs put into the ring and memtap-model reads (`record.rs`).
 * This is their one definition in C; the Rust side asserts the same sizes and offsets at compile time.
 * Amounts are pages unless a field says otherwise; what the books hold is counted since the account was opened.
 */
#ifndef MEMTAP_RECORD_H
#define MEMTAP_RECORD_H

enum memtap_kind {
	MEMTAP_REQUEST = 1,
	MEMTAP_SNAPSHOT = 2,	/* a process as read now */
	MEMTAP_FORK = 3,
	MEMTAP_EXEC = 4,
	MEMTAP_EXIT = 5,
	MEMTAP_RENAME = 6,	/* a tally that stands before it is the old name's */
	MEMTAP_TALLY = 7,	/* what a process's calls have come to; stands before the state that it belongs to */
	MEMTAP_OOM = 8,
	MEMTAP_ALL_READ = 9,	/* a reading of all processes is complete */
};

#define MEMTAP_COMM_BYTES 16
#define MEMTAP_ARGUMENTS 5
#define MEMTAP_FILE_BYTES 64
/* Rows of the call table, at most. */
#define MEMTAP_CALLS 24
/* Pairs of call and errno that are told apart for each process. */
#define MEMTAP_REFUSALS 12

/* The four counters of mm->rss_stat, in the kernel's order. */
enum memtap_resident {
	MEMTAP_FILE = 0,
	MEMTAP_ANON = 1,
	MEMTAP_SWAP = 2,
	MEMTAP_SHMEM = 3,
	MEMTAP_RESIDENT_COUNTERS = 4,
};

/* What asks for how much: which argument of a call is its size. */
enum memtap_size {
	MEMTAP_SIZE_NONE = 0,
	MEMTAP_SIZE_SECOND = 1,	/* the second argument, bytes */
	MEMTAP_SIZE_THIRD = 2,
	MEMTAP_SIZE_BREAK = 3,	/* the distance that the break shall move by */
	MEMTAP_SIZE_DELTA = 4,	/* no argument says it: what it changed */
	MEMTAP_SIZE_ANSWER = 5,	/* the answer is a number of bytes */
};

struct memtap_request {
	__u8 kind;		/* enum memtap_kind */
	__u8 compat;		/* 1 when the caller used the 32-bit entry */
	__u16 call;		/* row of the call table in memtap-model, from 0 */
	__u32 tgid;		/* process */
	__u32 tid;		/* thread */
	__u32 lost;		/* requests of this process lost before this one, modulo 2^32 */
	__u64 time_ns;		/* CLOCK_BOOTTIME; for display, order is the ring's */
	__u64 total_vm;		/* after the call */
	__s64 delta;		/* what this call changed it by */
	__u64 requested;	/* bytes, rounded up to pages */
	__u8 comm[MEMTAP_COMM_BYTES];	/* the thread's */
	__u64 args[MEMTAP_ARGUMENTS];
	__s64 ret;
};

/* A request that maps a file. */
struct memtap_file_request {
	struct memtap_request request;
	__u8 file[MEMTAP_FILE_BYTES];	/* the file's own name, without folders; cut */
};

/* opening + granted - released + exec + stack + kernel + shared = what the process has, by its books */
struct memtap_books {
	__u64 opening;
	__u64 granted;		/* by requests */
	__u64 released;		/* by requests */
	__s64 exec;		/* new image less old image */
	__s64 stack;		/* growth of stacks outside any call */
	__s64 kernel;		/* by calls that are not followed, and by the kernel on its own */
	__s64 shared;		/* by other processes with the same address space */
	__u64 lost;		/* requests that did not fit into the ring */
};

/* A process: snapshot, fork, exec, exit. */
struct memtap_state {
	__u8 kind;
	__u8 followed;		/* 1 when it has an account, so that the books below are its own */
	__u16 unused;
	__u32 tgid;
	__u32 parent;		/* tgid of the parent */
	__u32 uid;		/* real user id */
	__u64 time_ns;		/* CLOCK_BOOTTIME */
	__u64 start_ns;		/* the process's start, CLOCK_BOOTTIME */
	__u64 mm;		/* address of the mm_struct: which address space */
	__u64 total_vm;		/* 0 when the memory has gone already */
	__u64 resident[MEMTAP_RESIDENT_COUNTERS];
	__u64 peak_virtual;	/* since the last reading */
	__u64 peak_resident;	/* since the last reading */
	__u64 minor_faults;	/* of all threads, in all its life */
	__u64 major_faults;
	__u64 placement;	/* changes when the process is moved to another cgroup */
	__u32 inner_pid;	/* the pid inside its own pid namespace */
	__u32 session;		/* session id */
	__u32 threads;
	__u32 depth;		/* of its pid namespace; 0: the machine's */
	__u8 comm[MEMTAP_COMM_BYTES];	/* the first thread's */
	struct memtap_books books;
};

struct memtap_rename {
	__u8 kind;
	__u8 unused[3];
	__u32 tgid;
	__u8 comm[MEMTAP_COMM_BYTES];	/* the new name */
};

struct memtap_call {
	__u64 count;
	__u64 requested;	/* bytes, of the granted ones */
	__u64 refused;
};

struct memtap_refusal {
	__u16 call;		/* row + 1; 0: the slot is free */
	__u16 errno;
	__u32 count;
};

struct memtap_tally {
	__u8 kind;
	__u8 unused[3];
	__u32 tgid;
	__u64 start_ns;
	__u64 refusals_beyond;	/* refused requests for which no slot was left */
	struct memtap_refusal refusals[MEMTAP_REFUSALS];
	struct memtap_call calls[MEMTAP_CALLS];
};

/* The kernel chose a victim. */
struct memtap_oom {
	__u8 kind;
	__u8 unused[3];
	__u32 tgid;		/* the victim */
	__u32 asker;		/* tgid of the process whose request for a page came too many */
	__u32 unused2;
	__u64 time_ns;
	__u64 total_vm;		/* the victim's */
	__u64 resident[MEMTAP_RESIDENT_COUNTERS];
	__u8 comm[MEMTAP_COMM_BYTES];		/* the victim's */
	__u8 asker_comm[MEMTAP_COMM_BYTES];
};

struct memtap_all_read {
	__u8 kind;
	__u8 unused[7];
};

_Static_assert(sizeof(struct memtap_request) == 112, "the size is part of the wire format");
_Static_assert(sizeof(struct memtap_file_request) == 176, "wire format");
_Static_assert(sizeof(struct memtap_books) == 64, "wire format");
_Static_assert(sizeof(struct memtap_state) == 216, "wire format");
_Static_assert(sizeof(struct memtap_rename) == 24, "wire format");
_Static_assert(sizeof(struct memtap_tally) == 696, "wire format");
_Static_assert(sizeof(struct memtap_oom) == 96, "wire format");

#endif
