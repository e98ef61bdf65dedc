// SPDX-License-Identifier: MIT OR Apache-2.0
// Sockets of watched processes: made, connected, sent from, closed.

#pragma once

#include "rules.h"

SEC("cgroup/sock_create")
int sock_create(struct bpf_sock *sk)
{
	__u32 pid = current_pid(), reason = reason_of(pid);
	struct mark *mark;

	// Those of TCP are marked when they connect: many never do, or to nobody who counts.
	if (!reason || sk->protocol == IPPROTO_TCP)
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

// Whether a TCP connection is not told, for it stays on this host and nobody asked for those.
static __always_inline int is_left_out(const struct peer *peer, __u32 reason)
{
	const struct settings *set = get_settings();

	return set && !set->loopback && !set->rules && !(reason & CANARY) && peer->port != DNS && is_loopback(peer);
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
	if (peer->protocol == IPPROTO_TCP && is_left_out(peer, reason))
		return 1;
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
		peer_of(&peer, sk);
		if (is_left_out(&peer, reason))
			return 0;
		mark = bpf_sk_storage_get(&marks, (void *)sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (!mark)
			return 0;
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
