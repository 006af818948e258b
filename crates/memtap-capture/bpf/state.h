/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* A process as it is now, put into the ring: its state, and before it, when anything has come to it, its tally. */
#ifndef MEMTAP_STATE_H
#define MEMTAP_STATE_H

/* Of more threads than this the page faults are not added up. */
#define THREADS 4096

struct faults {
	struct list_head *node;
	struct list_head *head;
	__u64 minor;
	__u64 major;
};

static long add_faults(__u32 index, struct faults *faults)
{
	struct list_head *node = faults->node;
	struct task_struct *task;

	node = BPF_CORE_READ(node, next);
	if (!node || node == faults->head)
		return 1;
	faults->node = node;
	task = (void *)node - bpf_core_field_offset(struct task_struct, thread_node);
	faults->minor += BPF_CORE_READ(task, min_flt);
	faults->major += BPF_CORE_READ(task, maj_flt);
	return 0;
}

/* The signal_struct has those of threads that have gone (kernel/exit.c, __exit_signal). */
static __always_inline void read_faults(struct memtap_state *state, struct signal_struct *signal)
{
	struct faults faults = {};

	faults.head = faults.node = (void *)signal + bpf_core_field_offset(struct signal_struct, thread_head);
	faults.minor = BPF_CORE_READ(signal, min_flt);
	faults.major = BPF_CORE_READ(signal, maj_flt);
	bpf_loop(THREADS, add_faults, &faults, 0);
	state->minor_faults = faults.minor;
	state->major_faults = faults.major;
}

static __always_inline void read_identity(struct memtap_state *state, __u8 kind, struct task_struct *task)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct signal_struct *signal = BPF_CORE_READ(task, signal);
	struct pid *pid = BPF_CORE_READ(leader, thread_pid);
	struct pid *session = BPF_CORE_READ(signal, pids[PIDTYPE_SID]);
	struct upid *inner;

	state->kind = kind;
	state->unused = 0;
	state->tgid = task->tgid;
	state->parent = BPF_CORE_READ(leader, real_parent, tgid);
	state->uid = BPF_CORE_READ(task, real_cred, uid.val);
	state->time_ns = bpf_ktime_get_boot_ns();
	state->start_ns = BPF_CORE_READ(leader, start_boottime);
	state->placement = (__u64)BPF_CORE_READ(task, cgroups);
	state->threads = BPF_CORE_READ(signal, nr_threads);
	state->depth = BPF_CORE_READ(pid, level);
	inner = (void *)pid + bpf_core_field_offset(struct pid, numbers) + state->depth * bpf_core_type_size(struct upid);
	state->inner_pid = BPF_CORE_READ(inner, nr);
	state->session = BPF_CORE_READ((struct upid *)((void *)session + bpf_core_field_offset(struct pid, numbers)), nr);
	bpf_probe_read_kernel(state->comm, sizeof(state->comm), leader->comm);
}

static __always_inline void read_space(struct memtap_state *state, struct mm_struct *mm)
{
	state->mm = (__u64)mm;
	state->total_vm = mm ? mm->total_vm : 0;
	if (mm)
		read_resident(state->resident, mm);
	else
		__builtin_memset(state->resident, 0, sizeof(state->resident));
}

/*
 * The kernel keeps a high-water mark for each address space, and one for those that a process has left by exec or exit. What has
 * risen since the last reading was reached since then.
 */
static __always_inline void read_peaks(struct memtap_state *state, struct account *account, struct task_struct *task,
				       struct mm_struct *mm)
{
	__u64 resident = state->resident[MEMTAP_FILE] + state->resident[MEMTAP_ANON] + state->resident[MEMTAP_SHMEM];
	__u64 highest = BPF_CORE_READ(task, signal, maxrss);

	if (mm && mm->hiwater_rss > highest)
		highest = mm->hiwater_rss;
	state->peak_virtual = __sync_lock_test_and_set(&account->peak_virtual, state->total_vm);
	raise(&state->peak_virtual, state->total_vm);
	state->peak_resident = __sync_lock_test_and_set(&account->peak_resident, resident);
	raise(&state->peak_resident, resident);
	if (highest > account->highest_told) {
		account->highest_told = highest;
		raise(&state->peak_resident, highest);
	}
}

static __always_inline void tell_tally(struct account *account, __u32 tgid)
{
	struct memtap_tally *tally;

	if (!account->has_news)
		return;
	tally = RESERVE(struct memtap_tally, LOST_LIFECYCLE);
	if (!tally)
		return;
	/* Before it is read: what comes meanwhile is told again. */
	__sync_lock_test_and_set(&account->has_news, 0);
	tally->kind = MEMTAP_TALLY;
	tally->tgid = tgid;
	tally->start_ns = account->start_ns;
	tally->refusals_beyond = account->refusals_beyond;
	__builtin_memcpy(tally->refusals, account->refusals, sizeof(tally->refusals));
	__builtin_memcpy(tally->calls, account->calls, sizeof(tally->calls));
	SUBMIT(tally);
}

static __always_inline void tell_state(__u8 kind, struct task_struct *task, struct mm_struct *mm, struct account *account)
{
	struct memtap_state *state;

	if (account)
		tell_tally(account, task->tgid);
	state = RESERVE(struct memtap_state, LOST_LIFECYCLE);
	if (!state)
		return;
	read_identity(state, kind, task);
	read_space(state, mm);
	read_faults(state, BPF_CORE_READ(task, signal));
	state->followed = account != NULL;
	if (account) {
		read_peaks(state, account, task, mm);
		state->books = account->books;
		state->books.shared += by_others(account);
	} else {
		state->peak_virtual = state->peak_resident = 0;
		__builtin_memset(&state->books, 0, sizeof(state->books));
	}
	SUBMIT(state);
}

#endif
