#!/usr/bin/python3
"""A stand-in for the `yunohost` command, release 12.1, as far as the life of an app needs it.

It provides what a manifest asks for (resources), runs the app's scripts with the variables and in the
directories of the real one, and makes and restores archives of apps. Unlike the real one it refuses
what it does not know: a resource, a property, an option. `/stage/administrators` lists the members of
the group `admins`, one on each line.
"""

import csv
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
from urllib.parse import parse_qsl

APPS = "/etc/yunohost/apps"
ARCHIVES = "/home/yunohost.backup/archives"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]


def fail(message):
    print(f"Error: {message}", file=sys.stderr)
    sys.exit(1)


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


# Settings and manifests -------------------------------------------------------------------------


def settings(app):
    with open(f"{APPS}/{app}/settings.yml") as file:
        lines = (line.rstrip("\n").partition(": ") for line in file if ": " in line)
        return {key: value.strip("'") for key, _, value in lines}


def set_setting(app, key, value):
    all_settings = settings(app) | {key: str(value)}
    with open(f"{APPS}/{app}/settings.yml", "w") as file:
        file.writelines(f"{key}: {value}\n" for key, value in sorted(all_settings.items()))


def manifest_of(directory):
    with open(f"{directory}/manifest.toml", "rb") as file:
        manifest = tomllib.load(file)
    integration = manifest["integration"]
    if manifest["packaging_format"] != 2 or integration["helpers_version"] != "2.1":
        fail("not of packaging format 2 with helpers 2.1")
    if not re.fullmatch(r">= ?12\.1(\.0)?", integration["yunohost"]):
        fail(f"not for YunoHost 12.1: {integration['yunohost']}")
    if ARCHITECTURE not in integration["architectures"]:
        fail(f"not for {ARCHITECTURE}")
    return manifest


# Resources --------------------------------------------------------------------------------------


def only(properties, *known):
    for key in properties:
        if key not in known:
            fail(f"unknown property `{key}`")


def directory_resource(app, properties, setting, default):
    only(properties, "dir", "owner", "group")
    path = properties.get("dir", default).replace("__APP__", app)
    os.makedirs(path, exist_ok=True)
    mode = 0
    names = []
    for key, shift, usual in (("owner", 6, "__APP__:rwx"), ("group", 3, "__APP__:rx")):
        name, rights = properties.get(key, usual).replace("__APP__", app).split(":")
        names.append(name)
        mode |= sum({"r": 4, "w": 2, "x": 1}[right] for right in rights) << shift
    os.chmod(path, mode)
    shutil.chown(path, *names)
    set_setting(app, setting, path)


def provide(app, manifest, action):
    resources = manifest["resources"]
    for name in resources:
        if name not in ("sources", "system_user", "install_dir", "data_dir", "ports", "permissions", "apt"):
            fail(f"unknown resource `{name}`")
    if action != "restore":
        for name, source in resources.get("sources", {}).items():
            path = f"/var/cache/yunohost/download/{app}/{name}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            source = source.get(ARCHITECTURE) or fail(f"no source for {ARCHITECTURE}")
            run("wget", "--quiet", f"--output-document={path}", source["url"])
            sums = subprocess.run(["sha256sum", path], check=True, capture_output=True, text=True)
            if sums.stdout.split()[0] != source["sha256"]:
                os.unlink(path)
                fail(f"the asset `{name}` of {source['url']} is corrupt")
    if "system_user" in resources:
        only(resources["system_user"])
        try:
            pwd.getpwnam(app)
        except KeyError:
            run("useradd", "--system", "--user-group", app, "--home-dir", f"/var/www/{app}", "--no-create-home")
    if "install_dir" in resources:
        if action == "install":
            shutil.rmtree(f"/var/www/{app}", ignore_errors=True)
        directory_resource(app, resources["install_dir"], "install_dir", "/var/www/__APP__")
    if "data_dir" in resources:
        directory_resource(app, resources["data_dir"], "data_dir", "/home/yunohost.app/__APP__")
    for name, port in resources.get("ports", {}).items():
        only(port, "default")
        key = "port" if name == "main" else f"port_{name}"
        if key not in settings(app):
            set_setting(app, key, port["default"])
    permissions = {}
    for name, permission in resources.get("permissions", {}).items():
        only(permission, "url", "allowed", "auth_header", "show_tile", "protected")
        permissions[f"{app}.{name}"] = {"auth_header": True, "protected": False} | permission
    with open("/etc/yunohost/permissions.json", "w") as file:
        json.dump(permissions, file)
    only(resources.get("apt", {}), "packages")


def withdraw(app, manifest, purge):
    resources = manifest["resources"]
    with open("/etc/yunohost/permissions.json", "w") as file:
        file.write("{}")
    if purge and "data_dir" in resources:
        shutil.rmtree(settings(app)["data_dir"], ignore_errors=True)
    if "install_dir" in resources:
        shutil.rmtree(settings(app)["install_dir"], ignore_errors=True)
    if "system_user" in resources:
        run("userdel", app)
        subprocess.run(["groupdel", app], check=False, stderr=subprocess.DEVNULL)


# Scripts ----------------------------------------------------------------------------------------


def script(app, action, basedir, path=None, chdir=None, more=None):
    """Runs a script of an app as the core does; whether it ended well."""
    manifest = manifest_of(basedir)
    path = path or f"{basedir}/scripts/{action}"
    variables = {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "YNH_APP_ID": app,
        "YNH_APP_INSTANCE_NAME": app,
        "YNH_APP_INSTANCE_NUMBER": "1",
        "YNH_APP_MANIFEST_VERSION": manifest["version"],
        "YNH_APP_PACKAGING_FORMAT": "2",
        "YNH_HELPERS_VERSION": "2.1",
        "YNH_APP_ACTION": action,
        "YNH_APP_BASEDIR": basedir,
        "YNH_APP_UPGRADE_TYPE": "UPGRADE_FULL",
        "YNH_ARCH": ARCHITECTURE,
        "YNH_DEBIAN_VERSION": "bookworm",
        "YNH_STDINFO": "1",
        "YNH_STDRETURN": "/dev/null",
        "YNH_CWD": chdir or os.path.dirname(path),
        "BASH_XTRACEFD": "7",
        "app": app,
    }
    if os.path.isdir("/stage/python"):
        variables["PYTHONPATH"] = "/stage/python"
    if "BACKUP_CORE_ONLY" in os.environ:
        variables["BACKUP_CORE_ONLY"] = os.environ["BACKUP_CORE_ONLY"]
    kept = {key: value for key, value in settings(app).items() if not key.startswith("checksum_")}
    variables |= kept | (more or {})
    with open("/stage/trace", "ab") as trace:
        trace.write(f"\n===== {action}\n".encode())
        trace.flush()
        done = subprocess.run(
            ["sh", "-c", f'/bin/bash -x "{path}" 7>&2 2>>/stage/stderr.{action}'],
            cwd=variables["YNH_CWD"], env=variables, check=False,
            stdin=subprocess.DEVNULL, stdout=trace, stderr=trace,
        )
    if done.returncode:
        print(f"the script `{action}` of {app} failed", file=sys.stderr)
    return done.returncode == 0


def copy_of(app_or_directory):
    """A working copy, since scripts run in one."""
    work = f"/var/cache/yunohost/app_tmp_work_dirs/{time.monotonic_ns()}"
    shutil.copytree(app_or_directory, work)
    return work


def keep(work, app):
    """What the core keeps of a package once it is installed."""
    for name in ("manifest.toml", "scripts", "conf", "doc"):
        target = f"{APPS}/{app}/{name}"
        if os.path.isdir(f"{work}/{name}"):
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(f"{work}/{name}", target)
        else:
            shutil.copy2(f"{work}/{name}", target)


# Apps -------------------------------------------------------------------------------------------


def app_install(package, arguments):
    work = copy_of(package)
    manifest = manifest_of(work)
    app = manifest["id"]
    if os.path.exists(f"{APPS}/{app}"):
        fail(f"{app} is installed already")
    answers = dict(parse_qsl(arguments, strict_parsing=True))
    for question, about in manifest["install"].items():
        if question not in answers and "default" not in about:
            fail(f"no answer to `{question}`")
    os.makedirs(f"{APPS}/{app}")
    with open(f"{APPS}/{app}/settings.yml", "w") as file:
        file.write(f"id: {app}\n")
    for question, about in manifest["install"].items():
        set_setting(app, question, answers.get(question, about.get("default")))
    keep(work, app)
    provide(app, manifest, "install")
    if not script(app, "install", work):
        script(app, "remove", work, more={"YNH_APP_PURGE": "0"})
        withdraw(app, manifest, purge=False)
        shutil.rmtree(f"{APPS}/{app}")
        fail(f"{app} was not installed")


def app_remove(app, purge=False):
    if not os.path.exists(f"{APPS}/{app}"):
        fail(f"{app} is not installed")
    work = copy_of(f"{APPS}/{app}")
    good = script(app, "remove", work, more={"YNH_APP_PURGE": str(int(purge))})
    withdraw(app, manifest_of(work), purge)
    shutil.rmtree(f"{APPS}/{app}")
    if not good:
        fail(f"{app} was not removed properly")


def app_upgrade(app, package):
    """With the safety backup that the real one makes, and without coming back from it."""
    os.environ["BACKUP_CORE_ONLY"] = "1"
    backup_create(f"{app}-pre-upgrade1", [app])
    work = copy_of(package)
    before = manifest_of(f"{APPS}/{app}")["version"]
    provide(app, manifest_of(work), "upgrade")
    if not script(app, "upgrade", work, more={"YNH_APP_CURRENT_VERSION": before}):
        fail(f"{app} was not upgraded")
    keep(work, app)


def app_change_url(app, domain, path):
    old = settings(app)
    work = copy_of(f"{APPS}/{app}")
    more = {"old_domain": old["domain"], "old_path": old["path"], "new_domain": domain, "new_path": path}
    if not script(app, "change_url", work, more=more | {"domain": domain, "path": path}):
        fail(f"the address of {app} was not changed")
    set_setting(app, "domain", domain)
    set_setting(app, "path", path)


def installed():
    return sorted(os.listdir(APPS)) if os.path.isdir(APPS) else []


# Archives ---------------------------------------------------------------------------------------


def backup_create(name, apps, description=""):
    work = f"/home/yunohost.backup/tmp/{name}"
    shutil.rmtree(work, ignore_errors=True)
    results, info, rows = {}, {}, []
    for app in apps:
        if app not in installed():
            fail(f"{app} is not installed")
        backup = f"{work}/apps/{app}/backup"
        os.makedirs(backup, mode=0o700)
        shutil.copytree(f"{APPS}/{app}", f"{work}/apps/{app}/settings")
        table = f"{work}/table"
        with open(table, "w"):
            pass
        scripts = copy_of(f"{APPS}/{app}")
        good = script(
            app, "backup", f"{work}/apps/{app}/settings", path=f"{scripts}/scripts/backup", chdir=backup,
            more={"YNH_BACKUP_DIR": work, "YNH_BACKUP_CSV": table, "YNH_APP_BACKUP_DIR": backup},
        )
        results[app] = "Success" if good else "Error"
        with open(table) as file:
            rows += list(csv.reader(file)) if good else []
        os.unlink(table)
        manifest = manifest_of(f"{APPS}/{app}")
        info[app] = {"version": manifest["version"], "name": manifest["name"], "description": ""}
    if apps and "Success" not in results.values():
        shutil.rmtree(work)
        fail("nothing was saved")
    # Of the system there is one part, and nothing in it.
    system = {} if apps else {"conf_ynh_settings": "Success"}
    os.makedirs(f"{work}/apps", exist_ok=True)
    size = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(work) for name in names)
    about = {
        "description": description, "created_at": int(time.time()), "size": size + 1,
        "size_details": {"system": {}, "apps": {app: size + 1 for app in apps}},
        "apps": info, "system": {part: [] for part in system}, "from_yunohost_version": "12.1.25",
    }
    with open(f"{work}/info.json", "w") as file:
        json.dump(about, file)
    with open(f"{work}/backup.csv", "w") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    with tarfile.open(f"{ARCHIVES}/{name}.tar", "x") as tar:
        for source, dest in rows:
            tar.add(source, dest)
        for member in ("info.json", "backup.csv", "apps"):
            tar.add(f"{work}/{member}", member)
    shutil.copy(f"{work}/info.json", f"{ARCHIVES}/{name}.info.json")
    shutil.rmtree(work)
    return {"name": name, "size": size + 1, "results": {"system": system, "apps": results}}


def backup_restore(name, apps):
    work = f"/home/yunohost.backup/tmp/{name}"
    shutil.rmtree(work, ignore_errors=True)
    with tarfile.open(f"{ARCHIVES}/{name}.tar") as tar:
        tar.extractall(work)
    for app in apps:
        if app in installed():
            fail(f"{app} is installed already")
        settings_dir, backup = f"{work}/apps/{app}/settings", f"{work}/apps/{app}/backup"
        shutil.copytree(settings_dir, f"{APPS}/{app}")
        provide(app, manifest_of(settings_dir), "restore")
        scripts = copy_of(settings_dir)
        good = script(
            app, "restore", settings_dir, path=f"{scripts}/scripts/restore", chdir=backup,
            more={"YNH_BACKUP_DIR": work, "YNH_BACKUP_CSV": f"{work}/backup.csv", "YNH_APP_BACKUP_DIR": backup},
        )
        if not good:
            app_remove(app)
            fail(f"{app} was not restored")
    shutil.rmtree(work)


# The command ------------------------------------------------------------------------------------


def services():
    try:
        with open("/etc/yunohost/services.json") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def options(words, **known):
    """Named arguments by name, the others as a list under `""`."""
    found = {"": []}
    words = list(words)
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            found[""].append(word)
            continue
        name, equals, value = word.partition("=")
        name = {"-a": "--args", "-u": "--url", "-d": "--domain", "-p": "--path"}.get(name, name).removeprefix("--").replace("-", "_")
        if name not in known:
            fail(f"unrecognized arguments: {word}")
        found[name] = True if known[name] is bool else value if equals else words.pop(0)
    return found


def main():
    words = sys.argv[1:]
    with open("/stage/yunohost.calls", "a") as calls:
        calls.write(json.dumps(words) + "\n")
    as_json = "json" in words and "--output-as" in words
    if as_json:
        at = words.index("--output-as")
        del words[at : at + 2]
    # How long to wait for the lock, which nobody holds for long here.
    if "--timeout" in words:
        at = words.index("--timeout")
        del words[at : at + 2]
    answer = None
    match words:
        case ["app", "install", *rest]:
            given = options(rest, args=str, force=bool)
            app_install(given[""][0], given.get("args", ""))
        case ["app", "remove", *rest]:
            given = options(rest, purge=bool)
            app_remove(given[""][0], "purge" in given)
        case ["app", "upgrade", *rest]:
            given = options(rest, url=str)
            app_upgrade(given[""][0], given["url"])
        case ["app", "change-url", *rest]:
            given = options(rest, domain=str, path=str)
            app_change_url(given[""][0], given["domain"], given["path"])
        case ["app", "list"]:
            manifests = {app: manifest_of(f"{APPS}/{app}") for app in installed()}
            answer = {"apps": [
                {"id": app, "name": m["name"], "description": "", "version": m["version"]}
                for app, m in manifests.items()
            ]}
        case ["backup", "create", *rest]:
            given = options(rest, name=str, description=str, apps=str, system=bool)
            apps = [] if "system" in given else [given["apps"]]
            answer = backup_create(given["name"], apps, given.get("description", ""))
        case ["backup", "restore", *rest]:
            given = options(rest, apps=str, force=bool)
            backup_restore(given[""][0], [given["apps"]])
        case ["backup", "list"]:
            answer = {"archives": sorted(n[:-4] for n in os.listdir(ARCHIVES) if n.endswith(".tar"))}
        case ["service", "add", *rest]:
            given = options(rest, description=str, log=str, need_lock=bool, test_status=str, test_conf=str)
            known = services() | {given[""][0]: given.get("description")}
            with open("/etc/yunohost/services.json", "w") as file:
                json.dump(known, file)
        case ["service", "remove", name]:
            kept = {key: value for key, value in services().items() if key != name}
            with open("/etc/yunohost/services.json", "w") as file:
                json.dump(kept, file)
        case ["service", "status", name]:
            if name not in services():
                fail(f"Unknown service '{name}'")
        case ["user", "group", "info", "admins"]:
            with open("/stage/administrators") as file:
                answer = {"members": file.read().split(), "permissions": [], "mail-aliases": []}
        case ["tools", "versions"]:
            answer = {"yunohost": {"version": "12.1.25", "repo": "stable"}}
        case _:
            fail(f"not here: {words}")
    if as_json:
        print(json.dumps(answer))


main()
