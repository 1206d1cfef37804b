"""Seeded bugs of containers, manifests and of what waits in them."""

from tests.mutants.mutant import Mutant

SET_UP = "tests/fleet/test_set_up.py"
COMPOSE = "tests/infra/test_compose.py"
CLUSTER = "tests/infra/test_kubernetes.py"
FLOWS = "tests/infra/test_flows.py"
READY = "tests/services/fleet/test_ready.py"
EARS = "tests/services/fleet/test_ears.py"

MUTANTS = (
    Mutant(
        "an image gets what is asked for and not what that needs",
        "infra/docker/lock.py",
        "    while len(chosen) != size:\n",
        "    while size < 0 and len(chosen) == 0:\n",
        f"{COMPOSE}::test_an_image_gets_the_lock_without_the_developers_part",
    ),
    Mutant(
        "an image is made for a service that does not exist",
        "infra/docker/start",
        "sys.exit(sys.argv[1] not in SERVICES and",
        "sys.exit(False and",
        f"{COMPOSE}::test_an_image_is_made_for_a_service_that_exists",
    ),
    Mutant(
        "a service begins before its topics are there",
        "services/site/command/waiting.py",
        'return "; ".join(str(drift) for drift in found if not drift.setting)',
        'return ""',
        f"{SET_UP}::test_a_service_waits_for_its_topics_and_then_begins",
    ),
    Mutant(
        "a service that waits for PostgreSQL does not",
        "services/site/command/waiting.py",
        'return (await _kafka(plan, topics) if topics else "") or (await _postgres(plan) if database else "")',
        'return await _kafka(plan, topics) if topics else ""',
        f"{SET_UP}::test_a_service_that_waits_ends_by_term",
    ),
    Mutant(
        "what was ended in the book is not said to the cluster",
        "services/fleet/set_up.py",
        "    entries = book.entries()\n",
        "    entries = tuple(entry for entry in book.entries() if not entry.is_ended)\n",
        f"{SET_UP}::test_topics_and_registrations_are_made_once",
    ),
    Mutant(
        "a site comes to others' Kafka without a name",
        "services/fleet/identities.py",
        "site_user(entry.site) if password or self.users_elsewhere else",
        "site_user(entry.site) if password else",
        f"{SET_UP}::test_where_others_make_kafkas_users_a_site_has_the_name_of_its_own",
    ),
    Mutant(
        "a pod may write to its root",
        "infra/kubernetes/base/notifier.yaml",
        "readOnlyRootFilesystem: true",
        "readOnlyRootFilesystem: false",
        f"{CLUSTER}::test_every_pod_is_a_plain_user_who_can_change_nothing",
    ),
    Mutant(
        "a certificate of the bridge ends and nobody was told",
        "infra/kubernetes/overlays/production/kustomization.yaml",
        "optional: true, items: [{key: ca.crt, path: mqtt-ca.pem}, {key: tls.crt, path: mqtt.pem}]",
        "optional: true, items: [{key: ca.crt, path: mqtt-ca.pem}]",
        f"{CLUSTER}::test_every_certificate_that_a_service_mounts_is_looked_at_by_the_supervisor",
    ),
    Mutant(
        "a certificate stands at the supervisor that its configuration does not name",
        "infra/kubernetes/overlays/production/fleet.yaml",
        'certificates: ["/run/ampward/*.pem"]',
        'certificates: ["/run/ampward/kafka-ca.pem"]',
        f"{CLUSTER}::test_every_certificate_that_a_service_mounts_is_looked_at_by_the_supervisor",
    ),
    Mutant(
        "the supervisor holds the bridge's key beside its certificate",
        "infra/kubernetes/overlays/production/kustomization.yaml",
        "path: mqtt.pem}]}}\n      # Replicas",
        "path: mqtt.pem}, {key: tls.key, path: mqtt.key}]}}\n      # Replicas",
        f"{FLOWS}::test_no_pod_holds_the_key_of_a_server_that_it_does_not_ask",
    ),
    Mutant(
        "lag asks for more replicas than there are partitions",
        "infra/kubernetes/overlays/production/scaling.yaml",
        "maxReplicaCount: 24",
        "maxReplicaCount: 25",
        f"{CLUSTER}::test_replicas_never_outnumber_partitions",
    ),
    Mutant(
        "a flow leaves that nobody lets in",
        "infra/kubernetes/overlays/single-node/network.yaml",
        "from: [{podSelector: {matchExpressions: [{key: app.kubernetes.io/component, operator: In, values: [notifier,",
        "from: [{podSelector: {matchExpressions: [{key: app.kubernetes.io/component, operator: In, values: [nobody,",
        f"{CLUSTER}::test_every_flow_has_both_its_ends",
    ),
    Mutant(
        "the supervisor may not ask its database",
        "infra/kubernetes/overlays/production/network.yaml",
        "values: [notifier, history, bridge, supervisor, gateway]",
        "values: [notifier, history, bridge, gateway]",
        f"{FLOWS}::test_a_service_may_reach_what_its_program_can_speak_to_and_nothing_else",
    ),
    Mutant(
        "a service tells nobody how it is",
        "infra/kubernetes/base/network.yaml",
        "values: [processor, kpi, notifier, history, bridge, supervisor, gateway]",
        "values: [processor, kpi, notifier, bridge, supervisor, gateway]",
        f"{FLOWS}::test_the_doors_of_a_service_are_open_to_those_whom_they_are_for",
    ),
    Mutant(
        "a processor holds the database's password",
        "infra/kubernetes/base/processor.yaml",
        "            sources: []\n",
        "            sources: [{secret: {name: ampward-postgres, items: [{key: url, path: postgres.url}]}}]\n",
        f"{FLOWS}::test_no_pod_holds_the_key_of_a_server_that_it_does_not_ask",
    ),
    Mutant(
        "a supervisor is ready without its database",
        "services/fleet/supervise_ready.py",
        "self._lease is not None and not self._lease.why()",
        "self._lease is not None",
        f"{READY}::test_a_supervisor_is_ready_while_its_database_answers",
    ),
    Mutant(
        "a supervisor that hears no broker is ready",
        "services/fleet/supervise_read.py",
        "self._reader is None or self._reader.standing.is_away",
        "self._reader is not None and self._reader.standing.is_away",
        f"{EARS}::test_who_has_no_broker_is_deaf",
    ),
    Mutant(
        "Ctrl-C while a folder is made is told as a fault",
        "services/fleet/launcher.py",
        "            if not signals.ended.is_set():\n                raise\n",
        "            raise\n",
        "tests/fleet/test_launcher.py::test_ctrl_c_while_a_servers_folder_is_made_is_an_orderly_end",
    ),
)
