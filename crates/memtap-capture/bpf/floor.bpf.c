// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * For `cargo xtask bench` alone: the least that a tracer of memory calls can cost. The hooks of the plans `exit` and `exit+locks`, with
 * programs that return at once; where a memory call comes back, a record of a request's size goes into a ring, with nothing in it.
 */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "record.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define NUMBERS 512
/* By system call number: whether it is followed. */
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
