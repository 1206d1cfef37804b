"""What each built-in rule means and what to do about it, for people: plain and short, in English."""

TEXTS: dict[str, tuple[str, str]] = {
    "h2_prealarm": (
        "Hydrogen is at or over 1 % by volume, a quarter of what can burn. The fan has been started. A room whose"
        " ventilation works stays below this, so fan, charger or cells are not as they should be.",
        "Check that air moves, that the charger is not in boost longer than planned, and look for hot or boiling "
        "cells. No sparks, no open flame, no switching of loads in the room.",
    ),
    "h2_alarm": (
        "Hydrogen is at or over 2 % by volume, half of what can burn. The fan runs, boost charge is stopped, the "
        "buzzer sounds.",
        "Leave the room and keep others out. Do not switch anything in it. Let it be ventilated until the "
        "detector reads well below 1 %, find the cause, then acknowledge and reset.",
    ),
    "h2_fault": (
        "The hydrogen detector cannot be believed: fault, no answer, no change of its heartbeat, warm-up that does "
        "not end, or 2 % shown while it warms up. The fan runs until three good samples came.",
        "Check the detector's supply, its status lamp, its cable and its address. Treat the room as one with gas.",
    ),
    "h2_contacts_impossible": (
        "The 2 % contact is closed while the 1 % contact is open. That cannot be: a wire is broken, swapped or "
        "shorted. The 2 % contact is believed and the fan runs.",
        "Check the wiring of both contacts and their sense (normally open or closed) in the device profile.",
    ),
    "fan_fail": (
        "The fan was demanded, and within its run-up time the relay did not read back or no airflow was seen.",
        "Check contactor, motor protection, belt and damper. Open doors for natural ventilation and stop boost "
        "charge until air moves again, then acknowledge and reset.",
    ),
    "airflow_low": (
        "Airflow was proven and then was lost while the fan is demanded.",
        "Check fan, filter, damper and the airflow switch. Then acknowledge and reset.",
    ),
    "h2_not_falling": (
        "Air has moved for half an hour and hydrogen is not lower: the air does not reach the gas, or more gas is"
        " made than the fan can carry away.",
        "Stop boost charge, check the inlet, look for cells in thermal runaway. Then acknowledge and reset.",
    ),
    "els_level_yellow": (
        "The electrolyte of this cell has fallen to its warning level (sensor shows yellow).",
        "Plan to fill up with purified water at the next visit. Never fill with acid.",
    ),
    "els_level_red": (
        "The electrolyte of this cell is at its alarm level (sensor shows red): plates may soon stand dry.",
        "Fill up with purified water now; the sensor's red light marks the cell. Fill after charging, not before.",
    ),
    "els_temp_warning": (
        "The level sensor measures a warm cell.",
        "Check room temperature and charging current; compare the neighbours.",
    ),
    "els_temp_alarm": (
        "The level sensor measures a hot cell.",
        "Reduce or stop charging and find out why; watch for thermal runaway.",
    ),
    "temp_difference": (
        "The two temperature sensors of this jar differ: one is loose or wrong, or the jar is hot at one place.",
        "Check how both sensors are fixed. A hot terminal points to a loose connection.",
    ),
    "els_low_1plus": (
        "At least one cell of this string has a low electrolyte level.",
        "Look for the cells marked red and fill them up with purified water.",
    ),
    "els_low_4plus": (
        "Four or more cells of this string have a low electrolyte level: this is not one leaking cell.",
        "Check charging voltage and temperature of the whole string, then fill up.",
    ),
    "jar_voltage_high_warning": (
        "This jar's voltage is over its window.",
        "Compare the string's other jars: one high jar often means a low one beside it.",
    ),
    "jar_voltage_high_alarm": (
        "This jar's voltage is far over its window: it is overcharged, gasses and dries out.",
        "Check the charger's voltage and the jar's connections; look for a shorted jar in the string.",
    ),
    "jar_voltage_low_warning": (
        "This jar's voltage is under its window.",
        "Watch it; an equalising charge may be due. A jar that stays low is on its way out.",
    ),
    "jar_voltage_low_alarm": (
        "This jar's voltage is far under its window: a shorted cell, a deep discharge or a broken sense wire.",
        "Check connections and sense wires, then measure by hand; prepare a replacement.",
    ),
    "jar_resistance_warning": (
        "This jar's internal resistance is a fifth over its own baseline: it ages, or a connection is loose.",
        "Check the torque of its terminals and plan a capacity test.",
    ),
    "jar_resistance_alarm": (
        "This jar's internal resistance is 30 % over its own baseline: under load the string may fail here.",
        "Check its terminals, then replace the jar.",
    ),
    "jar_temp_warning": (
        "This jar is warm, or warmer than the room around it. Every 10 K halves its life.",
        "Check room cooling and charging current; compare the neighbours.",
    ),
    "jar_temp_alarm": (
        "This jar is hot, or much warmer than the room around it.",
        "Reduce or stop charging, check its terminals, watch for thermal runaway.",
    ),
    "jar_deviation": (
        "This jar's voltage is away from the median of its string.",
        "Watch it over a week; an equalising charge may be due.",
    ),
    "string_current_warning": (
        "The float current is three times what it was over the last week: cells short, age or get hot.",
        "Look at jar temperatures and voltages of this string.",
    ),
    "string_current_alarm": (
        "The float current is six times what it was over the last week, or over the limit set for this site.",
        "Check charging voltage and jar temperatures now; consider to disconnect the string.",
    ),
    "string_voltage_high": (
        "The string's voltage is over its limit: the charger gives too much, more gas is made.",
        "Check the charger's settings and its temperature compensation.",
    ),
    "string_voltage_low": (
        "The string's voltage is under its limit: no charge, or the end of a discharge is near.",
        "Check the charger and the mains; shed load if the battery is carrying it.",
    ),
    "thermal_runaway": (
        "A jar heats itself: much warmer than the room while the float current has tripled, or 50 °C on charge. "
        "Stopping the charge has been requested and the fan runs.",
        "Make sure that the charge is off. Keep people out. Let it cool; call the fire service when it smokes. "
        "Then acknowledge and reset.",
    ),
    "device_lost": (
        "This device does not answer. What hangs on it is unknown, not healthy.",
        "Check its supply, its cable and its address; `ampward probe` shows what comes back.",
    ),
    "bus_lost": (
        "This line is gone: no link, or no device of it answers. Alarms of what hangs on it are suppressed by this.",
        "Check the converter, the cable and the termination; for a network, the switch.",
    ),
    "module_lost": (
        "The module of this jar gives no values, though its manager answers.",
        "Check the module's light and its bus cable; a dead repeater takes all modules behind it along.",
    ),
    "signal_fault": (
        "This signal has no good value: broken wire, sensor fault or out of its range.",
        "Check sensor and wiring; `ampward probe` shows the raw value.",
    ),
    "trip_unexplained": (
        "At start the output was on, and nothing in the log says why. It stays on for its run-on time.",
        "Find out who or what switched it: a trip while the box was off, or a wired override. Then reset.",
    ),
    "output_contested": (
        "Something else keeps switching this output off while it is demanded.",
        "Find the other master of the relay module and take its access away. Then reset.",
    ),
    "relay_foreign_write": (
        "The relay changed without an order of ours.",
        "Find out who wrote to the relay module; only one master may.",
    ),
    "output_mismatch": (
        "The relay does not read back what was written.",
        "Check the relay module: supply, write protection, a welded contact.",
    ),
    "watchdog_off": (
        "The relay module's own watchdog is off or set otherwise than the profile says: when this box dies, the "
        "fan may stay off.",
        "Switch it on with the time of the profile; `ampward commission` proves it.",
    ),
    "matrix_cause": (
        "The causes of a line of this site's own matrix are fulfilled.",
        "See the causes in the site file under matrix.",
    ),
    "log_undurable": (
        "The log cannot be written. Protection goes on from memory; what comes in may be lost at a power cut.",
        "Free space or replace the disk.",
    ),
    "log_damaged": (
        "The log was damaged. It was set aside and a new one began with the state at its last good record.",
        "Keep the folder named damaged-...; check the disk; `ampward verify` says which record.",
    ),
    "disk_low": (
        "Little space is left on the log's disk.",
        "Free space, or shorten how long frames are kept.",
    ),
    "clock_step": (
        "The wall clock jumped. No decision depends on it, but stamps around this moment are not to be trusted.",
        "Check the time service of this box.",
    ),
    "delivery_failing": (
        "Messages do not arrive by this channel. They are tried again and go by other channels where there are any.",
        "Check network, address and credentials of the channel; `ampward test-channel` sends a test message.",
    ),
    "calibration_overdue": (
        "The hydrogen detector was not calibrated for longer than the site allows. It still measures and trips, but "
        "how well is not known.",
        "Calibrate it with test gas and record it with `ampward calibrated`, or replace its head (`ampward replace`).",
    ),
    "proof_test_overdue": (
        "The output was not proven for longer than the site allows: nobody has seen lately that it does what is "
        "demanded.",
        "Run `ampward test` while its effect can be seen, or commission it anew; a proof by hand is recorded with "
        "`ampward proof-tested`.",
    ),
    "replay_differs": (
        "The nightly replay derived other events from the same inputs.",
        "Keep the data folder and send the report of `ampward replay` to the maker: this must not happen.",
    ),
    "site_lost": (
        "Nothing comes from this site any more. It goes on protecting its rooms and tells people by its own ways; what "
        "is shown of it here is old.",
        "Call the site. Check its power, its network and the box; `ampward status` there says how its uplink stands.",
    ),
    "link_lost": (
        "The site is heard, but its records do not arrive or are not decided on: evidence and comparison stand still.",
        "Look at the backlog of the site in the list of sites, at its uplink, and at the log of the processor.",
    ),
    "service_lost": (
        "No replica of this service of the centre gives a sign of life.",
        "Look at its log and start it again. Sites decide and tell what is critical without the centre.",
    ),
    "block_differs": (
        "The centre derived other events from the inputs of this site than the site itself. The site's own are valid.",
        "Keep the records and send them to the maker: this must not happen. Then acknowledge and reset.",
    ),
    "poison": (
        "A record of this site could not be read. Its exact bytes are kept among the dead letters.",
        "Look at the dead letter: a foreign writer, a wrong key or damage. Then acknowledge and reset.",
    ),
    "ruleset_drift": (
        "The site does not go by the file that was pushed to it: it refused it, or it was changed on the box.",
        "`ampward fleet drift` says which file and why. Push it again, or push what the site has.",
    ),
    "certificate_expiring": (
        "A certificate ends within 30 days; then its connections are refused.",
        "`ampward renew` for a site, a start of the servers for theirs, or your authority for certificates of its own.",
    ),
    "token_expiring": (
        "A token ends within 30 days; then its holder is refused.",
        "Make a new one with `ampward user` and give it to its holder, or let it end.",
    ),
}
"""By rule id: what it means, what to do."""
