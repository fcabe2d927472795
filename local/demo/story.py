"""The acts of the demo: each does something to the running world, looks at what became of it, and checks it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import requests

from local.demo.screen import Screen
from local.engine import Engine, Order
from local.media import make
from local.media.probe import DoesNotPlay, Probe, probe
from local.nca import Fault
from local.rights import unread_queue
from local.world import World
from reelkeeper.adapters.ledger import Ledger
from reelkeeper.domain.job import Job

SCENES = {"Opening": 0.1, "Middle": 0.4, "Ending": 0.7}
SECONDS = 2.0
REPETITIONS = 50
# What a new AWS account's functions do at once, and what two cores can start in the time the webhook gives SQS.
AT_ONCE = 10


@dataclass(slots=True)
class Story:
    """The world, the screen, and the orders given so far with what was found out about each."""

    world: World
    screen: Screen
    engine: Engine = field(init=False)
    orders: list[Order] = field(default_factory=list)
    remarks: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.engine = Engine(self.world)

    def ordered(self, order: Order) -> Order:
        self.orders.append(order)
        self.remarks[order.record_id] = []
        return order

    def remark(self, order: Order, text: str) -> None:
        """Note what was found out about an order, for the closing table."""
        self.remarks[order.record_id].append(text)

    def job(self, order: Order) -> Job | None:
        """What the ledger knows of an order's job."""
        return Ledger(self.world.aws.client("dynamodb"), self.world.aws.table).get(order.job_id)

    def told(self, orders: Sequence[Order]) -> int:
        """How many of these jobs are done: the file kept, Airtable told."""
        return sum(1 for order in orders if (job := self.job(order)) is not None and job.told_at is not None)

    def play(self, order: Order) -> Probe | None:
        """Fetch the permanent address as anyone may, and decode what it gives to the last frame."""
        url = self.engine.permanent_url(order)
        if url is None:
            return None
        answer = requests.get(url, timeout=30)
        try:
            return probe(answer.content) if answer.ok else None
        except DoesNotPlay:
            return None


def segments_are_combined(story: Story) -> list[Order]:
    """Three segments: a video and a voice each, put together by NCA."""
    screen, nca = story.screen, story.world.nca
    screen.act(
        "1. NCA puts a voice under each of three videos", "A row in Airtable for each, and NCA calls back when it is done."
    )
    urls = []
    with screen.counting("Making sample videos and voices", 2 * len(SCENES)) as made:
        for name, hue in SCENES.items():
            scene = nca.put_input(f"{name}.mp4", make.video(seconds=SECONDS, hue=hue))
            made()
            urls.append((name, scene, nca.put_input(f"{name}.mp3", make.audio(seconds=SECONDS, tone_hz=220 * (2 + hue)))))
            made()
    orders = [story.ordered(story.engine.combine(name, scene, voice)) for name, scene, voice in urls]
    screen.check(
        "three callbacks came in, three files are kept, Airtable was told of each",
        screen.wait("Callback, copy, Airtable", lambda: story.told(orders), len(orders)),
    )
    for order in orders:
        target = story.engine.target(order)
        screen.check(
            f"{target['Name']}: Airtable reads {target.get('Status')!r} and has a permanent address",
            target.get("Status") == "combined" and story.engine.permanent_url(order),
            found=story.engine.permanent_url(order) or "",
        )
    screen.check(
        "Airtable has fetched the attachments itself",
        story.world.airtable.wait_ingested(30) and all(_attached(story, order) for order in orders),
    )
    return orders


def segments_are_joined(story: Story, segments: Sequence[Order]) -> Order:
    """One film out of the segments, from the addresses Airtable gives out for two hours."""
    screen = story.screen
    screen.act("2. NCA joins the segments to one film", "From Airtable's own links, as the engine does.")
    links = [story.engine.target(order)[order.field][0]["url"] for order in segments]
    film = story.ordered(story.engine.concatenate("The film", links))
    screen.check("the film is kept, Airtable was told", screen.wait("Callback, copy, Airtable", lambda: story.told([film]), 1))
    row = story.engine.row(film)
    line = str(row.get("History", ""))
    told = row.get("Status") == "completed" and line.startswith("called back; stored ") and line.endswith("attached")
    screen.check("the job's row reads 'completed', and in one line what became of it", told, found=line)
    return film


def nca_deletes_its_copies(story: Story, orders: Sequence[Order]) -> None:
    """A day later, in effect: the files NCA made are gone, what Reelkeeper kept plays."""
    screen, nca = story.screen, story.world.nca
    screen.act("3. NCA's files vanish", "What Airtable would have shown as “Your browser does not support this video format”.")
    gone = 0
    for order in orders:
        for name in nca.toolkit.made(order.job_id):
            nca.storage.delete(name)
            gone += requests.get(nca.storage.url(name), timeout=10).status_code == 404
    screen.check(f"{gone} addresses of NCA answer 404 now", gone == len(orders))
    for order in orders:
        played = story.play(order)
        length = SECONDS * (len(SCENES) if order.operation == "concatenate" else 1)
        plays = played is not None and played.frames == round(24 * length) and played.audio_codec is not None
        screen.check(f"{order.operation} plays from its permanent address to the last frame", plays, found=str(played or "no"))
        story.remark(order, f"plays: {played}" if plays else "does not play")


def a_job_fails(story: Story) -> None:
    """A segment whose voice is missing: nobody has to guess why."""
    screen, nca = story.screen, story.world.nca
    screen.act("4. A job fails", "NCA cannot find the voice; Airtable says so instead of 'processing' for ever.")
    scene = nca.put_input("Lonely.mp4", make.video(seconds=1, hue=0.9))
    order = story.ordered(story.engine.combine("Lonely", scene, nca.storage.url("inputs/missing.mp3")))
    screen.wait("Callback, Airtable", lambda: story.told([order]), 1)
    reason = str(story.engine.row(order).get("Error Details", ""))
    screen.check("the job's row reads 'failed' and says why", "404" in reason, found=reason)
    status = story.engine.target(order).get("Status")
    screen.check(
        "the segment reads 'combination_failed' and has no attachment",
        status == "combination_failed" and not _attached(story, order),
    )
    story.remark(order, "Airtable says why")


def a_callback_comes_fifty_times(story: Story) -> None:
    """The same callback fifty times at once: one effect."""
    screen, world = story.screen, story.world
    screen.act(
        f"5. The same callback comes {REPETITIONS} times at once",
        "Queues deliver at least once; people press buttons twice. Persist is held back until all of them wait for it.",
    )
    world.nca.switches.on(Fault.NO_CALLBACK, times=1)
    scene = world.nca.put_input("Again.mp4", make.video(seconds=1, hue=0.3))
    order = story.ordered(story.engine.concatenate("Again", [scene, scene]))
    world.nca.toolkit.wait_idle()
    file = world.nca.toolkit.file(order.job_id)
    body = file.response if file else None
    world.airtable.journal.clear()
    with (
        unread_queue(world.aws),
        screen.counting("Sending", REPETITIONS) as sent,
        ThreadPoolExecutor(AT_ONCE) as callers,
    ):
        codes = []
        for code in callers.map(lambda _: world.aws.post_callback(body, order.query).status_code, range(REPETITIONS)):
            codes.append(code)
            sent()
    screen.check("each was stored and answered with 202", set(codes) == {202})
    screen.wait("One effect", lambda: story.told([order]), 1)
    screen.check(
        "all of them have been worked through", screen.wait("The rest of them", lambda: int(_queue_is_empty(world)), 1)
    )
    versions = world.aws.client("s3").list_object_versions(Bucket=world.aws.bucket, Prefix=f"outputs/{order.job_id}/")
    screen.check("the file was copied once", len(versions.get("Versions", [])) == 1)
    writes = [len(world.airtable.journal.writes(table)) for table in ("Videos", "Jobs")]
    screen.check("Airtable was written to once for the video and once for the job", writes == [1, 1], found=str(writes))
    world.airtable.wait_ingested(30)
    screen.check("the video has one attachment", len(story.engine.target(order).get(order.field, [])) == 1)
    story.remark(order, f"{REPETITIONS} callbacks, 1 copy, 1 attachment")


def a_page_comes_instead_of_a_film(story: Story, film: Order) -> None:
    """NCA's address answers with a page that asks to sign in: it is not taken for the film."""
    screen, world = story.screen, story.world
    screen.act(
        "6. An HTML page instead of a video",
        "The film is made anew, and its address answers 200 with a page. It was a film before.",
    )
    before = story.engine.target(film)
    world.nca.switches.on(Fault.HTML, times=1)
    scene = world.nca.put_input("Anew.mp4", make.video(seconds=1, hue=0.5))
    order = story.ordered(story.engine.concatenate("The film", [scene], again=film))
    screen.wait("Callback, a look inside, Airtable", lambda: story.told([order]), 1)
    reason = str(story.engine.row(order).get("Error Details", ""))
    screen.check("the job's row reads 'failed' and says what came", "an HTML page" in reason, found=reason)
    after = story.engine.target(film)
    screen.check(
        "the film's row still has its last good file and address",
        [one["id"] for one in after[film.field]] == [one["id"] for one in before[film.field]]
        and story.engine.permanent_url(film) == before.get(f"{film.field} URL"),
    )
    played = story.play(film)
    screen.check("which still plays", played is not None and played.frames > 0, found=str(played or "no"))
    aside = world.aws.client("s3").list_objects_v2(Bucket=world.aws.bucket, Prefix=f"quarantine/{order.job_id}/")
    keys = [one["Key"] for one in aside.get("Contents", [])]
    screen.check("the page lies in the quarantine", len(keys) == 1, found=", ".join(keys))
    codes = [
        requests.get(f"{world.aws.media_address}/{key}", timeout=10).status_code
        for key in (*keys, *(key.replace("quarantine/", "outputs/", 1) for key in keys))
    ]
    screen.check("and the CDN shows it to nobody", codes and all(code in (403, 404) for code in codes), found=str(codes))
    story.remark(order, "a page, not a film: set aside")


def _attached(story: Story, order: Order) -> bool:
    """Whether Airtable shows a file it has fetched: only then are size and type there."""
    cell = story.engine.target(order).get(order.field, [])
    return len(cell) == 1 and cell[0].get("size", 0) > 0


def _queue_is_empty(world: World) -> bool:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = world.aws.client("sqs").get_queue_attributes(QueueUrl=world.aws.queue_url, AttributeNames=names)
    return all(int(found["Attributes"][name]) == 0 for name in names)
