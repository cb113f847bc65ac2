/* Who the process is, in which namespaces (namespaces(7)), and which processes it sees. */

#include <dirent.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe.h"

#define AREA "identity"

static void map(const char *name, const char *path)
{
    char text[1024] = "", *end = text;
    unsigned inside, outside, size;
    FILE *file = fopen(path, "re");

    if (!file) {
        row("fact", AREA, name, "", "%s", outcome_name(errno));
        return;
    }
    while (end < text + sizeof text - 64 && fscanf(file, "%u %u %u", &inside, &outside, &size) == 3)
        end += sprintf(end, "%s%u %u %u", end == text ? "" : ", ", inside, outside, size);
    fclose(file);
    row("fact", AREA, name, "", "%s", text);
}

static void groups(void)
{
    struct names names = {""};
    gid_t list[256];
    int count = getgroups(256, list);
    char text[16];

    for (int i = 0; i < count; i++)
        /* Its own group gives it nothing more. */
        if (list[i] != getgid()) {
            sprintf(text, "%u", list[i]);
            add(&names, text);
        }
    row("set", AREA, "supplementary groups", "", "%s", names.text);
}

static void namespaces(void)
{
    static const char *const kinds[] = {"mnt", "pid", "net", "ipc", "uts", "user", "cgroup", "time"};
    char path[64], question[64], text[128];

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        ssize_t length;
        snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
        snprintf(question, sizeof question, "%s namespace", kinds[i]);
        length = readlink(path, text, sizeof text - 1);
        if (length >= 0)
            text[length] = 0;
        row("namespace", AREA, question, "", "%s", length < 0 ? outcome_name(errno) : text);
    }
}

static void descriptors(void)
{
    struct names names = {""};
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    char text[4096];

    while (folder && (entry = readdir(folder))) {
        int number = atoi(entry->d_name);
        ssize_t length = readlinkat(dirfd(folder), entry->d_name, text, sizeof text - 1);
        if (length < 0 || number <= 2 || number == dirfd(folder))
            continue;
        text[length] = 0;
        add(&names, text);
    }
    row("set", AREA, "descriptors open besides stdio", "", "%s", folder ? names.text : "");
    if (folder)
        closedir(folder);
}

/* A line is ID:CONTROLLERS:PATH (cgroups(7)); within a cgroup namespace the path of its own root is "/". */
static void cgroups(void)
{
    struct names names = {""};
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[4096];

    while (file && fgets(line, sizeof line, file)) {
        char *path = strrchr(line, ':');
        line[strcspn(line, "\n")] = 0;
        if (path && strcmp(path + 1, "/"))
            add(&names, path + 1);
    }
    if (file)
        fclose(file);
    row("set", AREA, "cgroups whose place in the host's tree it sees", "", "%s", names.text);
}

static void processes(void)
{
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    int others = 0;

    while (folder && (entry = readdir(folder)))
        if (atoi(entry->d_name) > 0 && atoi(entry->d_name) != getpid())
            others++;
    if (folder)
        closedir(folder);
    row("count", AREA, "processes of others in /proc", "1", "%d", others);
}

void identity(void)
{
    char text[4096];

    row("fact", AREA, "process id", "", "%d", getpid());
    row("fact", AREA, "parent's process id", "", "%d", getppid());
    row("fact", AREA, "user and group", "", "%u:%u", geteuid(), getegid());
    groups();
    map("uid_map", "/proc/self/uid_map");
    map("gid_map", "/proc/self/gid_map");
    row("fact", AREA, "setgroups(2) in its user namespace", "", "%s", line_of("/proc/self/setgroups"));
    namespaces();
    cgroups();
    descriptors();
    processes();
    row("fact", AREA, "working folder", "", "%s", getcwd(text, sizeof text) ? text : outcome_name(errno));
    row("fact", AREA, "host name", "", "%s", gethostname(text, sizeof text) ? outcome_name(errno) : text);
}
