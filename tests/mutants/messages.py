"""Seeded bugs between an event and a person: channels, retries, repeats."""

from tests.mutants.mutant import Mutant

EMAIL = "services/notifier/email.py"
LETTER = "services/notifier/letter.py"
OUTSIDE = "shared/runtime/outside.py"
POST = "services/notifier/post.py"
REACH = "services/notifier/reach.py"
WEBHOOK = "services/notifier/webhook.py"
T_EMAIL = "tests/services/notifier/test_email.py"
T_LETTER = "tests/services/notifier/test_letter.py"
T_NETWORK = "tests/services/notifier/test_network.py"
T_WEBHOOK = "tests/services/notifier/test_webhook.py"

MUTANTS = (
    Mutant(
        "a line that breaks after the final dot is no repeat",
        EMAIL,
        'return Failed(f"{self._server} broke the line ({progress.at})", maybe_taken=progress.is_handed_over)',
        'return Failed(f"{self._server} broke the line ({progress.at})")',
        f"{T_EMAIL}::test_a_line_that_breaks_after_the_final_dot_may_have_taken_it",
    ),
    Mutant(
        "STARTTLS that is not offered is done without",
        EMAIL,
        'if not client.supports_extension("starttls"):\n                    raise',
        'if client.supports_extension("x"):\n                    raise',
        f"{T_EMAIL}::test_starttls_that_is_not_offered_is_no_plain_line",
    ),
    Mutant(
        "a password crosses any line",
        EMAIL,
        'return tls != "none" or ',
        'return tls != "tls" or ',
        f"{T_EMAIL}::test_a_password_never_crosses_a_foreign_line_in_clear",
    ),
    Mutant(
        "a slow goodbye makes a taken mail fail",
        EMAIL,
        "return progress.taken[0] if progress.taken else failed",
        "return failed",
        f"{T_EMAIL}::test_a_slow_goodbye_takes_nothing_back",
    ),
    Mutant(
        "a mail that is put off is given up",
        EMAIL,
        "if code >= 500 and is_about_it",
        "if code >= 400 and is_about_it",
        f"{T_EMAIL}::test_each_refusal_is_told_for_what_it_is",
    ),
    Mutant(
        "a name ends its header",
        LETTER,
        "shown = one_line(name, NAME_CHARACTERS_MAX)",
        "shown = name[:NAME_CHARACTERS_MAX]",
        f"{T_LETTER}::test_no_name_breaks_out_of_its_header",
    ),
    Mutant(
        "an IPv4 address inside an IPv6 one is public",
        OUTSIDE,
        "return ip.ipv4_mapped or ip.sixtofour or ip",
        "return ip",
        f"{T_NETWORK}::test_every_other_address_is_not",
    ),
    Mutant(
        "the name is resolved a second time",
        REACH,
        "target.url.copy_with(host=address)",
        "target.url",
        f"{T_WEBHOOK}::test_the_next_address_of_a_name_is_tried",
    ),
    Mutant(
        "a proxy of the environment is used",
        REACH,
        "trust_env=False",
        "trust_env=True",
        f"{T_WEBHOOK}::test_a_proxy_of_the_environment_is_not_used",
    ),
    Mutant(
        "the body is read to its end",
        REACH,
        "if left >= DRAIN_BYTES_MAX:",
        "if left >= 1 << 40:",
        f"{T_WEBHOOK}::test_a_huge_answer_is_not_read",
    ),
    Mutant(
        "patience has no bound",
        REACH,
        "return min(max(wanted, 0), RETRY_AFTER_MS_MAX)",
        "return max(wanted, 0)",
        f"{T_WEBHOOK}::test_patience_that_is_asked_for_is_given_within_bounds",
    ),
    Mutant(
        "the signature leaves out the id",
        WEBHOOK,
        'signed = f"{message_id}.{at_s}.".encode() + body',
        'signed = f"{at_s}.".encode() + body',
        f"{T_WEBHOOK}::test_another_program_verifies_the_signature",
    ),
    Mutant(
        "a repeat of an alarm has the first one's event id",
        WEBHOOK,
        "if len(message.event_ids) == 1 and ",
        "if len(message.data) == 1 and not message.repeat or ",
        f"{T_WEBHOOK}::test_every_other_message_is_an_event_of_its_own",
    ),
    Mutant(
        "what was under way at a crash is sent again without a word",
        POST,
        'replace(row, state="failed", repeat=True) if again else row',
        'replace(row, state="failed") if again else row',
        "tests/services/notifier/test_crash.py::test_a_kill_at_any_step_loses_nothing_and_doubles_at_most_what_was_under_way",
    ),
)
