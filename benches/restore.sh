#!/usr/bin/env bash
# Restoring many small files and a few large ones, beside `tar xf` and restic. Every figure that is
# printed is a ratio within this run. larder compares the hash of the whole archive first and writes
# everything out to the disk last: so `tar` is measured alone, and with the `sync -f` that it lacks.
#
#   benches/restore.sh [DIRECTORY]     (default: target/bench; needs about 40 GB there)
#
# RUNS=5 asks for more runs, LARDER=PATH for another program, ONLY="small" for one tree.
set -euo pipefail

cd "$(dirname "$0")/.."
bench=$(mkdir -p "${1:-target/bench}" && cd "${1:-target/bench}" && pwd)
larder=${LARDER:-$PWD/target/release/larder}
runs=${RUNS:-3}
[ -x "$larder" ] || { echo "$larder is missing: cargo build --release" >&2; exit 1; }
for program in hyperfine python3 tar; do
    command -v "$program" > /dev/null || { echo "$program is missing" >&2; exit 1; }
done

. benches/trees.sh

small_or_large() { # TREE
    local tree=$1 out="$bench/out" result="$bench/result-restore-$1" config="$bench/config-restore-$1"
    configure "restore-$tree" "$tree" none
    rm -rf "$bench/state-restore-$tree" "$bench/public-restore-$tree" "$bench/archives-restore-$tree"
    "$larder" run tree --config "$config" > /dev/null
    local archive name
    archive=$(find "$bench/archives-restore-$tree" -name '*.tar' | head -n 1)
    name=$(basename "$archive" .tar)
    # Not removed: ext4 searches long for an inode that was not in use until just now.
    local fresh="mkdir -p $out/tree; mv $out/tree \$(mktemp -d $out/old.XXXXXX); mkdir $out/tree; cat $archive > /dev/null; sync"
    local commands=(
        -n tar "tar -xpf $archive -C $out/tree"
        -n tar+sync "tar -xpf $archive -C $out/tree && sync -f $out/tree"
        -n larder "$larder restore $name --to $out/tree --yes --config $config"
    )
    if command -v restic > /dev/null; then
        export RESTIC_PASSWORD=bench RESTIC_CACHE_DIR="$out/restic-cache"
        mkdir -p "$out"
        restic -q -r "$out/restic" init > /dev/null && restic -q -r "$out/restic" backup "$bench/$tree"
        commands+=(-n restic "restic -q -r $out/restic restore latest --target $out/tree")
    fi
    # Round after round, so that whatever else the machine does meets all of them alike.
    rm -f "$result"-*
    local round
    for round in $(seq "$runs"); do
        hyperfine --style none --runs 1 --prepare "$fresh" --export-json "$result-$round.json" "${commands[@]}"
    done
    echo
    echo "== peak memory of the whole process, $tree (goal 64 MiB)"
    bash -c "$fresh"
    peak "$larder" restore "$name" --to "$out/tree" --yes --config "$config"
    ratios "$tree" "$result"
    rm -rf "$out"
}

peak() { # COMMAND...
    python3 - "$@" << 'PYTHON'
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print("%6.1f MiB" % (resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024))
PYTHON
}

ratios() { # TREE RESULT
    python3 - "$1" "$2"-*.json << 'PYTHON'
import json, statistics, sys
tree, times = sys.argv[1], {}
for path in sorted(sys.argv[2:]):
    for result in json.load(open(path))["results"]:
        times.setdefault(result["command"], []).append(result["median"])
print("\n== %s: median of %d rounds in seconds" % (tree, len(times["larder"])))
for name, seconds in sorted(times.items(), key=lambda item: statistics.median(item[1])):
    print("%8.2f  %-12s %s" % (statistics.median(seconds), name, " ".join("%.2f" % s for s in seconds)))
print("== %s: ratios, each the median of those of the rounds" % tree)
for other, goal in [("tar+sync", 1.3), ("tar", 1.3), ("restic", 1.0)]:
    if other in times:
        ratio = statistics.median(mine / theirs for mine, theirs in zip(times["larder"], times[other]))
        print("%8.2f  larder / %-12s goal %.2f  %s" % (ratio, other, goal, "held" if ratio <= goal else "MISSED"))
PYTHON
}

trap 'rm -rf "$bench/out"' EXIT
for tree in ${ONLY:-small large}; do
    case $tree in
        small) make_tree "$bench/small" 60000 1000000000 ;;
        large) make_tree "$bench/large" 8 2000000000 ;;
        *) echo "ONLY is small or large" >&2; exit 1 ;;
    esac
    small_or_large "$tree"
done
