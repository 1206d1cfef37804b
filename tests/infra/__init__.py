"""Files of infra, judged without the machines they are for."""
