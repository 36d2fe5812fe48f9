"""A small diffusion model, whose activations change with the timestep."""
