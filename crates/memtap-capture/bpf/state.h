/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Records of a process's state. A tally precedes the state if the process made requests since the
 * last one.
 */
#ifndef MEMTAP_STATE_H
#define MEMTAP_STATE_H

/*
 * Reads a field of a kernel object. The iterator reads it directly, because it does so for
 * thousands of processes. Other programs use a helper, which is slower, but spares the verifier a
 * search through all names of its types (about a millisecond for each field, on each path to it).
 */
#define READ(kind, object, field) \
	({ \
		typeof(object) from = (object); \
		(kind) == MEMTAP_SNAPSHOT ? from->field : BPF_CORE_READ(from, field); \
	})

/*
 * Kernel objects that contain a process's state. They are read before the paths of a program
 * diverge.
 */
struct kin {
	struct task_struct *task, *leader, *parent;
	struct signal_struct *signal;
	struct pid *pid, *session;
	const struct cred *cred;
};

static __always_inline struct kin kin_of(__u8 kind, struct task_struct *task)
{
	struct kin kin = { .task = task };

	kin.leader = READ(kind, task, group_leader);
	kin.parent = READ(kind, kin.leader, real_parent);
	kin.signal = READ(kind, task, signal);
	kin.pid = READ(kind, kin.leader, thread_pid);
	kin.session = READ(kind, kin.signal, pids[PIDTYPE_SID]);
	kin.cred = READ(kind, task, real_cred);
	return kin;
}

/* Maximum number of threads whose page faults are added up. */
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

/*
 * Adds up page faults. The signal_struct contains those of threads that have ended (kernel/exit.c,
 * __exit_signal).
 */
static __always_inline void read_faults(struct memtap_state *state, __u8 kind, struct kin *kin)
{
	struct task_struct *leader = kin->leader;
	struct signal_struct *signal;
	struct faults faults = { .minor = READ(kind, kin->signal, min_flt), .major = READ(kind, kin->signal, maj_flt) };

	if (state->threads == 1) {
		faults.minor += READ(kind, kin->leader, min_flt);
		faults.major += READ(kind, kin->leader, maj_flt);
	} else {
		signal = BPF_CORE_READ(leader, signal);
		faults.head = faults.node = (void *)signal + bpf_core_field_offset(struct signal_struct, thread_head);
		bpf_loop(THREADS, add_faults, &faults, 0);
	}
	state->minor_faults = faults.minor;
	state->major_faults = faults.major;
}

/* Returns the pid of a process in its innermost pid namespace. */
static __always_inline __u32 inner_number(struct task_struct *leader, __u32 depth)
{
	/* Read this way, the pointer is a number that can be used in arithmetic. */
	void *pid = BPF_CORE_READ(leader, thread_pid);
	void *numbers = pid + bpf_core_field_offset(struct pid, numbers);

	return BPF_CORE_READ((struct upid *)(numbers + depth * bpf_core_type_size(struct upid)), nr);
}

struct glance readings = {};

static __always_inline __u64 time_of_reading(void)
{
	look(&readings);
	return readings.time_ns;
}

static __always_inline void read_identity(struct memtap_state *state, __u8 kind, struct kin *kin)
{
	void *numbers = (void *)kin->session + bpf_core_field_offset(struct pid, numbers);

	state->kind = kind;
	state->unused = 0;
	state->tgid = kin->task->tgid;
	state->parent = READ(kind, kin->parent, tgid);
	state->uid = READ(kind, kin->cred, uid.val);
	state->time_ns = kind == MEMTAP_SNAPSHOT ? time_of_reading() : bpf_ktime_get_boot_ns();
	state->start_ns = READ(kind, kin->leader, start_boottime);
	state->placement = (__u64)READ(kind, kin->task, cgroups);
	state->threads = READ(kind, kin->signal, nr_threads);
	state->depth = READ(kind, kin->pid, level);
	state->inner_pid = state->depth ? inner_number(kin->leader, state->depth) : kin->task->tgid;
	state->session = kind == MEMTAP_SNAPSHOT ? *(int *)numbers : BPF_CORE_READ((struct upid *)numbers, nr);
	if (kind == MEMTAP_SNAPSHOT)
		copy_name(state->comm, kin->leader->comm);
	else
		bpf_probe_read_kernel(state->comm, sizeof(state->comm), kin->leader->comm);
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
 * Reads the peaks. The kernel keeps a high-water mark for each address space, and one for all
 * spaces that a process has left by exec or exit. A mark that has risen since the last reading was
 * reached since then.
 */
static __always_inline void read_peaks(struct memtap_state *state, __u8 kind, struct account *account, struct kin *kin,
				       struct mm_struct *mm)
{
	__u64 resident = state->resident[MEMTAP_FILE] + state->resident[MEMTAP_ANON] + state->resident[MEMTAP_SHMEM];
	__u64 highest = READ(kind, kin->signal, maxrss);

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
	/* Cleared before the totals are read: requests in the meantime cause another tally. */
	__sync_lock_test_and_set(&account->has_news, 0);
	tally->kind = MEMTAP_TALLY;
	tally->tgid = tgid;
	tally->start_ns = account->start_ns;
	tally->refusals_beyond = account->refusals_beyond;
	__builtin_memcpy(tally->refusals, account->refusals, sizeof(tally->refusals));
	__builtin_memcpy(tally->calls, account->calls, sizeof(tally->calls));
	SUBMIT(tally);
}

static __always_inline void tell_state(__u8 kind, struct kin *kin, struct mm_struct *mm, struct account *account)
{
	struct memtap_state *state;

	if (account)
		tell_tally(account, kin->task->tgid);
	state = RESERVE(struct memtap_state, LOST_LIFECYCLE);
	if (!state)
		return;
	read_identity(state, kind, kin);
	read_space(state, mm);
	read_faults(state, kind, kin);
	state->followed = account != NULL;
	if (account) {
		read_peaks(state, kind, account, kin, mm);
		state->books = account->books;
		state->books.shared += by_others(account);
	} else {
		state->peak_virtual = state->peak_resident = 0;
		__builtin_memset(&state->books, 0, sizeof(state->books));
	}
	/* User space starts readings itself, so it reads their records without being woken. */
	bpf_ringbuf_submit(state, kind == MEMTAP_SNAPSHOT ? BPF_RB_NO_WAKEUP : submission(unread()));
}

#endif
