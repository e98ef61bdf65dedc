// SPDX-License-Identifier: MIT OR Apache-2.0
// Watches the processes of a command: whom they try to reach, and what comes of it.
//
// Who is watched is decided by descent: what a watched process forks is watched too, wherever it goes, before it runs its
// first instruction. Its sockets carry a mark from when they are made, so that packets are known by it that leave from
// other contexts. Attempts are told when they are made, before a packet exists, and again when something comes of them.
//
// With rules, what they do not allow is refused. Without, every verdict is "go on".

#include "kernel.h"

// --- What is told; src/egress/event.rs reads it -------------------------------------------------------------------------

enum kind {
	FORKED = 1,    // a watched process made another
	EXECUTED = 2,  // it runs another program
	EXITED = 3,
	BEGUN = 4,     // it tries to reach somebody
	CONNECTED = 5, // the other side answered
	FAILED = 6,    // it did not work, and the error says why
	REFUSED = 7,   // by the rules
	CLOSED = 8,    // the socket is gone
	DROPPED = 10,  // a firewall of this host dropped the packet
	SERVICE = 9,   // it asked a service of this host over a local socket; the cookie is its number
};

// Why a process is watched.
enum { OF_COMMAND = 1, OF_ENGINE = 2 };

// How an attempt was noticed.
enum {
	BY_NOTHING = 0,       // a socket was closed without it
	BY_CONNECT = 1,       // connect()
	BY_SEND = 2,          // sendto() and its like
	BY_PACKET = 3,        // a packet that left
	BY_PACKET_SOCKET = 4, // a packet that left past the network stack
};

struct event {
	__u64 time;   // CLOCK_MONOTONIC, in nanoseconds
	__u64 cookie; // of the socket
	__u64 bytes_out;
	__u64 bytes_in;
	__u32 kind;
	__u32 pid;
	__u32 parent;
	__s32 error; // an errno, without its sign
	__u16 port;
	__u16 local_port;
	__u16 protocol;
	__u8 family;
	__u8 how;
	__u8 reason; // why the process is watched
	__u8 unused[7];
	__u8 address[16]; // IPv4 in the first four bytes
	__u8 local[16];
	char name[16];
};
_Static_assert(sizeof(struct event) == 112, "nothing is between the fields");

enum { ARGUMENTS = 512, GROUP = 80 };

// What a process is now, beside an event.
struct execution {
	struct event event;
	__u32 length; // of the arguments
	__u32 unused;
	char arguments[ARGUMENTS];
	// The names of its control group and of the one around it: in version 2, and of the memory controller.
	char groups[2][2][GROUP];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} events SEC(".maps");

// What was not told: events that did not fit, processes that there was no room for, packets that did not fit.
enum loss { LOST_EVENTS, LOST_PROCESSES, LOST_PACKETS, LOSSES };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOSSES);
	__type(key, __u32);
	__type(value, __u64);
} lost SEC(".maps");

static __always_inline void lose(__u32 what)
{
	__u64 *count = bpf_map_lookup_elem(&lost, &what);

	if (count)
		__sync_fetch_and_add(count, 1);
}

// --- What user space says -----------------------------------------------------------------------------------------------

struct settings {
	__u32 spawner;  // the thread whose next children are the command; 0 for none
	__u32 packets;  // whether all packets are wanted, and not only those that name somebody
	__u32 rules;    // how many there are; 0 if nothing is refused
	__u32 patterns; // how many of names
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps");

static __always_inline const struct settings *get_settings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

// Local sockets that are watched, by inode and device: those of container engines and of those who resolve names.
struct node {
	__u64 inode;
	__u64 device;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct node);
	__type(value, __u32);
} services SEC(".maps");

// --- Who is watched -----------------------------------------------------------------------------------------------------

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u32); // why
} processes SEC(".maps");

// What is known of a socket of a watched process; goes away with it.
struct mark {
	__u32 pid;
	__u32 reason;
	__u32 told;   // whether an attempt was told
	__u32 copied; // bytes of its packets that were handed on
	__u16 peer_port; // what a datagram socket is connected to
	__u8 is_resolver;
	__u8 family;
	__u8 peer[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct mark);
} marks SEC(".maps");

static __always_inline __u32 reason_of(__u32 pid)
{
	__u32 *reason = bpf_map_lookup_elem(&processes, &pid);

	return reason ? *reason : 0;
}

static __always_inline __u32 current_pid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

// --- Processes ----------------------------------------------------------------------------------------------------------

static __always_inline struct event *reserve(__u32 kind, __u32 pid, __u32 reason)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		lose(LOST_EVENTS);
		return 0;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->time = bpf_ktime_get_ns();
	event->kind = kind;
	event->pid = pid;
	event->reason = reason;
	return event;
}

static __always_inline void submit(struct event *event)
{
	// The reader looks by itself: waking it for each event would cost more than the event.
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(sched_process_fork, struct task_struct *parent, struct task_struct *child)
{
	const struct settings *set = get_settings();
	__u32 pid = child->tgid, reason;
	struct event *event;

	if (!set || child->tgid == parent->tgid)
		return 0;
	reason = reason_of(parent->tgid);
	if (set->spawner && set->spawner == parent->pid)
		reason |= OF_COMMAND;
	if (!reason)
		return 0;
	if (bpf_map_update_elem(&processes, &pid, &reason, BPF_ANY)) {
		lose(LOST_PROCESSES);
		return 0;
	}
	event = reserve(FORKED, pid, reason);
	if (!event)
		return 0;
	event->parent = parent->tgid;
	__builtin_memcpy(event->name, parent->comm, sizeof(event->name));
	submit(event);
	return 0;
}

static __always_inline void read_group(char (*names)[GROUP], struct cgroup *group)
{
	struct kernfs_node *node = BPF_CORE_READ(group, kn), *parent;
	struct kernfs_node___before_6_15 *old = (void *)node;

	bpf_probe_read_kernel_str(names[0], GROUP, BPF_CORE_READ(node, name));
	if (bpf_core_field_exists(old->parent))
		parent = BPF_CORE_READ(old, parent);
	else
		parent = BPF_CORE_READ(node, __parent);
	if (parent)
		bpf_probe_read_kernel_str(names[1], GROUP, BPF_CORE_READ(parent, name));
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(sched_process_exec, struct task_struct *task)
{
	__u32 pid = task->tgid, reason = reason_of(pid);
	struct cgroup_subsys_state *memory;
	struct execution *execution;
	__u64 begin, length;
	__u32 index;

	if (!reason)
		return 0;
	execution = bpf_ringbuf_reserve(&events, sizeof(*execution), 0);
	if (!execution) {
		lose(LOST_EVENTS);
		return 0;
	}
	__builtin_memset(execution, 0, sizeof(*execution));
	execution->event.time = bpf_ktime_get_ns();
	execution->event.kind = EXECUTED;
	execution->event.pid = pid;
	execution->event.reason = reason;
	__builtin_memcpy(execution->event.name, task->comm, sizeof(execution->event.name));
	begin = BPF_CORE_READ(task, mm, arg_start);
	length = BPF_CORE_READ(task, mm, arg_end) - begin;
	if (length > ARGUMENTS)
		length = ARGUMENTS;
	if (!bpf_probe_read_user(execution->arguments, length, (void *)begin))
		execution->length = length;
	read_group(execution->groups[0], BPF_CORE_READ(task, cgroups, dfl_cgrp));
	if (bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id)) {
		index = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
		bpf_core_read(&memory, sizeof(memory), &task->cgroups->subsys[0]);
		bpf_probe_read_kernel(&memory, sizeof(memory),
				      (void *)__builtin_preserve_access_index(&task->cgroups->subsys[0]) + index * sizeof(void *));
		if (memory)
			read_group(execution->groups[1], BPF_CORE_READ(memory, cgroup));
	}
	submit(&execution->event);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(sched_process_exit, struct task_struct *task)
{
	__u32 pid = task->tgid, reason = reason_of(pid);
	struct event *event;

	if (!reason || BPF_CORE_READ(task, signal, live.counter) > 0)
		return 0;
	bpf_map_delete_elem(&processes, &pid);
	event = reserve(EXITED, pid, reason);
	if (!event)
		return 0;
	event->error = task->exit_code;
	__builtin_memcpy(event->name, task->comm, sizeof(event->name));
	submit(event);
	return 0;
}

// --- Attempts -----------------------------------------------------------------------------------------------------------

// Whom a process tries to reach.
struct peer {
	__u8 address[16];
	__u16 port;
	__u16 protocol;
	__u8 family;
};

static __always_inline int is_loopback(const struct peer *peer)
{
	const __u32 *words = (const void *)peer->address;

	if (peer->family == AF_INET)
		return peer->address[0] == 127;
	return !words[0] && !words[1] && !words[2] && words[3] == bpf_htonl(1);
}

static __always_inline void set_ipv4(struct peer *peer, __u32 address)
{
	__builtin_memset(peer->address, 0, sizeof(peer->address));
	__builtin_memcpy(peer->address, &address, sizeof(address));
	peer->family = AF_INET;
}

// IPv4 addresses that are written as IPv6 are IPv4.
static __always_inline void set_ipv6(struct peer *peer, const __u32 words[4])
{
	if (!words[0] && !words[1] && words[2] == bpf_htonl(0xffff)) {
		set_ipv4(peer, words[3]);
		return;
	}
	__builtin_memcpy(peer->address, words, sizeof(peer->address));
	peer->family = AF_INET6;
}

// A socket without a connection reaches several: each of them is told once, and counted here.
struct counted_key {
	__u64 cookie;
	__u8 address[16];
	__u16 port;
	__u16 protocol;
	__u32 unused;
};

struct counted {
	__u64 packets_out;
	__u64 bytes_out;
	__u64 packets_in;
	__u64 bytes_in;
	__u32 told;
	__u32 is_answer; // the peer spoke first
	__s32 error;     // what was told last
	__u32 unused;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct counted_key);
	__type(value, struct counted);
} peers SEC(".maps");

static __always_inline void make_key(struct counted_key *key, __u64 cookie, const struct peer *peer)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->cookie = cookie;
	key->port = peer->port;
	key->protocol = peer->protocol;
	__builtin_memcpy(key->address, peer->address, sizeof(key->address));
}

__noinline int tell(__u64 cookie, const struct peer *peer, const struct mark *mark, __u32 kind_and_how, __s32 error)
{
	struct event *event;

	if (!peer || !mark)
		return 0;
	event = reserve(kind_and_how & 0xffff, mark->pid, mark->reason);
	if (!event)
		return 0;
	event->cookie = cookie;
	event->error = error;
	event->how = kind_and_how >> 16;
	event->port = peer->port;
	event->protocol = peer->protocol;
	event->family = peer->family;
	__builtin_memcpy(event->address, peer->address, sizeof(event->address));
	bpf_get_current_comm(event->name, sizeof(event->name));
	submit(event);
	return 0;
}

// Notes that something is sent, or could not be, and tells it if that is new. Gives what is counted of the peer.
static __always_inline struct counted *note(__u64 cookie, const struct peer *peer, const struct mark *mark, __u32 how,
					    __s32 error)
{
	struct counted none = {}, *counted;
	struct counted_key key;

	make_key(&key, cookie, peer);
	counted = bpf_map_lookup_elem(&peers, &key);
	if (!counted) {
		bpf_map_update_elem(&peers, &key, &none, BPF_NOEXIST);
		counted = bpf_map_lookup_elem(&peers, &key);
		if (!counted) {
			lose(LOST_EVENTS);
			return 0;
		}
	}
	if (!counted->told && !counted->is_answer) {
		counted->told = 1;
		tell(cookie, peer, mark, BEGUN | how << 16, 0);
	}
	if (error && counted->told && counted->error != error) {
		counted->error = error;
		tell(cookie, peer, mark, FAILED | how << 16, error);
	}
	return counted;
}

// --- Rules --------------------------------------------------------------------------------------------------------------

enum { MOST_RULES = 1024 };
enum { ALLOW = 1, DENY = 2 };

struct rule {
	__u64 address[2];
	__u64 address_mask[2];
	__u64 process[2]; // its name
	__u64 process_mask[2];
	__u32 name; // 0 for none, else a number under which its addresses are learned
	__u16 first_port;
	__u16 last_port;
	__u8 family; // 0 for any address
	__u8 action;
	__u8 protocol; // 0 for any
	__u8 unused[5];
};
_Static_assert(sizeof(struct rule) == 80, "nothing is between the fields");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MOST_RULES);
	__type(key, __u32);
	__type(value, struct rule);
} rules SEC(".maps");

struct learned {
	__u32 name;
	__u32 family;
	__u8 address[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct learned);
	__type(value, __u32);
} learned SEC(".maps");

// Answers about names: how many packets with some have arrived, and how many of them user space has looked at.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} answers SEC(".maps"), learned_answers SEC(".maps");

static __always_inline int are_answers_open(void)
{
	__u32 zero = 0;
	__u64 *arrived = bpf_map_lookup_elem(&answers, &zero);
	volatile __u64 *looked_at = bpf_map_lookup_elem(&learned_answers, &zero);

	return arrived && looked_at && *looked_at < *arrived;
}

struct judged {
	__u64 address[2];
	__u64 process[2];
	const struct peer *peer;
	__u32 verdict; // ALLOW if a rule allows it, DENY if one denies it, 0 if none speaks of it
};

static __always_inline int differ(const __u64 *one, const __u64 *other, const __u64 *mask)
{
	return (((one[0] ^ other[0]) & mask[0]) | ((one[1] ^ other[1]) & mask[1])) != 0;
}

static long judge_by(__u32 index, struct judged *judged)
{
	struct rule *rule = bpf_map_lookup_elem(&rules, &index);
	const struct peer *peer = judged->peer;
	struct learned key = {};

	if (!rule || (rule->protocol && rule->protocol != peer->protocol) || peer->port < rule->first_port ||
	    peer->port > rule->last_port || (rule->family && rule->family != peer->family) ||
	    differ(judged->address, rule->address, rule->address_mask) ||
	    differ(judged->process, rule->process, rule->process_mask))
		return 0;
	if (rule->name) {
		key.name = rule->name;
		key.family = peer->family;
		__builtin_memcpy(key.address, judged->address, sizeof(key.address));
		if (!bpf_map_lookup_elem(&learned, &key))
			return 0;
	}
	judged->verdict = rule->action;
	return rule->action == DENY;
}

static long wait_for_answers(__u32 index, __u64 *until)
{
	return !are_answers_open() || bpf_ktime_get_ns() > *until;
}

// How long an attempt waits for what an answer that has just arrived says of its address, in nanoseconds.
enum { PATIENCE = 20 * 1000 * 1000 };

__noinline int is_refused(const struct peer *peer)
{
	const struct settings *set = get_settings();
	struct judged judged = {};
	__u64 until;

	if (!peer || !set || !set->rules)
		return 0;
	judged.peer = peer;
	__builtin_memcpy(judged.address, peer->address, sizeof(judged.address));
	bpf_get_current_comm(judged.process, sizeof(judged.process));
	bpf_loop(set->rules, judge_by, &judged, 0);
	if (!judged.verdict && are_answers_open()) {
		until = bpf_ktime_get_ns() + PATIENCE;
		bpf_loop(1 << 20, wait_for_answers, &until, 0);
		bpf_loop(set->rules, judge_by, &judged, 0);
	}
	return judged.verdict != ALLOW;
}

// Tells that an attempt is refused: of a datagram socket once for each peer.
static __always_inline void refuse(__u64 cookie, const struct peer *peer, const struct mark *mark, __u32 how)
{
	enum { EPERM = 1, WAS_REFUSED = 2 };
	struct counted none = {}, *counted;
	struct counted_key key;

	if (peer->protocol != IPPROTO_TCP) {
		make_key(&key, cookie, peer);
		bpf_map_update_elem(&peers, &key, &none, BPF_NOEXIST);
		counted = bpf_map_lookup_elem(&peers, &key);
		if (counted && counted->told == WAS_REFUSED)
			return;
		if (counted)
			counted->told = WAS_REFUSED;
	}
	tell(cookie, peer, mark, REFUSED | how << 16, EPERM);
}

// --- Answers about names ------------------------------------------------------------------------------------------------

// What an answer says of addresses is learned here, before the answer is read by whoever asked: he may connect at once.
// User space learns from it, too, and from what is not looked at here: aliases, answers over TCP, odd patterns.

enum { MOST_NAME = 256, MOST_SUFFIX = 64, MOST_LABELS = 128, MOST_RECORDS = 64, MOST_MATCHES = 8 };

// How names end that a rule is for, as they are on the wire, in small letters.
struct pattern {
	__u32 name; // the number of the rule's names
	__u8 length;
	__u8 below; // something has to come before
	__u8 unused[2];
	__u8 suffix[MOST_SUFFIX];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MOST_RULES);
	__type(key, __u32);
	__type(value, struct pattern);
} patterns SEC(".maps");

// What is known of the answer that is looked at.
struct reading {
	__u8 name[MOST_NAME]; // the name that was asked for
	__u8 starts[MOST_NAME]; // whether a label begins there
	__u32 at; // in the name
	__u32 length; // of the name, with its end; 0 while that is not known
	__u32 matches[MOST_MATCHES];
	__u32 count; // of the matches
	__u32 offset; // in the packet
	struct __sk_buff *skb;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct reading);
} readings SEC(".maps");

static __always_inline struct reading *get_reading(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&readings, &zero);
}

static __always_inline __u8 lower(__u8 letter)
{
	return letter >= 'A' && letter <= 'Z' ? letter + 32 : letter;
}

static long read_label(__u32 index, void *context)
{
	struct reading *reading = get_reading();
	__u32 at;
	__u8 length;

	if (!reading)
		return 1;
	at = reading->at & (MOST_NAME - 1);
	length = reading->name[at];
	reading->starts[at] = 1;
	if (!length)
		reading->length = at + 1;
	reading->at = at + 1 + length;
	return !length || length > 63 || reading->at >= MOST_NAME;
}

struct comparison {
	const struct pattern *pattern;
	__u32 offset;
	__u32 differs;
};

static long compare(__u32 index, struct comparison *comparison)
{
	struct reading *reading = get_reading();
	__u8 letter;

	if (!reading)
		return 1;
	letter = reading->name[(comparison->offset + index) & (MOST_NAME - 1)];
	comparison->differs = lower(letter) != comparison->pattern->suffix[index & (MOST_SUFFIX - 1)];
	return comparison->differs;
}

static long match(__u32 index, void *context)
{
	struct pattern *pattern = bpf_map_lookup_elem(&patterns, &index);
	struct reading *reading = get_reading();
	struct comparison comparison = { .pattern = pattern };
	__u32 offset;

	if (!pattern || !reading)
		return 1;
	offset = reading->length - pattern->length;
	if (pattern->length > reading->length || (offset != 0) != pattern->below ||
	    !reading->starts[offset & (MOST_NAME - 1)])
		return 0;
	comparison.offset = offset;
	bpf_loop(pattern->length, compare, &comparison, 0);
	if (!comparison.differs) {
		reading->matches[reading->count & (MOST_MATCHES - 1)] = pattern->name;
		reading->count++;
	}
	return reading->count >= MOST_MATCHES;
}

static __always_inline void learn(const struct reading *reading, const __u8 *address, __u32 family)
{
	struct learned key = { .family = family };
	__u32 one = 1;

	__builtin_memcpy(key.address, address, family == AF_INET ? 4 : 16);
	for (int i = 0; i < MOST_MATCHES; i++) {
		if (i >= reading->count)
			break;
		key.name = reading->matches[i];
		bpf_map_update_elem(&learned, &key, &one, BPF_ANY);
	}
}

// The fixed part of a resource record.
struct record {
	__be16 type;
	__be16 class;
	__be16 ttl[2]; // for it is not aligned
	__be16 length;
};

static long read_record(__u32 index, struct __sk_buff **skb)
{
	enum { A = 1, AAAA = 28 };
	struct reading *reading = get_reading();
	struct record record;
	__u8 address[16];
	__u8 byte;

	if (!reading)
		return 1;
	// Whom it is about: nearly always the place where that was said before.
	for (int i = 0; i < 16; i++) {
		if (bpf_skb_load_bytes(*skb, reading->offset, &byte, 1))
			return 1;
		reading->offset += byte >= 0xc0 ? 2 : byte + 1;
		if (!byte || byte >= 0xc0)
			break;
	}
	if (bpf_skb_load_bytes(*skb, reading->offset, &record, sizeof(record)))
		return 1;
	reading->offset += sizeof(record);
	if (record.type == bpf_htons(A) && record.length == bpf_htons(4) &&
	    !bpf_skb_load_bytes(*skb, reading->offset, address, 4))
		learn(reading, address, AF_INET);
	if (record.type == bpf_htons(AAAA) && record.length == bpf_htons(16) &&
	    !bpf_skb_load_bytes(*skb, reading->offset, address, 16))
		learn(reading, address, AF_INET6);
	reading->offset += bpf_ntohs(record.length);
	return 0;
}

// The header of a message about names.
struct message_header {
	__be16 id;
	__u8 flags[2];
	__be16 questions;
	__be16 answers;
};

static __noinline int learn_from(struct __sk_buff *skb, __u32 payload, __u32 count)
{
	enum { HEADER = 12, IS_ANSWER = 0x80, CODE = 0x0f };
	struct reading *reading = get_reading();
	struct message_header header;
	__u32 length;

	if (!reading || bpf_skb_load_bytes(skb, payload, &header, sizeof(header)) || !(header.flags[0] & IS_ANSWER) ||
	    header.flags[1] & CODE || header.questions != bpf_htons(1))
		return 0;
	payload += HEADER;
	length = skb->len - payload;
	if (payload >= skb->len)
		return 0;
	if (length > MOST_NAME)
		length = MOST_NAME;
	__builtin_memset(reading, 0, sizeof(*reading));
	// The verifier has to see the bounds where they are needed.
	asm volatile("" : "+r"(length));
	if (!length || length > MOST_NAME)
		return 0;
	if (bpf_skb_load_bytes(skb, payload, reading->name, length))
		return 0;
	bpf_loop(MOST_LABELS, read_label, 0, 0);
	if (!reading->length)
		return 0;
	bpf_loop(count, match, 0, 0);
	if (!reading->count)
		return 0;
	// Behind the name stand its type and its class.
	reading->offset = payload + reading->length + 4;
	count = bpf_ntohs(header.answers);
	bpf_loop(count < MOST_RECORDS ? count : MOST_RECORDS, read_record, &skb, 0);
	return 0;
}

// --- Sockets ------------------------------------------------------------------------------------------------------------

SEC("cgroup/sock_create")
int sock_create(struct bpf_sock *sk)
{
	__u32 pid = current_pid(), reason = reason_of(pid);
	struct mark *mark;

	if (!reason)
		return 1;
	mark = bpf_sk_storage_get(&marks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (mark) {
		mark->pid = pid;
		mark->reason = reason;
		// Whoever looks at the socket later finds its number.
		bpf_get_socket_cookie(sk);
	}
	return 1;
}

enum { DNS = 53, MDNS = 5353, LLMNR = 5355, HTTPS = 443 };

static __always_inline int is_name_service(__u16 port)
{
	return port == DNS || port == MDNS || port == LLMNR;
}

// A watched process, or one that has its socket, connects or sends.
static __always_inline int attempt(struct bpf_sock_addr *context, struct peer *peer, int connects)
{
	__u32 pid = current_pid(), reason = reason_of(pid);
	__u64 cookie;
	struct mark *mark;

	if (!reason || !context->sk)
		return 1;
	peer->port = bpf_ntohs(context->user_port);
	peer->protocol = context->protocol;
	mark = bpf_sk_storage_get(&marks, context->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!mark)
		return 1;
	mark->pid = pid;
	mark->reason = reason;
	mark->is_resolver |= peer->port == DNS;
	cookie = bpf_get_socket_cookie(context);
	// A datagram socket that is connected has not reached for anybody yet: many only look up the address that they would
	// send from. What they send is judged when it leaves.
	if (connects && peer->protocol != IPPROTO_TCP)
		return 1;
	if (reason & OF_COMMAND && is_refused(peer)) {
		refuse(cookie, peer, mark, connects ? BY_CONNECT : BY_SEND);
		return 0;
	}
	if (!connects) {
		note(cookie, peer, mark, BY_SEND, 0);
	} else {
		mark->told = 1;
		mark->family = peer->family;
		mark->peer_port = peer->port;
		__builtin_memcpy(mark->peer, peer->address, sizeof(mark->peer));
		tell(cookie, peer, mark, BEGUN | BY_CONNECT << 16, 0);
	}
	return 1;
}

static __always_inline int attempt4(struct bpf_sock_addr *context, int connects)
{
	struct peer peer = {};

	set_ipv4(&peer, context->user_ip4);
	return attempt(context, &peer, connects);
}

static __always_inline int attempt6(struct bpf_sock_addr *context, int connects)
{
	__u32 words[4] = { context->user_ip6[0], context->user_ip6[1], context->user_ip6[2], context->user_ip6[3] };
	struct peer peer = {};

	set_ipv6(&peer, words);
	return attempt(context, &peer, connects);
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *context)
{
	return attempt4(context, 1);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *context)
{
	return attempt6(context, 1);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *context)
{
	return attempt4(context, 0);
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *context)
{
	return attempt6(context, 0);
}

// Whom a socket is connected to.
static __always_inline void peer_of(struct peer *peer, const struct sock *sk)
{
	__u32 words[4];

	peer->port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	peer->protocol = BPF_CORE_READ(sk, sk_protocol);
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6) {
		BPF_CORE_READ_INTO((struct in6_addr *)words, sk, __sk_common.skc_v6_daddr);
		set_ipv6(peer, words);
	} else {
		set_ipv4(peer, BPF_CORE_READ(sk, __sk_common.skc_daddr));
	}
}

// What a TCP socket was told to reach: what it is connected to may have been translated since.
static __always_inline void peer_of_mark(struct peer *peer, const struct mark *mark)
{
	peer->port = mark->peer_port;
	peer->protocol = IPPROTO_TCP;
	peer->family = mark->family;
	__builtin_memcpy(peer->address, mark->peer, sizeof(peer->address));
}

static __noinline int tell_state(const struct sock *sk, const struct mark *mark, __u64 cookie, __u32 kind)
{
	/// A flag of sockets whose peer has sent its FIN, which counts as a byte.
	enum { SOCK_DONE = 1 };
	const struct tcp_sock *tcp;
	struct event *event;

	if (!sk || !mark)
		return 0;
	event = reserve(kind, mark->pid, mark->reason);
	if (!event)
		return 0;
	event->cookie = cookie;
	event->how = BY_CONNECT;
	event->protocol = IPPROTO_TCP;
	event->family = mark->family;
	event->port = mark->peer_port;
	event->error = sk->sk_err;
	tcp = bpf_skc_to_tcp_sock((void *)sk);
	if (tcp) {
		event->bytes_out = tcp->bytes_sent;
		event->bytes_in = tcp->bytes_received;
	}
	if (event->bytes_in && sk->__sk_common.skc_flags & 1 << SOCK_DONE)
		event->bytes_in--;
	event->local_port = sk->__sk_common.skc_num;
	__builtin_memcpy(event->address, mark->peer, sizeof(event->address));
	if (sk->__sk_common.skc_family == AF_INET6)
		BPF_CORE_READ_INTO((struct in6_addr *)event->local, sk, __sk_common.skc_v6_rcv_saddr);
	else
		*(__be32 *)event->local = sk->__sk_common.skc_rcv_saddr;
	submit(event);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(inet_sock_set_state, const struct sock *sk, int before, int after)
{
	struct peer peer = {};
	struct mark *mark;
	__u32 pid, reason;
	__u64 cookie;

	if (sk->sk_protocol != IPPROTO_TCP || (after != TCP_SYN_SENT && after != TCP_ESTABLISHED && after != TCP_CLOSE))
		return 0;
	mark = bpf_sk_storage_get(&marks, (void *)sk, 0, 0);
	if (after == TCP_SYN_SENT && !(mark && mark->told)) {
		// Nothing told of it before: a socket that the kernel made for a process, as for multipath TCP.
		pid = current_pid();
		reason = reason_of(pid);
		if (!reason)
			return 0;
		mark = bpf_sk_storage_get(&marks, (void *)sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (!mark)
			return 0;
		peer_of(&peer, sk);
		mark->pid = pid;
		mark->reason = reason;
		mark->told = 1;
		mark->family = peer.family;
		mark->peer_port = peer.port;
		__builtin_memcpy(mark->peer, peer.address, sizeof(mark->peer));
		tell(bpf_get_socket_cookie((void *)sk), &peer, mark, BEGUN | BY_CONNECT << 16, 0);
		return 0;
	}
	if (!mark || !mark->told)
		return 0;
	cookie = bpf_get_socket_cookie((void *)sk);
	if (after == TCP_ESTABLISHED) {
		tell_state(sk, mark, cookie, CONNECTED);
	} else if (after == TCP_CLOSE) {
		mark->told = 0;
		tell_state(sk, mark, cookie, CLOSED);
	}
	return 0;
}

// Datagram sockets, those that were never connected included, raw ones, and TCP sockets of which no packet ever left.
SEC("cgroup/sock_release")
int sock_release(struct bpf_sock *sk)
{
	struct mark *mark = bpf_sk_storage_get(&marks, sk, 0, 0);
	struct event *event;

	if (!mark || (sk->protocol == IPPROTO_TCP && !(mark->told && sk->state == TCP_CLOSE)))
		return 1;
	event = reserve(CLOSED, mark->pid, mark->reason);
	if (!event)
		return 1;
	event->cookie = bpf_get_socket_cookie(sk);
	event->protocol = sk->protocol;
	event->how = BY_NOTHING;
	submit(event);
	return 1;
}

// --- What comes of system calls -----------------------------------------------------------------------------------------

// What a system call was given.
struct call {
	__u64 arguments[5];
};

enum { CONNECT, SENDTO, SENDMSG, SENDMMSG, WRITE, WRITEV, OTHER };

// Which system call it is. Every one of the machine passes here: nothing else of it is read.
static __always_inline __u32 which_call(const void *registers)
{
	if (bpf_core_type_exists(struct pt_regs___x86) && bpf_core_field_exists(((struct pt_regs___x86 *)0)->orig_ax)) {
		const struct pt_regs___x86 *x86 = registers;

		switch ((int)x86->orig_ax) {
		case 1:
			return WRITE;
		case 20:
			return WRITEV;
		case 42:
			return CONNECT;
		case 44:
			return SENDTO;
		case 46:
			return SENDMSG;
		case 307:
			return SENDMMSG;
		}
		return OTHER;
	}
	if (bpf_core_field_exists(((struct pt_regs___arm64 *)0)->syscallno)) {
		const struct pt_regs___arm64 *arm = registers;

		switch (arm->syscallno) {
		case 64:
			return WRITE;
		case 66:
			return WRITEV;
		case 203:
			return CONNECT;
		case 206:
			return SENDTO;
		case 211:
			return SENDMSG;
		case 269:
			return SENDMMSG;
		}
	}
	return OTHER;
}

static __always_inline void read_call(struct call *call, const void *registers)
{
	if (bpf_core_type_exists(struct pt_regs___x86) && bpf_core_field_exists(((struct pt_regs___x86 *)0)->orig_ax)) {
		const struct pt_regs___x86 *x86 = registers;

		call->arguments[0] = x86->di;
		call->arguments[1] = x86->si;
		call->arguments[2] = x86->dx;
		call->arguments[3] = x86->r10;
		call->arguments[4] = x86->r8;
	} else if (bpf_core_field_exists(((struct pt_regs___arm64 *)0)->syscallno)) {
		const struct pt_regs___arm64 *arm = registers;

		call->arguments[0] = arm->orig_x0;
		for (int i = 1; i < 5; i++)
			call->arguments[i] = BPF_CORE_READ(arm, user_regs.regs[i]);
	}
}

// The socket behind a file descriptor of this process; 0 if it is something else.
static __always_inline struct sock *socket_of(__u64 descriptor)
{
	enum { S_IFMT = 0170000, S_IFSOCK = 0140000 };
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files, *file = 0;
	struct socket *socket;

	if (descriptor >= BPF_CORE_READ(table, max_fds))
		return 0;
	files = BPF_CORE_READ(table, fd);
	bpf_probe_read_kernel(&file, sizeof(file), &files[descriptor]);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

// What programs pass to the kernel: struct sockaddr_in, struct sockaddr_in6.
struct socket_address {
	__u16 family;
	__u16 port;
	__u32 ipv4_or_flow;
	__u32 ipv6[4];
};

static __always_inline int read_peer(struct peer *peer, __u64 from, __u64 length)
{
	struct socket_address address = {};

	if (!from || length < 16 ||
	    bpf_probe_read_user(&address, length < sizeof(address) ? 16 : sizeof(address), (void *)from))
		return 0;
	peer->port = bpf_ntohs(address.port);
	if (address.family == AF_INET)
		set_ipv4(peer, address.ipv4_or_flow);
	else if (address.family == AF_INET6 && length >= sizeof(address))
		set_ipv6(peer, address.ipv6);
	else
		return 0;
	return 1;
}

// The beginning of what sendmsg() takes: struct msghdr.
struct message {
	__u64 name;
	__u32 name_length;
};

// A process asked a service of this host over a local socket.
static __always_inline void asked(struct sock *sk, __u32 pid)
{
	struct unix_sock *peer = (void *)BPF_CORE_READ((struct unix_sock *)sk, peer);
	struct inode *inode = BPF_CORE_READ(peer, path.dentry, d_inode);
	struct event *event;
	struct node key = {};
	__u32 *service;

	if (!inode)
		return;
	key.inode = BPF_CORE_READ(inode, i_ino);
	key.device = BPF_CORE_READ(inode, i_sb, s_dev);
	service = bpf_map_lookup_elem(&services, &key);
	if (!service)
		return;
	event = reserve(SERVICE, pid, reason_of(pid));
	if (!event)
		return;
	event->cookie = *service;
	bpf_get_current_comm(event->name, sizeof(event->name));
	submit(event);
}

enum { EINTR = 4, EAGAIN = 11, EALREADY = 114, EINPROGRESS = 115, EISCONN = 106, EMSGSIZE = 90, EINVAL = 22 };
enum { ENETUNREACH = 101, EHOSTUNREACH = 113 };

static __always_inline int says_nothing(long result)
{
	return result == -EINTR || result == -EAGAIN || result == -EALREADY || result == -EINPROGRESS ||
	       result == -EISCONN || result == -EMSGSIZE || result == -EINVAL || result < -4095;
}

// Ports at which nobody listens, with which libraries ask for the address that they would send from.
static __always_inline int is_question(__u16 port)
{
	return !port || port == 9 || port == 65535;
}

static __noinline int failed(struct call *call, __u32 which, long result)
{
	__u32 pid = current_pid();
	struct mark mark = { .pid = pid, .reason = reason_of(pid) };
	struct message message = {};
	struct peer peer = {};
	struct sock *sk;
	__u16 family;
	__u64 cookie;
	int known = 0;

	if (!call || !mark.reason)
		return 0;
	sk = socket_of(call->arguments[0]);
	if (!sk)
		return 0;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family != AF_INET && family != AF_INET6)
		return 0;
	if (which == CONNECT)
		known = read_peer(&peer, call->arguments[1], call->arguments[2]);
	else if (which == SENDTO)
		// The sixth argument is the length, of which enough is known.
		known = read_peer(&peer, call->arguments[4], family == AF_INET6 ? 28 : 16);
	else if (which == SENDMSG || which == SENDMMSG)
		known = !bpf_probe_read_user(&message, sizeof(message), (void *)call->arguments[1]) &&
			read_peer(&peer, message.name, message.name_length);
	if (!known && which != CONNECT) {
		// A socket without a peer reaches for nobody.
		if (BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_ESTABLISHED)
			return 0;
		peer_of(&peer, sk);
		known = 1;
	}
	if (!known)
		return 0;
	peer.protocol = BPF_CORE_READ(sk, sk_protocol);
	cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	if (peer.protocol == IPPROTO_TCP) {
		if (which == CONNECT)
			tell(cookie, &peer, &mark, FAILED | BY_CONNECT << 16, -result);
		return 0;
	}
	if (peer.protocol != IPPROTO_UDP)
		peer.port = 0;
	// A datagram socket that cannot be connected, as there is no route.
	if (which == CONNECT && ((result != -ENETUNREACH && result != -EHOSTUNREACH) || is_question(peer.port)))
		return 0;
	note(cookie, &peer, &mark, which == CONNECT ? BY_CONNECT : BY_SEND, -result);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(sys_exit, const void *registers, long result)
{
	enum { AF_UNIX = 1 };
	struct call call = {};
	struct sock *sk;
	__u32 which;

	if (result < 0 ? says_nothing(result) : result != 0)
		return 0;
	which = which_call(registers);
	if (which == OTHER || (!result && which != CONNECT))
		return 0;
	read_call(&call, registers);
	if (result < 0)
		return failed(&call, which, result);
	sk = socket_of(call.arguments[0]);
	if (sk && BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX)
		asked(sk, current_pid());
	return 0;
}

// --- Packets ------------------------------------------------------------------------------------------------------------

enum { SMALL = 512, LARGE = 2048, LARGEST = 16384 };

struct packet {
	__u64 time;
	__u64 cookie;
	__u32 pid;
	__u32 length;
	__u32 captured;
	__u32 kind;
};

enum { INCOMING = 0, OUTGOING = 1, ANSWER = 2 };

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} packets SEC(".maps");

#define COPY(size)                                                                                                     \
	static __noinline int copy_##size(struct __sk_buff *skb, const struct packet *head, __u32 length)             \
	{                                                                                                              \
		struct {                                                                                               \
			struct packet head;                                                                            \
			__u8 bytes[size];                                                                              \
		} *copy = bpf_ringbuf_reserve(&packets, sizeof(*copy), 0);                                             \
                                                                                                                       \
		if (!copy || !head || !length || length > size) {                                                      \
			if (copy)                                                                                      \
				bpf_ringbuf_discard(copy, BPF_RB_NO_WAKEUP);                                           \
			lose(LOST_PACKETS);                                                                            \
			return 0;                                                                                      \
		}                                                                                                      \
		copy->head = *head;                                                                                    \
		copy->head.captured = length;                                                                          \
		if (bpf_skb_load_bytes(skb, 0, copy->bytes, length))                                                   \
			copy->head.captured = 0;                                                                       \
		bpf_ringbuf_submit(copy, 0);                                                                           \
		return 0;                                                                                              \
	}

COPY(SMALL)
COPY(LARGE)
COPY(LARGEST)

static __always_inline void copy(struct __sk_buff *skb, const struct mark *mark, __u64 cookie, __u32 kind)
{
	struct packet head = {};
	__u32 length = skb->len;

	head.time = bpf_ktime_get_ns();
	head.cookie = cookie;
	head.pid = mark->pid;
	head.length = length;
	head.kind = kind;
	if (length <= SMALL)
		copy_SMALL(skb, &head, length);
	else if (length <= LARGE)
		copy_LARGE(skb, &head, length);
	else
		copy_LARGEST(skb, &head, length < LARGEST ? length : LARGEST);
}

// Where a packet goes, or comes from.
struct route {
	struct peer peer;
	__u16 local_port;
	__u32 payload; // where it begins; 0 if the packet has no ports
};

struct ports {
	__be16 source;
	__be16 destination;
};

static __always_inline int read_route(struct __sk_buff *skb, struct route *route, int is_outgoing)
{
	__u32 header[5], words[4], offset;
	struct ports ports;
	__u8 byte, next;

	if (skb->protocol == bpf_htons(0x0800)) {
		if (bpf_skb_load_bytes(skb, 0, header, sizeof(header)))
			return 0;
		set_ipv4(&route->peer, header[is_outgoing ? 4 : 3]);
		next = ((__u8 *)header)[9];
		offset = (((__u8 *)header)[0] & 15) * 4;
	} else if (skb->protocol == bpf_htons(0x86dd)) {
		if (bpf_skb_load_bytes(skb, 6, &next, 1) ||
		    bpf_skb_load_bytes(skb, is_outgoing ? 24 : 8, words, sizeof(words)))
			return 0;
		set_ipv6(&route->peer, words);
		offset = 40;
		// Hop-by-hop, routing, fragment and destination options.
		for (int i = 0; i < 4; i++) {
			__u8 extension[2];

			if (next != 0 && next != 43 && next != 44 && next != 60)
				break;
			if (bpf_skb_load_bytes(skb, offset, extension, sizeof(extension)))
				return 0;
			offset += next == 44 ? 8 : (extension[1] + 1) * 8;
			next = extension[0];
		}
	} else {
		return 0;
	}
	route->peer.protocol = next;
	if (next == IPPROTO_TCP || next == IPPROTO_UDP) {
		if (bpf_skb_load_bytes(skb, offset, &ports, sizeof(ports)))
			return 1;
		route->peer.port = bpf_ntohs(is_outgoing ? ports.destination : ports.source);
		route->local_port = bpf_ntohs(is_outgoing ? ports.source : ports.destination);
		route->payload = offset + 8;
		if (next == IPPROTO_TCP && !bpf_skb_load_bytes(skb, offset + 12, &byte, 1))
			route->payload = offset + (byte >> 4) * 4;
	}
	return 1;
}

// How much of a connection is looked at for the name that it is for, in bytes.
enum { HELLO = 16384 };

// Whether a packet says who somebody is: an answer about names, or how a connection introduces itself.
static __always_inline int names_somebody(struct __sk_buff *skb, struct mark *mark, const struct route *route,
					  int is_outgoing)
{
	__u32 length = skb->len;

	if (mark->is_resolver || is_name_service(route->peer.port) || is_name_service(route->local_port))
		return length > route->payload || route->peer.protocol == IPPROTO_TCP;
	if (is_loopback(&route->peer) || !route->payload || length <= route->payload || mark->copied >= HELLO)
		return 0;
	if (route->peer.protocol == IPPROTO_UDP && route->peer.port != HTTPS)
		return 0;
	mark->copied += length;
	return 1;
}

static __always_inline int handle(struct __sk_buff *skb, int is_outgoing)
{
	const struct settings *set = get_settings();
	struct bpf_sock *sk = skb->sk;
	struct route route = {};
	struct counted *counted;
	struct counted_key key;
	struct mark *mark;
	__u32 zero = 0;
	__u64 cookie;

	if (!sk || !set)
		return 1;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 1;
	mark = bpf_sk_storage_get(&marks, sk, 0, 0);
	if (!mark || !read_route(skb, &route, is_outgoing))
		return 1;
	// What a raw socket sends of these counts by what it is.
	if (route.peer.protocol != IPPROTO_TCP || sk->protocol != IPPROTO_TCP) {
		cookie = bpf_get_socket_cookie(skb);
		if (is_outgoing) {
			make_key(&key, cookie, &route.peer);
			counted = bpf_map_lookup_elem(&peers, &key);
			// Whoever spoke first may be answered.
			if (!(counted && counted->is_answer) && mark->reason & OF_COMMAND && is_refused(&route.peer)) {
				refuse(cookie, &route.peer, mark, BY_PACKET);
				return 0;
			}
			counted = note(cookie, &route.peer, mark, BY_PACKET, 0);
			if (counted) {
				__sync_fetch_and_add(&counted->packets_out, 1);
				__sync_fetch_and_add(&counted->bytes_out, skb->len);
			}
		} else {
			struct counted first = { .is_answer = 1 };

			make_key(&key, cookie, &route.peer);
			counted = bpf_map_lookup_elem(&peers, &key);
			if (!counted) {
				bpf_map_update_elem(&peers, &key, &first, BPF_NOEXIST);
				counted = bpf_map_lookup_elem(&peers, &key);
			}
			if (counted) {
				if (!counted->packets_in && counted->told)
					tell(cookie, &route.peer, mark, CONNECTED, 0);
				__sync_fetch_and_add(&counted->packets_in, 1);
				__sync_fetch_and_add(&counted->bytes_in, skb->len);
			}
		}
	}
	if (set->packets || names_somebody(skb, mark, &route, is_outgoing)) {
		__u32 kind = is_outgoing ? OUTGOING : INCOMING;
		__u64 *arrived = bpf_map_lookup_elem(&answers, &zero);

		if (!is_outgoing && arrived && set->rules && (mark->is_resolver || route.peer.port == DNS)) {
			kind = ANSWER;
			if (set->patterns && route.peer.protocol == IPPROTO_UDP)
				learn_from(skb, route.payload, set->patterns);
			__sync_fetch_and_add(arrived, 1);
		}
		copy(skb, mark, bpf_get_socket_cookie(skb), kind);
	}
	return 1;
}

SEC("cgroup_skb/egress")
int packet_out(struct __sk_buff *skb)
{
	return handle(skb, 1);
}

SEC("cgroup_skb/ingress")
int packet_in(struct __sk_buff *skb)
{
	return handle(skb, 0);
}

// Where a packet goes that is not handed to a program of control groups.
static __always_inline int read_header(struct sk_buff *skb, struct peer *peer)
{
	void *network = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, network_header);
	__u8 header[44] = {};
	struct ports ports;
	__u32 words[4];
	int length;

	if (bpf_probe_read_kernel(header, sizeof(header), network))
		return 0;
	if (skb->protocol == bpf_htons(0x0800) && header[0] >> 4 == 4) {
		__builtin_memcpy(words, header + 16, 4);
		set_ipv4(peer, words[0]);
		peer->protocol = header[9];
		length = (header[0] & 15) * 4;
	} else if (skb->protocol == bpf_htons(0x86dd) && header[0] >> 4 == 6) {
		__builtin_memcpy(words, header + 24, sizeof(words));
		set_ipv6(peer, words);
		peer->protocol = header[6];
		length = 40;
	} else {
		return 0;
	}
	if ((peer->protocol == IPPROTO_TCP || peer->protocol == IPPROTO_UDP) &&
	    !bpf_probe_read_kernel(&ports, sizeof(ports), network + length))
		peer->port = bpf_ntohs(ports.destination);
	return 1;
}

// What is handed to a network card past the network stack.
SEC("tp_btf/net_dev_queue")
int BPF_PROG(net_dev_queue, struct sk_buff *skb)
{
	struct sock *sk = skb->sk;
	struct counted *counted;
	struct mark mark = {};
	struct peer peer = {};

	if (!sk || sk->__sk_common.skc_family != AF_PACKET)
		return 0;
	mark.pid = current_pid();
	mark.reason = reason_of(mark.pid);
	if (!mark.reason || !read_header(skb, &peer))
		return 0;
	counted = note((__u64)1 << 63 | mark.pid, &peer, &mark, BY_PACKET_SOCKET, 0);
	if (counted) {
		__sync_fetch_and_add(&counted->packets_out, 1);
		__sync_fetch_and_add(&counted->bytes_out, skb->len);
	}
	return 0;
}

// What a firewall of this host drops.
SEC("tp_btf/kfree_skb")
int BPF_PROG(kfree_skb, struct sk_buff *skb, void *location, unsigned int reason)
{
	enum { EPERM = 1 };
	struct sock *sk = skb->sk;
	struct peer peer = {};
	struct mark *mark;
	__u64 cookie;

	if (!sk || !bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_NETFILTER_DROP) ||
	    reason != bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NETFILTER_DROP))
		return 0;
	if (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6)
		return 0;
	mark = bpf_sk_storage_get(&marks, sk, 0, 0);
	if (!mark)
		return 0;
	cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	if (mark->told) {
		peer_of_mark(&peer, mark);
		tell(cookie, &peer, mark, DROPPED | BY_PACKET << 16, EPERM);
	} else if (read_header(skb, &peer)) {
		note(cookie, &peer, mark, BY_PACKET, 0);
		tell(cookie, &peer, mark, DROPPED | BY_PACKET << 16, EPERM);
	}
	return 0;
}

const char LICENSE[] SEC("license") = "Dual MIT/GPL";
