// SPDX-License-Identifier: MIT OR Apache-2.0
// What of the kernel is read: where each field is on the running kernel comes from its BTF.

#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define KERNEL __attribute__((preserve_access_index))

struct ns_common {
	unsigned int inum;
	__u64 ns_id; // since Linux 6.18
} KERNEL;

struct net {
	struct ns_common ns;
	__u64 net_cookie;
} KERNEL;

typedef struct {
	struct net *net;
} KERNEL possible_net_t;

struct in6_addr {
	__u8 bytes[16];
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	unsigned char skc_state;
	struct {
		long long counter;
	} skc_cookie;
	unsigned long skc_flags;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
} KERNEL;

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
	int sk_err;
} KERNEL;

struct tcp_sock {
	__u64 bytes_sent; // since Linux 4.19
	__u64 bytes_received;
} KERNEL;

struct super_block {
	__u32 s_dev;
} KERNEL;

struct inode {
	unsigned short i_mode;
	unsigned long i_ino;
	struct super_block *i_sb;
} KERNEL;

struct dentry {
	struct inode *d_inode;
} KERNEL;

struct path {
	struct dentry *dentry;
} KERNEL;

struct unix_sock {
	struct path path;
	struct sock *peer;
} KERNEL;

struct socket {
	struct sock *sk;
} KERNEL;

struct file {
	struct inode *f_inode;
	void *private_data;
} KERNEL;

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
} KERNEL;

struct files_struct {
	struct fdtable *fdt;
} KERNEL;

struct pt_regs___x86 {
	unsigned long di, si, dx, r10, r8;
	unsigned long orig_ax;
} KERNEL;

struct user_pt_regs {
	__u64 regs[31];
};

struct pt_regs___arm64 {
	struct user_pt_regs user_regs;
	__u64 orig_x0;
	__s32 syscallno;
} KERNEL;

enum skb_drop_reason { SKB_DROP_REASON_NETFILTER_DROP = 1 };

struct sk_buff {
	struct sock *sk;
	unsigned int len;
	__be16 protocol;
	__u16 network_header;
	unsigned char *head;
} KERNEL;

struct inet_sock {
	__be16 inet_sport;
} KERNEL;

struct mnt_namespace {
	struct ns_common ns;
	__u64 seq; // until Linux 6.17
} KERNEL;

struct nsproxy {
	struct mnt_namespace *mnt_ns;
	struct net *net_ns;
} KERNEL;

struct kernfs_node {
	const char *name;
	struct kernfs_node *__parent;
} KERNEL;

struct kernfs_node___before_6_15 {
	struct kernfs_node *parent;
} KERNEL;

struct cgroup {
	struct kernfs_node *kn;
} KERNEL;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
} KERNEL;

enum cgroup_subsys_id { memory_cgrp_id };

struct css_set {
	struct cgroup_subsys_state *subsys[1];
	struct cgroup *dfl_cgrp;
} KERNEL;

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
} KERNEL;

typedef struct {
	int counter;
} KERNEL atomic_t;

struct signal_struct {
	atomic_t live;
} KERNEL;

struct task_struct {
	int pid;
	int tgid;
	int exit_code;
	char comm[16];
	struct mm_struct *mm;
	struct signal_struct *signal;
	struct nsproxy *nsproxy;
	struct css_set *cgroups;
	struct files_struct *files;
} KERNEL;

enum { AF_INET = 2, AF_INET6 = 10, AF_PACKET = 17 };
enum { IPPROTO_ICMP = 1, IPPROTO_TCP = 6, IPPROTO_UDP = 17, IPPROTO_ICMPV6 = 58 };
enum { TCP_ESTABLISHED = 1, TCP_SYN_SENT = 2, TCP_SYN_RECV = 3, TCP_CLOSE = 7, TCP_LISTEN = 10 };
