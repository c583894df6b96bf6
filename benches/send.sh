#!/usr/bin/env bash
# An archive of 1 GiB sent by one instance to another over TLS on loopback, beside `rsync` over an SSH
# server of its own and `curl -T` to the same instance's chunks. Every figure is a ratio within this
# run, the median of the rounds. What a peer acknowledges is on its disk and its hash was compared;
# `rsync --fsync` is measured as well.
#
#   benches/send.sh [DIRECTORY]     (default: target/bench; needs about 12 GB there)
#
# RUNS=5 asks for more rounds, LARDER=PATH for another program.
set -euo pipefail

cd "$(dirname "$0")/.."
bench=$(mkdir -p "${1:-target/bench}" && cd "${1:-target/bench}" && pwd)/send
larder=${LARDER:-$PWD/target/release/larder}
runs=${RUNS:-3}
PATH="$PATH:/usr/sbin"
[ -x "$larder" ] || { echo "$larder is missing: cargo build --release" >&2; exit 1; }
for program in curl rsync sshd ssh-keygen jq openssl; do
    command -v "$program" > /dev/null || { echo "$program is missing" >&2; exit 1; }
done

size=$((1 << 30)) chunk=$((50 << 20))
rm -rf "$bench" && mkdir -p "$bench"/{jerry,tom,rsync,ssh,parts,source,tls,secrets} && chmod 700 "$bench/secrets"
{ openssl enc -aes-128-ctr -pass pass:larder -nosalt -pbkdf2 < /dev/zero 2> /dev/null || true; } | head -c $size > "$bench/source/file"
split -b $chunk -d -a 4 "$bench/source/file" "$bench/parts/"
sum=$(sha256sum < "$bench/source/file" | cut -d' ' -f1)

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=tom \
    -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE -keyout "$bench/tls/key.pem" -out "$bench/tls/cert.pem" 2> /dev/null
chmod 600 "$bench/tls/key.pem"
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port) tom_port=$(free_port)
token=$(openssl rand -hex 32)
(umask 077 && printf %s "$token" > "$bench/secrets/tom")
instance() { # NAME
    cat << TOML
[instance]
name = "$1"
state_dir = "$bench/$1/state"
publish_dir = "$bench/$1/public"
control_socket = "$bench/$1/control.sock"
[recovery]
configuration = false
[location.main]
path = "$bench/$1/archives"
TOML
}
mkdir -p "$bench"/{jerry,tom}/etc
{ instance tom; cat << TOML; } > "$bench/tom/etc/bench.toml"
[peer.jerry]
kind = "instance"
[peer.jerry.accept]
token_hash = "sha256:$(printf %s "$token" | sha256sum | cut -d' ' -f1)"
location = "main"
immutable_for = "0s"
retention = { mode = "count", value = 99 }
TOML
sed -i "s|^control_socket.*|&\nlisten = [\"127.0.0.1:$tom_port\"]\ntls = { cert = \"$bench/tls/cert.pem\", key = \"$bench/tls/key.pem\" }|" "$bench/tom/etc/bench.toml"
{ instance jerry; cat << TOML; } > "$bench/jerry/etc/bench.toml"
[job.web]
type = "custom_dir"
source_path = "$bench/source"
schedule = "0 0 1 1 *"
catch_up = "next"
retention = { mode = "count", value = 99 }
location = "main"
[peer.tom]
kind = "instance"
url = "https://127.0.0.1:$tom_port"
ca = "$bench/tls/cert.pem"
token = { file = "$bench/secrets/tom" }
TOML
"$larder" daemon --config "$bench/tom/etc" 2> "$bench/tom/log" &
tom=$!
"$larder" daemon --config "$bench/jerry/etc" 2> "$bench/jerry/log" &
jerry=$!
ssh-keygen -q -t ed25519 -N '' -f "$bench/ssh/host"
ssh-keygen -q -t ed25519 -N '' -f "$bench/ssh/key"
cp "$bench/ssh/key.pub" "$bench/ssh/authorized"
mkdir -p /run/sshd
"$(command -v sshd)" -D -p "$port" -h "$bench/ssh/host" -o ListenAddress=127.0.0.1 -o PidFile=none \
    -o AuthorizedKeysFile="$bench/ssh/authorized" -o StrictModes=no -o UsePAM=no 2> /dev/null &
sshd=$!
trap 'kill $tom $jerry $sshd 2> /dev/null; wait 2> /dev/null' EXIT
for name in tom jerry; do
    until curl -s --unix-socket "$bench/$name/control.sock" http://larder/api/v1/health > /dev/null; do sleep 0.1; done
done
until (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; do sleep 0.1; done
shell="ssh -p $port -i $bench/ssh/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=$bench/ssh/known -o LogLevel=ERROR"
api=https://127.0.0.1:$tom_port/api/v1/archives/upload

ask() { curl -sS --fail-with-body --cacert "$bench/tls/cert.pem" -H "X-BackupManager-Key: $token" -H 'Expect:' "$@"; }
by_curl() { # ROUND
    local id number=0
    id=$(ask -H 'Content-Type: application/json' "$api/start" -d \
        "{\"filename\":\"curl_$1.tar\",\"total_size\":$size,\"chunk_size\":$chunk,\"checksum\":\"$sum\"}" | jq -r .upload_id)
    for part in "$bench"/parts/*; do
        ask -T "$part" -X POST "$api/$id/chunk/$number" > /dev/null
        number=$((number + 1))
    done
    ask -X POST "$api/$id/finish" > /dev/null
}
ours() { "$larder" --config "$bench/jerry/etc" -q archive send web@latest tom; }
seconds() { # COMMAND…
    sync
    local begin=$EPOCHREALTIME
    "$@" > /dev/null
    echo "$EPOCHREALTIME - $begin" | bc
}
median() { sort -n | sed -n "$(((runs + 1) / 2))p"; }

for round in $(seq "$runs"); do
    "$larder" --config "$bench/jerry/etc" -q run web
    seconds ours >> "$bench/ours"
    seconds by_curl "$round" >> "$bench/curl"
    seconds rsync -e "$shell" "$bench/source/file" "127.0.0.1:$bench/rsync/$round" >> "$bench/plain"
    seconds rsync --fsync -e "$shell" "$bench/source/file" "127.0.0.1:$bench/rsync/f$round" >> "$bench/synced"
    rm -f "$bench"/rsync/*
done
ours=$(median < "$bench/ours")
against() { echo "scale=2; $(median < "$bench/$1") / $ours" | bc; }
echo "1 GiB sent: $ours s; speed against rsync over SSH: $(against plain) ×; with --fsync: $(against synced) ×;" \
    "against curl -T in the same chunks: $(against curl) ×"
for name in jerry tom; do
    echo "peak memory of $name: $(awk '/VmHWM/ { print int($2 / 1024) }' "/proc/${!name}/status") MiB"
done
