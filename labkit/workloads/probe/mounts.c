/* Its mounts, from /proc/self/mountinfo (proc_pid_mountinfo(5)). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"

#define AREA "mounts"

/* Whether a comma-separated list has the word. */
static int has(const char *list, const char *word)
{
    size_t length = strlen(word);

    for (const char *found = list; (found = strstr(found, word)); found += length)
        if ((found == list || found[-1] == ',') && (found[length] == ',' || !found[length]))
            return 1;
    return 0;
}

void mounts(void)
{
    static struct names writable, devices, set_user_id, shared, disks;
    char line[8192], place[4096], options[512], rest[8192], source[4096], above[512];
    FILE *file = fopen("/proc/self/mountinfo", "re");
    int count = 0;

    while (file && fgets(line, sizeof line, file)) {
        char *after;
        if (sscanf(line, "%*s %*s %*s %*s %4095s %511s %8191[^\n]", place, options, rest) != 3)
            continue;
        /* Optional fields up to a dash, then filesystem type, source, the superblock's options. */
        after = strstr(rest, "- ");
        if (!after || sscanf(after + 2, "%*s %4095s %511s", source, above) != 2)
            continue;
        count++;
        if (!has(options, "ro") && !has(above, "ro"))
            add(&writable, place);
        if (!has(options, "nodev"))
            add(&devices, place);
        if (!has(options, "nosuid"))
            add(&set_user_id, place);
        *after = 0;
        if (strstr(rest, "shared:") || strstr(rest, "master:"))
            add(&shared, place);
        if (!strncmp(source, "/dev/", 5))
            add(&disks, place);
    }
    if (file)
        fclose(file);
    row("fact", AREA, "mounts", "1", "%d", count);
    row("set", AREA, "writable", "", "%s", writable.text);
    row("set", AREA, "where device nodes open devices", "", "%s", devices.text);
    row("set", AREA, "where programs change the user (set-user-ID)", "", "%s", set_user_id.text);
    row("set", AREA, "that get or give mounts (propagation)", "", "%s", shared.text);
    row("set", AREA, "of a disk of the host", "", "%s", disks.text);
}
