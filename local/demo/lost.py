"""The acts about jobs nobody called back about: one lost word, one killed NCA, and one job that takes its time."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from importlib.resources import files

from local.demo.story import SECONDS, Story
from local.engine import Order
from local.media import make
from local.nca import Fault
from local.passing import pass_time
from reelkeeper.adapters.notebook import Notebook
from reelkeeper.domain.incident import Kind
from reelkeeper.domain.job import JobState

# What the mapping says of concatenate in the demo; without such lines nothing is ever handed in anew.
_ALLOWED = 'resubmit = "nca"\nresubmit_path = "/v1/video/concatenate"\n'
_SECTION = "[operations.concatenate]\n"
# How long a job's row is left alone, and how long NCA's loss must last before it is believed.
_OLD = timedelta(minutes=6)
_SECOND_LOOK = timedelta(minutes=11)
_IN_THE_QUEUE = 3
# How long NCA really works on the slow job, and how many sweeps look meanwhile.
_SLOW_S, _SWEEPS = 40.0, 8


def mapping() -> str:
    """The built-in mapping, and that lost videos are handed in anew."""
    text = files("reelkeeper").joinpath("mapping.toml").read_text("utf-8")
    return text.replace(_SECTION, _SECTION + _ALLOWED)


def a_callback_is_lost(story: Story) -> Order:
    """NCA sends its callback once; this one meets a closed door."""
    screen, nca = story.screen, story.world.nca
    screen.act("7. A callback is lost", "NCA says a thing once. The poller reads Airtable's open rows and asks NCA about them.")
    nca.switches.on(Fault.NO_CALLBACK, times=1)
    order = _older(story, partial(_joined, story, "Unheard", 0.5))
    nca.toolkit.wait_idle()
    screen.check("nobody has heard of the job, and its row reads 'processing'", story.job(order) is None)
    swept = story.world.aws.invoke("poller")
    screen.check("the next sweep finds its row and its end", swept["entered"] == 1 and swept["sent"] == 1)
    screen.wait("Copy, Airtable", lambda: story.told([order]), 1)
    job = story.job(order)
    screen.check(
        "the file is kept, Airtable says 'completed'",
        job is not None and job.origin == "poll" and story.engine.row(order).get("Status") == "completed",
    )
    _plays(story, order)
    return order


def nca_is_killed(story: Story) -> list[Order]:
    """The container is killed with jobs in its queue, which lives in memory."""
    screen, world = story.screen, story.world
    screen.act(
        "8. NCA is killed with jobs in its queue",
        "Its queue is in memory, and its files say 'queued' for ever. The proof: another worker answers; the bucket is empty.",
        "Sweeps are minutes apart; here the ledger's time is moved on instead of waiting.",
    )
    world.nca.switches.on(Fault.SLOW, seconds=600)
    orders = [_older(story, partial(_joined, story, f"Killed {number}", 0.2 * number)) for number in range(_IN_THE_QUEUE)]
    before = world.aws.invoke("poller")
    screen.check(
        f"{_IN_THE_QUEUE} jobs are under way; the sweep leaves them alone", before["lost"] == 0 and before["sent"] == 0
    )
    world.nca.toolkit.restart()
    world.nca.switches.off()
    screen.step("NCA is killed and comes up again.")
    pass_time(world, _SECOND_LOOK)
    first = world.aws.invoke("poller")
    screen.check("the first sweep doubts and gives nothing up", first["lost"] == 0)
    pass_time(world, _SECOND_LOOK)
    second = world.aws.invoke("poller")
    screen.check(
        "the second, eleven minutes later, knows, and hands all of them in anew",
        second["lost"] == second["resubmitted"] == _IN_THE_QUEUE,
        found=f"lost {second['lost']}, handed in anew {second['resubmitted']}",
    )
    incident = Notebook(world.aws.client("dynamodb"), world.aws.table).incident(Kind.NCA_RESTARTED)
    screen.check("it is one incident, told to people once", incident is not None, found=incident.what if incident else "")
    world.nca.toolkit.wait_idle()
    pass_time(world, _OLD)
    world.aws.invoke("poller")
    finished = screen.wait("Callback, copy, Airtable", lambda: _completed(story, orders), len(orders))
    screen.check("every one of them is finished after all", finished)
    for order in orders:
        job = story.job(order)
        lost = job is not None and job.state is JobState.LOST
        screen.check("the ledger has the lost job, and what became of it", lost, found=job.history[-1].what if job else "")
        story.remark(order, "its successor")
        _plays(story, order)
    return orders


def a_job_takes_its_time(story: Story) -> Order:
    """27 minutes in the queue and 17 of work were seen, and were a success."""
    screen, world = story.screen, story.world
    screen.act(
        "9. A job takes 44 minutes",
        "The longest of 33 recorded jobs did, and was a success. Time is virtual here: NCA works for half a minute, while the",
        "ledger's time is moved on between the sweeps.",
    )
    world.nca.switches.on(Fault.SLOW, seconds=_SLOW_S, times=1)
    order = _older(story, partial(_joined, story, "Slow", 0.8))
    patient = []
    with screen.counting("Sweeps, five minutes apart", _SWEEPS) as swept:
        for _ in range(_SWEEPS):
            world.aws.invoke("poller")
            job = story.job(order)
            patient.append(job is not None and job.state is JobState.SUBMITTED and job.gone_since is None)
            pass_time(world, timedelta(minutes=5))
            swept()
    age = 6 + 5 * _SWEEPS
    screen.check(f"{_SWEEPS} sweeps in {age} minutes looked at it, and none failed it", all(patient))
    screen.wait("Callback, copy, Airtable", lambda: _completed(story, [order]), 1)
    screen.check("its success is in Airtable", story.engine.row(order).get("Status") == "completed")
    _plays(story, order)
    return order


def _completed(story: Story, orders: list[Order]) -> int:
    return sum(1 for order in orders if story.engine.row(order).get("Status") == "completed")


def _plays(story: Story, order: Order) -> None:
    played = story.play(order)
    plays = played is not None and played.frames == round(24 * SECONDS)
    story.screen.check("it plays from its permanent address to the last frame", plays, found=str(played or "no"))
    story.remark(order, f"plays: {played}" if plays else "does not play")


def _joined(story: Story, name: str, hue: float) -> Order:
    scene = story.world.nca.put_input(f"{name}.mp4", make.video(seconds=SECONDS, hue=hue))
    return story.engine.concatenate(name, [scene])


def _older(story: Story, order: Callable[[], Order]) -> Order:
    """An order as if it had been given six minutes ago: younger rows are left to their callback."""
    clock = story.world.airtable.clock
    clock.advance(-_OLD)
    try:
        return story.ordered(order())
    finally:
        clock.advance(_OLD)
