# shellcheck shell=bash
# Two network namespaces joined by a cable, and tcpdump at the server's end of it. For the scripts that source this.
#
# Needs root. Nothing leaves the namespaces, and everything ends with the script, whichever way it ends.

client=netscript-bench-client-$$
server=netscript-bench-server-$$
# Commands in front of commands, not functions: in the background those would have a shell between them and their pid.
# shellcheck disable=SC2034  # used by who sources this
in_client=(ip netns exec "$client")
in_server=(ip netns exec "$server")
work=$(mktemp -d)
started=()
tcpdump=

# Runs a command until the script ends.
background() {
    "$@" &
    started+=("$!")
}

clean_up() {
    local pid
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    ip netns del "$client" 2>/dev/null || true
    ip netns del "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT

# Makes the namespaces and the cable. Without offloads, so that frames have the sizes that a real cable would show.
lay_cable() {
    local namespace
    ip netns add "$client"
    ip netns add "$server"
    ip link add wire netns "$client" type veth peer name wire netns "$server"
    for namespace in "$client" "$server"; do
        ip -n "$namespace" link set lo up
        ip -n "$namespace" link set wire up
        ip netns exec "$namespace" ethtool -K wire tso off gso off gro off tx off sg off >/dev/null
    done
    # nginx gives up root, and its workers have to get here.
    chmod 755 "$work"
}

# Waits until a file has a line with that text.
await() {
    until grep -qs "$1" "$2"; do
        sleep 0.1
    done
}

# Captures into a file. With a ring of 512 MiB, so that nothing is lost on two cores.
start_capture() {
    "${in_server[@]}" tcpdump -i wire -Z root -n -s 0 -B 524288 -w "$1" tcp 2>"$work/tcpdump" &
    tcpdump=$!
    started+=("$tcpdump")
    await 'listening on' "$work/tcpdump"
}

# Ends the capture once what is in the ring has been written, and says what was captured and what was lost.
stop_capture() {
    sleep 2
    kill -INT "$tcpdump"
    wait "$tcpdump" || true
    grep packets "$work/tcpdump"
}
