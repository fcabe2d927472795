"""What the commands' --help shows beside their options: kept apart from them, so that no command is imported for it."""

BACKFILL = """See what there is, then keep it. What was kept before is passed over, so that it may be stopped, and repeated:

    reelkeeper backfill --dry-run
    reelkeeper backfill --table Segments --since 2026-01-01 --limit 100
    reelkeeper backfill --yes --json > report.json

Exit status 1 where a file was lost or rejected. What was lost is tried again by the next run.
"""

CHECK = """Exit status 1 where something is wrong, so that a script can wait for it to be right:

    reelkeeper check airtable
    reelkeeper check storage
    reelkeeper check storage --source s3://nca-media --source-endpoint https://nyc3.digitaloceanspaces.com

After the month's API calls were used up and the plan was upgraded:

    reelkeeper check airtable --resume
"""

COPY = """Never over another object. Broken off (Ctrl-C, a lost network, a killed terminal), the same command goes on where
it stopped.

An own bucket on AWS, with the rights of a profile:

    reelkeeper copy https://nca.example/media/film.mp4 s3://kept/films/film.mp4 --profile me

DigitalOcean Spaces, from SPACES_ENDPOINT, SPACES_REGION, SPACES_ACCESS_KEY and SPACES_SECRET_KEY (and SPACES_BUCKET_NAME, for
a target that is only a key):

    reelkeeper copy https://nca.example/media/film.mp4 films/film.mp4 --acl public-read

Any store that speaks S3, with the keys of a profile:

    reelkeeper copy https://nca.example/media/film.mp4 s3://kept/films/ --endpoint https://s3.example --profile store
"""

TRACE = """The id may be NCA's job id, an Airtable record id (of the job's row, or of the record its output belongs to), a
file's name, key or address, or the id of a message:

    reelkeeper trace 596107c1-6a62-45a8-957d-fba778a09755
    reelkeeper trace recAbc123DEF456gh
    reelkeeper trace 596107c1-6a62-45a8-957d-fba778a09755_output_0.mp4 --json

Whoever cannot be asked is one line of the timeline and stands in the way of nobody else.
"""

JOBS = """Without a filter: the open ones, the one that is due first on top.

    reelkeeper jobs --stuck
    reelkeeper jobs --state failed --state lost --since 7d
    reelkeeper jobs --record recAbc123DEF456gh --json
"""

INBOX = """They lie there when SQS was down as they came, or when they are too large for it. The poller takes them in.

    reelkeeper inbox
    reelkeeper inbox --take --yes
"""

REPLAY = """The ledger keeps each job's last callback word for word; sent in again it goes the way it went before, and has
its effect once. It reopens a job that was rejected or lost.

    reelkeeper replay 596107c1-6a62-45a8-957d-fba778a09755
    reelkeeper replay callbacks/2026/11/24/180000.000000-0123456789abcdef01234567.json --dry-run
"""

REDRIVE = """Messages end there that are none of ours, or that made a worker fail four times; each with its reason.

    reelkeeper redrive --dry-run
    reelkeeper redrive --reason "a fault of ours" --yes
    reelkeeper redrive --reason "not a Reelkeeper message" --discard
"""

RECOVER = """What the poller does when a job is due is done at once: NCA is asked for what it still has, its bucket is looked
through, a callback that is kept is sent in again. Nothing is given up without proof.

    reelkeeper recover 596107c1-6a62-45a8-957d-fba778a09755
    reelkeeper recover --all --dry-run
    reelkeeper recover --all --yes
"""

RESUBMIT = """It goes the way the mapping names for the operation (resubmit = "engine" or "nca"), as often as the mapping
allows, and not twice for the same job within a week.

    reelkeeper resubmit 596107c1-6a62-45a8-957d-fba778a09755
"""

ROTATE = """No callback is turned away meanwhile, and no other key of the secret is touched. A key that is not accepted is not
put there.

    reelkeeper rotate webhook-token
    reelkeeper rotate webhook-token --finish
    reelkeeper rotate airtable
    pass show airtable | reelkeeper rotate airtable --yes
"""

DOCTOR = """Settings, secrets, rights, bucket, permanent address, Airtable, NCA, the webhook from outside, and a round trip
through NCA. Exit status 0: all is well, or only warnings; 1: something failed; 2: it could not be looked at all.

    reelkeeper doctor
    reelkeeper doctor --no-round-trip --json
    WEBHOOK_BASE_URL=https://hooks.example.com reelkeeper doctor --wait 300
"""

REPORT = """N finished = N kept + the exceptions, each with its reason. Exit status 1 where there are exceptions. With the
parameter WeeklyReport the same comes by mail each Monday.

    reelkeeper report
    reelkeeper report --days 30 --json
"""
