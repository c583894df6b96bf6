#!/usr/bin/env bash
# What larder costs where there is much of everything: a plan of 1 000 jobs with 100 archives each,
# and a daemon with 10 000 archives: its start, what it needs at rest, and its lists.
#
#   cargo build --release
#   benches/scale.sh [DIRECTORY]     (default: target/bench-scale; needs about 1 GB there)
#
# REST=60 says for how many seconds the daemon is watched, LARDER=PATH names another program,
# ONLY=daemon or ONLY=plan asks for one half. The decision alone is `cargo bench --bench plan`.
set -euo pipefail

cd "$(dirname "$0")/.."
scale=$PWD/benches/scale.py
bench=$(mkdir -p "${1:-target/bench-scale}" && cd "${1:-target/bench-scale}" && pwd)
larder=${LARDER:-$PWD/target/release/larder}
[ -x "$larder" ] || { echo "$larder is missing: cargo build --release" >&2; exit 1; }
for program in hyperfine python3; do
    command -v "$program" > /dev/null || { echo "$program is missing" >&2; exit 1; }
done

# An instance in $bench/NAME: one job with a real archive, which the others are copies of.
make_instance() { # NAME JOBS ARCHIVES
    local dir=$bench/$1 jobs=$2 archives=$3
    rm -rf "$dir" && mkdir -p "$dir/config" "$dir/source"
    echo 'much ado about nothing' > "$dir/source/file"
    cat > "$dir/config/base.toml" << TOML
[instance]
name = "bench"
timezone = "Europe/Paris"
state_dir = "../state"
publish_dir = "../public"
control_socket = "../control.sock"

[defaults]
schedule = "0 2 1 1 *"
retention = "all"
location = "main"

[retention.all]
mode = "gfs"
daily = 7
weekly = 4
monthly = 120
yearly = 1
min_days = 1000

[location.main]
path = "../archives"
compress = "zstd:3"
min_free = "1 MiB"
TOML
    one_job one > "$dir/config/one.toml"
    "$larder" --config "$dir/config" apply > "$dir/apply.log" 2>&1 || { cat "$dir/apply.log" >&2; exit 1; }
    python3 "$scale" copies "$dir/archives" "$archives" "$jobs"
    for nth in $(seq 0 $((jobs - 1))); do
        one_job "$(printf 'job%04d' "$nth")"
    done > "$dir/config/jobs.toml"
    sync "$dir"
}

one_job() { # NAME
    printf '[job.%s]\ntype = "custom_dir"\nsource_path = "../source"\n\n' "$1"
}

if [ "${ONLY:-daemon}" = daemon ]; then
    make_instance daemon 100 100
    config=$bench/daemon/config socket=$bench/daemon/control.sock
    python3 "$scale" head '100 jobs, 10 000 archives'
    python3 "$scale" command 'catalogue from the sidecars alone (status)' 1 '' \
        "$larder" --config "$config" status
    python3 "$scale" command 'plan, no daemon' 5 1 "$larder" --config "$config" plan
    python3 "$scale" start "$larder" "$config" "$socket"
    python3 "$scale" watch "$larder" "$config" "$socket" "${REST:-60}"
fi

if [ "${ONLY:-plan}" = plan ]; then
    make_instance plan 1000 100
    config=$bench/plan/config socket=$bench/plan/control.sock
    python3 "$scale" head '1 000 jobs, 100 000 archives (the goals are for 10 000)'
    python3 "$scale" command 'catalogue from the sidecars alone (status)' 1 '' \
        "$larder" --config "$config" status
    python3 "$scale" command 'plan, no daemon' 5 '' "$larder" --config "$config" plan
    python3 "$scale" command 'check' 5 '' "$larder" --config "$config" check
    python3 "$scale" start "$larder" "$config" "$socket"
    python3 "$scale" watch "$larder" "$config" "$socket" "${REST:-60}"
fi
