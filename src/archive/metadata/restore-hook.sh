#!/bin/bash
# Puts files that larder archived back to where they were. YunoHost runs this with the directory
# of the extracted archive. It is the same for every archive and may run any number of times.
umask 022
workdir="${1:-${YNH_BACKUP_DIR:-.}}"
status=0
pattern='^"((""|[^"])*)","((""|[^"])*)"'
while IFS= read -r row || [ -n "$row" ]; do
    [[ "$row" =~ $pattern ]] || continue
    destination="${BASH_REMATCH[1]//\"\"/\"}"
    member="${BASH_REMATCH[3]//\"\"/\"}"
    case "$member" in data/custom/*) ;; *) continue ;; esac
    case "$destination" in /*) ;; *) continue ;; esac
    case "/$member/$destination/" in */../*) continue ;; esac
    if [ -d "$workdir/$member" ] && [ ! -L "$workdir/$member" ]; then
        mkdir -p -- "$destination" && cp -a -- "$workdir/$member/." "$destination/" || status=1
    elif [ -e "$workdir/$member" ] || [ -L "$workdir/$member" ]; then
        mkdir -p -- "$(dirname -- "$destination")" &&
            cp -a --remove-destination -T -- "$workdir/$member" "$destination" || status=1
    else
        echo "not in this archive: $member" >&2
        status=1
    fi
done < "$workdir/backup.csv"
exit "$status"
