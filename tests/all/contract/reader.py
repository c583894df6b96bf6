"""Reads every archive of this directory and every field that its contract names.

    python3 reader.py TYPE EXPECTED

EXPECTED is a dict: what the archive is of. Bytes are hashed by sha256sum, decoded by gzip, zstd and
age, taken out by GNU tar; JSON and CSV are read by Python."""

import ast
import csv
import glob
import hashlib
import io
import json
import os
import re
import subprocess
import sys

TYPE, EXPECTED = sys.argv[1], ast.literal_eval(sys.argv[2])
OURS = TYPE in ("custom_dir", "mysql", "postgresql")
HEX = re.compile(r"^[0-9a-f]{64}$")


def run(line, stdin=None):
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], input=stdin, capture_output=True)
    assert done.returncode == 0, (line, done.stderr.decode(errors="replace"))
    return done.stdout


def is_type(value, kind):
    # For JSON, true is no number.
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def fields(what, found, wanted, optional=()):
    """Each of these keys, of this type; no others but the optional ones."""
    optional = dict(optional)
    for key, kind in wanted.items():
        assert key in found, (what, "lacks", key)
    for key, value in found.items():
        kind = wanted.get(key, optional.get(key))
        assert kind is not None, (what, "has", key)
        kinds = kind if isinstance(kind, tuple) else (kind,)
        assert any(is_type(value, kind) for kind in kinds), (what, key, value)


archives = [path for path in glob.glob("it-*.tar*") + glob.glob("jerry_*.tar*")]
assert len(archives) == 1, archives
(archive,) = archives
name = archive.split(".tar")[0]
assert re.match(r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,49}$", name), name
assert re.match(r"^jerry_it_\d{8}$", name), name
ending = archive[len(name) :]
decode = "cat"
if ending.endswith(".age"):
    decode += " | age -d -i ../key.txt"
if ".gz" in ending:
    decode += " | gzip -dc"
if ".zst" in ending:
    decode += " | zstd -dc"
stream = f"{decode} < {archive}" if decode == "cat" else f"cat {archive} | {decode[6:]}"

# Beside it ---------------------------------------------------------------------------------------

visible = sorted(entry for entry in os.listdir(".") if not entry.startswith("."))
visible.remove("reader.py")
assert visible == sorted([archive, f"{name}.info.json", f"{name}.larder.json"]), visible
mode = oct(os.stat(archive).st_mode & 0o777)
assert not OURS or mode in ("0o600", "0o640"), mode

sidecar = json.load(open(f"{name}.larder.json"))
fields(
    "larder.json",
    sidecar,
    {
        "schema": int, "id": str, "name": str, "instance": str, "job": str, "type": str,
        "label": str, "created_at": str, "day": str, "zone": str, "content_size": int,
        "stream_size": int, "file_size": int, "stream_sha256": str, "file_sha256": str,
        "codec": str, "recipients": list, "outcome": str, "partial_allowed": bool, "how": str,
        "pinned": bool, "counts": dict, "config_hash": str, "job_config": dict,
    },
    {"outcome_reasons": list, "config_commit": str, "verified_at": str, "received_at": str,
     "from": str},
)
uuid = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
assert re.match(uuid, sidecar["id"])
assert (sidecar["schema"], sidecar["name"]) == (1, name)
assert (sidecar["instance"], sidecar["label"]) == ("jerry", "it")
assert sidecar["type"] == TYPE and sidecar["job"].startswith("it-"), sidecar
assert sidecar["zone"] == "Europe/Paris"
assert sidecar["day"].replace("-", "") == name[-8:]
assert re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$", sidecar["created_at"])
assert (sidecar["outcome"], sidecar["how"]) == ("good", "manual"), sidecar
codec = "gzip" if ".gz" in ending else "zstd" if ".zst" in ending else "none"
assert sidecar["codec"].split(":")[0].split("-")[0] == codec, sidecar["codec"]
assert bool(sidecar["recipients"]) == ending.endswith(".age")
assert all(recipient.startswith("age1") for recipient in sidecar["recipients"])
fields("counts", sidecar["counts"], {key: int for key in (
    "files", "directories", "others", "skipped_sockets", "changed", "vanished", "unreadable")})
assert sidecar["job_config"]["type"] == TYPE, sidecar["job_config"]
if "core_only" in EXPECTED:
    assert sidecar["job_config"].get("core_only", False) == EXPECTED["core_only"]

# Sizes and hashes, by others ---------------------------------------------------------------------

assert HEX.match(sidecar["file_sha256"]) and HEX.match(sidecar["stream_sha256"])
assert run(f"sha256sum < {archive}").split()[0].decode() == sidecar["file_sha256"]
assert run(f"{stream} | sha256sum").split()[0].decode() == sidecar["stream_sha256"]
assert os.path.getsize(archive) == sidecar["file_size"]
assert int(run(f"{stream} | wc -c")) == sidecar["stream_size"]

# Members -----------------------------------------------------------------------------------------

members = run(f"{stream} | tar --quoting-style=literal -tf -").decode().splitlines()
members = [member.rstrip("/") for member in members]
assert len(members) == len(set(members)), "a member twice"


def member(path):
    return run(f"{stream} | tar -xOf - -- '{path}'")


beside = open(f"{name}.info.json", "rb").read()
assert member("info.json") == beside, "not the same byte by byte"
info = json.loads(beside)
if OURS:
    fields("info.json", info, {
        "description": str, "created_at": int, "size": int, "size_details": dict, "apps": dict,
        "system": dict, "from_yunohost_version": str})
assert isinstance(info["description"], str) and is_type(info["created_at"], int)
assert info["size"] > 0 and abs(info["created_at"] - os.path.getmtime(archive)) < 600
assert set(info["size_details"]) == {"system", "apps"}
assert re.match(r"^\d+(\.\d+)*$", info["from_yunohost_version"])
assert "hooks" not in info

if not OURS:
    # YunoHost made and owns it: nothing of ours is in it.
    for ours in ("backup_info.json", "RESTORE.txt", "manifest.jsonl.zst"):
        assert ours not in members, ours
    assert "backup.csv" in members
    if TYPE == "ynh_app":
        assert list(info["apps"]) == [EXPECTED["app"]] and info["system"] == {}
        assert any(m.startswith(f"apps/{EXPECTED['app']}/") for m in members)
        is_core = not any("photo.raw" in m for m in members)
        assert is_core == EXPECTED["core_only"], members
    else:
        assert sorted(info["system"]) == EXPECTED["parts"] and info["apps"] == {}
    print("every field was read")
    sys.exit()

for path in members:
    assert not path.startswith(("/", "./")) and ".." not in path.split("/"), path
head = ["backup_info.json", "backup.csv", "RESTORE.txt"]
if TYPE == "custom_dir":
    head.append("hooks/restore/50-data_custom")
assert members[: len(head)] == head, members
assert members[-2:] == ["manifest.jsonl.zst", "info.json"], members
content = members[len(head) : -2]

backup = json.loads(member("backup_info.json"))
fields(
    "backup_info.json",
    backup,
    {"instance_name": str, "instance_url": (str, type(None)), "app": str, "type": str,
     "created_at": str, "backupmanager_version": str, "yunohost_version": (str, type(None)),
     "id": str, "job": str, "core_only": bool, "label": str, "config_generation": int},
)
assert (backup["instance_name"], backup["app"], backup["type"]) == ("jerry", "it", TYPE)
assert (backup["id"], backup["job"]) == (sidecar["id"], sidecar["job"])
assert backup["label"] == "it" and backup["core_only"] is False
assert re.match(r"^\d{4}(-\d\d){2}T\d\d:\d\d:\d\d[+-]\d\d:\d\d$", backup["created_at"])
assert backup["created_at"][:10] == sidecar["day"]
then = run(f"date -d '{backup['created_at']}' +%s")
assert int(then) == info["created_at"]

script = member("RESTORE.txt").decode()
assert name in script and "larder restore" not in script
run("bash -n", script.encode())
rows = list(csv.reader(io.StringIO(member("backup.csv").decode())))
raw = member("backup.csv").decode()

if TYPE == "custom_dir":
    source = EXPECTED["source"]
    prefix = "data/custom" + source
    assert rows == [[source, prefix]], rows
    assert raw == f'"{source}","{prefix}"\n', "every field is quoted"
    assert all(path == prefix or path.startswith(prefix + "/") for path in content), content
    for path in ("", "/a b.txt", "/link", "/sub", "/sub/hard", "/pipe", "/void", '/quo"te'):
        assert prefix + path in content, (path, content)
    assert info["system"] == {"data_custom": ["/usr/share/larder/hooks/backup/50-data_custom"]}
    assert info["size_details"] == {"system": {"data_custom": info["size"]}, "apps": {}}
    hook = member("hooks/restore/50-data_custom")
    run("bash -n", hook)
    assert b"umask 022" in hook and source.encode() not in hook, "it is the same in every archive"
else:
    database = EXPECTED["database"]
    files = {
        "mysql": [f"{database}.create.sql", f"{database}.sql"],
        "postgresql": ["globals.sql", f"{database}.create.sql", f"{database}.dump",
                       f"{database}.settings.sql"],
    }[TYPE]
    assert sorted(os.path.basename(path) for path in content) == files, content
    assert all(path.startswith(f"data/{TYPE}/") for path in content)
    assert raw == "" and info["system"] == {} and info["size_details"]["system"] == {}
    if TYPE == "mysql":
        dump = member(f"data/mysql/{database}.sql").decode().rstrip().splitlines()
        assert dump[-1].startswith("-- Dump completed"), dump[-1]
        assert b"CREATE DATABASE" in member(f"data/mysql/{database}.create.sql")
    else:
        assert member(f"data/postgresql/{database}.dump").startswith(b"PGDMP")
        assert b"CREATE ROLE" in member("data/postgresql/globals.sql")
assert info["apps"] == {} and info["description"] == f"larder: {TYPE} {sidecar['job']} on jerry"
assert sidecar["content_size"] == info["size"]

# The manifest: a line for each member of the content, in its order --------------------------------

lines = run("zstd -dc", member("manifest.jsonl.zst")).decode().splitlines()
lines = [json.loads(line) for line in lines]
assert [line["path"] for line in lines] == content, (content, [line["path"] for line in lines])
os.makedirs(".out")
run(f"{stream} | tar -xf - -p -C .out")
total = 0
for line in lines:
    fields(
        "manifest",
        line,
        {"path": str, "type": str, "size": int, "mode": str, "uid": int, "gid": int, "mtime": str,
         "state": str},
        {"user": str, "group": str, "sha256": str, "data_sha256": str, "link": str,
         "path_hex": str, "link_hex": str},
    )
    path = os.path.join(".out", line["path"])
    stat = os.lstat(path)
    assert line["state"] == "ok", line
    assert re.match(r"^-?\d+\.\d{9}$", line["mtime"]), line
    if line["type"] != "symlink":
        assert int(line["mode"], 8) == stat.st_mode & 0o7777, (line, oct(stat.st_mode))
    if os.geteuid() == 0:
        assert (line["uid"], line["gid"]) == (stat.st_uid, stat.st_gid), line
    if line["type"] == "file":
        assert line["size"] == stat.st_size
        total += stat.st_size
        if "sha256" in line:
            said = subprocess.run(["sha256sum"], stdin=open(path, "rb"), capture_output=True)
            assert said.stdout.split()[0].decode() == line["sha256"], line
        else:
            assert HEX.match(line["data_sha256"]) and path.endswith("holes"), line
        seconds, nanos = line["mtime"].split(".")
        assert int(seconds + nanos) == stat.st_mtime_ns, line
    elif line["type"] == "symlink":
        assert os.readlink(path) == line["link"]
    elif line["type"] == "hardlink":
        assert os.path.samefile(path, os.path.join(".out", line["link"])), line
    else:
        assert line["type"] in ("directory", "fifo"), line
counts = sidecar["counts"]
kinds = [line["type"] for line in lines]
assert counts["directories"] == kinds.count("directory"), (counts, kinds)
assert counts["files"] + counts["directories"] + counts["others"] == len(lines), (counts, kinds)
run("rm -r .out")
print(f"{len(lines)} members, {total} bytes: every field was read")
