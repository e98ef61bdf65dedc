// SPDX-License-Identifier: MIT OR Apache-2.0
// Brings what clients mean to the apps of a proxy: each address and port that an app has leads to the app's one socket.
//
// It runs where the kernel looks for the socket of a packet that belongs to no connection, before the kernel looks for
// itself. What it does not know it leaves to the kernel, and also what it knows of sockets that are no more: a proxy that
// was killed closes no port to those who come after it.

#include <linux/bpf.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { INTERNET = 2, INTERNET_6 = 10 }; // AF_INET and AF_INET6

// --- What an address and port lead to; src/proxy/dispatch/table.rs writes it --------------------------------------------

enum action {
	DISPATCH = 1, // to the socket
	PASS = 2,     // to whomever the kernel finds
	REFUSE = 3,   // to nobody, while the socket is there: it is bound to this port, and no app has the port here
};

struct key {
	__u32 bits; // how many of those that follow count
	__u8 protocol;
	__u8 specific; // 0: of every address
	__u16 unused;
	__be32 address[4]; // IPv4 mapped
	__be16 port;
	__u16 rest;
};
_Static_assert(sizeof(struct key) == 28, "nothing is between the fields");

enum { BITS = 8 * (offsetof(struct key, rest) - sizeof(__u32)) };

struct verdict {
	__u32 action;
	__u32 socket;
};

// A port goes before the range that it is in, and a range before all ports: the longest prefix counts.
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1 << 18);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct key);
	__type(value, struct verdict);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 1 << 13);
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

// --- What became of it --------------------------------------------------------------------------------------------------

enum counter { DISPATCHED, MISSED, NO_SOCKET, REFUSED, COUNTERS };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static __always_inline int count(__u32 counter, int verdict)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		++*value;
	return verdict;
}

// --- The program --------------------------------------------------------------------------------------------------------

static __always_inline struct verdict *lookup(struct bpf_sk_lookup *context)
{
	struct key key = { .bits = BITS, .protocol = context->protocol, .specific = 1 };
	struct verdict *verdict;

	if (context->family == INTERNET) {
		key.address[2] = bpf_htonl(0xffff);
		key.address[3] = context->local_ip4;
		// Or the compiler makes one load of two, from a place that is computed: the verifier lets nobody do that.
		barrier();
	} else {
		key.address[0] = context->local_ip6[0];
		key.address[1] = context->local_ip6[1];
		key.address[2] = context->local_ip6[2];
		key.address[3] = context->local_ip6[3];
	}
	key.port = bpf_htons(context->local_port);
	verdict = bpf_map_lookup_elem(&ports, &key);
	if (verdict)
		return verdict;
	key.specific = 0;
	__builtin_memset(key.address, 0, sizeof(key.address));
	return bpf_map_lookup_elem(&ports, &key);
}

SEC("sk_lookup")
int dispatch(struct bpf_sk_lookup *context)
{
	struct verdict *verdict = lookup(context);
	struct bpf_sock *socket;
	__u32 index;
	long failed;

	if (!verdict || verdict->action == PASS)
		return count(MISSED, SK_PASS);
	index = verdict->socket;
	socket = bpf_map_lookup_elem(&sockets, &index);
	if (!socket)
		return count(NO_SOCKET, SK_PASS);
	if (verdict->action == REFUSE) {
		bpf_sk_release(socket);
		return count(REFUSED, SK_DROP);
	}
	failed = bpf_sk_assign(context, socket, 0);
	bpf_sk_release(socket);
	// A socket for IPv4 cannot take IPv6.
	return failed ? count(NO_SOCKET, SK_PASS) : count(DISPATCHED, SK_PASS);
}

const char LICENSE[] SEC("license") = "Dual MIT/GPL";
