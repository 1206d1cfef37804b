"""The bridge: sites whose devices only speak MQTT get a log at the centre (services.site.hosting runs them)."""
