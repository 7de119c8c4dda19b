#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# run-steps.sh TYPE: what `make run` does in dom0.  Start a guest of that type
# with the first of STEPS (MiB, from /etc/job), have xl move it through the
# others, and tell the host, in "D" lines, times in ms of dom0's clock, counts
# in pages:
#   sample TIME NR                        what Xen counts, several a second
#   step INDEX MIB TIME                   a target was set; INDEX 0: the boot
#   done INDEX MIB VERDICT MS NR CURRENT TARGET WANTED
# VERDICT is reached or missed; MS is how long it took; WANTED is how many
# pages Xen should count.
GUEST=$1
. /etc/job
. /lib/dom0.sh

STALL=30000		# ms without a page of progress: it will not come

# the time without a process of its own: this runs several times a second
tick() {
	read -r _up _ </proc/uptime
	NOW=${_up%.*}${_up#*.}0
}

sample() {
	tick
	NR=$(domfacts "$ID" | { read -r _ _nr; echo "$_nr"; })
	echo "D sample $NOW $NR"
}

# counters: the guest's own; left alone if it does not answer
counters() {
	_both=$(GUEST_LIMIT=20 guest \
		'echo $(counter info/current_kb) $(counter target_kb)') ||
		return
	CURRENT=$((${_both% *} / 4))
	TARGET=$((${_both#* } / 4))
}

# reached: to the page, on both sides
reached() {
	[ "$NR" = "$WANTED" ] && counters && [ "$CURRENT" = "$TARGET" ] &&
		[ $((TARGET - BASE_TARGET)) -eq $((WANTED - BASE_NR)) ]
}

# arrive: sample until it is reached, or until nothing moves any more
arrive() {
	_last=$NR
	_moved=$NOW
	while :; do
		sample
		! reached || return 0
		if [ "$NR" != "$_last" ]; then
			_last=$NR
			_moved=$NOW
		fi
		[ $((NOW - _moved)) -lt $STALL ] || return 1
		sleep 0.2
	done
}

# rest: it stays where it is, and the chart shows that
rest() {
	for _ in 1 2 3 4; do
		sleep 0.2
		sample
	done
}

step() {
	WANTED=$((BASE_NR + ($2 - BOOT) * 256))
	sample
	_start=$NOW
	echo "D step $1 $2 $NOW"
	# beyond what it was started with, the toolstack wants to be told
	if [ "$2" -gt "$MAX" ]; then
		MAX=$2
		xl mem-max "$NAME" "$2M" || note "xl mem-max $2 failed"
	fi
	xl mem-set "$NAME" "$2M" || note "xl mem-set $2 failed"
	_verdict=missed
	! arrive || _verdict=reached
	_took=$((NOW - _start))
	rest
	# it has to hold
	reached || _verdict=missed
	counters
	echo "D done $1 $2 $_verdict $_took $NR $CURRENT $TARGET $WANTED"
	[ $_verdict = reached ]
}

# shellcheck disable=SC2086 # a list of numbers
set -- $STEPS
BOOT=$1
MAX=$1
shift
CURRENT=0 TARGET=0
guest_start memory="$BOOT" name="$GUEST" type="$GUEST"
stage "waiting for $NAME to settle"
wait_for 60 settled || give_up "$NAME settles after its boot"
sleep "${QUIET:-1}"
sample
counters
BASE_NR=$NR BASE_TARGET=$TARGET
echo "D step 0 $BOOT $NOW"
echo "D done 0 $BOOT reached 0 $NR $CURRENT $TARGET $NR"
rest

failed=0 index=0
for mib; do
	index=$((index + 1))
	stage "$mib MiB"
	step $index "$mib" || failed=1
done
exit $failed
