/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The ring, its rooms, and the count of what did not fit. */
#ifndef MEMTAP_RING_H
#define MEMTAP_RING_H

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 * 1024 * 1024);
} ring SEC(".maps");

/* Bytes of unread records from which on requests are lost: the rest is for forks, execs, exits and readings. */
const volatile __u64 room_for_requests = 0;

enum lost {
	LOST_REQUESTS,		/* the ring had no room for a request */
	LOST_LIFECYCLE,		/* it had none for a fork, exec, exit or reading */
	LOST_NAMES,		/* it had none for a change of name: which name asked is then known less finely */
	LOST_NO_ACCOUNT,	/* requests of processes for which the map of accounts has no room */
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

/* Bytes of unread records. */
static __always_inline __u64 unread(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);
}

/* From so many on, whoever reads is woken. */
const volatile __u64 wakes_from = 0;
/* The tick of the kernel's timer in which that was last done. */
__u64 woken = 0;

/* How to submit a record when so much is unread: waking takes many times longer than a record, so once in a tick must do. */
static __always_inline __u64 submission(__u64 unread)
{
	__u64 tick = bpf_jiffies64();

	if (unread < wakes_from || woken == tick)
		return BPF_RB_NO_WAKEUP;
	woken = tick;
	return BPF_RB_FORCE_WAKEUP;
}

/* Wakes whoever reads where there is no record to do it: by one that is thrown away. If not even that has room, somebody else must in this tick. */
static __always_inline void wake(void)
{
	void *nothing = bpf_ringbuf_reserve(&ring, 8, 0);

	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
	else
		woken = 0;
}

/* What takes longer to look at than all else that a request needs, as last seen. */
struct glance {
	__u64 tick;	/* of the kernel's timer, when that was */
	__u64 uses;	/* requests that it has served since */
	__u64 time_ns;	/* CLOCK_BOOTTIME */
	__u64 unread;	/* bytes in the ring */
};

/* Each record has its own look, and time. Else what a process asks for within one tick of the kernel's timer, up to so many, has that of the first. */
const volatile bool looks_each_time = false;
#define GLANCE_USES 16

/* Gives whether it was necessary. */
static __always_inline bool look(struct glance *glance)
{
	__u64 tick = bpf_jiffies64();

	if (!looks_each_time && glance->tick == tick && ++glance->uses < GLANCE_USES)
		return false;
	glance->uses = 0;
	glance->unread = unread();
	glance->time_ns = bpf_ktime_get_boot_ns();
	/* Another thread that sees the tick finds the rest. */
	*(volatile __u64 *)&glance->tick = tick;
	return true;
}

/* The size must be a constant for the verifier, so this cannot be a function. */
#define RESERVE(type, cause) \
	({ \
		type *record = bpf_ringbuf_reserve(&ring, sizeof(type), 0); \
		if (!record) \
			lose(cause); \
		record; \
	})

/* In two steps: the helper, or a byte at a time, would take a tenth of all that a request takes. */
static __always_inline void copy_name(__u8 *to, const char *from)
{
	((__u64 *)to)[0] = ((const __u64 *)from)[0];
	((__u64 *)to)[1] = ((const __u64 *)from)[1];
}

#define SUBMIT(record) bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP)

#endif
