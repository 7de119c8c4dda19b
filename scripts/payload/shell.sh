# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What dom0-init runs for `make shell`, with dom0.sh sourced: guests, then a
# shell on the serial port, $host, that is otherwise the host's.
# shellcheck disable=SC2154

# the guests' consoles have their own logs
exec 3>/tmp/consoles.log
exec <"$host" >"$host" 2>&1
stty sane rows "${ROWS:-24}" cols "${COLS:-80}"

for GUEST in $SHELL_JOB; do
	echo "starting $GUEST with 512 MiB"
	(guest_start name="$GUEST" extra=console-shell) | sed -n 's/^T not ok /cannot: /p'
done
cat <<'HINTS'

This is dom0 on Xen, with guests up. Some things to try:
  xl list                    what runs, and how large it is
  xl mem-set pvh 256         a target in MiB; xl list again shows it followed
  xl mem-max pvh 1024        allow more than it booted with, then mem-set
  xl console pv              the guest's console; Ctrl-] leaves it
  xl dmesg                   what Xen says
  ask pvh COMMAND            run a command in a guest, as
    ask pvh 'grep . $BALLOON/info/*'
  exit                       ends all of it (so does Ctrl-A x)

HINTS
cat >/bin/ask <<'IN'
#!/bin/sh
id=$(xl domid "$1") || exit
shift
xenrpc call "$id" ". /lib/guest.sh; $*"
IN
chmod +x /bin/ask
cd /root || exit
export PS1='dom0# ' TERM="${SHELL_TERM:-vt100}" HOME=/root
setsid -c sh -i <"$host" >"$host" 2>&1
