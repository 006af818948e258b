/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The ring, the limits for its kinds of records, and the count of lost records. */
#ifndef MEMTAP_RING_H
#define MEMTAP_RING_H

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 * 1024 * 1024);
} ring SEC(".maps");

/*
 * Unread bytes above which requests are lost. The last part of the ring is reserved for forks,
 * execs, exits and readings.
 */
const volatile __u64 room_for_requests = 0;

enum lost {
	LOST_REQUESTS,		/* requests that did not fit into the ring */
	LOST_LIFECYCLE,		/* forks, execs, exits and readings that did not fit */
	LOST_NAMES,		/* changes of name that did not fit: sums by name are then less exact */
	LOST_NO_ACCOUNT,	/* requests of processes that found no free account */
	LOST_CAUSES,
};

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

/* Returns the number of unread bytes. */
static __always_inline __u64 unread(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);
}

/* Unread bytes from which user space is woken. */
const volatile __u64 wakes_from = 0;
/* Timer tick of the last wake-up. */
__u64 woken = 0;

/*
 * Returns the flags to submit a record with. Waking takes many times longer than a record, so it
 * happens at most once per timer tick.
 */
static __always_inline __u64 submission(__u64 unread)
{
	__u64 tick = bpf_jiffies64();

	if (unread < wakes_from || woken == tick)
		return BPF_RB_NO_WAKEUP;
	woken = tick;
	return BPF_RB_FORCE_WAKEUP;
}

/*
 * Wakes user space without a record, by discarding an empty one. If not even that fits, another
 * thread may wake it in the same tick.
 */
static __always_inline void wake(void)
{
	void *nothing = bpf_ringbuf_reserve(&ring, 8, 0);

	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
	else
		woken = 0;
}

/* Values that take longer to read than everything else that a request needs, as last read. */
struct glance {
	__u64 tick;	/* timer tick of the last read */
	__u64 uses;	/* requests that used the values since then */
	__u64 time_ns;	/* time, CLOCK_BOOTTIME */
	__u64 unread;	/* unread bytes in the ring */
};

/*
 * True if the values are read for each record, so that each has its own time. Otherwise up to
 * GLANCE_USES requests of a process within one timer tick share the time of the first.
 */
const volatile bool looks_each_time = false;
#define GLANCE_USES 16

/* Reads the values if they are outdated. Returns whether it did. */
static __always_inline bool look(struct glance *glance)
{
	__u64 tick = bpf_jiffies64();

	if (!looks_each_time && glance->tick == tick && ++glance->uses < GLANCE_USES)
		return false;
	glance->uses = 0;
	glance->unread = unread();
	glance->time_ns = bpf_ktime_get_boot_ns();
	/* Set last: another thread that sees the new tick also sees the other values. */
	*(volatile __u64 *)&glance->tick = tick;
	return true;
}

/* The verifier requires a constant size, so this cannot be a function. */
#define RESERVE(type, cause) \
	({ \
		type *record = bpf_ringbuf_reserve(&ring, sizeof(type), 0); \
		if (!record) \
			lose(cause); \
		record; \
	})

/*
 * Two steps of 8 bytes: the helper, or copying single bytes, would take a tenth of a request's
 * time.
 */
static __always_inline void copy_name(__u8 *to, const char *from)
{
	((__u64 *)to)[0] = ((const __u64 *)from)[0];
	((__u64 *)to)[1] = ((const __u64 *)from)[1];
}

#define SUBMIT(record) bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP)

#endif
