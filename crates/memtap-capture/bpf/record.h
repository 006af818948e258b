/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Wire records that the BPF programs put into the ring and memtap-model reads (`record.rs`). This
 * is their only definition in C; the Rust side asserts the same sizes and offsets at compile time.
 * Amounts are in pages unless a field says otherwise. Books and totals count from the opening of
 * the account.
 */
#ifndef MEMTAP_RECORD_H
#define MEMTAP_RECORD_H

enum memtap_kind {
	MEMTAP_REQUEST = 1,
	MEMTAP_SNAPSHOT = 2,	/* state of a process at a reading */
	MEMTAP_FORK = 3,
	MEMTAP_EXEC = 4,
	MEMTAP_EXIT = 5,
	MEMTAP_RENAME = 6,	/* an earlier tally belongs to the old name */
	MEMTAP_TALLY = 7,	/* totals of a process's calls; precedes the state that it belongs to */
	MEMTAP_OOM = 8,
	MEMTAP_ALL_READ = 9,	/* a reading of all processes is complete */
};

#define MEMTAP_COMM_BYTES 16
#define MEMTAP_ARGUMENTS 5
#define MEMTAP_FILE_BYTES 64
/* Maximum number of rows in the call table. */
#define MEMTAP_CALLS 24
/* Pairs of call and errno that are counted separately for each process. */
#define MEMTAP_REFUSALS 12

/* The four counters of mm->rss_stat, in the kernel's order. */
enum memtap_resident {
	MEMTAP_FILE = 0,
	MEMTAP_ANON = 1,
	MEMTAP_SWAP = 2,
	MEMTAP_SHMEM = 3,
	MEMTAP_RESIDENT_COUNTERS = 4,
};

/* Value that gives the number of bytes a call is about. */
enum memtap_size {
	MEMTAP_SIZE_NONE = 0,
	MEMTAP_SIZE_SECOND = 1,	/* the second argument, bytes */
	MEMTAP_SIZE_THIRD = 2,
	MEMTAP_SIZE_BREAK = 3,	/* the distance by which the call asks to move the break */
	MEMTAP_SIZE_DELTA = 4,	/* change of the virtual size: no argument contains the size */
	MEMTAP_SIZE_ANSWER = 5,	/* the return value is a number of bytes */
};

struct memtap_request {
	__u8 kind;		/* enum memtap_kind */
	__u8 compat;		/* 1 when the caller used the 32-bit entry */
	__u16 call;		/* row of the call table in memtap-model, from 0 */
	__u32 tgid;		/* process */
	__u32 tid;		/* thread */
	__u32 lost;		/* requests of this process lost before this one, modulo 2^32 */
	__u64 time_ns;		/* CLOCK_BOOTTIME, for display; the ring gives the order */
	__u64 total_vm;		/* virtual size after the call */
	__s64 delta;		/* change of the virtual size by this call */
	__u64 requested;	/* bytes, rounded up to pages */
	__u8 comm[MEMTAP_COMM_BYTES];	/* name of the thread */
	__u64 args[MEMTAP_ARGUMENTS];
	__s64 ret;
};

/* A request that maps a file. */
struct memtap_file_request {
	struct memtap_request request;
	__u8 file[MEMTAP_FILE_BYTES];	/* name of the file without directories, truncated */
};

/*
 * Virtual size according to the books: opening + granted - released + exec + stack + kernel +
 * shared.
 */
struct memtap_books {
	__u64 opening;
	__u64 granted;		/* by requests */
	__u64 released;		/* by requests */
	__s64 exec;		/* size of the new image less that of the old one */
	__s64 stack;		/* growth of stacks outside calls */
	__s64 kernel;		/* by calls that memtap does not follow, and by the kernel itself */
	__s64 shared;		/* by other processes that share the address space */
	__u64 lost;		/* requests that did not fit into the ring */
};

/* State of a process at a snapshot, fork, exec or exit. */
struct memtap_state {
	__u8 kind;
	__u8 followed;		/* 1 if it has an account; otherwise the books below are empty */
	__u16 unused;
	__u32 tgid;
	__u32 parent;		/* tgid of the parent */
	__u32 uid;		/* real user id */
	__u64 time_ns;		/* CLOCK_BOOTTIME */
	__u64 start_ns;		/* start of the process, CLOCK_BOOTTIME */
	__u64 mm;		/* address of the mm_struct, identifies the address space */
	__u64 total_vm;		/* 0 if the address space has been released */
	__u64 resident[MEMTAP_RESIDENT_COUNTERS];
	__u64 peak_virtual;	/* since the last reading */
	__u64 peak_resident;	/* since the last reading */
	__u64 minor_faults;	/* of all threads since the process started */
	__u64 major_faults;
	__u64 placement;	/* changes when the process moves to another cgroup */
	__u32 inner_pid;	/* pid in its own pid namespace */
	__u32 session;		/* session id */
	__u32 threads;
	__u32 depth;		/* level of its pid namespace; 0 is the machine's */
	__u8 comm[MEMTAP_COMM_BYTES];	/* name of the first thread */
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
	__u64 requested;	/* bytes requested by granted calls */
	__u64 refused;
};

struct memtap_refusal {
	__u16 call;		/* row + 1; 0 if the slot is free */
	__u16 errno;
	__u32 count;
};

struct memtap_tally {
	__u8 kind;
	__u8 unused[3];
	__u32 tgid;
	__u64 start_ns;
	__u64 refusals_beyond;	/* refused requests that found no free slot */
	struct memtap_refusal refusals[MEMTAP_REFUSALS];
	struct memtap_call calls[MEMTAP_CALLS];
};

/* An OOM kill. */
struct memtap_oom {
	__u8 kind;
	__u8 unused[3];
	__u32 tgid;		/* the killed process */
	__u32 asker;		/* tgid of the process whose page allocation caused the kill */
	__u32 unused2;
	__u64 time_ns;
	__u64 total_vm;		/* of the killed process */
	__u64 resident[MEMTAP_RESIDENT_COUNTERS];
	__u8 comm[MEMTAP_COMM_BYTES];		/* of the killed process */
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
