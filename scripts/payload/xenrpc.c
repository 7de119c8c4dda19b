// SPDX-License-Identifier: GPL-2.0
/*
 * xenrpc - run a shell command in a guest from dom0, through xenstore
 *
 *   xenrpc serve                         in the guest: run what is asked
 *   xenrpc call [-t SECONDS] DOMID TEXT  in dom0: ask, print, return status
 *
 * The guest's console stays a plain log that way, and a guest that was saved
 * and restored is found again: the kernel registers its watches anew, and
 * the paths below are relative to the domain, whatever its number.
 *
 * A request is data/rpc/request = "ID TEXT".  The answer comes in pieces,
 * data/rpc/reply/0 and up, and is complete once data/rpc/done reads
 * "ID STATUS PIECES".
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xenstore.h>

#define PIECE	2000	/* a value in xenstore holds less than 4 KiB */
#define PIECES	32	/* longer output loses its end */

/* What xenrpc itself returns, beside the statuses of commands. */
#define STATUS_TIMEOUT	124
#define STATUS_BROKEN	125

static void protect_from_oom(int score)
{
	char text[16];
	int fd, len;

	fd = open("/proc/self/oom_score_adj", O_WRONLY);
	if (fd < 0)
		return;
	len = snprintf(text, sizeof(text), "%d\n", score);
	if (write(fd, text, len) != len)
		warn("oom_score_adj");
	close(fd);
}

/* Runs @text in a shell with its output in @out; returns its status. */
static int run(const char *text, int out)
{
	int status;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		return STATUS_BROKEN;
	if (!pid) {
		protect_from_oom(0);
		dup2(out, 1);
		dup2(out, 2);
		execl("/bin/sh", "sh", "-c", text, NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return STATUS_BROKEN;
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
				     WEXITSTATUS(status);
}

static void answer(struct xs_handle *xs, const char *request)
{
	unsigned long long id;
	char data[PIECE], path[64];
	int status, pieces = 0;
	int skip = 0, out;
	ssize_t len;

	if (sscanf(request, "%llu %n", &id, &skip) < 1 || !skip)
		return;

	/* a file, not a pipe: a job left in the background may keep it open */
	out = memfd_create("rpc", MFD_CLOEXEC);
	if (out < 0) {
		status = STATUS_BROKEN;
	} else {
		status = run(request + skip, out);
		while (pieces < PIECES) {
			len = pread(out, data, sizeof(data), pieces * PIECE);
			if (len <= 0)
				break;
			snprintf(path, sizeof(path), "data/rpc/reply/%d",
				 pieces);
			if (!xs_write(xs, XBT_NULL, path, data, len))
				warn("%s", path);
			pieces++;
		}
		close(out);
	}
	len = snprintf(data, sizeof(data), "%llu %d %d", id, status, pieces);
	if (!xs_write(xs, XBT_NULL, "data/rpc/done", data, len))
		warn("data/rpc/done");
}

static int serve(void)
{
	struct xs_handle *xs = xs_open(0);
	char *last = strdup("");

	if (!xs)
		err(1, "xenstore");
	if (!xs_watch(xs, "data/rpc/request", "rpc"))
		err(1, "watch");
	protect_from_oom(-1000);
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		warn("mlockall");

	for (;;) {
		unsigned int n;
		char **event = xs_read_watch(xs, &n);
		char *request;

		if (!event)
			err(1, "xs_read_watch");
		free(event);
		request = xs_read(xs, XBT_NULL, "data/rpc/request", &n);
		if (!request)
			continue;
		/* a watch fires again after a restore: asked once, run once */
		if (strcmp(request, last)) {
			answer(xs, request);
			free(last);
			last = request;
		} else {
			free(request);
		}
	}
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Waits for the next event until @end; false: too late. */
static bool wait_event(struct xs_handle *xs, double end)
{
	struct pollfd fd = { .fd = xs_fileno(xs), .events = POLLIN };
	double left = end - now();
	unsigned int n;

	if (left <= 0 || poll(&fd, 1, left * 1000 + 1) <= 0)
		return false;
	free(xs_read_watch(xs, &n));
	return true;
}

static int call(int domid, const char *text, double seconds)
{
	unsigned long long id = (unsigned long long)(now() * 1e6), got;
	char base[64], path[128], *request, *value;
	struct xs_handle *xs = xs_open(0);
	double end = now() + seconds;
	int status, pieces, i, len;
	unsigned int n;

	if (!xs)
		err(STATUS_BROKEN, "xenstore");
	snprintf(base, sizeof(base), "/local/domain/%d/data/rpc", domid);
	snprintf(path, sizeof(path), "%s/done", base);
	if (!xs_watch(xs, path, "done"))
		err(STATUS_BROKEN, "%s", path);
	len = asprintf(&request, "%llu %s", id, text);
	snprintf(path, sizeof(path), "%s/request", base);
	if (len < 0 || !xs_write(xs, XBT_NULL, path, request, len))
		err(STATUS_BROKEN, "%s", path);

	snprintf(path, sizeof(path), "%s/done", base);
	for (;;) {
		if (!wait_event(xs, end))
			return STATUS_TIMEOUT;
		value = xs_read(xs, XBT_NULL, path, &n);
		if (value && sscanf(value, "%llu %d %d", &got, &status,
				    &pieces) == 3 && got == id)
			break;
		free(value);
	}
	for (i = 0; i < pieces; i++) {
		snprintf(path, sizeof(path), "%s/reply/%d", base, i);
		value = xs_read(xs, XBT_NULL, path, &n);
		if (!value)
			return STATUS_BROKEN;
		fwrite(value, 1, n, stdout);
		free(value);
	}
	return status;
}

int main(int argc, char **argv)
{
	double seconds = 60;
	int arg = 2;

	if (argc == 2 && !strcmp(argv[1], "serve"))
		return serve();
	if (argc > 4 && !strcmp(argv[2], "-t")) {
		seconds = atof(argv[3]);
		arg = 4;
	}
	if (argc == arg + 2 && !strcmp(argv[1], "call"))
		return call(atoi(argv[arg]), argv[arg + 1], seconds);
	errx(STATUS_BROKEN,
	     "usage: xenrpc serve | call [-t SECONDS] DOMID TEXT");
}
