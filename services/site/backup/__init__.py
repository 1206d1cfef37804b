"""Backup of a running site to one file, and restore of that file to a new box.

    manifest.json       what it is of, and each member with its size and SHA-256
    log.db, notify.db   as of one moment each, the ledger of messages after the log
    history.db          only when it was asked for: the log is what it was made from
    tokens.json, commission.json, undurable.mark
    site/...            site file with its includes, profiles, CSV files and certificates
    secrets.sealed      token, passwords, keys; only with a passphrase

A gzip-compressed tar, so that any machine can look into it. The modules: manifest, sealing, collecting, copying,
making, restoring, mark.
"""
