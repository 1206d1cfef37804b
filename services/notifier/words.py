"""The catalogue of words for messages, English and German: names of rules, states, headings. One place for all texts.

Every key stands in both languages; a rule without a name of its own (the site's own rules) goes by its id.
"""

from services.notifier import german
from shared.domain import guidance

LANGUAGES = ("en", "de")

RULES: dict[str, tuple[str, str]] = {
    "h2_prealarm": ("Hydrogen 1 %", "Wasserstoff 1 %"),
    "h2_alarm": ("Hydrogen 2 %", "Wasserstoff 2 %"),
    "h2_fault": ("Gas detector fault", "Gasmelder gestört"),
    "h2_contacts_impossible": ("Gas contacts contradict", "Gaskontakte widersprechen sich"),
    "fan_fail": ("Fan failed", "Lüfter ausgefallen"),
    "airflow_low": ("Airflow lost", "Luftstrom verloren"),
    "h2_not_falling": ("Hydrogen does not fall", "Wasserstoff sinkt nicht"),
    "els_level_yellow": ("Electrolyte low", "Elektrolyt niedrig"),
    "els_level_red": ("Electrolyte very low", "Elektrolyt sehr niedrig"),
    "els_temp_warning": ("Cell warm", "Zelle warm"),
    "els_temp_alarm": ("Cell hot", "Zelle heiß"),
    "temp_difference": ("Temperatures differ", "Temperaturen weichen ab"),
    "els_low_1plus": ("Electrolyte low in string", "Elektrolyt im Strang niedrig"),
    "els_low_4plus": ("Electrolyte low, 4 or more", "Elektrolyt niedrig, 4 oder mehr"),
    "jar_voltage_high_warning": ("Jar voltage high", "Blockspannung hoch"),
    "jar_voltage_high_alarm": ("Jar voltage very high", "Blockspannung sehr hoch"),
    "jar_voltage_low_warning": ("Jar voltage low", "Blockspannung niedrig"),
    "jar_voltage_low_alarm": ("Jar voltage very low", "Blockspannung sehr niedrig"),
    "jar_resistance_warning": ("Jar resistance +20 %", "Blockwiderstand +20 %"),
    "jar_resistance_alarm": ("Jar resistance +30 %", "Blockwiderstand +30 %"),
    "jar_temp_warning": ("Jar warm", "Block warm"),
    "jar_temp_alarm": ("Jar hot", "Block heiß"),
    "jar_deviation": ("Jar deviates", "Block weicht ab"),
    "string_current_warning": ("Float current high", "Ladestrom hoch"),
    "string_current_alarm": ("Float current very high", "Ladestrom sehr hoch"),
    "string_voltage_high": ("String voltage high", "Strangspannung hoch"),
    "string_voltage_low": ("String voltage low", "Strangspannung niedrig"),
    "thermal_runaway": ("Thermal runaway", "Thermisches Durchgehen"),
    "device_lost": ("Device lost", "Gerät antwortet nicht"),
    "bus_lost": ("Bus lost", "Leitung antwortet nicht"),
    "module_lost": ("Module lost", "Modul antwortet nicht"),
    "signal_fault": ("Signal fault", "Signal gestört"),
    "trip_unexplained": ("Output on at start", "Ausgang beim Start an"),
    "output_contested": ("Output contested", "Ausgang umkämpft"),
    "relay_foreign_write": ("Relay written by others", "Relais fremd geschaltet"),
    "output_mismatch": ("Output not as written", "Ausgang nicht wie geschrieben"),
    "watchdog_off": ("Watchdog off", "Watchdog aus"),
    "matrix_cause": ("Matrix line", "Matrixzeile"),
    "log_undurable": ("Log not on disk", "Protokoll nicht gesichert"),
    "log_damaged": ("Log was damaged", "Protokoll war beschädigt"),
    "disk_low": ("Disk nearly full", "Datenträger fast voll"),
    "clock_step": ("Clock jumped", "Uhr gesprungen"),
    "replay_differs": ("Replay differs", "Wiederholung weicht ab"),
    "delivery_failing": ("Messages not delivered", "Nachrichten kommen nicht an"),
    "calibration_overdue": ("Calibration overdue", "Kalibrierung überfällig"),
    "proof_test_overdue": ("Proof test overdue", "Funktionsprüfung überfällig"),
    "site_lost": ("Site lost", "Anlage nicht zu hören"),
    "link_lost": ("Link lost", "Verbindung gestört"),
    "service_lost": ("Service lost", "Dienst ohne Lebenszeichen"),
    "block_differs": ("Derived events differ", "Abgeleitete Ereignisse weichen ab"),
    "poison": ("Record not readable", "Datensatz nicht lesbar"),
    "ruleset_drift": ("Rules drift", "Regeln weichen ab"),
    "certificate_expiring": ("Certificate ends", "Zertifikat läuft ab"),
    "token_expiring": ("Token ends", "Zugangsschlüssel läuft ab"),
}
"""Short names for subjects."""

WORDS: dict[str, tuple[str, str]] = {
    "critical": ("CRITICAL", "KRITISCH"),
    "alarm": ("ALARM", "ALARM"),
    "warning": ("WARNING", "WARNUNG"),
    "over": ("OVER", "VORBEI"),
    "closed": ("CLOSED", "BEENDET"),
    "test": ("TEST", "TEST"),
    "summary": ("SUMMARY", "ÜBERSICHT"),
    "again": ("again", "erneut"),
    "repeat": ("repeat", "Wiederholung"),
    "state": ("State", "Zustand"),
    "B": ("active, nobody has acknowledged", "aktiv, nicht quittiert"),
    "C": ("active, acknowledged", "aktiv, quittiert"),
    "D": ("back to normal, nobody has acknowledged", "wieder normal, nicht quittiert"),
    "E": ("latched, nobody has acknowledged", "verriegelt, nicht quittiert"),
    "F": ("latched, acknowledged", "verriegelt, quittiert"),
    "A": ("normal", "normal"),
    "value": ("Value", "Wert"),
    "limit": ("limit", "Grenze"),
    "since": ("Since", "Seit"),
    "at": ("At", "Um"),
    "alarm_id": ("Alarm", "Alarm"),
    "site": ("Site", "Anlage"),
    "room": ("Room", "Raum"),
    "meaning": ("What it means", "Bedeutung"),
    "to_do": ("What to do", "Zu tun"),
    "the_box": ("the box itself", "die Station selbst"),
    "evacuate": (
        "LEAVE THE ROOM NOW AND KEEP OTHERS OUT. Do not switch anything in it. Hydrogen is at half of what can burn.",
        "RAUM SOFORT VERLASSEN UND ANDERE FERNHALTEN. Nichts darin schalten. Wasserstoff hat die halbe Zündgrenze.",
    ),
    "next": (
        "Nobody has acknowledged this alarm, so it comes to you.",
        "Niemand hat diesen Alarm quittiert, daher kommt er zu Ihnen.",
    ),
    "reminder": (
        "This alarm is still not acknowledged. Acknowledge it to end these messages.",
        "Dieser Alarm ist noch nicht quittiert. Quittieren beendet diese Nachrichten.",
    ),
    "over_text": ("The condition is over.", "Die Bedingung ist vorbei."),
    "over_latched": (
        "The condition is over; the alarm is latched until somebody acknowledges and resets it.",
        "Die Bedingung ist vorbei; der Alarm bleibt verriegelt, bis ihn jemand quittiert und zurücksetzt.",
    ),
    "closed_text": (
        "The alarm is closed: its rule is no longer in the site file, or its end was not seen.",
        "Der Alarm ist beendet: seine Regel steht nicht mehr in der Anlagendatei, oder sein Ende wurde nicht gesehen.",
    ),
    "anew_text": (
        "This is not its end: the alarm was raised anew. What comes next about it comes in messages of its own.",
        "Das ist nicht sein Ende: der Alarm wurde neu ausgelöst. Weiteres dazu kommt in eigenen Nachrichten.",
    ),
    "is_anew": ("raised anew", "neu ausgelöst"),
    "escalated_text": ("The alarm has become graver.", "Der Alarm ist ernster geworden."),
    "again_text": ("The alarm is announced again.", "Der Alarm wird erneut gemeldet."),
    "open_text": ("The alarm is open.", "Der Alarm steht an."),
    "undurable": (
        "Told before it was in the log: the disk cannot be written at present (undurable).",
        "Gemeldet, bevor es im Protokoll stand: der Datenträger ist zurzeit nicht beschreibbar (undurable).",
    ),
    "repeated": (
        "You may have got this message before (repeat).",
        "Sie haben diese Nachricht vielleicht schon erhalten (Wiederholung).",
    ),
    "alarms": ("alarms", "Alarme"),
    "one_alarm": ("alarm", "Alarm"),
    "open": ("open", "offen"),
    "is_over": ("over", "vorbei"),
    "and_more": ("and {n} more", "und {n} weitere"),
    "group_text": (
        "Several things at once, put together so that at most one message a minute comes:",
        "Mehreres auf einmal, zusammengefasst, damit höchstens eine Nachricht in der Minute kommt:",
    ),
    "held_text": (
        "What happened while no message was sent (quiet hours, or nobody could be told):",
        "Was geschah, während keine Nachricht gesendet wurde (Ruhezeit, oder niemand war erreichbar):",
    ),
    "restored_text": (
        "This box was restored from a backup. What is open on it now; what was told before is told once more:",
        "Diese Station wurde aus einer Sicherung wiederhergestellt. Was auf ihr jetzt ansteht, auch schon Gemeldetes:",
    ),
    "until": ("until", "bis"),
    "why": ("Why", "Grund"),
    "who": ("By", "Von"),
    "place": ("Place", "Ort"),
    "whole_site": ("whole site", "ganze Anlage"),
    "maintenance_started": ("Maintenance", "Wartung"),
    "maintenance_ending": ("Maintenance ends soon", "Wartung endet bald"),
    "maintenance_ended": ("Maintenance ended", "Wartung beendet"),
    "maintenance_started_text": (
        "People work here. Alarms of this place are not told until the end, critical ones are; what is open at the end "
        "is told then. No output and no protection is switched off by it.",
        "Hier wird gearbeitet. Alarme dieses Ortes werden bis zum Ende nicht gemeldet, kritische schon; was am Ende "
        "ansteht, wird dann gemeldet. Kein Ausgang und kein Schutz wird dadurch abgeschaltet.",
    ),
    "maintenance_ending_text": (
        "From then on alarms of this place are told again. Who needs more time begins another maintenance then.",
        "Ab dann werden Alarme dieses Ortes wieder gemeldet. Wer länger braucht, beginnt dann eine neue Wartung.",
    ),
    "maintenance_ended_text": (
        "Alarms of this place are told again.",
        "Alarme dieses Ortes werden wieder gemeldet.",
    ),
    "test_text": (
        "This is a test of the way to you. Nothing has happened. When this message stays away one day, tell whoever "
        "looks after the site.",
        "Dies ist ein Test des Weges zu Ihnen. Es ist nichts geschehen. Bleibt diese Nachricht eines Tages aus, sagen "
        "Sie es den Betreuern der Anlage.",
    ),
    "supplements": (
        "Ampward supplements a listed gas detector and its hard-wired ventilation interlock; it does not replace them.",
        "Ampward ergänzt einen zugelassenen Gasmelder und seine fest verdrahtete Lüftungsschaltung; es ersetzt "
        "sie nicht.",
    ),
}


def word(key: str, language: str) -> str:
    """The text in the person's language; English for a language that the catalogue does not have."""
    return WORDS[key][1 if language == "de" else 0]


def rule_name(rule: str, language: str) -> str:
    names = RULES.get(rule)
    return rule if names is None else names[1 if language == "de" else 0]


def meaning(rule: str, language: str) -> tuple[str, str]:
    """What a rule's alarm means and what to do; two empty texts for a rule of the site's own."""
    return (german.TEXTS if language == "de" else guidance.TEXTS).get(rule, ("", ""))
