# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What a scenario may use in dom0.  A scenario is a file that defines a
# function scenario(), which runs here, and any functions that it has the
# guest run with `guest NAME ARGS`.  For GUEST=dom0-pv and dom0-pvh, dom0
# itself is the subject and `guest` runs here; so it does for GUEST=bare,
# where there is no Xen.
#
# Times are seconds of dom0's clock; under ICOUNT=1 that is instruction time.

. /lib/guest.sh

CHECKS=0
FAILED=0
NAME=guest			# the guest that `guest`, `fact` ... mean
ID=
# What a debug kernel keeps for itself beyond what others do; what of it KASAN
# does, an eighth of the guest and what was freed last; and how many times as long
# a guest takes with KASAN
DEBUG_MIB=0
KASAN_MIB=0
KASAN_SLOWS=1
case $FLAVOUR-${GUEST:-} in
debug-pvh)
	DEBUG_MIB=128 KASAN_MIB=96 KASAN_SLOWS=4 ;;
debug-*)
	DEBUG_MIB=32 ;;
esac
: "$DEBUG_MIB $KASAN_MIB $KASAN_SLOWS"	# for scenarios

# --- saying what is seen

stage() { echo "S $*"; }
note() { echo "N $*"; }

# verdict STATUS WHAT
verdict() {
	CHECKS=$((CHECKS + 1))
	if [ "$1" -eq 0 ]; then
		echo "T ok $2"
	else
		FAILED=$((FAILED + 1))
		echo "T not ok $2"
	fi
	return "$1"
}

# ok WHAT COMMAND...: the command succeeds
ok() {
	_what=$1
	shift
	if "$@" >/tmp/check.out 2>&1; then
		verdict 0 "$_what"
	else
		verdict 1 "$_what"
		note "failed: $*"
		sed 's/^/N   /' /tmp/check.out | tail -n 5
		return 1
	fi
}

# is WHAT GOT EXPECTED: the same text
is() {
	if [ "$2" = "$3" ]; then
		verdict 0 "$1"
	else
		verdict 1 "$1"
		note "expected: $3"
		note "saw:      $2"
		return 1
	fi
}

# at_most WHAT GOT LIMIT and at_least WHAT GOT LIMIT: whole numbers
at_most() {
	_s=1
	[ "${2:-none}" -le "$3" ] 2>/dev/null && _s=0
	verdict $_s "$1 (${2:-nothing}, at most $3)"
}

at_least() {
	_s=1
	[ "${2:-none}" -ge "$3" ] 2>/dev/null && _s=0
	verdict $_s "$1 (${2:-nothing}, at least $3)"
}

# give_up WHAT: a check without which nothing else makes sense
give_up() {
	verdict 1 "$1"
	exit 1
}

# --- time

# now: milliseconds since dom0 started
now() { awk '{ printf "%d\n", $1 * 1000 }' /proc/uptime; }

# wait_for SECONDS COMMAND...: until it succeeds; TOOK says how many ms
wait_for() {
	_start=$(now)
	_end=$((_start + $1 * 1000))
	shift
	while ! "$@" >/dev/null 2>&1; do
		TOOK=$(($(now) - _start))
		[ $((_start + TOOK)) -lt "$_end" ] || return 1
		sleep 0.2
	done
	TOOK=$(($(now) - _start))
}

# --- the guest

is_dom0() { case $GUEST in dom0-* | bare) true ;; *) false ;; esac }

# guest_start [memory=MIB] [maxmem=MIB] [shadow_memory=MIB] [vcpus=N]
#             [name=NAME] [extra=TEXT] [type=TYPE] [wait=SECONDS] [log=quiet]
#             [paused=yes] [ramdisk=FILE]
# Starts one and waits until it answers; a paused one waits for `xl unpause`.
guest_start() {
	_memory=512 _maxmem='' _shadow_memory='' _vcpus=1 _extra=''
	_type=$GUEST _wait=180 _name=guest _log=ignore_loglevel _paused=''
	_ramdisk=/boot/guest.gz
	for _arg; do
		case ${_arg%%=*} in
		memory | maxmem | shadow_memory | vcpus | extra | type | wait | \
				name | log | paused | ramdisk)
			eval "_${_arg%%=*}=\${_arg#*=}" ;;
		*) give_up "guest_start knows no $_arg" ;;
		esac
	done
	# the BIOS of an HVM guest copies the kernel and the initramfs, slowly
	[ "$_type" != hvm ] || _wait=$((_wait * 2))
	NAME=$_name
	if is_dom0; then
		ID=0
		return
	fi
	{
		echo "name = '$NAME'"
		echo "type = '$_type'"
		echo "kernel = '/boot/kernel'"
		echo "ramdisk = '$_ramdisk'"
		echo "extra = 'console=hvc0 $_log panic=0 $EXTRA $_extra'"
		echo "memory = $_memory"
		[ -z "$_maxmem" ] || echo "maxmem = $_maxmem"
		[ -z "$_shadow_memory" ] || echo "shadow_memory = $_shadow_memory"
		echo "vcpus = $_vcpus"
		echo "on_crash = 'preserve'"
		echo "on_reboot = 'preserve'"
		[ "$_type" != hvm ] || cat <<-HVM
			device_model_override = '/usr/libexec/xen-qemu-system-i386'
			vga = 'none'
			vnc = 0
			usb = 0
		HVM
	} >/tmp/guest.$NAME
	stage "starting $NAME ($_type, $_memory MiB)"
	/lib/forward-console "$NAME" "/var/log/xen/console/guest-$NAME.log" >&3 &
	xl create -q ${_paused:+-p} /tmp/guest.$NAME >/tmp/create.log 2>&1 || {
		sed 's/^/N xl: /' /tmp/create.log
		give_up "$NAME starts"
	}
	ID=$(xl domid "$NAME")
	[ -z "$_paused" ] || return 0
	guest_answers "$_wait" || give_up "$NAME answers"
}

# guest_answers SECONDS: true when its agent does
guest_answers() { xenrpc call -t "$1" "$ID" true; }

# guest COMMAND...: run in the guest, with guest.sh and the scenario sourced;
# GUEST_LIMIT is how long it may take (60 s)
guest() {
	if is_dom0; then
		(eval "$*") 2>&1
	else
		xenrpc call -t "${GUEST_LIMIT:-60}" "$ID" \
			". /lib/guest.sh; ${SCENARIO:+. /scenario/$SCENARIO;} $*"
	fi
}

# take_host MIB: a domain that never runs gets all but so many MiB of the host
take_host() {
	{
		echo "name = 'taker'"
		echo "type = 'pv'"
		echo "kernel = '/boot/kernel'"
		echo "memory = $(($(fact free_pages) / 256 - $1))"
	} >/tmp/guest.taker
	xl create -q -p /tmp/guest.taker
}

# guest_save and guest_restore: to a file and back; ID follows
guest_save() {
	stage "saving $NAME"
	_frozen=$(frozen_times | wc -l)
	xl save "$NAME" /tmp/save.$NAME >/tmp/save.log 2>&1
}

guest_restore() {
	stage "restoring $NAME"
	xl restore /tmp/save.$NAME >/tmp/save.log 2>&1 || return
	ID=$(xl domid "$NAME")
	guest_answers 60
}

# frozen: ms until the kernel's threads stood still in the last save, as the
# guest's kernel says it
frozen() {
	frozen_times | tail -n +$((_frozen + 1)) | tail -n 1
}

frozen_times() {
	sed -n 's/.*remaining freezable tasks completed (elapsed \([0-9]*\)\.\([0-9]*\) .*/\1\2/p' \
		"/var/log/xen/console/guest-$NAME.log" | sed 's/^0*\([0-9]\)/\1/'
}

# --- facts

# fact NAME: nr_pages, max_pages, cpu_ns: what Xen counts; current_pages,
# target_pages: what the guest counts; constant: the difference between Xen's
# count and the guest's; memory in pages of 4 KiB.  MemTotal, MemAvailable ...:
# the guest's /proc/meminfo in KiB.  available: MemAvailable, and the lists of free
# pages that the CPUs keep, tens of MiB after a load, which are not in it.  Others:
# the attribute of that name.
fact() {
	case $1 in
	nr_pages | max_pages | cpu_ns)
		domfacts "$ID" | awk -v k="$1" '$1 == k { print $2 }' ;;
	free_pages)
		domfacts host | awk '$1 == "free_pages" { print $2 }' ;;
	current_pages) echo $(($(guest counter info/current_kb) / 4)) ;;
	target_pages) echo $(($(guest counter target_kb) / 4)) ;;
	constant)
		_current=$(fact current_pages)
		echo $(($(fact nr_pages) - _current)) ;;
	Mem*) guest meminfo "$1" ;;
	available)
		guest "awk '\$1 == \"MemAvailable:\" { kb += \$2 }
			\$1 == \"count:\" { kb += \$2 * 4 }
			END { print kb }' /proc/meminfo /proc/zoneinfo" ;;
	*) guest counter "$1" ;;
	esac
}

# met PAGES: the guest's target and what it holds are both that
met() {
	[ "$(guest 'echo $(counter target_kb) $(counter info/current_kb)')" \
		= "$(($1 * 4)) $(($1 * 4))" ]
}

# settled: the guest holds what it should hold
settled() {
	guest '[ "$(counter target_kb)" = "$(counter info/current_kb)" ]'
}

# tells: the driver has the attributes of info/ that say how it goes; so that a
# scenario that reproduces a defect does not fail for a lack of them
tells() { guest 'test -e $BALLOON/info/state'; }

# offset_pages: how much the toolstack's target lies above the guest's; the
# difference between what memory/target says and target_pages
offset_pages() {
	echo $(($(xenstore-read "/local/domain/$ID/memory/target") / 4 -
		$(fact target_pages)))
}

# xl_less: pages that xl takes off what an HVM guest should hold when it builds or
# restores it, if it may grow; a target set later is the whole of it
xl_less() { [ "$GUEST" = hvm ] && echo 256 || echo 0; }

# remember: what the guest holds, for `follows`
remember() {
	BASE_CURRENT=$(fact current_pages)
	BASE_NR=$(fact nr_pages)
	# shellcheck disable=SC2034 # for scenarios
	BASE_CONSTANT=$((BASE_NR - BASE_CURRENT))
}

# follows WHAT SECONDS PAGES: the guest reaches that many pages more (or, if
# negative, fewer) than it had when `remember` was called, and Xen agrees.  It
# may take its time, since a busy machine is slow, but it may not stand still
# for so many seconds.
follows() {
	stage "$1"
	_want=$((BASE_CURRENT + $3))
	_began=$(now)
	_held=none
	_late=1
	while wait_for "$2" met_or_moved; do
		if met "$_want"; then
			_late=0
			break
		fi
		_held=$(fact current_pages)
		sleep 0.2
	done
	TOOK=$(($(now) - _began))
	arrived "$1" "$3" "reached, and never still for $2 s"
}

met_or_moved() { met "$_want" || [ "$(fact current_pages)" != "$_held" ]; }

# follows_within WHAT SECONDS PAGES: the same, and no later than that
follows_within() {
	stage "$1"
	_want=$((BASE_CURRENT + $3))
	_late=0
	wait_for "$2" met "$_want" || _late=1
	arrived "$1" "$3" "reached within $2 s"
}

# arrived WHAT PAGES PROMISE: says whether it did
arrived() {
	if [ "$_late" -eq 0 ]; then
		verdict 0 "$1: reached after $TOOK ms"
	else
		verdict 1 "$1: $3"
		note "expected: $_want pages"
		note "saw: target $(fact target_pages), current $(fact current_pages)"
	fi
	is "$1: Xen moved by as many pages" \
		$(($(fact nr_pages) - BASE_NR)) "$2"
}
