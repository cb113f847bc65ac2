/* What the process may do by its privileges: capabilities(7), PR_SET_NO_NEW_PRIVS(2const), seccomp(2). */

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "probe.h"

#define AREA "privileges"

/* The value of a line `NAME:\tVALUE` of /proc/self/status, or "" where it has none. */
static const char *status(const char *name)
{
    static char line[256];
    FILE *file = fopen("/proc/self/status", "re");
    size_t length = strlen(name);
    const char *found = "";

    while (file && !*found && fgets(line, sizeof line, file))
        if (!strncmp(line, name, length) && line[length] == ':') {
            line[strcspn(line, "\n")] = 0;
            found = line + length + 1 + strspn(line + length + 1, " \t");
        }
    if (file)
        fclose(file);
    return found;
}

void privileges(void)
{
    static const char *const sets[][2] = {
        {"CapEff", "effective capabilities"}, {"CapPrm", "permitted capabilities"},
        {"CapBnd", "bounding capabilities"},  {"CapInh", "inheritable capabilities"},
        {"CapAmb", "ambient capabilities"},
    };

    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        row("mask", AREA, sets[i][1], "", "%s", status(sets[i][0]));
    row("level", AREA, "no_new_privs", "1", "%d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    /* 0 none, 1 strict, 2 filter; asked of procfs, since a filter may forbid to ask prctl(2). */
    row("level", AREA, "seccomp mode", "1", "%s", status("Seccomp"));
    row("fact", AREA, "seccomp filters", "1", "%s", status("Seccomp_filters"));
    row("fact", AREA, "securebits", "", "%#x", (unsigned)prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
    row("fact", AREA, "dumpable", "1", "%d", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
    row("fact", AREA, "label of a security module", "", "%s", line_of("/proc/self/attr/current"));
}
