"""What the gate needs to read keys, connected."""

from doorward.config.schema import Config
from doorward.flows.key_entry import TokenTerms
from doorward.outside.hasher import PooledHasher
from doorward.web.gate.key_failures import KeyFailures
from doorward.web.gate.key_reader import KeyReader
from doorward.web.gate.table import SessionTable


def connect_key_reader(
    config: Config, hasher: PooledHasher, table: SessionTable, tokens: TokenTerms | None = None
) -> KeyReader:
    """Keys as they are now, whatever way they were hashed."""
    return KeyReader(
        table,
        parameter=config.api_keys.url_parameter.encode("ascii"),
        failures=KeyFailures(config.limits.key_failure),
        read_token=tokens.read if tokens is not None else None,
        verify=hasher.verify_key,
    )
