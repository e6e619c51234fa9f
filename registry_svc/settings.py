"""The registry's environment."""

from pydantic import Field, HttpUrl

from chassis.outbound import Hosts
from chassis.settings import ServiceSettings
from registry_svc.choosing import Weights, WeightsSetting


class Settings(ServiceSettings):
    """Beside what every service reads.

    Attributes:
        probe_every_s: seconds between two probes of an agent that answers.
        probes_per_s: probes a second at most; with more agents than can be probed so within
            `probe_every_s`, each is probed less often.
        agent_hosts: hosts of agents, comma-separated, whose addresses may be private.
        reconcile_s: seconds between two looks whether agents have in hand what is counted.
        read_again_every_s: seconds between two looks at what an agent says of itself.
        choice_weights: how much skill, price, rating, load and latency count in a choice.
        summarizer_url: where this agent is; so for the other five.
    """

    probe_every_s: float = Field(default=5.0, gt=0, le=3600)
    probes_per_s: float = Field(default=100.0, gt=0)
    agent_hosts: Hosts = ()
    reconcile_s: float = Field(default=30.0, gt=0)
    read_again_every_s: float = Field(default=3_600.0, gt=0)
    choice_weights: WeightsSetting = Weights()
    summarizer_url: HttpUrl = HttpUrl("http://localhost:8001")
    translator_url: HttpUrl = HttpUrl("http://localhost:8002")
    search_url: HttpUrl = HttpUrl("http://localhost:8003")
    mock_busy_url: HttpUrl = HttpUrl("http://localhost:8004")
    mock_highprice_url: HttpUrl = HttpUrl("http://localhost:8005")
    mock_negotiator_url: HttpUrl = HttpUrl("http://localhost:8006")

    def agent_urls(self) -> dict[str, HttpUrl]:
        """Where the six agents are that the marketplace starts with, by their ids."""
        return {
            "summarizer": self.summarizer_url,
            "translator": self.translator_url,
            "search": self.search_url,
            "mock_busy": self.mock_busy_url,
            "mock_highprice": self.mock_highprice_url,
            "mock_negotiator": self.mock_negotiator_url,
        }
