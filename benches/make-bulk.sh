#!/usr/bin/env bash
# make-bulk.sh OUT.pcap
#
# A capture of a few big TCP transfers in full-size frames, about 1.2 GB: four HTTP downloads of 120 MB at once and an
# upload of as much (nginx, curl), then 200 MB up in three streams and 300 MB down (iperf3). Rates are limited so that
# tcpdump loses nothing on two cores.
#
# Needs root, iproute2, ethtool, nginx, curl, iperf3, tcpdump.
set -euo pipefail
# shellcheck source=benches/wire.sh
. "${BASH_SOURCE%/*}/wire.sh"

out=${1:?usage: make-bulk.sh OUT.pcap}

start_servers() {
    local i
    mkdir "$work/www"
    for i in 1 2 3 4; do
        head -c 120000000 /dev/urandom >"$work/www/$i.bin"
    done
    cat >"$work/nginx.conf" <<EOF
daemon off; user root; worker_processes 1; pid $work/nginx.pid; error_log $work/nginx.log;
events { worker_connections 512; }
http {
  access_log off; client_max_body_size 0;
  client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fastcgi;
  uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi;
  server { listen 80; root $work/www; location /up { proxy_pass http://127.0.0.1:81; proxy_request_buffering off; } }
  server { listen 127.0.0.1:81; location / { return 204; } }
}
EOF
    background "${in_server[@]}" nginx -c "$work/nginx.conf" -p "$work" -e "$work/nginx.log"
    background "${in_server[@]}" iperf3 -s --forceflush --logfile "$work/iperf3"
    until "${in_client[@]}" bash -c ': </dev/tcp/10.98.0.1/80' 2>/dev/null; do sleep 0.1; done
    await 'Server listening' "$work/iperf3"
}

transfer() {
    local i running=()
    for i in 1 2 3 4; do
        "${in_client[@]}" curl -sS --limit-rate 60M -o /dev/null "http://10.98.0.1/$i.bin" &
        running+=("$!")
    done
    "${in_client[@]}" curl -sS --limit-rate 60M -H Expect: -o /dev/null \
        --data-binary @"$work/www/1.bin" http://10.98.0.1/up/1.bin &
    wait "${running[@]}" "$!"
    "${in_client[@]}" iperf3 -c 10.98.0.1 -P 3 -b 500M -n 200M >/dev/null
    "${in_client[@]}" iperf3 -c 10.98.0.1 -R -b 1500M -n 300M >/dev/null
}

lay_cable
ip -n "$client" addr add 10.98.0.2/24 dev wire
ip -n "$server" addr add 10.98.0.1/24 dev wire
start_servers
start_capture "$out"
transfer
stop_capture
