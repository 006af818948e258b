/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* Resident memory of an address space, exact to the page. */
#ifndef MEMTAP_RESIDENT_H
#define MEMTAP_RESIDENT_H

/* Number of possible CPUs (the highest number + 1). */
const volatile __u32 cpus = 0;
/* Distance from a per-CPU pointer to its value on each CPU; 0 if unknown. */
#define CPUS 1024
__u64 cpu_offset[CPUS];
__u64 lost_map;

/*
 * Finds the per-CPU offsets. Not every kernel lets programs use their symbol, but a per-CPU map
 * reveals them: the offset is the address of the map's value on a CPU less the map's per-CPU
 * pointer. The verifier tracks the addresses of maps and values; passing them through memory turns
 * them into numbers.
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

/* The kernel's counters, by kind of page. */
struct pages {
	__s64 counts[MEMTAP_RESIDENT_COUNTERS];
	__s32 *counters[MEMTAP_RESIDENT_COUNTERS];	/* per-CPU pointers to what the CPUs have not added yet */
	bool in_a_row;					/* the pointers are adjacent, as since 6.6 */
};

static long add_pending(__u32 cpu, struct pages *pages)
{
	__s32 pending[MEMTAP_RESIDENT_COUNTERS] = {};

	if (cpu >= CPUS || !cpu_offset[cpu])
		return 1;
	if (pages->in_a_row)
		bpf_probe_read_kernel(pending, sizeof(pending), (void *)pages->counters[0] + cpu_offset[cpu]);
	for (int kind = 0; kind < MEMTAP_RESIDENT_COUNTERS; kind++) {
		if (!pages->in_a_row)
			bpf_probe_read_kernel(&pending[kind], sizeof(pending[kind]), (void *)pages->counters[kind] + cpu_offset[cpu]);
		pages->counts[kind] += pending[kind];
	}
	return 0;
}

/* Reads the counter of kernels before 6.2, which is one atomic. */
static __always_inline __s64 old_count(struct mm_struct *mm, int kind)
{
	struct mm_struct___old *old = (void *)mm;
	void *counters = __builtin_preserve_access_index(&old->rss_stat);
	__s64 count = 0;

	bpf_probe_read_kernel(&count, sizeof(count), counters + kind * sizeof(__s64));
	return count;
}

/*
 * Only a relocation knows the element size of the running kernel, so our struct must not be indexed
 * by a variable.
 */
#define READ_COUNTER(kind) \
	pages.counts[kind] = mm->rss_stat[kind].count; \
	pages.counters[kind] = mm->rss_stat[kind].counters

/*
 * Reads the counters in the order of enum memtap_resident, which is the kernel's. Since 6.2, a
 * counter is the shared count plus what each CPU has not added to it yet (lib/percpu_counter.c,
 * percpu_counter_sum).
 */
static __always_inline void read_resident(__u64 *resident, struct mm_struct *mm)
{
	struct pages pages = {};

	if (bpf_core_type_exists(struct mm_rss_stat___old)) {
		for (int kind = 0; kind < MEMTAP_RESIDENT_COUNTERS; kind++)
			pages.counts[kind] = old_count(mm, kind);
	} else {
		READ_COUNTER(MEMTAP_FILE);
		READ_COUNTER(MEMTAP_ANON);
		READ_COUNTER(MEMTAP_SWAP);
		READ_COUNTER(MEMTAP_SHMEM);
		pages.in_a_row = pages.counters[1] == pages.counters[0] + 1 && pages.counters[2] == pages.counters[0] + 2 &&
				 pages.counters[3] == pages.counters[0] + 3;
		bpf_loop(cpus, add_pending, &pages, 0);
	}
	for (int kind = 0; kind < MEMTAP_RESIDENT_COUNTERS; kind++)
		resident[kind] = pages.counts[kind] > 0 ? pages.counts[kind] : 0;
}

/*
 * Returns the resident set without the pages that CPUs have not added yet. The error is at most
 * max(32, 2 * CPUs) pages for each kind and CPU (percpu_counter_batch). The loads need no helper,
 * so this is cheap enough for every lock.
 */
static __always_inline __u64 resident_nearly(struct mm_struct *mm)
{
	__s64 count;

	if (bpf_core_type_exists(struct mm_rss_stat___old))
		count = old_count(mm, MEMTAP_FILE) + old_count(mm, MEMTAP_ANON) + old_count(mm, MEMTAP_SHMEM);
	else
		count = mm->rss_stat[MEMTAP_FILE].count + mm->rss_stat[MEMTAP_ANON].count + mm->rss_stat[MEMTAP_SHMEM].count;
	return count > 0 ? count : 0;
}

#endif
