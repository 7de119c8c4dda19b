# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What every script of the front door shares: where things are, how a bad
# value is refused, how progress is shown.  To be sourced, never run.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$ROOT/build
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/xen-balloon
export ROOT BUILD CACHE

DRIVERS="new upstream"
[ -x "$ROOT/scripts/overlay" ] || DRIVERS="upstream"

LINUX=${LINUX:-6.12}
ARCH=${ARCH:-x86_64}
DRIVER=${DRIVER:-${DRIVERS%% *}}
FLAVOUR=${FLAVOUR:-release}
VARIANT=${VARIANT:-default}
# empty: where nothing faster is at hand (see scripts/xenhost.py)
ICOUNT=${ICOUNT:-}
export LINUX ARCH DRIVER FLAVOUR VARIANT ICOUNT

# Progress and messages go to stderr: stdout is for what a caller reads.
say()  { printf '%s\n' "$*" >&2; }
die()  { say "error: $*"; exit 1; }
# usage: a value that nobody can use; exits 2, before any work was done.
usage() { say "error: $*"; exit 2; }

# Commands are told what to do by variables: a word after one of these would be
# ignored, and the work of an hour begun.
case ${0##*/} in
build-kernel | build-module | deps | fetch-* | initramfs | kunit | overlay) ;;
*) [ $# -eq 0 ] || usage "$1: takes no arguments; \`make help\` tells the variables" ;;
esac

# one_of NAME VALUE ALLOWED...: refuse a value that is not in the list.
one_of() {
	local name=$1 value=$2 word
	shift 2
	for word in "$@"; do
		[ "$word" != "$value" ] || return 0
	done
	usage "$name=$value is not known; valid values: $*"
}

# check_vars [ARCH...]: refuse bad values of the common variables; a command
# that knows more than x86_64 says which.
check_vars() {
	case $LINUX in
	6.12 | mainline) ;;
	*/*)
		[ -f "$LINUX/Kbuild" ] && [ -d "$LINUX/drivers/xen" ] ||
			usage "LINUX=$LINUX is no kernel tree;" \
			      "valid values: 6.12 mainline /path/to/tree" ;;
	*) usage "LINUX=$LINUX is not known;" \
		 "valid values: 6.12 mainline /path/to/tree" ;;
	esac
	one_of ARCH "$ARCH" "${@:-x86_64}"
	# shellcheck disable=SC2086 # a list of words
	one_of DRIVER "$DRIVER" $DRIVERS
	one_of FLAVOUR "$FLAVOUR" release debug coverage
	# the counters are for our objects
	[ "$FLAVOUR" != coverage ] || one_of DRIVER "$DRIVER" new
	one_of VARIANT "$VARIANT" default lending kasan lending-kasan
	one_of ICOUNT "${ICOUNT:-0}" 0 1
}

# check_guests: GUEST as a list of words, each once, the default where it is
# empty.
check_guests() {
	local word list=
	for word in $(tr , ' ' <<<"${GUEST:-pvh,pv}"); do
		one_of GUEST "$word" pv pvh hvm
		[[ " $list " == *" $word "* ]] || list+="${list:+ }$word"
	done
	[ -n "$list" ] || one_of GUEST "$GUEST" pv pvh hvm
	GUEST=$list
	export GUEST
}

# linux_label: the kernel in a word that can stand in a file's name.
linux_label() {
	case $LINUX in
	*/*) printf 'tree-%s' "$(realpath "$LINUX" | md5sum | cut -c1-8)" ;;
	*) printf '%s' "$LINUX" ;;
	esac
}

# need_disk MIB DIR: stop at once where a long job would fill the disk.
need_disk() {
	local free
	mkdir -p "$2"
	free=$(df --output=avail -m "$2" | tail -n 1)
	[ "$free" -ge "$1" ] ||
		die "$2 has ${free} MiB free and $1 MiB are needed:" \
		    "free some space there and run the command again"
}

# end_job PID: with all that it started.
end_job() {
	local child children=()
	read -r -a children <"/proc/$1/task/$1/children" || true
	kill -TERM "$1" || true
	for child in "${children[@]}"; do
		end_job "$child"
	done
} 2>/dev/null

# interrupted PID: a job in the background does not hear Ctrl-C, so it is
# ended here, and nothing goes on until it is gone.
interrupted() {
	trap '' INT TERM HUP
	end_job "$1"
	wait "$1" || true
	exit 130
}

# progress LABEL LOG [TOTAL]: while the job in the background that writes
# LOG runs, show its last line (of TOTAL lines, where that is known): a line
# that moves on a terminal, a line a minute elsewhere.  Ends with the job;
# returns its status.  The job is $!.
progress() {
	local label=$1 log=$2 total=${3:-0} pid=$! start=$SECONDS last=$SECONDS
	local lines part text status=0
	# shellcheck disable=SC2064 # this very job
	trap "interrupted $pid" INT TERM HUP
	while kill -0 "$pid" 2>/dev/null; do
		lines=$(wc -l 2>/dev/null <"$log" || echo 0)
		part=
		if [ "$total" -gt 0 ]; then
			# the last of it until the job says that it ended
			part=$((lines * 100 / total))
			part=" $((part < 99 ? part : 99))%"
		fi
		if [ -t 2 ]; then
			text="$label$part, $((SECONDS - start)) s"
			printf '\r\033[K%s' "${text:0:78}" >&2
			sleep 0.5
		else
			[ $((SECONDS - last)) -lt 60 ] || {
				say "$label$part, $((SECONDS - start)) s"
				last=$SECONDS
			}
			sleep 0.5
		fi
	done
	wait "$pid" || status=$?
	trap - INT TERM HUP
	[ ! -t 2 ] || printf '\r\033[K' >&2
	[ "$status" -ne 0 ] || say "$label: done in $((SECONDS - start)) s"
	return "$status"
}

# cached FILE: true where FILE is there and whole; its writer ends by
# touching FILE, so a job that was interrupted starts again.
cached() { [ -e "$1" ]; }

# locked FILE COMMAND...: one at a time; says so when it has to wait for long.
locked() {
	local file=$1
	shift
	mkdir -p "$(dirname "$file")"
	(
		flock -w 3 9 || {
			say "waiting for another run that holds $file"
			flock 9
		}
		"$@"
	) 9>"$file"
}
