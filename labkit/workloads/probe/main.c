/* The probe: a static program that says what can be seen and done where it runs, as one table on its stdout.
 *
 * It changes nothing: files are opened for writing and closed again, what acts does so in a child that ends at once,
 * and in namespaces of its own where it can make them. So it may run on a bare host, as root, as well.
 */

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "probe.h"

/* In seconds; what is tried takes microseconds. */
#define PATIENCE 2

void row(const char *kind, const char *area, const char *question, const char *unit, const char *format, ...)
{
    char answer[8192];
    va_list values;

    va_start(values, format);
    vsnprintf(answer, sizeof answer, format, values);
    va_end(values);
    for (char *c = answer; *c; c++)
        if (*c == '\t' || *c == '\n')
            *c = ' ';
    printf("%s\t%s\t%s\t%s\t%s\n", kind, area, question, answer, unit);
}

const char *outcome_name(int outcome)
{
    static char text[32];
    const char *name = NULL;

    if (outcome == 0)
        return "yes";
    if (outcome == NO_ANSWER)
        return "no answer";
    if (outcome < 0) {
        name = sigabbrev_np(-outcome);
        snprintf(text, sizeof text, "SIG%s", name ? name : "?");
        return text;
    }
    name = strerrorname_np(outcome);
    snprintf(text, sizeof text, "%s", name ? name : "an unknown error");
    return text;
}

void can(const char *area, const char *question, int outcome)
{
    row("can", area, question, "", "%s", outcome_name(outcome));
}

int attempt(int (*try)(const void *), const void *about)
{
    struct timespec patience = {.tv_sec = PATIENCE};
    sigset_t child;
    int status = 0;
    pid_t pid;

    /* Else the child, too, would write what is buffered. */
    fflush(stdout);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    pid = fork();
    if (pid < 0)
        return errno;
    if (pid == 0) {
        int outcome = try(about);
        _exit(outcome >= 0 && outcome < 255 ? outcome : 255);
    }
    /* SIGCHLD is blocked since main: it cannot come too early. */
    while (waitpid(pid, &status, WNOHANG) == 0)
        if (sigtimedwait(&child, NULL, &patience) < 0 && errno == EAGAIN) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return NO_ANSWER;
        }
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

void add(struct names *names, const char *name)
{
    size_t length = strlen(names->text), more = strlen(name);

    if (!more)
        return;
    for (const char *found = names->text; (found = strstr(found, name)); found += more)
        if ((found == names->text || found[-1] == ' ') && (found[more] == ' ' || !found[more]))
            return;
    if (length + more + 2 < sizeof names->text)
        sprintf(names->text + length, "%s%s", length ? " " : "", name);
}

const char *line_of(const char *path)
{
    static char text[4096];
    FILE *file = fopen(path, "re");

    if (!file)
        return outcome_name(errno);
    if (!fgets(text, sizeof text, file))
        text[0] = 0;
    text[strcspn(text, "\n")] = 0;
    fclose(file);
    return text;
}

int main(void)
{
    struct rlimit none = {0};
    sigset_t child;

    /* A child that a filter kills leaves no file. */
    setrlimit(RLIMIT_CORE, &none);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    puts("kind\tarea\tquestion\tanswer\tunit");
    identity();
    privileges();
    kernel();
    mounts();
    files();
    devices();
    network();
    actions();
    system_calls();
    return fflush(stdout) == 0 ? 0 : 1;
}
