#!/usr/bin/python3
"""A stand-in for the `yunohost` command, release 12.1, with its habits and its failures.

Everything that it touches lies below the directory that YUNOHOST_ROOT names:

    etc/apps/APP/{manifest.json,settings.yml,scripts/{backup,restore}}   installed apps
    var/www/APP, home/yunohost.app/APP                                   what they keep
    hooks/{backup,restore}/NN-PART, custom/{backup,restore}/NN-PART      parts of the system
    home/yunohost.backup/{archives,tmp}                                  as on a real server
    firewall.json, yunohost.lock, calls                                  (one JSON line a call)

Switches are files in `switch/`, empty unless told otherwise:

    version         the version that it says (its content)
    compress        archives become NAME.tar.gz with a link NAME.tar
    wait-collecting, wait-writing, wait-done    waits there for as long as the file is there
    broken-pipe     the disk fails in the middle of the tar
    undeletable     deleting warns, does nothing and ends well
    old-firewall    `firewall open` is not there yet
    no-json         the answer is not JSON
    deaf            SIGTERM is ignored
"""

import argparse
import csv
import glob
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from datetime import datetime, timezone

ROOT = os.environ["YUNOHOST_ROOT"]
ARCHIVES = f"{ROOT}/home/yunohost.backup/archives"
APPS = f"{ROOT}/etc/apps"
LOCK = f"{ROOT}/yunohost.lock"
LEVELS = ["Unknown", "Success", "Warning", "Error", "Skipped"]
NAME = re.compile(r"^[\w\-._]{1,50}(?<!\.)$")


class Refused(Exception):
    """What the real one calls a YunohostError: logged, exit status 1."""


class ByLevel(logging.Handler):
    """Below a warning to standard output, from there on to standard error."""

    def emit(self, record):
        stream = sys.stderr if record.levelno >= logging.WARNING else sys.stdout
        print(record.getMessage(), file=stream, flush=True)


log = logging.getLogger("yunohost")
log.addHandler(ByLevel())
log.setLevel(logging.INFO)


def switch(name):
    path = f"{ROOT}/switch/{name}"
    if not os.path.exists(path):
        return None
    with open(path) as f:
        return f.read().strip()


def wait_while(name):
    while switch(name) is not None:
        time.sleep(0.02)


# The lock ---------------------------------------------------------------------------------------


class Lock:
    def __init__(self, timeout):
        self.timeout = timeout

    def holders(self):
        try:
            with open(LOCK) as f:
                return [int(pid) for pid in f.read().split()]
        except FileNotFoundError:
            return []

    def __enter__(self):
        start = time.time()
        checked = False
        while True:
            holders = self.holders()
            if not holders:
                break
            if not checked:
                checked = True
                if not os.path.exists(f"/proc/{holders[0]}/exe"):
                    break
            if self.timeout is not None and time.time() - start > self.timeout:
                raise Refused(
                    "There is already a YunoHost operation running. "
                    "Please wait for it to finish before running another one."
                )
            time.sleep(0.1)
        with open(LOCK, "w") as f:
            f.write(str(os.getpid()))

    def __exit__(self, *_):
        if os.path.exists(LOCK):
            os.unlink(LOCK)


# Targets ----------------------------------------------------------------------------------------


class Targets:
    def __init__(self):
        self.targets = {"system": [], "apps": []}
        self.results = {"system": {}, "apps": {}}

    def set(self, category, name, level):
        now = self.results[category].get(name, "Unknown")
        if LEVELS.index(now) <= LEVELS.index(level):
            self.results[category][name] = level

    def want(self, category, wanted, there, unknown):
        if wanted is None:
            self.targets[category] = []
        elif wanted == []:
            self.targets[category] = list(there)
        else:
            self.targets[category] = [name for name in wanted if name in there]
            for name in wanted:
                if name not in there:
                    self.set(category, name, "Skipped")
                    log.error(unknown.format(name))
        for name in self.targets[category]:
            self.set(category, name, "Unknown")
        return self.tried(category)

    def tried(self, category):
        return [n for n in self.targets[category] if self.results[category][n] != "Skipped"]

    def done(self, category):
        return [
            n for n in self.targets[category] if self.results[category][n] in ("Success", "Warning")
        ]


def hooks(action):
    """Every part with its scripts, in order: the system's and then those of administrators."""
    found = {}
    for folder in ("hooks", "custom"):
        for path in sorted(glob.glob(f"{ROOT}/{folder}/{action}/*")):
            name = os.path.basename(path)
            part = name.split("-", 1)[1] if re.match(r"^\d+-", name) else name
            found.setdefault(part, []).append(path)
    return found


def installed():
    if not os.path.isdir(APPS):
        return []
    return sorted(a for a in os.listdir(APPS) if os.path.exists(f"{APPS}/{a}/settings.yml"))


def script(path, args, cwd, env):
    """Runs a hook or a script of an app as the real one does: traced, its trace is only logged."""
    full = {**os.environ, **env, "YNH_STDINFO": "/dev/null"}
    run = subprocess.run(
        ["bash", "-x", path, *args],
        cwd=cwd,
        env=full,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    with open(f"{ROOT}/trace", "ab") as f:
        f.write(run.stdout)
    return run.returncode == 0


# backup create ----------------------------------------------------------------------------------


class Backup:
    def __init__(self, name, description):
        self.name = name or time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        self.description = description or ""
        self.created_at = int(time.time())
        self.targets = Targets()
        self.rows = []
        self.apps, self.system = {}, {}
        self.size, self.details = 0, {"system": {}, "apps": {}}
        self.work = f"{ROOT}/home/yunohost.backup/tmp/{self.name}"
        if os.path.isdir(self.work):
            shutil.rmtree(self.work)
        os.makedirs(self.work, 0o750)

    def info(self):
        return {
            "description": self.description,
            "created_at": self.created_at,
            "size": self.size,
            "size_details": self.details,
            "apps": self.apps,
            "system": self.system,
            "from_yunohost_version": version(),
        }

    def add(self, source, dest=None):
        if dest is None:
            source, dest = f"{self.work}/{source}", source
        if dest.endswith("/"):
            dest += os.path.basename(source)
        self.rows.append((source, dest))

    def add_all(self, table):
        with open(table) as f:
            for source, dest in csv.reader(f):
                self.add(source, dest)

    def collect_system(self):
        parts = self.targets.tried("system")
        if not parts:
            return
        table = f"{self.work}.csv"
        open(table, "w").close()
        env = {"YNH_BACKUP_DIR": self.work, "YNH_BACKUP_CSV": table}
        ours, restoring = hooks("backup"), hooks("restore")
        os.makedirs(f"{self.work}/hooks/restore", 0o700, exist_ok=True)
        for part in parts:
            went = [p for p in ours[part] if script(p, [self.work], self.work, env)]
            if not went:
                log.error(f"Could not backup the '{part}' system part")
                self.targets.set("system", part, "Error")
                continue
            self.system[part] = went
            if part in restoring:
                for path in restoring[part]:
                    self.add(path, "hooks/restore/")
                self.targets.set("system", part, "Success")
            else:
                log.warning(
                    f"Restoration script for '{part}' not available on your system "
                    "and not in the archive either"
                )
                self.targets.set("system", part, "Warning")
        self.add_all(table)
        os.unlink(table)

    def collect_app(self, app):
        log.info(f"Collecting files to be backed up for {app}…")
        folder, table = f"{self.work}/apps/{app}", f"{self.work}.csv"
        os.makedirs(f"{folder}/backup", 0o700)
        shutil.copytree(f"{APPS}/{app}", f"{folder}/settings")
        open(table, "w").close()
        env = {
            "YNH_BACKUP_DIR": self.work,
            "YNH_BACKUP_CSV": table,
            "YNH_APP_BACKUP_DIR": f"{folder}/backup",
            "YNH_APP_INSTANCE_NAME": app,
        }
        if not script(f"{APPS}/{app}/scripts/backup", [], f"{folder}/backup", env):
            shutil.rmtree(folder)
            log.error(f"Failed to collect files to backed up for {app}.")
            self.targets.set("apps", app, "Error")
            return
        self.add_all(table)
        os.unlink(table)
        manifest = app_info(app)
        self.apps[app] = {key: manifest[key] for key in ("version", "name", "description")}
        self.targets.set("apps", app, "Success")

    def collect(self):
        self.collect_system()
        for app in self.targets.tried("apps"):
            self.collect_app(app)
        if not self.targets.done("apps") and not self.targets.done("system"):
            shutil.rmtree(self.work)
            raise Refused("Failed to collect files to be backed up")
        self.add("backup.csv")
        self.add("info.json")
        for app in self.apps:
            self.add(f"apps/{app}")
        for folder in ("conf", "data"):
            if os.path.isdir(f"{self.work}/{folder}"):
                self.add(folder)
        with open(f"{self.work}/backup.csv", "a", newline="") as f:
            csv.writer(f, quoting=csv.QUOTE_ALL).writerows(self.rows)
        self.measure()
        with open(f"{self.work}/info.json", "w") as f:
            f.write(json.dumps(self.info()))

    def measure(self):
        self.details = {"system": dict.fromkeys(self.system, 0), "apps": dict.fromkeys(self.apps, 0)}
        for source, dest in self.rows:
            if dest == "info.json":
                continue
            size = int(subprocess.check_output(["du", "-sb", source]).split()[0])
            kind = dest.split("/")[0]
            if kind == "apps":
                for app in self.apps:
                    if dest.startswith(f"apps/{app}"):
                        self.details["apps"][app] += size
                        break
            elif kind in ("data", "conf"):
                for part in self.system:
                    if dest.startswith(part.replace("_", "/")):
                        self.details["system"][part] += size
                        break
            self.size += size

    def write(self):
        path = f"{ARCHIVES}/{self.name}.tar"
        if switch("compress") is not None:
            path += ".gz"
        tar = tarfile.open(path, "w:gz" if path.endswith(".gz") else "w")
        try:
            for number, (source, dest) in enumerate(self.rows):
                tar.add(source, arcname=dest)
                if number == 0:
                    tar.fileobj.flush()
                    if switch("broken-pipe") is not None:
                        raise OSError(5, "Input/output error")
                    wait_while("wait-writing")
        except OSError:
            log.error(
                f"Could not add the files '{source}' (named in the archive '{dest}') "
                f"to be backed up into the compressed archive '{path}'"
            )
            raise Refused("Could not create the backup archive") from None
        finally:
            tar.close()
            if sys.exc_info()[0] is not None:
                shutil.rmtree(self.work, ignore_errors=True)
        shutil.copy(f"{self.work}/info.json", f"{ARCHIVES}/{self.name}.info.json")
        link = f"{ARCHIVES}/{self.name}.tar"
        if not os.path.isfile(link):
            os.symlink(path, link)
        shutil.rmtree(self.work)


def backup_create(args):
    if args.name is not None and not NAME.match(args.name):
        raise Refused("Must be a valid filename with alphanumerical and -_. characters only")
    if args.name and args.name in names():
        raise Refused(f"A backup archive with the name '{args.name}' already exists.")
    system, apps = args.system, args.apps
    if system is None and apps is None:
        system, apps = [], []
    os.makedirs(ARCHIVES, exist_ok=True)
    backup = Backup(args.name, args.description)
    backup.targets.want("system", system, hooks("backup"), "The backup hook '{}' is unknown")
    there = os.listdir(APPS) if os.path.isdir(APPS) else []
    for app in backup.targets.want("apps", apps, there, "{} will not be saved"):
        scripts = f"{APPS}/{app}/scripts"
        if not os.path.isfile(f"{scripts}/backup"):
            log.warning(f"Could not find a backup script for {app}. Ignoring.")
            backup.targets.set("apps", app, "Skipped")
        elif not os.path.isfile(f"{scripts}/restore"):
            log.warning(f"Could not find a restoration script for {app}.")
            backup.targets.set("apps", app, "Warning")
    wait_while("wait-collecting")
    backup.collect()
    log.info("Creating a backup archive from the collected files…")
    log.info(f"The archive will contain about {backup.size}B of data.")
    backup.write()
    wait_while("wait-done")
    log.info(f"Backup created: {backup.name}")
    return {"name": backup.name, "size": backup.size, "results": backup.targets.results}


# backup list, info, delete ----------------------------------------------------------------------


def names():
    found = glob.glob(f"{ARCHIVES}/*.tar.gz") + glob.glob(f"{ARCHIVES}/*.tar")
    real = {os.path.realpath(path) for path in found}
    real = sorted((path for path in real if os.path.exists(path)), key=os.path.getctime)
    return [re.sub(r"\.tar(\.gz)?$", "", os.path.basename(path)) for path in real]


def backup_list(args):
    if not args.with_info:
        return {"archives": names()}
    described = {}
    for name in names():
        try:
            described[name] = info_of(name)
        except Refused as error:
            log.warning(str(error))
        except Exception as error:  # as the real one: any mistake drops the archive
            log.warning(f"Could not check infos for archive {name}: {error!r}")
    return {"archives": described}


def info_of(name, details=False):
    original, name = name, re.sub(r"\.tar(\.gz)?$", "", name)
    path = f"{ARCHIVES}/{name}.tar"
    if not os.path.lexists(path):
        path += ".gz"
        if not os.path.lexists(path):
            path = original
            if not os.path.lexists(path):
                raise Refused(f"Unknown local backup archive named '{name}'")
    if os.path.islink(path):
        path = os.path.realpath(path)
        if not os.path.exists(path):
            raise Refused(f"Could not access the backup archive (broken link to {path})")
    described = f"{ARCHIVES}/{name}.info.json"
    if not os.path.exists(described):
        with tarfile.open(path, "r:gz" if path.endswith(".gz") else "r") as tar:
            try:
                members = tar.getnames()
            except (OSError, EOFError, tarfile.ReadError) as error:
                raise Refused(f"The backup archive {path} is corrupted: {error}") from None
            inside = next((m for m in ("info.json", "./info.json") if m in members), None)
            if inside is None:
                raise Refused(f"Could not load info.json from archive '{path}'")
            with open(described, "wb") as f:
                f.write(tar.extractfile(inside).read())
    try:
        with open(described) as f:
            info = json.load(f)
    except Exception:
        raise Refused(f"Could not load info.json from archive '{path}'") from None
    size = info.get("size", 0)
    if not size:
        with tarfile.open(path) as tar:
            size = sum(member.size for member in tar.getmembers())
    at = datetime.fromtimestamp(info["created_at"], timezone.utc)
    result = {
        "path": path,
        "created_at": at.isoformat(),
        "description": info["description"],
        "size": size,
    }
    if details:
        for category in ("apps", "system"):
            for key, value in info[category].items():
                if category == "system":
                    info[category][key] = value = {"paths": value}
                value["size"] = info["size_details"][category].get(key, -1)
        result["apps"], result["system"] = info["apps"], info["system"]
        result["from_yunohost_version"] = info.get("from_yunohost_version")
    return result


def backup_info(args):
    return info_of(args.name, args.with_details)


def backup_delete(args):
    if args.name not in names():
        raise Refused(f"Unknown local backup archive named '{args.name}'")
    path = f"{ARCHIVES}/{args.name}.tar"
    if not os.path.exists(path) and os.path.exists(path + ".gz"):
        path += ".gz"
    doomed = [path, f"{ARCHIVES}/{args.name}.info.json"]
    if os.path.islink(path):
        doomed.append(os.path.realpath(path))
    for file in doomed:
        if not os.path.exists(file):
            continue
        if switch("undeletable") is not None:
            log.warning(f"Could not delete '{file}'")
        else:
            os.remove(file)
    log.info(f"Backup deleted: {args.name}")


# backup restore ---------------------------------------------------------------------------------


def backup_restore(args):
    system, apps = args.system, args.apps
    if system is None and apps is None:
        system, apps = [], []
    info = info_of(args.name, details=True)
    since = re.sub(r"~\w+", "", info.get("from_yunohost_version") or "")
    if not since or [int(n) for n in since.split(".")] < [4, 2, 0]:
        raise Refused("This backup archive can not be restored because it is from a too-old version")
    targets = Targets()
    parts = targets.want(
        "system", system, info["system"], "System part '{}' unavailable in this backup"
    )
    with tarfile.open(info["path"]) as tar:
        for part in parts:
            if part in hooks("restore"):
                continue
            paths = info["system"][part].get("paths", [])
            if not paths:
                log.error(f"Restoration script for '{part}' not available")
                targets.set("system", part, "Skipped")
            for path in paths:
                member = tar.getmember(f"hooks/restore/{os.path.basename(path)}")
                os.makedirs(f"{ROOT}/custom/restore", exist_ok=True)
                member.name = os.path.basename(member.name)
                tar.extract(member, path=f"{ROOT}/custom/restore")
    wanted = targets.want("apps", apps, info["apps"], "Could not find {} in the backup archive")
    there = [app for app in wanted if app in installed()]
    if there and there == wanted:
        raise Refused(
            "The following apps can't be restored because they are already installed: "
            + ", ".join(there)
        )
    if info["system"] and targets.targets["system"]:
        log.warning("YunoHost is already installed")
        if not args.force:
            raise Refused("Not a tty, can't do interactive prompts")
    log.info("Preparing archive for restoration…")
    work = f"{ROOT}/home/yunohost.backup/tmp/{args.name}"
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    try:
        extract(info["path"], work, targets)
        restore_system(work, targets)
        for app in targets.tried("apps"):
            restore_app(app, work, targets)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if not targets.done("apps") and not targets.done("system"):
        raise Refused("Nothing was restored")
    log.info("Restoration completed")
    return targets.results


def extract(path, work, targets):
    with tarfile.open(path) as tar:
        def below(prefix):
            return [m for m in tar.getmembers() if m.name.startswith(prefix)]

        for single in ("info.json", "backup.csv"):
            try:
                tar.extract(single, path=work)
            except KeyError:
                log.debug(f"no {single}")
        for part in targets.tried("system"):
            prefix = "conf/" if part.startswith("conf_") else part.replace("_", "/") + "/"
            tar.extractall(members=below(prefix), path=work)
        tar.extractall(members=below("hooks/restore/"), path=work)
        for app in targets.tried("apps"):
            tar.extractall(members=below(f"apps/{app}"), path=work)


def restore_system(work, targets):
    parts = targets.tried("system")
    if not parts:
        return
    env = {"YNH_BACKUP_DIR": work, "YNH_BACKUP_CSV": f"{work}/backup.csv"}
    for part in parts:
        went = [script(path, [work], work, env) for path in hooks("restore").get(part, [])]
        if any(went):
            targets.set("system", part, "Success")
        if not all(went):
            log.error(f"Could not restore the '{part}' system part")
            targets.set("system", part, "Error")


def restore_app(app, work, targets):
    if app in installed():
        log.error(f"An app with the ID '{app}' is already installed")
        targets.set("apps", app, "Error")
        return
    folder = f"{work}/apps/{app}"
    if not os.path.isfile(f"{folder}/settings/scripts/restore"):
        log.warning(f"The archive has no restoration script for {app}")
        targets.set("apps", app, "Warning")
        return
    log.info(f"Restoring the app '{app}'…")
    shutil.copytree(f"{folder}/settings", f"{APPS}/{app}")
    env = {
        "YNH_BACKUP_DIR": work,
        "YNH_BACKUP_CSV": f"{work}/backup.csv",
        "YNH_APP_BACKUP_DIR": f"{folder}/backup",
        "YNH_APP_INSTANCE_NAME": app,
    }
    if script(f"{folder}/settings/scripts/restore", [], f"{folder}/backup", env):
        targets.set("apps", app, "Success")
        return
    log.error(f"Could not restore {app}")
    shutil.rmtree(f"{APPS}/{app}")
    targets.set("apps", app, "Error")


# Everything else --------------------------------------------------------------------------------


def version():
    return switch("version") or "12.1.25"


def tools_versions(_):
    one = {"version": version(), "repo": "stable"}
    return {name: one for name in ("yunohost", "yunohost-admin", "moulinette", "ssowat")}


def app_info(app):
    with open(f"{APPS}/{app}/manifest.json") as f:
        manifest = json.load(f)
    return {
        "id": app,
        "name": manifest["name"],
        "description": manifest["description"],
        "version": manifest["version"],
        "domain_path": f"example.org/{app}",
    }


def app_list(_):
    return {"apps": [app_info(app) for app in installed()]}


def firewall_open(args):
    path = f"{ROOT}/firewall.json"
    rules = []
    if os.path.exists(path):
        with open(path) as f:
            rules = json.load(f)
    rules.append([args.protocol.lower(), args.port])
    with open(path, "w") as f:
        json.dump(rules, f)
    log.info("Firewall reloaded")


def parse():
    top = argparse.ArgumentParser(add_help=False)
    top.add_argument("--output-as", choices=["json", "plain", "none"])
    top.add_argument("--debug", action="store_true")
    top.add_argument("--quiet", action="store_true")
    top.add_argument("--version", action="store_true")
    top.add_argument("--timeout", type=int)
    options, words = top.parse_known_args()
    if options.version:
        words = ["tools", "versions"]
    parser = argparse.ArgumentParser(prog="yunohost")
    categories = parser.add_subparsers(dest="category", required=True)

    def category(name):
        return categories.add_parser(name).add_subparsers(dest="action", required=True)

    def action(of, name, function, locks):
        made = of.add_parser(name)
        made.set_defaults(function=function, locks=locks)
        return made

    backup = category("backup")
    create = action(backup, "create", backup_create, True)
    create.add_argument("-n", "--name")
    create.add_argument("-d", "--description")
    create.add_argument("-o", "--output-directory")
    create.add_argument("--methods", nargs="*")
    create.add_argument("--system", nargs="*")
    create.add_argument("--apps", nargs="*")
    create.add_argument("--dry-run", action="store_true")
    restore = action(backup, "restore", backup_restore, True)
    restore.add_argument("name")
    restore.add_argument("--system", nargs="*")
    restore.add_argument("--apps", nargs="*")
    restore.add_argument("--force", action="store_true")
    listing = action(backup, "list", backup_list, False)
    listing.add_argument("-i", "--with-info", action="store_true")
    listing.add_argument("-H", "--human-readable", action="store_true")
    info = action(backup, "info", backup_info, False)
    info.add_argument("name")
    info.add_argument("-d", "--with-details", action="store_true")
    action(backup, "delete", backup_delete, True).add_argument("name")
    apps = category("app")
    action(apps, "list", app_list, False).add_argument("-f", "--full", action="store_true")
    action(category("tools"), "versions", tools_versions, False)
    firewall = category("firewall")
    if switch("old-firewall") is None:
        opening = action(firewall, "open", firewall_open, True)
        opening.add_argument("port")
        opening.add_argument("-p", "--protocol", choices=["tcp", "udp"], default="tcp")
        opening.add_argument("comment", default="")
        opening.add_argument("--upnp", action="store_true")
        opening.add_argument("--no-reload", action="store_true")
    allow = action(firewall, "allow", firewall_open, True)
    allow.add_argument("protocol", choices=["TCP", "UDP", "Both"])
    allow.add_argument("port")
    return options, parser.parse_args(words)


def main():
    with open(f"{ROOT}/calls", "a") as f:
        call = {"argv": sys.argv[1:], "core_only": os.environ.get("BACKUP_CORE_ONLY")}
        f.write(json.dumps(call) + "\n")
    if os.geteuid() != 0:
        print("Error: yunohost command must be run as root or with sudo.", file=sys.stderr)
        return 1
    options, args = parse()
    if options.quiet:
        log.setLevel(logging.CRITICAL)
    if switch("deaf") is not None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        if args.locks:
            with Lock(options.timeout):
                answer = args.function(args)
        else:
            answer = args.function(args)
    except Refused as error:
        log.error(str(error))
        return 1
    if switch("no-json") is not None:
        print("and that was that")
    elif answer is not None and options.output_as == "json":
        print(json.dumps(answer))
    return 0


sys.exit(main())
