#!/usr/bin/env bash
# The first archive of many small files and of a few large ones, beside the programs that people
# use for it; and reading it back. Every figure that is printed is a ratio within this run. `larder
# run` is measured: `apply` reads every archive back after that.
#
#   benches/first-archive.sh [DIRECTORY]     (default: target/bench; needs about 12 GB there)
#
# RUNS=5 asks for more runs, LARDER=PATH for another program, ONLY="small" for one tree.
set -euo pipefail

cd "$(dirname "$0")/.."
bench=$(mkdir -p "${1:-target/bench}" && cd "${1:-target/bench}" && pwd)
larder=${LARDER:-$PWD/target/release/larder}
runs=${RUNS:-3}
[ -x "$larder" ] || { echo "$larder is missing: cargo build --release" >&2; exit 1; }
for program in hyperfine python3 tar zstd openssl sha256sum; do
    command -v "$program" > /dev/null || { echo "$program is missing" >&2; exit 1; }
done

. benches/trees.sh

small_or_large() { # TREE
    local tree=$1 out="$bench/out" result="$bench/result-$1"
    configure "$tree-none" "$tree" none
    configure "$tree-zstd" "$tree" zstd:3
    find "$bench/$tree" -type f -print0 | xargs -0 cat > /dev/null # warm cache, for all alike
    local fresh="rm -rf $out $bench/state-$tree-* $bench/public-$tree-* $bench/archives-$tree-*; mkdir $out; sync"
    local commands=(
        -n tar+sha256sum "tar -cf $out/a.tar -C $bench $tree && sha256sum $out/a.tar"
        -n larder "$larder run tree --config $bench/config-$tree-none"
        -n 'tar|zstd|tee|openssl' "tar -cf - -C $bench $tree | zstd -q -3 -T2 | tee $out/a.tar.zst | openssl sha256"
        -n larder-zstd "$larder run tree --config $bench/config-$tree-zstd"
    )
    if command -v restic > /dev/null; then
        export RESTIC_PASSWORD=bench RESTIC_CACHE_DIR="$out/restic-cache"
        commands+=(-n restic "restic -q -r $out/restic init && restic -q -r $out/restic backup $bench/$tree")
    fi
    if command -v borg > /dev/null; then
        export BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes BORG_BASE_DIR="$out/borg-base"
        commands+=(-n borg "borg init -e none $out/borg && borg create -C lz4 $out/borg::a $bench/$tree")
    fi
    # Round after round, so that whatever else the machine does meets all of them alike.
    rm -f "$result"-*
    local round
    for round in $(seq "$runs"); do
        hyperfine --style none --runs 1 --prepare "$fresh" --export-json "$result-$round.json" "${commands[@]}"
    done

    echo
    echo "== peak memory of the whole process, $tree"
    for codec in none zstd; do
        bash -c "$fresh"
        peak "$larder" run tree --config "$bench/config-$tree-$codec"
    done

    # Reading back: the archive of the last run above.
    local archive
    archive=$(find "$bench/archives-$tree-zstd" -name '*.tar.zst' | head -n 1)
    local name
    name=$(basename "$archive" .tar.zst)
    for round in $(seq "$runs"); do
        hyperfine --style none --runs 1 --export-json "$result-verify-$round.json" \
            -n sha256sum "sha256sum $archive" \
            -n larder-verify "$larder archive verify $name --config $bench/config-$tree-zstd"
    done
    ratios "$tree"
}

peak() { # COMMAND...
    python3 - "$@" << 'PYTHON'
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print("%6.1f MiB  %s" % (resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, " ".join(sys.argv[-1:])))
PYTHON
}

ratios() { # TREE
    python3 - "$1" "$bench/result-$1"-*.json << 'PYTHON'
import json, statistics, sys
tree, times = sys.argv[1], {}
for path in sorted(sys.argv[2:]):
    for result in json.load(open(path))["results"]:
        times.setdefault(result["command"], []).append(result["median"])
print("\n== %s: median of %d rounds in seconds" % (tree, len(times["larder"])))
for name, seconds in sorted(times.items(), key=lambda item: statistics.median(item[1])):
    print("%8.2f  %-22s %s" % (statistics.median(seconds), name, " ".join("%.2f" % s for s in seconds)))
print("== %s: ratios, each the median of those of the rounds" % tree)
both = [min(pair) for pair in zip(*(times[name] for name in ("restic", "borg") if name in times))]
rows = [("larder / (tar, then sha256sum)", "larder", times["tar+sha256sum"], 0.75),
        ("larder-zstd / (tar | zstd | tee | openssl)", "larder-zstd", times["tar|zstd|tee|openssl"], 1.0),
        ("larder verify / sha256sum", "larder-verify", times["sha256sum"], 1.1),
        ("larder / best of restic and borg", "larder", both, 0.5),
        ("larder-zstd / best of restic and borg", "larder-zstd", both, 0.5)]
for text, name, others, goal in rows:
    ratios = [mine / other for mine, other in zip(times[name], others)]
    if ratios:
        ratio = statistics.median(ratios)
        print("%8.2f  %-44s goal %.2f  %s" % (ratio, text, goal, "held" if ratio <= goal else "MISSED"))
PYTHON
}

trap 'rm -rf "$bench/out"' EXIT
for program in "$larder" tar zstd restic borg; do
    command -v "$program" > /dev/null && { "$program" --version 2> /dev/null || "$program" version; } | head -n 1
done
for tree in ${ONLY:-small large}; do
    case $tree in
        small) make_tree "$bench/small" 60000 1000000000 ;;
        large) make_tree "$bench/large" 8 2000000000 ;;
        *) echo "ONLY is small or large" >&2; exit 1 ;;
    esac
    small_or_large "$tree"
done
