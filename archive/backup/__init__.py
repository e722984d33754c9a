"""Backups: snapshots of a station in a folder of their own, taken while it runs.

    DIR/backup.json  lock                        what it is; who writes it
    DIR/snapshots/20260506T023000Z/              a snapshot: files as they lie in the station, below their common folder
        manifest.json                            what it holds, with SHA-256 of each file; written last: it is whole
    DIR/snapshots/partial/                       one that was not finished; the next one goes on with it
    DIR/latest -> snapshots/…                    the newest

A file that has not changed since the snapshot before is a hard link to it: each snapshot is complete, and costs what
is new.
"""
