"""What operators see and send: the HTTP interface over a small port that the site process implements."""
