"""A site's inputs and events on their way to the fleet, in order; the fleet's orders on their way down."""
