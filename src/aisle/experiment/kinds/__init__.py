"""How each family of models is fitted on a job; `experiment.registry` puts the families together."""
