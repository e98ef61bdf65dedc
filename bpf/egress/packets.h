// SPDX-License-Identifier: MIT OR Apache-2.0
// Packets of watched sockets, and those that go past the network stack or are dropped.

#pragma once

#include "names.h"
#include "sockets.h"

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

// Whether a packet of a TCP socket stays on this host and says nothing of anybody: most packets of many builds do.
static __always_inline int stays_here(struct __sk_buff *skb, const struct mark *mark)
{
	const __u8 *header = (void *)(long)skb->data;
	const struct ports *ports = (const void *)(header + 20);

	if ((void *)(ports + 1) > (void *)(long)skb->data_end || mark->is_resolver)
		return 0;
	if (header[0] != 0x45 || header[9] != IPPROTO_TCP || header[12] != 127 || header[16] != 127)
		return 0;
	return !is_name_service(bpf_ntohs(ports->source)) && !is_name_service(bpf_ntohs(ports->destination));
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
	if (!mark || (sk->protocol == IPPROTO_TCP && !set->packets && stays_here(skb, mark)) ||
	    !read_route(skb, &route, is_outgoing))
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
			// A raw socket hears what others are answered: that does not make an answer of what it sends.
			if (!counted && sk->protocol == IPPROTO_UDP) {
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

// Where a packet goes that is not handed to a program of control groups, and how long it is from its IP header on.
static __always_inline int read_header(struct sk_buff *skb, struct peer *peer, __u32 *bytes)
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
		*bytes = header[2] << 8 | header[3];
	} else if (skb->protocol == bpf_htons(0x86dd) && header[0] >> 4 == 6) {
		__builtin_memcpy(words, header + 24, sizeof(words));
		set_ipv6(peer, words);
		peer->protocol = header[6];
		length = 40;
		*bytes = length + (header[4] << 8 | header[5]);
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
	__u32 bytes = 0;

	if (!sk || sk->__sk_common.skc_family != AF_PACKET)
		return 0;
	mark.pid = current_pid();
	mark.reason = reason_of(mark.pid);
	if (!mark.reason || !read_header(skb, &peer, &bytes))
		return 0;
	counted = note((__u64)1 << 63 | mark.pid, &peer, &mark, BY_PACKET_SOCKET, 0);
	if (counted) {
		__sync_fetch_and_add(&counted->packets_out, 1);
		__sync_fetch_and_add(&counted->bytes_out, bytes);
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
	__u32 bytes = 0;
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
	} else if (read_header(skb, &peer, &bytes)) {
		note(cookie, &peer, mark, BY_PACKET, 0);
		tell(cookie, &peer, mark, DROPPED | BY_PACKET << 16, EPERM);
	}
	return 0;
}
