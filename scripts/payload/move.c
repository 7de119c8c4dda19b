// SPDX-License-Identifier: GPL-2.0
/*
 * move - move the balloon of this guest and say how long it took
 *
 *   move KIB       hold so many KiB more or (negative) less than now
 *   move KIB MS    the same, with a look every MS milliseconds to the end: for
 *                  who counts what happens meanwhile
 *   move KIB back  the same, and back after two seconds: where no process can
 *                  be started in between
 *
 * Prints "moved NS PAGES" once info/current_kb is where it should be, or
 * "missed NS PAGES" when it has stood still for STILL seconds.
 *
 * Who watches must not slow down what it watches.  So it sleeps 4 ms between
 * two looks, and runs only when nobody else wants the CPU (SCHED_IDLE).  Of the
 * last eighth it does not sleep, so that it sees the very end.  Even there it
 * gives the CPU away after each look: the scheduler gives a share to the idle
 * as well, and who takes it keeps it until the next tick, 4 ms later.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BALLOON	"/sys/devices/system/xen_memory/xen_memory0/"
#define STILL	10.0

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static long current_kb(int fd)
{
	char text[32];
	ssize_t len;

	len = pread(fd, text, sizeof(text) - 1, 0);
	if (len <= 0)
		err(1, "current_kb");
	text[len] = '\0';
	return strtol(text, NULL, 10);
}

/* Hold @kib more or less, look every @ms milliseconds (0: the usual way); how
 * it went is printed.  Return: whether it got there.
 */
static bool move(long kib, long ms)
{
	struct timespec nap = { .tv_nsec = (ms ?: 4) * 1000000 };
	long before, holds, last, wanted;
	int64_t start, end, seen;
	int fd, target, len;
	char text[32];

	fd = open(BALLOON "info/current_kb", O_RDONLY);
	if (fd < 0)
		err(1, "current_kb");
	last = before = current_kb(fd);
	wanted = before + kib;
	len = snprintf(text, sizeof(text), "%ld", wanted);

	target = open(BALLOON "target_kb", O_WRONLY);
	if (target < 0)
		err(1, "target_kb");
	seen = start = now();
	if (write(target, text, len) != len)
		err(1, "target_kb");
	for (;;) {
		holds = current_kb(fd);
		end = now();
		if (holds == wanted)
			break;
		if (holds != last)
			seen = end;
		else if (end - seen > STILL * 1e9)
			break;
		last = holds;
		if (ms || labs(wanted - holds) > labs(kib) / 8)
			nanosleep(&nap, NULL);
		else
			sched_yield();
	}
	close(target);
	close(fd);
	printf("%s %lld %ld\n", holds == wanted ? "moved" : "missed",
	       (long long)(end - start), labs(holds - before) / 4);
	return holds == wanted;
}

int main(int argc, char **argv)
{
	const struct sched_param param = { 0 };
	bool back = argc == 3 && !strcmp(argv[2], "back");
	long ms = argc == 3 && !back ? strtol(argv[2], NULL, 10) : 0;
	long kib;

	if (argc < 2 || argc > 3)
		errx(2, "usage: move KIB [MS | back]");
	kib = strtol(argv[1], NULL, 10);
	if (sched_setscheduler(0, SCHED_IDLE, &param))
		err(1, "SCHED_IDLE");
	if (!move(kib, ms))
		return 1;
	if (!back)
		return 0;
	sleep(2);
	return !move(-kib, 0);
}
