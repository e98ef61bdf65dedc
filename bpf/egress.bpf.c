// SPDX-License-Identifier: MIT OR Apache-2.0
// Watches the processes of a command: whom they try to reach, and what comes of it.
//
// Who is watched is decided by descent: what a watched process forks is watched too, wherever it goes, before it runs its
// first instruction. Its sockets carry a mark, so that packets are known by it that leave from
// other contexts. Attempts are told when they are made, before a packet exists, and again when something comes of them.
//
// With rules, what they do not allow is refused. Without, every verdict is "go on".

#include "egress/calls.h"
#include "egress/packets.h"
#include "egress/processes.h"
#include "egress/sockets.h"

const char LICENSE[] SEC("license") = "Dual MIT/GPL";
