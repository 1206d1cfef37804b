"""Tools that tests break things with: a TCP fault proxy, small disks, busy cores, processes, network namespaces.

Everything here undoes itself at the end of its ``with`` block, ends only what it started, and is tested itself.
"""
