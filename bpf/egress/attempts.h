// SPDX-License-Identifier: MIT OR Apache-2.0
// Attempts: whom a process tries to reach.

#pragma once

#include "processes.h"

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
