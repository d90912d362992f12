"""DoF: diffusion factorised over agents."""
