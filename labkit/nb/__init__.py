"""What the notebooks import, and what runs them and makes the site of them.

displays     tables and figures as a notebook shows them
namespaces   one command outside, inside, and inside with one namespace left out
census       what exists on the host: processes, mounts, cgroups, descriptors; to see that nothing leaked
startup      the start-up experiment as a notebook measures or reads it
places       where the repository's folders are, whatever the working folder
profiles     how much is measured: tiny, quick, full
batch        notebooks executed in order by papermill
site         executed notebooks and stored observations made into the static site
"""
