"""What every stage may use: errors, processes, files, hashing, locks, paths. Imports no stage."""
