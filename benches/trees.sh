# What the benchmarks archive and restore. To be read with `.` by a script that has set `bench`.
# shellcheck shell=bash disable=SC2154 # `bench` is the script's

# 60 000 files of about 1 GB together, and 8 files of 2 GB together; half text, half noise.
make_tree() { # DIRECTORY FILES BYTES
    [ -e "$1/.complete" ] && return
    rm -rf "$1" && mkdir -p "$1"
    python3 - "$1" "$2" "$3" << 'PYTHON'
import os, random, sys
root, count, total = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random.seed(7)
words = [bytes(random.choices(b"abcdefghijklmnopqrstuvwxyz", k=random.randint(2, 11))) for _ in range(4000)]
pool = b"".join(random.randbytes(8192) if n % 2 else b" ".join(random.choices(words, k=1300)) for n in range(3000))
mean = total // count
for number in range(count):
    directory = os.path.join(root, "%03d" % (number // 200))
    os.makedirs(directory, exist_ok=True)
    size = mean if mean > 1 << 20 else max(64, int(random.expovariate(1 / mean)))
    with open(os.path.join(directory, "file-%06d" % number), "wb") as file:
        while size > 0:
            start = random.randrange(len(pool))
            piece = pool[start:start + min(size, 1 << 22)]
            file.write(piece)
            size -= len(piece)
PYTHON
    : > "$1/.complete"
}

# An instance of its own that archives one tree.
configure() { # NAME TREE CODEC
    mkdir -p "$bench/config-$1"
    cat > "$bench/config-$1/bench.toml" << TOML
[instance]
name = "bench"
state_dir = "$bench/state-$1"
publish_dir = "$bench/public-$1"
control_socket = "$bench/control-$1.sock"

[retention.few]
mode = "count"
value = 2

[location.main]
path = "$bench/archives-$1"
compress = "$3"

[job.tree]
type = "custom_dir"
source_path = "$bench/$2"
schedule = "0 2 * * *"
retention = "few"
location = "main"
TOML
}
