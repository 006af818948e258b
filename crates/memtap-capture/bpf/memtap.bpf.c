// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * memtap's kernel side: every memory request that comes back from the kernel, and every fork, exec and exit, as one record
 * in one ring; and the state of every process on demand, through the same ring, so that all of it is in one order.
 *
 * Three rules keep the books right:
 * - reserve the ring's slot first, read the state after: a record's state then contains every call that stands before it;
 * - requests leave the last part of the ring free, so that a full ring costs requests (counted) and never a fork, exec or exit;
 * - no wake-up: user space polls.
 */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "record.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Set by the loader from the call table in memtap-model: row + 1 by system call number, 0 for calls not followed. */
#define NUMBERS 512
const volatile __u8 calls_64[NUMBERS] = {};
const volatile __u8 calls_32[NUMBERS] = {};
/* i386's first mmap takes its arguments in memory (arch/x86/kernel/sys_ia32.c). */
const volatile __u32 old_mmap_32 = 90;
/* Bytes of unread records from which on requests are lost. */
const volatile __u64 room_for_requests = 0;
/* How many CPUs may ever run (the highest number + 1). */
const volatile __u32 cpus = 0;
/* Distance from a per-CPU pointer to its value on each CPU; 0 where it is not known. */
#define CPUS 1024
__u64 cpu_offset[CPUS];
__u64 lost_map;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 * 1024 * 1024);
} ring SEC(".maps");

enum lost { LOST_REQUESTS, LOST_LIFECYCLE, LOST_CAUSES };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOST_CAUSES);
	__type(key, __u32);
	__type(value, __u64);
} lost SEC(".maps");

static __always_inline void lose(__u32 cause)
{
	__u64 *count = bpf_map_lookup_elem(&lost, &cause);

	if (count)
		*count += 1;
}

static __always_inline struct memtap_record *reserve(__u32 cause)
{
	struct memtap_record *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);

	if (!record)
		lose(cause);
	return record;
}

static __always_inline void read_space(struct memtap_record *record, struct mm_struct *mm)
{
	record->mm = (__u64)mm;
	record->total_vm = mm->total_vm;
	record->stack_vm = mm->stack_vm;
	record->brk = mm->brk;
}

/*
 * The per-CPU offsets are no symbol that programs may use on every kernel, but a per-CPU map shows them: its value's address on a CPU
 * less its per-CPU pointer. (The verifier knows addresses of maps and values as such; on the way through memory they become numbers.)
 */
static long find_offset(__u32 cpu, __u64 *per_cpu_pointer)
{
	__u32 key = 0;
	void *value = bpf_map_lookup_percpu_elem(&lost, &key, cpu);

	if (cpu >= CPUS || !value)
		return 1;
	*(void **)&cpu_offset[cpu] = value;
	barrier();
	cpu_offset[cpu] -= *per_cpu_pointer;
	return 0;
}

static __always_inline void find_offsets(void)
{
	__u64 per_cpu_pointer = 0;

	*(void **)&lost_map = &lost;
	barrier();
	bpf_probe_read_kernel(&per_cpu_pointer, sizeof(per_cpu_pointer),
			      (void *)(lost_map + bpf_core_field_offset(struct bpf_array, pptrs)));
	bpf_loop(cpus, find_offset, &per_cpu_pointer, 0);
}

struct pages {
	__s32 *counters;
	__s64 count;
};

static long add_pending(__u32 cpu, struct pages *pages)
{
	__s32 pending = 0;

	if (cpu >= CPUS || !cpu_offset[cpu])
		return 1;
	bpf_probe_read_kernel(&pending, sizeof(pending), (void *)pages->counters + cpu_offset[cpu]);
	pages->count += pending;
	return 0;
}

/*
 * Pages of one kind. From 6.2 on the exact number is the shared count plus what each CPU has not yet added to it
 * (lib/percpu_counter.c, percpu_counter_sum); before, one atomic has it.
 */
static __always_inline __u64 resident_pages(struct mm_struct *mm, int kind)
{
	struct pages pages = {};

	if (bpf_core_type_exists(struct mm_rss_stat___old)) {
		struct mm_struct___old *old = (void *)mm;
		void *counters = __builtin_preserve_access_index(&old->rss_stat);

		bpf_probe_read_kernel(&pages.count, sizeof(pages.count), counters + kind * sizeof(__s64));
	} else {
		/* The element's size is the kernel's, which only a relocation knows: no indexing of our own struct. */
		void *counters = __builtin_preserve_access_index(&mm->rss_stat);
		struct percpu_counter *counter = counters + kind * bpf_core_type_size(struct percpu_counter);

		pages.count = BPF_CORE_READ(counter, count);
		pages.counters = BPF_CORE_READ(counter, counters);
		bpf_loop(cpus, add_pending, &pages, 0);
	}
	return pages.count > 0 ? pages.count : 0;
}

static __always_inline void read_process(struct memtap_record *record, __u8 kind, struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;

	record->kind = kind;
	record->compat = 0;
	record->call = 0;
	record->tgid = task->tgid;
	record->tid = task->pid;
	record->uid = task->real_cred->uid.val;
	record->time_ns = bpf_ktime_get_boot_ns();
	record->mm = record->total_vm = record->stack_vm = record->brk = 0;
	bpf_probe_read_kernel(record->comm, sizeof(record->comm), leader->comm);
	record->state.start_ns = leader->start_boottime;
	record->state.parent = leader->real_parent->tgid;
	record->state.unused = 0;
	__builtin_memset(record->state.resident, 0, sizeof(record->state.resident));
}

/* In the order of enum memtap_resident, which is the kernel's. */
static __always_inline void read_resident(struct memtap_record *record, struct mm_struct *mm)
{
	record->state.resident[MEMTAP_FILE] = resident_pages(mm, MEMTAP_FILE);
	record->state.resident[MEMTAP_ANON] = resident_pages(mm, MEMTAP_ANON);
	record->state.resident[MEMTAP_SWAP] = resident_pages(mm, MEMTAP_SWAP);
	record->state.resident[MEMTAP_SHMEM] = resident_pages(mm, MEMTAP_SHMEM);
}

static __always_inline void lifecycle(__u8 kind, struct task_struct *task)
{
	struct memtap_record *record = reserve(LOST_LIFECYCLE);
	struct mm_struct *mm = task->mm;

	if (!record)
		return;
	read_process(record, kind, task);
	if (mm)
		read_space(record, mm);
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

static __always_inline void arguments_64(struct memtap_record *record, struct pt_regs *regs)
{
	record->request.args[0] = regs->di;
	record->request.args[1] = regs->si;
	record->request.args[2] = regs->dx;
	record->request.args[3] = regs->r10;
	record->request.args[4] = regs->r8;
	record->request.ret = regs->ax;
}

static __always_inline void arguments_32(struct memtap_record *record, struct pt_regs *regs, __u32 number)
{
	__u32 in_memory[MEMTAP_ARGUMENTS] = {};

	record->request.ret = (__s64)(__s32)regs->ax;
	if (record->request.ret >= 0 || record->request.ret < -4095)
		record->request.ret = (__u32)regs->ax;
	if (number == old_mmap_32) {
		bpf_probe_read_user(in_memory, sizeof(in_memory), (void *)(__u64)(__u32)regs->bx);
		for (int i = 0; i < MEMTAP_ARGUMENTS; i++)
			record->request.args[i] = in_memory[i];
		return;
	}
	record->request.args[0] = (__u32)regs->bx;
	record->request.args[1] = (__u32)regs->cx;
	record->request.args[2] = (__u32)regs->dx;
	record->request.args[3] = (__u32)regs->si;
	record->request.args[4] = (__u32)regs->di;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long ret)
{
	struct task_struct *task;
	struct memtap_record *record;
	__u64 number = regs->orig_ax;
	bool compat;
	__u8 row;

	/* Most calls leave here: no table has their number. */
	if (number >= NUMBERS || !(calls_64[number] | calls_32[number]))
		return 0;
	task = bpf_get_current_task_btf();
	compat = task->thread_info.status & TS_COMPAT;
	row = compat ? calls_32[number] : calls_64[number];
	if (!row || !task->mm)
		return 0;
	if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > room_for_requests) {
		lose(LOST_REQUESTS);
		return 0;
	}
	record = reserve(LOST_REQUESTS);
	if (!record)
		return 0;
	record->kind = MEMTAP_REQUEST;
	record->compat = compat;
	record->call = row - 1;
	record->tgid = task->tgid;
	record->tid = task->pid;
	record->uid = 0;
	record->time_ns = bpf_ktime_get_boot_ns();
	read_space(record, task->mm);
	bpf_get_current_comm(record->comm, sizeof(record->comm));
	if (compat)
		arguments_32(record, regs, number);
	else
		arguments_64(record, regs);
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 0;
}

/* After the new image is mapped (fs/exec.c, exec_binprm). */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	lifecycle(MEMTAP_EXEC, task);
	return 0;
}

/* After dup_mm (kernel/fork.c, copy_process). */
SEC("tp_btf/task_newtask")
int BPF_PROG(on_fork, struct task_struct *task, unsigned long clone_flags)
{
	if (!(clone_flags & CLONE_THREAD) && task->mm)
		lifecycle(MEMTAP_FORK, task);
	return 0;
}

/* When the last thread of the group goes: the kernel has counted it down already (kernel/exit.c, do_exit). */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	if (task->signal->live.counter == 0)
		lifecycle(MEMTAP_EXIT, task);
	return 0;
}

/* All processes with memory of their own, into the same ring. */
SEC("iter/task")
int read_processes(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;
	struct memtap_record *record;
	struct mm_struct *mm;

	if (context->meta->seq_num == 0)
		find_offsets();
	if (!task || task->pid != task->tgid)
		return 0;
	mm = task->mm;
	if (!mm)
		return 0;
	record = reserve(LOST_LIFECYCLE);
	if (!record)
		return 0;
	read_process(record, MEMTAP_SNAPSHOT, task);
	read_space(record, mm);
	read_resident(record, mm);
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 0;
}
