/* What the parts of the probe share: a row of its table, and a try in a process of its own. */

#include <errno.h>
#include <stddef.h>

/* A row, tab-separated: kind, area, question, answer, unit. The kind says how answers are ordered:
 *
 *   can        "yes", or the error that it got: refused is the stronger
 *   set        names, separated by spaces: the smaller is the stronger
 *   mask       a set of capabilities as a hexadecimal number
 *   count      a number: the lower is the stronger
 *   level      a number: the higher is the stronger
 *   namespace  its identifier: another than the host's is the stronger
 *   fact       anything else, which has no order
 */
void row(const char *kind, const char *area, const char *question, const char *unit, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* The row of something that was tried: 0, an errno, or what `attempt` gives. */
void can(const char *area, const char *question, int outcome);

/* What became of `try` in a child: what it returned (0, or an errno), minus the signal that killed it, or NO_ANSWER. */
#define NO_ANSWER 1000
int attempt(int (*try)(const void *), const void *about);
const char *outcome_name(int outcome);

/* Names in the answer of a `set`; one that is there already is not added again. */
struct names {
    char text[8192];
};
void add(struct names *names, const char *name);

/* The first line of a file without its end, or the name of the error. */
const char *line_of(const char *path);

/* 0, or the errno of the call that gave `result`. */
static inline int failure(long result)
{
    return result < 0 ? errno : 0;
}

void identity(void);
void privileges(void);
void kernel(void);
void mounts(void);
void files(void);
void devices(void);
void network(void);
void actions(void);
void system_calls(void);
