/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The wire record: what the BPF programs put into the ring and memtap-model's `RawRecord` reads.
 * This is its one definition in C; the Rust side asserts the same size and offsets at compile time.
 */
#ifndef MEMTAP_RECORD_H
#define MEMTAP_RECORD_H

enum memtap_kind {
	MEMTAP_REQUEST = 1,
	MEMTAP_SNAPSHOT = 2,
	MEMTAP_FORK = 3,
	MEMTAP_EXEC = 4,
	MEMTAP_EXIT = 5,
};

#define MEMTAP_COMM_BYTES 16
#define MEMTAP_ARGUMENTS 5

/* The four counters of mm->rss_stat, in the kernel's order, in pages. */
enum memtap_resident {
	MEMTAP_FILE = 0,
	MEMTAP_ANON = 1,
	MEMTAP_SWAP = 2,
	MEMTAP_SHMEM = 3,
	MEMTAP_RESIDENT_COUNTERS = 4,
};

struct memtap_record {
	__u8 kind;		/* enum memtap_kind */
	__u8 compat;		/* request: 1 when the caller used the 32-bit entry */
	__u16 call;		/* request: row of the call table in memtap-model, from 0 */
	__u32 tgid;		/* process */
	__u32 tid;		/* thread */
	__u32 uid;		/* real user id */
	__u64 time_ns;		/* CLOCK_BOOTTIME; for display, order is the ring's */
	__u64 mm;		/* address of the mm_struct: which address space */
	__u64 total_vm;		/* pages, after the event */
	__u64 stack_vm;		/* pages, after the event */
	__u64 brk;		/* end of the heap, after the event */
	__u8 comm[MEMTAP_COMM_BYTES];
	union {
		struct {
			__u64 args[MEMTAP_ARGUMENTS];
			__s64 ret;
		} request;
		struct {
			__u64 start_ns;	/* the process's start, CLOCK_BOOTTIME */
			__u32 parent;	/* tgid of the parent */
			__u32 unused;
			__u64 resident[MEMTAP_RESIDENT_COUNTERS];	/* pages */
		} state;	/* snapshot, fork, exec, exit */
	};
};

_Static_assert(sizeof(struct memtap_record) == 120, "the size is part of the wire format");
_Static_assert(__builtin_offsetof(struct memtap_record, time_ns) == 16, "wire format");
_Static_assert(__builtin_offsetof(struct memtap_record, mm) == 24, "wire format");
_Static_assert(__builtin_offsetof(struct memtap_record, comm) == 56, "wire format");
_Static_assert(__builtin_offsetof(struct memtap_record, request) == 72, "wire format");
_Static_assert(__builtin_offsetof(struct memtap_record, state) == 72, "wire format");

#endif
