/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* Requests as records of the ring. */
#ifndef MEMTAP_STREAM_H
#define MEMTAP_STREAM_H

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

/*
 * Returns the name (without directories) of the file that a descriptor refers to, or NULL if the
 * descriptor has been closed in the meantime.
 */
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
					      __s64 delta, __u64 requested, __u64 flags)
{
	struct memtap_file_request *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);

	if (!record)
		return false;
	fill(&record->request, task, call, account, delta, requested);
	if (bpf_probe_read_kernel_str(record->file, sizeof(record->file), file_name(task, call->args[4])) < 0)
		record->file[0] = 0;
	bpf_ringbuf_submit(record, flags);
	return true;
}

static __always_inline bool tell_request(struct task_struct *task, struct call *call, struct account *account, __s64 delta,
					 __u64 requested, __u64 flags)
{
	struct memtap_request *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);

	if (!record)
		return false;
	fill(record, task, call, account, delta, requested);
	bpf_ringbuf_submit(record, flags);
	return true;
}

#endif
