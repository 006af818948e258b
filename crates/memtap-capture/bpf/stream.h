/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* A request, put into the ring. */
#ifndef MEMTAP_STREAM_H
#define MEMTAP_STREAM_H

/* In two steps: the helper, or a byte at a time, would take a tenth of all that a request takes. */
static __always_inline void copy_name(__u8 *to, const char *from)
{
	((__u64 *)to)[0] = ((const __u64 *)from)[0];
	((__u64 *)to)[1] = ((const __u64 *)from)[1];
}

/* Each request has its own time. Else what a process asks for within one tick of the kernel's timer, up to so many, has that of the first. */
const volatile bool exact_times = false;
#define GLANCE_USES 16

static __always_inline void look(struct glance *glance)
{
	__u64 tick = bpf_jiffies64();

	if (!exact_times && glance->tick == tick && ++glance->uses < GLANCE_USES)
		return;
	glance->uses = 0;
	glance->has_room = requests_have_room();
	glance->time_ns = bpf_ktime_get_boot_ns();
	/* Another thread that sees the tick finds the rest. */
	*(volatile __u64 *)&glance->tick = tick;
}

static __always_inline void fill(struct memtap_request *record, struct task_struct *task, struct call *call,
				 struct account *account, __s64 delta, __u64 requested)
{
	record->kind = MEMTAP_REQUEST;
	record->compat = call->compat;
	record->call = call->row;
	record->tgid = task->tgid;
	record->tid = task->pid;
	record->lost = account->books.lost;
	record->time_ns = account->glance.time_ns;
	record->total_vm = task->mm->total_vm;
	record->delta = delta;
	record->requested = requested;
	copy_name(record->comm, task->comm);
	__builtin_memcpy(record->args, call->args, sizeof(record->args));
	record->ret = call->ret;
}

/* The own name of the file behind a descriptor; NULL when it has been closed meanwhile. */
static __always_inline const unsigned char *file_name(struct task_struct *task, __u32 descriptor)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd), *file = NULL;

	if (descriptor >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), files + descriptor);
	return BPF_CORE_READ(file, f_path.dentry, d_name.name);
}

static __always_inline bool tell_file_request(struct task_struct *task, struct call *call, struct account *account,
					      __s64 delta, __u64 requested)
{
	struct memtap_file_request *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);

	if (!record)
		return false;
	fill(&record->request, task, call, account, delta, requested);
	if (bpf_probe_read_kernel_str(record->file, sizeof(record->file), file_name(task, call->args[4])) < 0)
		record->file[0] = 0;
	SUBMIT(record);
	return true;
}

static __always_inline bool tell_request(struct task_struct *task, struct call *call, struct account *account, __s64 delta,
					 __u64 requested)
{
	struct memtap_request *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);

	if (!record)
		return false;
	fill(record, task, call, account, delta, requested);
	SUBMIT(record);
	return true;
}

#endif
