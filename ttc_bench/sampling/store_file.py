"""The SQLite file behind a store: opening it, and one sentence for everything that can be wrong with it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tenacity import Retrying, retry_if_exception_message, stop_after_delay, wait_random

from ttc_bench.errors import TtcError

SCHEMA = """
create table if not exists requests (
    address text primary key,   -- sha256 of the canonical request
    model text not null,
    request text not null       -- the canonical JSON itself
);
create table if not exists samples (
    address text not null references requests(address),
    idx integer not null,       -- 0..n-1; with the address it decides the sample's randomness
    text text not null,
    reasoning text not null,
    stop_reason text not null,
    prompt_tokens integer not null,  -- as billed: 0 where an earlier sample of the same call paid the prompt
    cached_tokens integer not null,
    completion_tokens integer not null,
    reasoning_tokens integer not null,
    token_source text not null,
    shares_prompt integer not null,
    signals text not null,      -- JSON object
    created text not null,      -- UTC, ISO 8601
    primary key (address, idx)
);
create table if not exists follow_ups (
    address text not null,      -- of the request whose sample is gone on from
    idx integer not null,
    change text not null,       -- what was done to it: "budget 64 exit", "wait 1 Wait", "refine 2", ...
    child text references requests(address),  -- where the sample of the same idx is the rest; null: nothing changes
    primary key (address, idx, change)
);
create table if not exists scores (
    verifier text not null,     -- its identity: name, revision, dtype and whatever else can change a score
    item text not null,         -- sha256 of what was scored, whichever run it came from
    value real,                 -- null: it was asked and gave no verdict
    prompt_tokens integer not null,
    completion_tokens integer not null,
    parameters integer,         -- of the verifier's own model
    created text not null,
    primary key (verifier, item)
);
create table if not exists grades (
    address text not null,      -- of the request whose samples are graded
    change text not null,       -- that was made to them before, as in follow_ups; "": none
    grading text not null,      -- sha256 of the grader, its settings and the problem
    version text not null,      -- sha256 of the code that graded; another one grades anew
    columns blob not null,      -- an Arrow stream, all samples of the request (grading/columns.py)
    primary key (address, change, grading)
);
create table if not exists claims (
    address text primary key,   -- of a request whose samples a run is making
    owner text not null,        -- that run (claims.py)
    beat integer not null       -- grows while it lives
);
"""
VERSION = 1
OURS = 0x7474_6362  # application_id: "ttcb"
WAIT_S = 60.0  # for a lock that another process holds
LOG_PAGES = (
    20_000  # of the log beside the file, 80 MB, at which whoever commits empties it (writing.py does so earlier)
)
NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "lustre",
    "gpfs",
    "beegfs",
    "glusterfs",
    "fuse.sshfs",
}
_EXPECTED = {"requests", "samples"}  # tables of every store there ever was


class StoreError(TtcError):
    """The sample store cannot be used, or no longer."""


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """An open store, made new where there is none, for one thread at a time. A statement outside a transaction commits.
    Raises StoreError, in one line, for a file that is no store, damaged, of another version, or on a network file
    system."""
    try:
        return _read_only(path) if read_only else _writable(path)
    except (sqlite3.Error, OSError) as error:
        raise explained(path, error) from None
    except (UnicodeError, OverflowError) as error:  # names of tables that are no text
        raise damaged(path, error) from None


def explained(path: Path, error: Exception) -> StoreError:
    """What an error of SQLite means for the user, and what to do next."""
    words = " ".join(str(error).split())
    for symptom, meaning in _MEANINGS.items():
        if symptom in words:
            return StoreError(f"{path}: {meaning} ({words})")
    return StoreError(f"{path}: cannot be used as a sample store ({words}); name another file with --store")


def damaged(path: Path, error: Exception) -> StoreError:
    """The sentence for a file whose content no store would have written."""
    return StoreError(f"{path}: {_MEANINGS['malformed']} ({' '.join(str(error).split())[:100]})")


_MEANINGS = {
    "disk is full": "no room is left on the disk; make some and type the same command again: what is stored is kept",
    "malformed": "the file is damaged; try `sqlite3 FILE .recover`, restore a copy, or name another file with --store",
    "not a database": "cannot be used as a sample store; name another file with --store",
    "readonly": "the file cannot be written to; name another one with --store",
    "locked": f"another program has locked the file for {WAIT_S:.0f} s; end it, or name another file with --store",
    "disk I/O": "the disk cannot be read or written; name a file on another disk with --store",
}


def _writable(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    if (kind := file_system(path.parent)) in NETWORK:
        raise StoreError(
            f"{path}: lies on a network file system ({kind}), where SQLite's locks do not hold between machines and "
            "samples could be paid for twice; name a file on a local disk with --store"
        )
    db = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
    try:
        _check(db, path)
        _log_ahead(db)
        db.execute("pragma synchronous = normal")  # survives kill -9; a power cut may cost the last samples
        db.execute(f"pragma wal_autocheckpoint = {LOG_PAGES}")
        marks = f"pragma user_version = {VERSION}; pragma application_id = {OURS};"
        db.executescript(f"begin immediate; {SCHEMA} {marks} commit;")  # at once: nobody may see half a store
    except BaseException:
        db.close()
        raise
    return db


def _log_ahead(db: sqlite3.Connection) -> None:
    """Turns the write-ahead log on, which SQLite does not wait for where others open the same new file."""
    busy = retry_if_exception_message(match="database is locked")
    for attempt in Retrying(retry=busy, stop=stop_after_delay(WAIT_S), wait=wait_random(0.01, 0.1), reraise=True):
        with attempt:
            db.execute("pragma journal_mode = wal")


def _read_only(path: Path) -> sqlite3.Connection:
    """Writes nothing, not even beside the file: on a read-only disk SQLite must be told that nobody else writes."""
    try:
        return _checked(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if not any(symptom in str(error) for symptom in ("unable to open", "readonly")):
            raise
        wal = Path(f"{path}-wal")
        if wal.exists() and wal.stat().st_size:  # which a file that nobody may write is read without
            raise StoreError(
                f"{path}: its last samples are in {wal.name}, which cannot be read where nothing can be written; copy "
                "both files to another folder"
            ) from None
        return _checked(path, "mode=ro&immutable=1")


def _checked(path: Path, options: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{options}"
    db = sqlite3.connect(uri, uri=True, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
    try:
        _check(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _check(db: sqlite3.Connection, path: Path) -> None:
    """Raises StoreError for somebody else's SQLite file, and for a store of another version; never adopts one."""
    tables = {name for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
    application, version = (db.execute(f"pragma {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if tables and (application not in (0, OURS) or not tables >= _EXPECTED):
        raise StoreError(f"{path}: is an SQLite file of another program; name another file with --store")
    if version not in (0, VERSION):
        raise StoreError(
            f"{path}: store version {version}, this ttc-bench reads {VERSION}; name another file with --store"
        )


def file_system(folder: Path) -> str:
    """The type of the file system that a folder lies on, as Linux names it; "" where that is not known."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    place, kind, longest = folder.resolve(), "", -1
    for line in mounts:
        _, point, name, *_ = line.split()
        at = Path(point.replace("\\040", " "))
        if (place == at or at in place.parents) and len(at.parts) >= longest:
            kind, longest = name, len(at.parts)
    return kind
