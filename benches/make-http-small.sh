#!/usr/bin/env bash
# make-http-small.sh OUT.pcap [SECONDS]
#
# A capture of many short HTTP/1.1 connections with small messages: nginx answers 40 clients, each a wrk of its own.
# nginx closes a connection after 8 requests. There are 24 host names, about 100,000 paths, GET and POST, bodies with
# gzip and chunks, answers of 200, 204, 301 and 404, and 240 bearer tokens (JWT), of which one has expired: the client
# 10.99.0.47 sends it now and then, and is answered 401. About 25 MB for each second.
#
# Needs root, iproute2, ethtool, nginx, wrk, tcpdump, openssl.
set -euo pipefail
# shellcheck source=benches/wire.sh
. "${BASH_SOURCE%/*}/wire.sh"

out=${1:?usage: make-http-small.sh OUT.pcap [SECONDS]}
seconds=${2:-20}
clients=40

# wrk cannot choose its address. So the server has one address for each client, and the way to it says where from.
give_addresses() {
    local k
    ip -n "$client" addr add 10.99.0.10/16 dev wire
    ip -n "$server" addr add 10.99.0.1/16 dev wire
    for k in $(seq "$clients"); do
        ip -n "$server" addr add "10.99.1.$k/16" dev wire
        ip -n "$client" addr add "10.99.0.$((10 + k))/16" dev wire
        ip -n "$client" route add "10.99.1.$k/32" dev wire src "10.99.0.$((10 + k))"
    done
    "${in_client[@]}" sysctl -qw net.ipv4.ip_local_port_range="10000 65000" net.ipv4.tcp_tw_reuse=1
}

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# 240 tokens, the first of which has expired.
make_tokens() {
    local now i expires head claims signature
    now=$(date +%s)
    head=$(printf '{"alg":"HS256","typ":"JWT"}' | base64url)
    for i in $(seq 0 239); do
        expires=$((i == 0 ? now - 3600 : now + 86400))
        claims=$(printf '{"sub":"user%03d","iat":%d,"exp":%d}' "$i" $((now - 7200)) "$expires" | base64url)
        signature=$(printf '%s.%s' "$head" "$claims" | openssl dgst -sha256 -hmac bench -binary | base64url)
        echo "$head.$claims.$signature"
    done
}

start_nginx() {
    cat >"$work/nginx.conf" <<EOF
daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/nginx.log;
events { worker_connections 8000; }
http {
  access_log off; types { } default_type application/json; keepalive_requests 8;
  client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fastcgi;
  uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi;
  map_hash_bucket_size 512; map_hash_max_size 4096;
  map \$http_authorization \$expired { default 0; "Bearer $(head -1 "$work/tokens")" 1; }
  gzip_min_length 20; gzip_types application/json; gzip_comp_level 1;
  server {
    listen 80 default_server backlog=4096; server_name _;
    if (\$expired) { return 401 '{"error":"invalid_token","error_description":"The access token expired"}\n'; }
    add_header X-Request-Id \$request_id;
    location /z/     { gzip on; return 200 '{"id":"\$request_id","uri":"\$request_uri","zip":true,"pad":"$(printf 'a%.0s' {1..80})"}\n'; }
    location /nope/  { return 404 '{"error":"not found"}\n'; }
    location /old/   { return 301 /api\$request_uri; }
    location /quiet/ { return 204; }
    location /       { return 200 '{"id":"\$request_id","uri":"\$request_uri","host":"\$host","client":"\$remote_addr","status":"ok"}\n'; }
  }
}
EOF
    background "${in_server[@]}" nginx -c "$work/nginx.conf" -p "$work" -e "$work/nginx.log"
    until "${in_client[@]}" bash -c ': </dev/tcp/10.99.1.1/80' 2>/dev/null; do sleep 0.1; done
}

# What a client sends; each uses its own 12 of the 239 valid tokens, and client 37 also, rarely, the expired one.
write_requests() {
    cat >"$work/requests.lua" <<'EOF'
local client, tokens, hosts = tonumber(os.getenv("CLIENT")), {}, {}
for line in io.lines(os.getenv("TOKENS")) do tokens[#tokens + 1] = line end
for i = 1, 24 do hosts[i] = string.format("svc%02d.shop.example", i) end
function init() math.randomseed(1000 + client) end
function request()
  local kind, id = math.random(100), math.random(100000)
  local token = tokens[2 + (client * 6 + math.random(0, 11)) % 239]
  if client == 37 and math.random(200) == 1 then token = tokens[1] end
  local method, path, body = "GET", string.format("/v1/items/%d?page=%d", id, kind), nil
  if     kind > 90 then method = "POST"; path = "/v1/orders/" .. id
                        body = string.format('{"order":%d,"client":%d,"qty":%d,"note":"benchmark order"}', id, client, kind)
  elseif kind > 87 then method = "POST"; path = "/quiet/" .. id; body = string.format('{"ack":%d}', id)
  elseif kind > 84 then path = "/old/" .. id
  elseif kind > 80 then path = "/nope/" .. id
  elseif kind > 70 then path = "/z/report/" .. id end
  return wrk.format(method, path, { Host = hosts[math.random(24)], Authorization = "Bearer " .. token,
    ["User-Agent"] = "bench/1.0", ["Accept-Encoding"] = "gzip", Accept = "application/json",
    ["Content-Type"] = body and "application/json" or nil }, body)
end
EOF
}

send_requests() {
    local k running=()
    for k in $(seq "$clients"); do
        CLIENT=$k TOKENS=$work/tokens "${in_client[@]}" \
            wrk -t1 -c3 -d"${seconds}s" -s "$work/requests.lua" "http://10.99.1.$k/" >"$work/wrk.$k" &
        running+=("$!")
        started+=("$!")
    done
    wait "${running[@]}"
}

lay_cable
give_addresses
make_tokens >"$work/tokens"
start_nginx
write_requests
start_capture "$out"
send_requests
stop_capture
