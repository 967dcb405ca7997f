"""server.properties of the embedded broker: one node that is broker and controller, small and quick to start."""

from collections.abc import Mapping
from pathlib import Path

NODE_ID = 1

ONE_NODE = {
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "default.replication.factor": "1",
}

QUICK = {
    # 50 partitions each by default: most of the wait of the first group join and the first transaction.
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    # So that tests of a dead member need not wait 6 s, nor for an abandoned transaction 10 s longer than it asked.
    "group.min.session.timeout.ms": "1000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # The 128 MB default of the cleaner is a quarter of the heap.
    "log.cleaner.dedupe.buffer.size": "16777216",
    "background.threads": "4",
    # Otherwise the controller writes a record of nothing to its log, and to the disk, twice a second.
    "metadata.max.idle.interval.ms": "0",
    # A broker killed and started again may register once its old session has ended: 9 s by default.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}

STRICT = {
    "auto.create.topics.enable": "false",
    "unclean.leader.election.enable": "false",
    # Replays carry the timestamps of the data: any age is accepted (and retention.ms still deletes it: set -1).
    "log.message.timestamp.before.max.ms": str(2**63 - 1),
}


def second_listener(
    port: int, controller_port: int, name: str, second: int, advertised: int, protocol: str = "PLAINTEXT"
) -> dict[str, str]:
    """Properties that win over ours for a second way to the broker: it listens at `second` too, and sends who comes
    that way to `advertised`. `port` and `controller_port` stay its own."""
    return {
        "listeners": f"BROKER://127.0.0.1:{port},{name}://127.0.0.1:{second},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"BROKER://127.0.0.1:{port},{name}://127.0.0.1:{advertised}",
        "listener.security.protocol.map": f"BROKER:PLAINTEXT,{name}:{protocol},CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": f"{NODE_ID}@127.0.0.1:{controller_port}",
    }


def secured_listeners(
    ports: tuple[int, int], login: int, mutual: int, files: tuple[Path, Path], users: Mapping[str, str]
) -> dict[str, str]:
    """Properties that win over ours for a broker with an authorizer, and two ways to it that ask who comes.

    `ports`: its own port, where everybody is a super user, and the controller's. `login`: a port of SASL over TLS, for
    PLAIN with the passwords in `users`, SCRAM, and unsigned OAUTHBEARER tokens. `mutual`: a port of TLS with a
    certificate of the client, whose common name is the user. `files`: the broker's key and certificate in one file,
    and the certificate of the authority, as PEM.
    """
    port, controller_port = ports
    module = "org.apache.kafka.common.security"
    passwords = " ".join(f'user_{name}="{password}"' for name, password in users.items())
    at, own = "127.0.0.1", f"BROKER://127.0.0.1:{port}"
    extra = f"LOGIN://{at}:{login},MUTUAL://{at}:{mutual}"
    jaas = "listener.name.login.{}.sasl.jaas.config"
    return {
        "listeners": f"{own},{extra},CONTROLLER://{at}:{controller_port}",
        "advertised.listeners": f"{own},{extra}",
        "listener.security.protocol.map": "BROKER:PLAINTEXT,LOGIN:SASL_SSL,MUTUAL:SSL,CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": f"{NODE_ID}@{at}:{controller_port}",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(files[0]),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(files[1]),
        "listener.name.mutual.ssl.client.auth": "required",
        "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/,DEFAULT",
        "listener.name.login.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
        jaas.format("plain"): f"{module}.plain.PlainLoginModule required {passwords};",
        jaas.format("scram-sha-256"): f"{module}.scram.ScramLoginModule required;",
        jaas.format("scram-sha-512"): f"{module}.scram.ScramLoginModule required;",
        jaas.format("oauthbearer"): f"{module}.oauthbearer.OAuthBearerLoginModule required "
        'unsecuredLoginStringClaim_sub="broker";',
        "listener.name.login.oauthbearer.sasl.server.callback.handler.class": f"{module}.oauthbearer.internals."
        "unsecured.OAuthBearerUnsecuredValidatorCallbackHandler",
    }


def server_properties(port: int, controller_port: int, log_dir: Path, extra: Mapping[str, str]) -> str:
    """The file's text. `extra` wins over every line of ours, e.g. `advertised.listeners` for a proxy in between."""
    wired = {
        "process.roles": "broker,controller",
        "node.id": str(NODE_ID),
        "controller.quorum.voters": f"{NODE_ID}@127.0.0.1:{controller_port}",
        "listeners": f"BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"BROKER://127.0.0.1:{port}",
        "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "BROKER",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(log_dir),
    }
    lines = {**wired, **ONE_NODE, **QUICK, **STRICT, **extra}
    return "".join(f"{key}={value}\n" for key, value in lines.items())
