"""The mapping that is in force: the stack's own from its parameter, else the one in the package."""

from importlib.resources import files

from reelkeeper.adapters import clients
from reelkeeper.adapters.parameters import read_parameter
from reelkeeper.domain.mapping import Mapping, MappingError, read_mapping
from reelkeeper.settings import ConfigurationError, Settings


def mapping_of(settings: Settings) -> Mapping:
    """Raises ConfigurationError with the key and the remedy, or RetryLater while the parameter cannot be read."""
    name = settings.airtable.mapping_parameter
    text = read_parameter(clients.ssm(), name) if name else files("reelkeeper").joinpath("mapping.toml").read_text("utf-8")
    try:
        return read_mapping(text)
    except MappingError as error:
        raise ConfigurationError(f"{error} (in {name or 'the built-in mapping.toml'})") from error
