"""What each built-in rule means and what to do about it, in German; the English texts are shared.domain.guidance's."""

TEXTS: dict[str, tuple[str, str]] = {
    "h2_prealarm": (
        "Wasserstoff hat 1 Vol.-% erreicht, ein Viertel der Zündgrenze. Der Lüfter wurde gestartet. Ein Raum mit "
        "wirksamer Lüftung bleibt darunter: Lüfter, Ladegerät oder Zellen sind nicht in Ordnung.",
        "Prüfen, ob Luft strömt und ob das Ladegerät länger als geplant stark lädt; auf heiße oder kochende Zellen "
        "achten. Keine Funken, keine offene Flamme, nichts im Raum schalten.",
    ),
    "h2_alarm": (
        "Wasserstoff hat 2 Vol.-% erreicht, die Hälfte der Zündgrenze. Der Lüfter läuft, die Starkladung ist gesperrt, "
        "der Summer ertönt.",
        "Raum verlassen und andere fernhalten. Nichts im Raum schalten. Lüften lassen, bis der Melder deutlich unter "
        "1 % zeigt, Ursache finden, dann quittieren und zurücksetzen.",
    ),
    "h2_fault": (
        "Dem Wasserstoffmelder ist nicht zu trauen: Störung, keine Antwort, kein Lebenszeichen oder ein Warmlauf, der "
        "nicht endet. Der Lüfter läuft, bis drei gute Messwerte kamen.",
        "Versorgung, Statuslampe, Leitung und Adresse des Melders prüfen. Den Raum behandeln, als wäre Gas darin.",
    ),
    "h2_contacts_impossible": (
        "Der 2-%-Kontakt ist geschlossen, der 1-%-Kontakt offen. Das kann nicht sein: ein Draht ist gebrochen, "
        "vertauscht oder kurzgeschlossen. Dem 2-%-Kontakt wird geglaubt, der Lüfter läuft.",
        "Verdrahtung beider Kontakte und ihre Wirkrichtung (Öffner, Schließer) im Geräteprofil prüfen.",
    ),
    "fan_fail": (
        "Der Lüfter wurde angefordert, und in seiner Anlaufzeit kam keine Rückmeldung des Relais oder kein Luftstrom.",
        "Schütz, Motorschutz, Riemen und Klappe prüfen. Türen öffnen und Starkladung beenden, bis wieder Luft strömt, "
        "dann quittieren und zurücksetzen.",
    ),
    "airflow_low": (
        "Der Luftstrom war da und ging verloren, während der Lüfter angefordert ist.",
        "Lüfter, Filter, Klappe und Strömungswächter prüfen. Dann quittieren und zurücksetzen.",
    ),
    "h2_not_falling": (
        "Seit einer halben Stunde strömt Luft, und der Wasserstoff wird nicht weniger: die Luft erreicht das Gas "
        "nicht, oder es entsteht mehr, als der Lüfter abführt.",
        "Starkladung beenden, Zuluft prüfen, auf thermisch durchgehende Zellen achten. Dann quittieren und "
        "zurücksetzen.",
    ),
    "els_level_yellow": (
        "Der Elektrolyt dieser Zelle ist auf die Warnhöhe gesunken (Sensor gelb).",
        "Beim nächsten Besuch gereinigtes Wasser nachfüllen. Niemals Säure.",
    ),
    "els_level_red": (
        "Der Elektrolyt dieser Zelle ist auf der Alarmhöhe (Sensor rot): bald stehen Platten trocken.",
        "Jetzt gereinigtes Wasser nachfüllen; das rote Licht des Sensors zeigt die Zelle. Nach dem Laden füllen, nicht "
        "davor.",
    ),
    "els_temp_warning": (
        "Der Füllstandssensor misst eine warme Zelle.",
        "Raumtemperatur und Ladestrom prüfen, mit den Nachbarn vergleichen.",
    ),
    "els_temp_alarm": (
        "Der Füllstandssensor misst eine heiße Zelle.",
        "Laden verringern oder beenden, Ursache suchen, auf thermisches Durchgehen achten.",
    ),
    "temp_difference": (
        "Die beiden Temperaturfühler dieses Blocks weichen voneinander ab: einer ist lose oder falsch, oder der Block "
        "ist an einer Stelle heiß.",
        "Befestigung beider Fühler prüfen. Ein heißer Pol deutet auf eine lose Verbindung.",
    ),
    "els_low_1plus": (
        "Mindestens eine Zelle dieses Strangs hat einen niedrigen Elektrolytstand.",
        "Die rot markierten Zellen suchen und gereinigtes Wasser nachfüllen.",
    ),
    "els_low_4plus": (
        "Vier oder mehr Zellen dieses Strangs haben einen niedrigen Elektrolytstand: das ist nicht eine "
        "undichte Zelle.",
        "Ladespannung und Temperatur des ganzen Strangs prüfen, dann nachfüllen.",
    ),
    "jar_voltage_high_warning": (
        "Die Spannung dieses Blocks liegt über ihrem Fenster.",
        "Mit den anderen Blöcken des Strangs vergleichen: neben einem hohen steht oft ein niedriger.",
    ),
    "jar_voltage_high_alarm": (
        "Die Spannung dieses Blocks liegt weit über ihrem Fenster: er wird überladen, gast und trocknet aus.",
        "Ladespannung und Verbindungen des Blocks prüfen; nach einem kurzgeschlossenen Block im Strang suchen.",
    ),
    "jar_voltage_low_warning": (
        "Die Spannung dieses Blocks liegt unter ihrem Fenster.",
        "Beobachten; vielleicht ist eine Ausgleichsladung fällig. Ein Block, der niedrig bleibt, geht zu Ende.",
    ),
    "jar_voltage_low_alarm": (
        "Die Spannung dieses Blocks liegt weit unter ihrem Fenster: Zellschluss, Tiefentladung oder gebrochene "
        "Messleitung.",
        "Verbindungen und Messleitungen prüfen, dann von Hand messen; Ersatz vorbereiten.",
    ),
    "jar_resistance_warning": (
        "Der Innenwiderstand dieses Blocks liegt ein Fünftel über seinem Ausgangswert: er altert, oder eine Verbindung "
        "ist lose.",
        "Anzugsmoment der Pole prüfen und eine Kapazitätsprüfung planen.",
    ),
    "jar_resistance_alarm": (
        "Der Innenwiderstand dieses Blocks liegt 30 % über seinem Ausgangswert: unter Last kann der Strang hier "
        "ausfallen.",
        "Pole prüfen, dann den Block ersetzen.",
    ),
    "jar_temp_warning": (
        "Dieser Block ist warm oder wärmer als der Raum. Alle 10 K halbieren seine Lebensdauer.",
        "Raumkühlung und Ladestrom prüfen, mit den Nachbarn vergleichen.",
    ),
    "jar_temp_alarm": (
        "Dieser Block ist heiß oder viel wärmer als der Raum.",
        "Laden verringern oder beenden, Pole prüfen, auf thermisches Durchgehen achten.",
    ),
    "jar_deviation": (
        "Die Spannung dieses Blocks weicht vom Median seines Strangs ab.",
        "Eine Woche beobachten; vielleicht ist eine Ausgleichsladung fällig.",
    ),
    "string_current_warning": (
        "Der Erhaltungsladestrom ist dreimal so hoch wie in der letzten Woche: Zellen haben Schluss, altern oder "
        "werden heiß.",
        "Temperaturen und Spannungen der Blöcke dieses Strangs ansehen.",
    ),
    "string_current_alarm": (
        "Der Erhaltungsladestrom ist sechsmal so hoch wie in der letzten Woche oder über der Grenze dieser Anlage.",
        "Ladespannung und Temperaturen jetzt prüfen; das Trennen des Strangs erwägen.",
    ),
    "string_voltage_high": (
        "Die Strangspannung liegt über ihrer Grenze: das Ladegerät gibt zu viel, es entsteht mehr Gas.",
        "Einstellungen und Temperaturführung des Ladegeräts prüfen.",
    ),
    "string_voltage_low": (
        "Die Strangspannung liegt unter ihrer Grenze: keine Ladung, oder das Ende einer Entladung ist nah.",
        "Ladegerät und Netz prüfen; Last abwerfen, wenn die Batterie sie trägt.",
    ),
    "thermal_runaway": (
        "Ein Block heizt sich selbst auf: viel wärmer als der Raum bei verdreifachtem Erhaltungsladestrom, oder 50 °C "
        "beim Laden. Das Ende der Ladung ist angefordert, der Lüfter läuft.",
        "Sicherstellen, dass nicht geladen wird. Menschen fernhalten. Abkühlen lassen; bei Rauch die Feuerwehr rufen. "
        "Dann quittieren und zurücksetzen.",
    ),
    "device_lost": (
        "Dieses Gerät antwortet nicht. Was daran hängt, ist unbekannt, nicht gesund.",
        "Versorgung, Leitung und Adresse prüfen; `ampward probe` zeigt, was zurückkommt.",
    ),
    "bus_lost": (
        "Diese Leitung ist weg: keine Verbindung, oder keines ihrer Geräte antwortet. Alarme dessen, was daran hängt, "
        "sind durch diesen unterdrückt.",
        "Wandler, Leitung und Abschluss prüfen; bei einem Netz den Switch.",
    ),
    "module_lost": (
        "Das Modul dieses Blocks liefert keine Werte, obwohl sein Manager antwortet.",
        "Lampe und Busleitung des Moduls prüfen; ein toter Repeater nimmt alle Module dahinter mit.",
    ),
    "signal_fault": (
        "Dieses Signal hat keinen guten Wert: Drahtbruch, Fühlerstörung oder außerhalb des Bereichs.",
        "Fühler und Verdrahtung prüfen; `ampward probe` zeigt den Rohwert.",
    ),
    "trip_unexplained": (
        "Beim Start war der Ausgang eingeschaltet, und nichts im Protokoll sagt warum. Er bleibt für seine "
        "Nachlaufzeit an.",
        "Herausfinden, wer oder was ihn eingeschaltet hat: eine Auslösung ohne diese Station oder ein verdrahteter "
        "Handschalter. Dann zurücksetzen.",
    ),
    "output_contested": (
        "Etwas anderes schaltet diesen Ausgang immer wieder aus, während er angefordert ist.",
        "Den zweiten Master des Relaismoduls finden und ihm den Zugang nehmen. Dann zurücksetzen.",
    ),
    "relay_foreign_write": (
        "Das Relais hat ohne unseren Auftrag geschaltet.",
        "Herausfinden, wer auf das Relaismodul geschrieben hat; nur ein Master darf das.",
    ),
    "output_mismatch": (
        "Das Relais meldet nicht zurück, was geschrieben wurde.",
        "Relaismodul prüfen: Versorgung, Schreibschutz, ein verschweißter Kontakt.",
    ),
    "watchdog_off": (
        "Der eigene Watchdog des Relaismoduls ist aus oder anders eingestellt als im Profil: fällt diese Station aus, "
        "kann der Lüfter stehen bleiben.",
        "Mit der Zeit aus dem Profil einschalten; `ampward commission` weist ihn nach.",
    ),
    "matrix_cause": (
        "Die Ursachen einer Zeile der eigenen Matrix dieser Anlage sind erfüllt.",
        "Die Ursachen stehen in der Anlagendatei unter matrix.",
    ),
    "log_undurable": (
        "Das Protokoll kann nicht geschrieben werden. Der Schutz läuft aus dem Speicher weiter; bei einem Stromausfall "
        "kann verloren gehen, was hereinkommt.",
        "Platz schaffen oder den Datenträger ersetzen.",
    ),
    "log_damaged": (
        "Das Protokoll war beschädigt. Es wurde beiseitegelegt und ein neues mit dem letzten guten Stand begonnen.",
        "Den Ordner damaged-... aufheben, den Datenträger prüfen; `ampward verify` nennt den Satz.",
    ),
    "disk_low": (
        "Auf dem Datenträger des Protokolls ist wenig Platz.",
        "Platz schaffen oder Rohdaten kürzer aufheben.",
    ),
    "clock_step": (
        "Die Uhr ist gesprungen. Keine Entscheidung hängt davon ab, aber Zeitstempel um diesen Moment sind unsicher.",
        "Den Zeitdienst dieser Station prüfen.",
    ),
    "replay_differs": (
        "Die nächtliche Wiederholung hat aus denselben Eingängen andere Ereignisse abgeleitet.",
        "Datenordner aufheben und den Bericht von `ampward replay` an den Hersteller geben: das darf nicht vorkommen.",
    ),
    "calibration_overdue": (
        "Der Wasserstoffmelder wurde länger nicht kalibriert, als die Anlage erlaubt. Er misst und löst weiter aus, "
        "aber wie gut, ist nicht bekannt.",
        "Mit Prüfgas kalibrieren und mit `ampward calibrated` eintragen, oder den Kopf tauschen (`ampward replace`).",
    ),
    "proof_test_overdue": (
        "Der Ausgang wurde länger nicht geprüft, als die Anlage erlaubt: Niemand hat in letzter Zeit gesehen, dass er "
        "tut, was verlangt wird.",
        "`ampward test` ausführen, während man die Wirkung sehen kann, oder neu in Betrieb nehmen; eine Prüfung von "
        "Hand wird mit `ampward proof-tested` eingetragen.",
    ),
    "delivery_failing": (
        "Auf diesem Weg kommen keine Nachrichten an. Sie werden weiter versucht und auf anderen Wegen gesendet, wo es "
        "welche gibt.",
        "Netz, Adresse und Zugangsdaten des Kanals prüfen; `ampward test-channel` sendet eine Testnachricht.",
    ),
    "site_lost": (
        "Von dieser Anlage kommt nichts mehr. Sie schützt ihre Räume weiter und meldet auf eigenen Wegen; was hier "
        "von ihr zu sehen ist, ist alt.",
        "Die Anlage anrufen. Strom, Netz und Station prüfen; `ampward status` zeigt dort den Stand der Verbindung.",
    ),
    "link_lost": (
        "Die Anlage ist zu hören, aber ihre Aufzeichnungen kommen nicht an oder werden nicht nachgerechnet.",
        "Den Rückstand in der Liste der Anlagen, die Verbindung der Anlage und das Protokoll des Prozessors ansehen.",
    ),
    "service_lost": (
        "Von diesem Dienst der Zentrale gibt es kein Lebenszeichen.",
        "Sein Protokoll ansehen und ihn neu starten. Anlagen entscheiden und melden Kritisches ohne die Zentrale.",
    ),
    "block_differs": (
        "Die Zentrale hat aus den Eingaben dieser Anlage andere Ereignisse abgeleitet als die Anlage selbst. Es gelten "
        "die der Anlage.",
        "Die Aufzeichnungen aufheben und an den Hersteller geben: Das darf nicht sein. Dann quittieren und "
        "zurücksetzen.",
    ),
    "poison": (
        "Ein Datensatz dieser Anlage war nicht lesbar. Seine genauen Bytes sind aufgehoben.",
        "Den Datensatz ansehen: fremder Schreiber, falscher Schlüssel oder Beschädigung. Dann quittieren und "
        "zurücksetzen.",
    ),
    "ruleset_drift": (
        "Die Anlage arbeitet nicht nach der verteilten Datei: Sie hat sie abgelehnt, oder sie wurde dort geändert.",
        "`ampward fleet drift` nennt Datei und Grund. Neu verteilen oder den Stand der Anlage verteilen.",
    ),
    "certificate_expiring": (
        "Ein Zertifikat endet in weniger als 30 Tagen; dann werden seine Verbindungen abgelehnt.",
        "`ampward renew` für eine Anlage, ein Neustart der Server für deren eigene, sonst die eigene "
        "Zertifizierungsstelle.",
    ),
    "token_expiring": (
        "Ein Zugangsschlüssel endet in weniger als 30 Tagen; dann wird sein Inhaber abgewiesen.",
        "Mit `ampward user` einen neuen machen und dem Inhaber geben, oder ihn enden lassen.",
    ),
}
"""By rule id: what it means, what to do."""
