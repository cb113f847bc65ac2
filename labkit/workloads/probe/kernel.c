/* The kernel that it runs on: its version, clocks and log. */

#include <stdio.h>
#include <sys/klog.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "probe.h"

#define AREA "kernel"
#define READ_ALL 3 /* syslog(2), SYSLOG_ACTION_READ_ALL */

static void clock_row(const char *question, clockid_t clock)
{
    struct timespec now = {0};

    if (clock_gettime(clock, &now) < 0)
        row("fact", AREA, question, "s", "%s", outcome_name(errno));
    else
        row("fact", AREA, question, "s", "%lld", (long long)now.tv_sec);
}

static int read_log(const void *unused)
{
    char text[64];

    (void)unused;
    return failure(klogctl(READ_ALL, text, sizeof text));
}

/* Neither a time nor a zone: the kernel checks the privilege, and has nothing to do (kernel/time/time.c). */
static int set_clock(const void *unused)
{
    (void)unused;
    return failure(syscall(SYS_settimeofday, NULL, NULL));
}

void kernel(void)
{
    struct utsname name;

    if (uname(&name) == 0) {
        row("fact", AREA, "release", "", "%s", name.release);
        row("fact", AREA, "version", "", "%s", name.version);
        row("fact", AREA, "machine", "", "%s", name.machine);
    }
    /* Another one is another kernel, in which the first namespaces have the same identifiers (random(4)). */
    row("fact", AREA, "boot id", "", "%s", line_of("/proc/sys/kernel/random/boot_id"));
    clock_row("real-time clock", CLOCK_REALTIME);
    clock_row("time since the boot", CLOCK_BOOTTIME);
    can(AREA, "set the clock", attempt(set_clock, NULL));
    can(AREA, "read the kernel's log", attempt(read_log, NULL));
}
