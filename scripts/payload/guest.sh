# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What the guest part of a scenario may use; sourced in the guest before
# the scenario's own file.

BALLOON=/sys/devices/system/xen_memory/xen_memory0

# counter NAME: an attribute of the balloon: target_kb, info/current_kb, ...
counter() { cat "$BALLOON/$1"; }

# meminfo NAME: a line of /proc/meminfo, in KiB
meminfo() { awk -v k="$1:" '$1 == k { print $2 }' /proc/meminfo; }

# vmstat NAME: a counter of /proc/vmstat
vmstat() { awk -v k="$1" '$1 == k { print $2 }' /proc/vmstat; }

# blocks: how many memory blocks there are
blocks() {
	find /sys/devices/system/memory -name 'memory[0-9]*' | wc -l
}

# in_background COMMAND...: goes on after the request was answered
in_background() { setsid "$@" >/tmp/background.log 2>&1 </dev/null & }

# bare_report: what a kernel without Xen shows of the driver
bare_report() {
	echo "bare: balloon $([ -e "$BALLOON" ] && echo yes || echo no)"
	echo "bare: sysctl $([ -e /proc/sys/xen ] && echo yes || echo no)"
	# shellcheck disable=SC2009 # a kernel thread
	echo "bare: thread $(ps | grep -c '[x]en-balloon')"
	echo "bare: MemTotal $(meminfo MemTotal)"
	echo "bare: end"
} >/dev/console
