"""Tests of the fleet's own services that need no server."""
