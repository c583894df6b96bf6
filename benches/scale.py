"""What `scale.sh` needs beside a shell: many archives, a daemon to watch, and a table.

    scale.py copies ARCHIVES COUNT JOBS     COUNT archives of each job out of the one that is there
    scale.py head TITLE                     the head of a table
    scale.py command WHAT RUNS GOAL ARG...  a command with its times, through hyperfine; GOAL in
                                            seconds, or empty
    scale.py start LARDER CONFIG SOCKET     starts a daemon and waits until it answers, five times
    scale.py watch LARDER CONFIG SOCKET S   a daemon at rest for S seconds, then what it answers
"""

import atexit
import copy
import datetime
import glob
import http.client
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

TICK = os.sysconf("SC_CLK_TCK")

# What is promised of 1 000 jobs, 10 000 archives and 110 000 runs.
START = 2.0  # seconds
IDLE = 0.5  # per cent of a processor
MEMORY = 150  # MiB
LIST = 0.1  # seconds, 95 of 100


def copies(archives, count, jobs):
    """Beside the one archive of the job `one`: `count` of each of `jobs` jobs, one a day."""
    count, jobs = int(count), int(jobs)
    base = glob.glob(archives + "/*.larder.json")[0].removesuffix(".larder.json")
    with open(base + ".larder.json") as file:
        side = json.load(file)
    tar = next(path for path in glob.glob(base + ".tar*"))
    extension = tar.removeprefix(base)
    made = datetime.datetime.fromisoformat(side["created_at"].replace("Z", "+00:00"))
    for nth in range(jobs):
        job = f"job{nth:04}"
        # One file for all copies of a job: a file system has a limit of links to one file.
        original = None
        for back in range(count):
            then = made - datetime.timedelta(days=back)
            name = f"{side['instance']}_{job}_{then:%Y%m%d}"
            mine = copy.copy(side)
            mine.update(
                id=str(uuid.uuid4()), name=name, job=job, label=job,
                created_at=then.isoformat().replace("+00:00", "Z"), day=f"{then:%Y-%m-%d}",
            )
            path = f"{archives}/{name}"
            if original is None:
                original = path + extension
                with open(tar, "rb") as source, open(original, "xb") as target:
                    target.write(source.read())
            else:
                os.link(original, path + extension)
            with open(path + ".larder.json", "x") as file:
                json.dump(mine, file)


class Unix(http.client.HTTPConnection):
    """HTTP over a daemon's control socket."""

    def __init__(self, path):
        super().__init__("larder", timeout=600)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


def get(connection, path):
    connection.request("GET", "/api/v1" + path)
    response = connection.getresponse()
    body = response.read()
    assert response.status in (200, 204), (path, response.status, body[:300])
    return body


class Daemon:
    """A daemon, from its start until it is told to end."""

    def __init__(self, larder, config, path):
        started = time.monotonic()
        with open(config + "/../daemon.log", "a") as log:
            command = [larder, "--config", config, "daemon"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        atexit.register(self.process.kill)
        while True:
            try:
                self.connection = Unix(path)
                get(self.connection, "/health")
                break
            except (FileNotFoundError, ConnectionError):
                assert self.process.poll() is None, "the daemon ended: see daemon.log"
                time.sleep(0.002)
        self.wall = time.monotonic() - started
        self.cpu_at_start = self.cpu()

    def cpu(self):
        """Seconds of processor time so far."""
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self, field):
        """A line of `/proc/PID/status`, in MiB."""
        with open(f"/proc/{self.process.pid}/status") as file:
            line = next(line for line in file if line.startswith(field + ":"))
        return int(line.split()[1]) / 1024

    def end(self):
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        return time.monotonic() - started


def row(what, wall="", cpu="", note=""):
    print(f"{what:<58} {wall:>10} {cpu:>10}  {note}", flush=True)


def seconds(value):
    return f"{value:.3f} s"


def milliseconds(value):
    return f"{value * 1e3:.1f} ms"


def judged(value, goal, text):
    """The goal, and whether it was reached."""
    return f"goal < {text}  {'held' if value < goal else 'MISSED'}"


def head(title):
    print()
    row(title, "wall", "processor", "")


def command(what, runs, goal, *arguments):
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        hyperfine = ["hyperfine", "-N", "-r", runs, "--style", "none", "--export-json", report.name]
        subprocess.run([*hyperfine, shlex.join(arguments)], check=True, stderr=subprocess.DEVNULL)
        result = json.load(report)["results"][0]
    times = sorted(result["times"])
    note = f"{runs} runs"
    if len(times) >= 20:
        note += f", p95 {milliseconds(times[len(times) * 95 // 100])}"
    row(what, seconds(result["median"]), seconds(result["user"] + result["system"]),
        note + (f"; {judged(result['median'], float(goal), goal + ' s')}" if goal else ""))


def start(larder, config, path):
    walls, cpus = [], []
    for _ in range(5):
        daemon = Daemon(larder, config, path)
        walls.append(daemon.wall)
        cpus.append(daemon.cpu_at_start)
        daemon.end()
    wall = sorted(walls)[2]
    row("start until the control socket answers", seconds(wall),
        seconds(sorted(cpus)[2]), f"median of 5; {judged(wall, START, '2 s')}")


def watch(larder, config, path, rest):
    rest = float(rest)
    daemon = Daemon(larder, config, path)
    # What a start leaves to be done is not rest; what it shows is written a moment later.
    get(daemon.connection, "/settled")
    time.sleep(5)
    before = daemon.cpu()
    time.sleep(rest)
    used = daemon.cpu() - before
    # A connection that says nothing for long is closed.
    daemon.connection = Unix(path)
    share, memory = used / rest * 100, daemon.memory("VmRSS")
    row(f"processor at rest, {rest:.0f} s", f"{share:.2f} %", seconds(used),
        judged(share, IDLE, "0.5 %"))
    row("memory at rest (RSS)", f"{memory:.0f} MiB", "", judged(memory, MEMORY, "150 MiB"))
    lists = {
        "/archives?limit=50": 200, "/archives?limit=1000": 30, "/jobs": 30, "/status": 30,
        "/plan": 30, "/runs?limit=50": 100, "/health": 200,
    }
    for what, count in lists.items():
        used, times, size = daemon.cpu(), [], 0
        for _ in range(count):
            began = time.monotonic()
            size = len(get(daemon.connection, what))
            times.append(time.monotonic() - began)
        times.sort()
        p95 = times[count * 95 // 100]
        row(f"GET {what}, median", milliseconds(times[count // 2]),
            milliseconds((daemon.cpu() - used) / count),
            f"p95 {milliseconds(p95)}, {size / 1024:.0f} KiB; {judged(p95, LIST, '100 ms')}")
    for arguments in (["archive", "list", "--limit", "50", "--format", "json"], ["status"], ["plan"]):
        command("larder " + " ".join(arguments), "50", "", larder, "--config", config, *arguments)
    row("memory at most (peak RSS)", f"{daemon.memory('VmHWM'):.0f} MiB")
    row("end on SIGTERM", seconds(daemon.end()))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
