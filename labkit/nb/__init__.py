"""What the notebooks import, and what runs them and makes the site of them.

displays     tables and figures as a notebook shows them
namespaces   one command outside, inside, and inside with one namespace left out
seccomp      profiles, compiled filters, commands under each of them, and what a filter costs
attempts     one attempt for each capability that can be shown safely
capabilities each attempt with each capability alone, and what execve makes of the five sets
throttling, contention, memory, forks, transfer
             a container at each of its limits, measured: CPU quota, CPU weight, memory, processes, a disk
limited      the container of such a measurement
recorder     figures read again and again by a thread of their own
watch        a running container watched: a widget, or a figure (monitor has what is drawn)
versions     each limit as files of cgroup v1 and v2
pressure     the host's pressure stall information
census       what exists on the host: processes, mounts, cgroups, descriptors; to see that nothing leaked
stepping     a container made one step at a time, and what each step has changed
builder      a container with mechanisms switched on and off, and what the process can then do
propagation  mounts that cross into a container and out of it; layers: an overlay by hand; masks: covered paths
startup      the start-up experiment as a notebook measures or reads it
study        the study as its notebooks measure or read it; synthesis: its tables and sentences
bar          how far a measurement is, in a notebook
places       where the repository's folders are, whatever the working folder
profiles     how much is measured: tiny, quick, full
batch        notebooks executed in order by papermill
site         executed notebooks and stored observations made into the static site
"""
