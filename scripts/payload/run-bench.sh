#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# run-bench.sh TYPE PART: what `make bench` does in dom0 with one guest.  What
# it tells the host, in "D" lines:
#   moves     move NAME moved|missed NS PAGES, for inflate and deflate, and
#             inflate2 and so on in further rounds (ROUNDS, from /etc/job);
#             counter LINE, what the driver itself counted
#   floor     floor PART size=N pages=N ns=N, see modules/floor/floor.c
#   counted   count NAME KIND KEY N, for inflate, deflate and nothing (a move
#             of no pages), untimed: what Xen traced of the guest, see
#             tracecount.c, and what was called in the guest, see count.c; the
#             same for any driver
#   holes     move inflate-holes and deflate-holes, likewise, in a guest of
#             which every second page is in use
#   lender    lender waits=N worst_ns=N refused=N met=0|1, down and up: see
#             modules/lender/lender.c
#   wall      move inflate and deflate three times, where time is that of the
#             host
#   idle      idle NS, the CPU time of a guest that has met its target and does
#             nothing for ten minutes
#   pod       boot 256 1024|256 SECONDS: the first line of init, in a guest
#             with 256 MiB whose map shows so many; several times
#   pod_xen   boot 256 1024-xen SECONDS, where clearing is left to Xen
GUEST=$1
PART=$2
. /etc/job
. /lib/dom0.sh

MOVED=786432		# KiB
HOLED=262144		# KiB, of about 450 MiB that are free in holes
SELDOM=200		# ms between two looks of who only counts
QUIET=12		# s until dom0 and the guest are idle
BOOTED=30		# s that a boot takes at most

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
	# of the thread that moves memory, which every driver calls the same
	GUEST_LIMIT=400 guest "count \$(pidof xen-balloon) \
		kmem/mm_page_alloc kmem/mm_page_free \
		call/memory_op,xenmem_reservation_$3 call/do_flush_tlb_all \
		call/do_kernel_range_flush call/flush_tlb_func \
		-- move $2 $SELDOM" >/tmp/counted 2>&1
	sleep 1
	kill -INT $_tracer
	wait $_tracer
	ok "$1: moved and traced" grep -q ^moved /tmp/counted || {
		sed 's/^/N count: /' /tmp/counted
		return 1
	}
	{
		tracecount "$ID" </tmp/trace
		grep ^event /tmp/counted
	} | sed "s/^/D count $1 /"
	rm /tmp/trace
}

# and a move of nothing, for what the counting itself is
counted() {
	guest_start memory=1024 name="$GUEST"
	rest
	count_move nothing 0 decrease &&
		count_move inflate -$MOVED decrease &&
		count_move deflate $MOVED increase
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
	# or the kernel makes large blocks again by itself
	guest "echo 0 >/proc/sys/vm/compaction_proactiveness"
	# all but 24 MiB, so that there is no large block beside the holes
	guest in_background hog $(($(fact MemAvailable) / 1024 - 24)) holes
	ok "a program holds every second page" \
		wait_for 60 guest grep -q holds /tmp/background.log || return
	rest
	# of what is left no two pages are neighbours, and a process needs four
	stage "$GUEST: both moves, with holes"
	GUEST_LIMIT=400 guest "exec move -$HOLED back" >/tmp/moved
	sed '1s/^/D move inflate-holes /;2s/^/D move deflate-holes /' /tmp/moved
	ok "with holes: moved there and back" \
		[ "$(grep -c ^moved /tmp/moved)" = 2 ]
}

# one page after the other is lent while the balloon moves; the module ends by
# itself, and says what it saw
lender() {
	guest_start memory=1024 name="$GUEST"
	rest
	for _kib in -$MOVED $MOVED; do
		stage "$GUEST: a lender while $_kib KiB move"
		echo "D lender $(GUEST_LIMIT=400 guest \
			"insmod /bench/lender.ko kib=$_kib && rmmod lender &&
			dmesg | sed -n 's/^.*bench-lender: //p' | tail -n 1")"
		sleep 2
	done
}

# by the clock on the wall
wall() {
	guest_start memory=1024 name="$GUEST"
	sleep 5
	for _round in 1 2 3; do
		move inflate -$MOVED && move deflate $MOVED || return
	done
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

# boot MIB [NAME [PARAMETER]]: until the first line of init, which the kernel
# announces.  It has the CPU to itself: dom0 has come to rest, sleeps, and gets
# no line to hand on.
boot() {
	guest_start memory=256 maxmem="$1" name="$GUEST" log=quiet \
		paused=yes extra="initramfs_async=0 ${3:-}"
	sleep $QUIET
	xl unpause "$NAME"
	sleep $BOOTED
	guest_answers 60 || give_up "$NAME answers"
	ok "$1 MiB: settles after its boot" wait_for 60 settled || return
	echo "D boot 256 ${2:-$1} $(guest dmesg |
		sed -n 's/^\[ *\([0-9.]*\)\] Run .init as init process.*/\1/p')"
	xl destroy "$ID"
	sleep 2
}

# the debt is paid beside what else happens in a boot, never in the same order
pod() {
	for _mib in 1024 1024 1024 1024 1024 256 256 256; do
		boot $_mib || return
	done
}

pod_xen() {
	for _try in 1 2 3; do
		boot 1024 1024-xen xen.balloon_boot_xen_scrubs=1 || return
	done
}

$PART
[ "$FAILED" -eq 0 ]
