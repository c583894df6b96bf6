# What keeps archives at a host that has no larder: `sh -c THIS larder-hold FOLDER MODE [WORD]...`.
#
# MODE is `hold` (as a forced command: nothing can be deleted or replaced), `prune` (the same, and
# archives can be removed) or `shell` (the words follow, instead of those of the SSH client).
# rsync writes below `.larder-incoming/` only, under one name, with options that name no other path;
# a name outside is given by `ln`, which never replaces. Words are split and never evaluated.
#
# It stands on one line of `authorized_keys`, so: no single quotes, no backslashes, a semicolon
# behind every statement; lines that begin with # are left out.
set -f; umask 077; LC_ALL=C; PATH=$PATH:/usr/local/bin:/usr/bin:/bin; export LC_ALL PATH;
no() { echo "larder-hold: refused: $1" >&2; exit 77; };
cd -- "$1" || exit 78;
mode=$2; shift 2;
if [ "$mode" != shell ]; then set -- $SSH_ORIGINAL_COMMAND; fi;
name() { case $1 in ""|.*|-*|*[!A-Za-z0-9._-]*) no "this name"; esac; };
number() { case $1 in ""|*[!0-9]*) no "this option"; esac; };
held() { [ -f "$1" ] && [ ! -h "$1" ]; };
sum() { h=$(sha256sum < "$1") || exit 79; h=${h%% *}; };
in=.larder-incoming;
case $1 in
larder-hold)
  case $2 in
  hello) mkdir -p $in || exit 78; find $in -type f -ctime +7 -exec rm -f {} + 2>/dev/null; echo "larder-hold 1 $mode";;
  publish)
    shift 2; [ $# -gt 0 ] || no "these words"; said=published;
    while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || no "these words"; name "$1"; f=$in/$1;
    if [ -e "$1" ] || [ -h "$1" ]; then
      held "$1" || no "what is no file"; sum "$1"; [ "$h" = "$2" ] || exit 66;
      rm -f "$f"; said=there;
    else
      held "$f" || exit 65; sum "$f"; [ "$h" = "$2" ] || exit 65;
      sync "$f" 2>/dev/null || sync;
      ln "$f" "$1" 2>/dev/null || { mv -n "$f" "$1" && [ ! -e "$f" ]; } || exit 68;
      rm -f "$f"; said=published;
    fi;
    shift 2;
    done;
    sync . 2>/dev/null || sync; echo $said;;
  probe)
    [ "$mode" != hold ] || exit 69; p=.larder-probe;
    : >> $p || exit 71; rm -f $p 2>/dev/null;
    if [ ! -e $p ]; then echo gone;
    else { echo $$ > $p; } 2>/dev/null; read v < $p; if [ "$v" = $$ ]; then echo changed; else echo kept; fi; fi;;
  remove)
    [ "$mode" != hold ] || exit 69; shift 2;
    for n; do name "$n"; done;
    for n; do rm -f -- "$n" || exit 70; done; sync . 2>/dev/null || sync; echo removed;;
  *) no "this word";;
  esac;;
rsync)
  [ "$2" = --server ] || no "this command"; shift 2; way=; all=;
  if [ "$1" = --sender ]; then way=--sender; shift; fi;
  while [ $# -gt 0 ] && [ "$1" != . ]; do
    case $1 in
    --timeout=*|--bwlimit=*) number "${1#*=}";;
    --list-only|--fsync) ;;
    --partial-dir) [ "$2" = .larder-partial ] || no "this option"; all="$all $1"; shift;;
    --*) no "this option";;
    -*) o=${1#-}; a=${o%%e*}; case $o in *[!A-Za-z0-9.]*) no "this option"; esac;
      case $a in *[!tvIWd]*) no "this option";; *d*) [ "$way" ] || no "this option";; esac;;
    *) no "this word";;
    esac;
    all="$all $1"; shift;
  done;
  [ "$1" = . ] || no "these words"; shift; [ $# -gt 0 ] || no "these words";
  if [ "$way" ]; then
    for n; do case $n in .|./) ;; *) name "$n"; esac; done;
  else
    [ $# = 1 ] || no "these words"; case $1 in $in/*) ;; *) no "this folder"; esac;
    name "${1#$in/}"; mkdir -p $in || exit 78; [ -e "$1" ] || : > "$1" || exit 78;
  fi;
  exec rsync --server $way $all . "$@";;
*) no "this command";;
esac
