#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# run-bench.sh TYPE PART: what `make bench` does in dom0 with one guest.  What
# it tells the host, in "D" lines:
#   moves     move NAME moved|missed NS PAGES, for inflate and deflate, and
#             inflate2 and so on in further rounds (ROUNDS, from /etc/job);
#             counter LINE, what the driver itself counted
#   floor     floor PART size=N pages=N ns=N, see modules/floor/floor.c
#   counted   count NAME KIND KEY N, for inflate and deflate, untimed: what
#             Xen traced of the guest, see tracecount.c, and what the guest's
#             allocator was asked, see count.c; the same for any driver
#   holes     move inflate-holes and deflate-holes, likewise, in a guest of
#             which every second page is in use
#   idle      idle NS, the CPU time of a guest that has met its target and does
#             nothing for ten minutes
#   pod       boot 256 1024|256 SECONDS: the first line of init, in a guest
#             with 256 MiB whose map shows so many
GUEST=$1
PART=$2
. /etc/job
. /lib/dom0.sh

MOVED=786432		# KiB
HOLED=262144		# KiB, of 384 MiB that are free in holes
QUIET=12		# s until dom0 and the guest are idle

move() {
	stage "$GUEST: $1"
	_said=$(GUEST_LIMIT=400 guest "move $2")
	echo "D move $1 $_said"
	[ "${_said%% *}" = moved ] || return
	# both sides come to rest
	sleep 2
}

# rest: nobody does anything any more
rest() {
	wait_for 60 settled || give_up "$NAME settles after its boot"
	stage "$GUEST: waiting until all is idle"
	sleep $QUIET
}

moves() {
	guest_start memory=1024 name="$GUEST"
	rest
	for round in '' $(seq 2 "${ROUNDS:-1}"); do
		move "inflate$round" -$MOVED && move "deflate$round" $MOVED ||
			return
	done
	guest "cat /sys/kernel/debug/xen-balloon/stats 2>/dev/null" |
		sed 's/^/D counter /'
}

# the classes of Xen's trace: who runs, HVM, memory, PV
TRACED=0x3af000

count_move() {
	stage "$GUEST: counting, $1"
	xentrace -D -S 1024 -e $TRACED /tmp/trace >/dev/null 2>&1 &
	_tracer=$!
	sleep 1
	GUEST_LIMIT=400 guest \
		"count kmem/mm_page_alloc kmem/mm_page_free -- move $2" \
		>/tmp/counted
	sleep 1
	kill -INT $_tracer
	wait $_tracer
	ok "$1: moved and traced" grep -q ^moved /tmp/counted || return
	{
		tracecount "$ID" </tmp/trace
		grep ^event /tmp/counted
	} | sed "s/^/D count $1 /"
	rm /tmp/trace
}

counted() {
	guest_start memory=1024 name="$GUEST"
	rest
	count_move inflate -$MOVED && count_move deflate $MOVED
}

floor() {
	guest_start memory=1024 name="$GUEST"
	rest
	stage "$GUEST: the floor"
	GUEST_LIMIT=400 guest "insmod /bench/floor.ko && dmesg" |
		sed -n 's/^.*bench-floor: /D floor /p'
}

holes() {
	guest_start memory=1024 name="$GUEST"
	guest in_background hog 800 holes
	ok "a program holds every second page" \
		wait_for 60 guest grep -q holds /tmp/background.log || return
	rest
	move inflate-holes -$HOLED && move deflate-holes $HOLED
}

idle() {
	guest_start memory=1024 name="$GUEST"
	guest "move -$HOLED" >/dev/null
	rest
	_before=$(fact cpu_ns)
	stage "$GUEST: ten idle minutes"
	sleep 600
	echo "D idle $(($(fact cpu_ns) - _before))"
}

# boot MIB: until the first line of init, which the kernel announces
boot() {
	guest_start memory=256 maxmem="$1" name="$GUEST"
	wait_for 60 settled || give_up "$NAME settles after its boot"
	echo "D boot 256 $1 $(guest dmesg |
		sed -n 's/^\[ *\([0-9.]*\)\] Run .init as init process.*/\1/p')"
	xl destroy "$ID"
	sleep 2
}

pod() {
	boot 1024
	boot 256
}

$PART
[ "$FAILED" -eq 0 ]
