"""The probe: what can be seen and done inside a sandbox, as one table that is the same for every runtime.

    program    the static program in C that looks, compiled once: it runs in any image, and needs nothing there
    look       runs it in a runtime
    table      what it wrote as tidy rows, each with a verdict
    strength   which of two sandboxes keeps more, row by row

The program in C: main.c and probe.h hold what its parts share; the others are an area of the table each.
"""
