"""The fleet's centre: its servers started and stopped, its sites registered, its identities made and ended."""
