"""What else a job is known by: the ids and names a person may hold in hand when asking what became of it.

NCA's id is the ledger's key and the row's id has an index. Everything here gets a pointer of its own in the ledger, as far as
the job's id cannot be read out of it.
"""

import re
from collections.abc import Iterable

from reelkeeper.domain.callback import WORD_CHARS
from reelkeeper.domain.job import Job
from reelkeeper.domain.naming import OUTPUTS_PREFIX, QUARANTINE_PREFIX, object_key

# A job with more outputs than this is found by its other names.
_NAMES = 10
_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_FOLDER = re.compile(rf"(?:{OUTPUTS_PREFIX}|{QUARANTINE_PREFIX})([^/]+)/")


def references(job: Job, *, message_ids: Iterable[str] = (), target_id: str | None = None) -> frozenset[str]:
    """What must lead to this job: its messages, the record its output belongs to, and file names that do not show its id.

    The texts of a transcription are called the same in every job; such a name would lead nowhere.
    """
    names = [output.name for output in job.outputs if output.source_url is not None][:_NAMES]
    folder = object_key(job.job_id, 0, "").split("/")[1]
    wanted = {*message_ids, target_id, job.target_id, *names, folder}
    return frozenset(one for one in wanted if one and job.job_id not in one and len(one) <= WORD_CHARS)


def job_ids_in(text: str) -> tuple[str, ...]:
    """Ids of jobs that a file name, an object's key or an address shows, the likeliest first; the text itself is the last."""
    folders = _FOLDER.findall(text)
    return tuple(dict.fromkeys((*folders, *_ID.findall(text), text)))


def name_in_address(text: str) -> str:
    """The last part of an address or a key, without its query: the file's own name."""
    return text.partition("?")[0].rstrip("/").rpartition("/")[2]
