#!/usr/bin/env bash
# A file of 1 GiB stored with larder over loopback, in chunks with curl, beside `rsync` over an SSH
# server of its own. Every figure is a ratio within this run, the median of the rounds. What larder
# acknowledges is on the disk and its hash was compared; `rsync --fsync` is measured as well.
#
#   benches/upload.sh [DIRECTORY]     (default: target/bench; needs about 10 GB there)
#
# RUNS=5 asks for more rounds, LARDER=PATH for another program.
set -euo pipefail

cd "$(dirname "$0")/.."
bench=$(mkdir -p "${1:-target/bench}" && cd "${1:-target/bench}" && pwd)/upload
larder=${LARDER:-$PWD/target/release/larder}
runs=${RUNS:-3}
PATH="$PATH:/usr/sbin"
[ -x "$larder" ] || { echo "$larder is missing: cargo build --release" >&2; exit 1; }
for program in curl rsync sshd ssh-keygen jq openssl; do
    command -v "$program" > /dev/null || { echo "$program is missing" >&2; exit 1; }
done

size=$((1 << 30)) chunk=$((50 << 20))
rm -rf "$bench" && mkdir -p "$bench"/{etc,rsync,ssh,parts}
{ openssl enc -aes-128-ctr -pass pass:larder -nosalt -pbkdf2 < /dev/zero 2> /dev/null || true; } | head -c $size > "$bench/file"
split -b $chunk -d -a 4 "$bench/file" "$bench/parts/"
sum=$(sha256sum < "$bench/file" | cut -d' ' -f1)

token=$(openssl rand -hex 32)
cat > "$bench/etc/bench.toml" << TOML
[instance]
name = "bench"
state_dir = "$bench/state"
publish_dir = "$bench/public"
control_socket = "$bench/control.sock"
listen = ["127.0.0.1:0"]
[recovery]
configuration = false
[location.received]
path = "$bench/received"
[peer.tom]
kind = "instance"
url = "https://tom.example.org"
[peer.tom.accept]
token_hash = "sha256:$(printf %s "$token" | sha256sum | cut -d' ' -f1)"
location = "received"
retention = { mode = "count", value = 9 }
TOML
"$larder" daemon --config "$bench/etc" 2> "$bench/log" &
daemon=$!
ssh-keygen -q -t ed25519 -N '' -f "$bench/ssh/host"
ssh-keygen -q -t ed25519 -N '' -f "$bench/ssh/key"
cp "$bench/ssh/key.pub" "$bench/ssh/authorized"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir -p /run/sshd
"$(command -v sshd)" -D -p "$port" -h "$bench/ssh/host" -o ListenAddress=127.0.0.1 -o PidFile=none \
    -o AuthorizedKeysFile="$bench/ssh/authorized" -o StrictModes=no -o UsePAM=no 2> /dev/null &
sshd=$!
trap 'kill $daemon $sshd 2> /dev/null; wait 2> /dev/null' EXIT
until address=$(curl -s --unix-socket "$bench/control.sock" http://larder/api/v1/health | jq -er '.listening[0]'); do sleep 0.1; done
api=http://$address/api/v1/archives/upload
until (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; do sleep 0.1; done
shell="ssh -p $port -i $bench/ssh/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=$bench/ssh/known -o LogLevel=ERROR"

ask() { curl -sS --fail-with-body -H "X-BackupManager-Key: $token" -H 'Expect:' "$@"; }
upload() { # ROUND
    local id number=0
    id=$(ask -H 'Content-Type: application/json' "$api/start" -d \
        "{\"filename\":\"tom_web_$1.tar\",\"total_size\":$size,\"chunk_size\":$chunk,\"checksum\":\"$sum\"}" | jq -r .upload_id)
    for part in "$bench"/parts/*; do
        ask -T "$part" -X POST "$api/$id/chunk/$number" > /dev/null
        number=$((number + 1))
    done
    ask -X POST "$api/$id/finish" > /dev/null
}
seconds() { # COMMAND…
    sync
    local begin=$EPOCHREALTIME
    "$@" > /dev/null
    echo "$EPOCHREALTIME - $begin" | bc
}
median() { sort -n | sed -n "$(((runs + 1) / 2))p"; }

for round in $(seq "$runs"); do
    seconds upload "$round" >> "$bench/larder"
    seconds rsync -e "$shell" "$bench/file" "127.0.0.1:$bench/rsync/$round" >> "$bench/plain"
    seconds rsync --fsync -e "$shell" "$bench/file" "127.0.0.1:$bench/rsync/f$round" >> "$bench/synced"
    rm -f "$bench"/rsync/*
done
ours=$(median < "$bench/larder") plain=$(median < "$bench/plain") synced=$(median < "$bench/synced")
echo "upload of 1 GiB: $ours s; speed against rsync over SSH: $(echo "scale=2; $plain / $ours" | bc) ×;" \
    "with --fsync: $(echo "scale=2; $synced / $ours" | bc) ×"
echo "peak memory of the daemon: $(awk '/VmHWM/ { print int($2 / 1024) }' "/proc/$daemon/status") MiB"
