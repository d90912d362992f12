"""Multi-agent MuJoCo: robots whose joints are shared among agents, and datasets of them."""
