"""What the YouTube Video Engine does: a row in Airtable for each job, then a job of NCA that names the row in its webhook."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.world import World

# A stream map such as the engine's: the picture of the first input under the sound of the second.
_VOICE_OVER = [
    {"option": "-map", "argument": "0:v:0"},
    {"option": "-map", "argument": "1:a:0"},
    {"option": "-c:v", "argument": "copy"},
    {"option": "-c:a", "argument": "aac"},
    {"option": "-shortest"},
]


@dataclass(frozen=True, slots=True)
class Order:
    """One job as the engine knows it: its row, the row its output belongs to, in which field, and NCA's id of it."""

    operation: str
    record_id: str
    table: str
    target_id: str
    field: str
    job_id: str

    @property
    def query(self) -> dict[str, str]:
        """What the webhook's address carries."""
        return {"job_id": self.record_id, "operation": self.operation}


class Engine:
    """The engine, with `WEBHOOK_BASE_URL` set to the stack's."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._base = world.airtable.base
        self._webhook_base_url = world.aws.webhook_base_url()

    def combine(self, name: str, video_url: str, voice_url: str) -> Order:
        """Put a voice under a segment's video."""
        segment = self._base.create("Segments", {"Name": name, "Status": "combining"})
        payload = {
            "inputs": [{"file_url": video_url}, {"file_url": voice_url}],
            "outputs": [{"options": _VOICE_OVER}],
        }
        links = {"Related Segment Video": [segment]}
        return self._order("combine", "/v1/ffmpeg/compose", payload, links, ("Segments", segment, "Voiceover + Video"))

    def concatenate(self, name: str, video_urls: Sequence[str], *, again: Order | None = None) -> Order:
        """Join segments to one video: a new one, or once more the one of an earlier order."""
        video = again.target_id if again else self._base.create("Videos", {"Name": name})
        payload = {"video_urls": [{"video_url": url} for url in video_urls]}
        links = {"Related Video": [video]}
        return self._order("concatenate", "/v1/video/concatenate", payload, links, ("Videos", video, "Combined Segments Video"))

    def row(self, order: Order) -> dict[str, Any]:
        """The job's own row, as Airtable shows it."""
        return self._base.get("Jobs", order.record_id)

    def target(self, order: Order) -> dict[str, Any]:
        """The row the output belongs to."""
        return self._base.get(order.table, order.target_id)

    def permanent_url(self, order: Order) -> str | None:
        """The address in the target's URL field, once it is there."""
        url = self.target(order).get(f"{order.field} URL")
        return str(url) if url else None

    def _order(
        self, operation: str, path: str, payload: Mapping[str, Any], links: Mapping[str, Any], target: tuple[str, str, str]
    ) -> Order:
        record_id = self._base.create("Jobs", {"Type": operation, "Status": "pending", **links})
        webhook = f"{self._webhook_base_url}/webhooks/nca-toolkit?job_id={record_id}&operation={operation}"
        request = {**payload, "id": record_id, "webhook_url": webhook}
        answer = self._world.nca.submit(path, request).json()
        # The engine keeps the request as the repr of a dict; the token in the address is not for everyone's eyes.
        row = {"Status": "processing", "External Job ID": answer["job_id"], "Request Payload": repr(dict(payload))}
        self._base.change("Jobs", record_id, row)
        table, target_id, field = target
        return Order(operation, record_id, table, target_id, field, answer["job_id"])
