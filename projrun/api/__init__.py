"""projrun as a library: the store and its runs, running, and doing a run again.

Everything here raises :class:`projrun.ProjrunError` for what is wrong, prints nothing, and may be called from any
thread. In the main thread Ctrl-C and signals end a program that runs, as they do on the command line. What is
public has its name in ``projrun`` itself.
"""
