// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Lower bound for the cost of a tracer of memory calls, for `cargo xtask bench` only. It has the
 * hooks of the plans `exit` and `exit+locks` with programs that return at once. When a memory call
 * returns, it puts an empty record of a request's size into a ring.
 */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "record.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define NUMBERS 512
/* True for the system call numbers that are followed. */
const volatile __u8 followed[NUMBERS] = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 * 1024 * 1024);
} ring SEC(".maps");

SEC("tp_btf/sys_exit")
int BPF_PROG(floor_exit, struct pt_regs *regs, long ret)
{
	__u64 number = regs->orig_ax;
	void *record;

	if (number >= NUMBERS || !followed[number])
		return 0;
	record = bpf_ringbuf_reserve(&ring, sizeof(struct memtap_request), 0);
	if (record)
		bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("tp_btf/mmap_lock_acquire_returned")
int BPF_PROG(floor_locked, struct mm_struct *mm, bool write, bool success)
{
	return 0;
}

SEC("tp_btf/mmap_lock_released")
int BPF_PROG(floor_released, struct mm_struct *mm, bool write)
{
	return 0;
}
