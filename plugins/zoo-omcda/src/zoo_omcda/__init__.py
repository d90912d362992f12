"""OMCDA and its ablations: how far each agent may leave the data follows from its influence on the team's return."""
